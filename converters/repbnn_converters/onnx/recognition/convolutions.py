"""Convolutions and dense layers: binary where the input is a sign and the weights have two values, else float."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np

from repbnn_converters.onnx import two_valued
from repbnn_converters.onnx.graph import Node
from repbnn_converters.onnx.network import (
    Conv,
    Dense,
    Pair,
)
from repbnn_converters.onnx.recognition import movement, scaled_signs
from repbnn_converters.onnx.recognition.binary_layers import Linear, binary, merged_pads, nearly_binary
from repbnn_converters.onnx.recognition.builder import Builder
from repbnn_converters.onnx.recognition.handlers import handles
from repbnn_converters.onnx.recognition.pooling import explicit_pads
from repbnn_converters.onnx.recognition.symbols import Moved, TwoValued
from repbnn_edge.errors import BadInputError

_EXPERTS = "binary layers need constant weights: networks that choose among experts have no binary form in LCE"


@handles("Conv")
def convolution(builder: Builder, node: Node) -> None:
    """Conv, grouped or not."""
    _refuse_double(builder, node)
    weights = _weights(builder, node, 1)
    if weights.ndim != 4:
        raise builder.unsupported(node, f"it is a convolution in {weights.ndim - 2} dimensions", "use Conv2d")
    bias = None
    if node.input(2):
        value = builder.known(node, 2)
        if value is None:
            raise builder.unsupported(node, "its bias depends on the input", "use a constant bias")
        bias = value.astype(np.float64)
    kernel: Pair = (weights.shape[2], weights.shape[3])
    strides, dilations = (tuple(node.attributes.get(name, [1, 1])) for name in ("strides", "dilations"))
    size = builder.shape(node, node.input(0))[2:]
    linear = Linear(
        weights=weights,
        bias=bias,
        strides=strides,
        dilations=dilations,
        pads=explicit_pads(builder, node, size, kernel, strides, dilations),
        groups=node.attributes.get("group", 1),
    )
    _layer(builder, node, linear)


@handles("Gemm")
def gemm(builder: Builder, node: Node) -> None:
    """A dense layer with bias."""
    if node.attributes.get("transA", 0):
        raise builder.unsupported(node, "it transposes its input", "use torch.nn.Linear")
    weights = _weights(builder, node, 1)
    if not node.attributes.get("transB", 0):
        weights = weights.T
    bias = None
    if node.input(2):
        constant = builder.known(node, 2)
        if constant is None or constant.size not in (1, len(weights)):
            raise builder.unsupported(node, "its bias is not one number per output", "use torch.nn.Linear")
        bias = np.broadcast_to(constant.reshape(-1), (len(weights),)) * float(node.attributes.get("beta", 1.0))
    weights = weights * np.float32(node.attributes.get("alpha", 1.0))
    _layer(builder, node, Linear(weights=weights[:, :, None, None], bias=bias, dense=True))


@handles("MatMul")
def matmul(builder: Builder, node: Node) -> None:
    """A dense layer without bias."""
    weights = _weights(builder, node, 1)
    if weights.ndim != 2 or len(builder.shape(node, node.input(0))) != 2:
        raise builder.unsupported(
            node, "it multiplies more than a vector by a matrix", "use torch.nn.Linear on vectors"
        )
    _layer(builder, node, Linear(weights=weights.T[:, :, None, None], bias=None, dense=True))


def _layer(builder: Builder, node: Node, linear: Linear) -> None:
    """What reads a sign times a factor reads the sign, and the factor comes behind it, where that is the same."""
    _check_fit(builder, node, linear)
    behind = scaled_signs.bare(builder, node, linear)
    if behind is None:
        _apply(builder, *_thinned(builder, node, linear))
        return
    _apply(builder, *_thinned(builder, behind.node, behind.linear))
    scaled_signs.multiply(builder, node, behind)


def _weights(builder: Builder, node: Node, index: int) -> np.ndarray[Any, np.dtype[np.float32]]:
    weights = builder.known(node, index)
    if weights is not None:
        return weights.astype(np.float32)
    if all(isinstance(builder.settle(node, i), TwoValued) for i in (0, index)):
        raise builder.unsupported(
            node, "it multiplies two binary maps", "LCE has binary layers of constant weights only"
        )
    raise builder.unsupported(node, "its weights depend on the input", _EXPERTS)


def _refuse_double(builder: Builder, node: Node) -> None:
    kind = builder.graph.types.get(node.output)
    if kind is not None and kind.dtype != np.float32:
        why = f"it computes in {kind.dtype.name}, and onnxruntime has no such convolution to compare with"
        raise builder.unsupported(node, why, "export the network in float32: model.float()")


def _check_fit(builder: Builder, node: Node, linear: Linear) -> None:
    channels = builder.shape(node, node.input(0))[1]
    read = linear.weights.shape[1] * linear.groups
    if read != channels or linear.groups < 1 or linear.filters % linear.groups:
        why = f"weights {list(linear.weights.shape)} in {linear.groups} groups do not fit {channels} channels"
        raise BadInputError(str(node), why, "export it again with torch.onnx.export")


def _thinned(builder: Builder, node: Node, linear: Linear) -> tuple[Node, Linear]:
    """Stride and dilation both above 1: neither Keras nor LCE knows that, but it is a layer on every n-th number.

    Tap k of output i reads ``stride * i + dilation * k - pad``: with a common divisor n, always the same one of n.
    """
    kernel = linear.weights.shape[2:]
    dilations = [1 if taps == 1 else d for taps, d in zip(kernel, linear.dilations, strict=True)]
    if max(linear.strides) == 1 or max(dilations) == 1:
        return node, replace(linear, dilations=(dilations[0], dilations[1]))
    steps = [math.gcd(stride, d) for stride, d in zip(linear.strides, dilations, strict=True)]
    strides = [stride // step for stride, step in zip(linear.strides, steps, strict=True)]
    dilations = [d // step for d, step in zip(dilations, steps, strict=True)]
    start = movement.begin(builder, node, 0)
    if (max(strides) > 1 and max(dilations) > 1) or start is None:
        why = f"it has strides {list(linear.strides)} and dilations {list(linear.dilations)}"
        raise builder.unsupported(node, why, "use one of the two, or dilate by the stride")
    firsts = [-pad[0] % step for pad, step in zip(linear.pads, steps, strict=True)]
    kept = start.indices[:, :, firsts[0] :: steps[0], firsts[1] :: steps[1]]
    target = builder.shape(node, node.output)[2:]
    pads = []
    for axis in (0, 1):
        before = (linear.pads[axis][0] + firsts[axis]) // steps[axis]
        read = (target[axis] - 1) * strides[axis] + (kernel[axis] - 1) * dilations[axis] + 1
        pads.append((before, read - before - kept.shape[2 + axis]))
    # What nobody reads at the end is cut off, as a padding below 0 would.
    ends = [size + min(0, pad[1]) for size, pad in zip(kept.shape[2:], pads, strict=True)]
    name = builder.fresh(node.input(0))
    builder.symbols[name] = Moved(start.source, start.shape, kept[:, :, : ends[0], : ends[1]])
    thin = Node(node.op, [name, *node.inputs[1:]], node.outputs, node.attributes, node.name)
    return thin, replace(
        linear,
        strides=(strides[0], strides[1]),
        dilations=(dilations[0], dilations[1]),
        pads=((pads[0][0], max(0, pads[0][1])), (pads[1][0], max(0, pads[1][1]))),
    )


def _apply(builder: Builder, node: Node, linear: Linear) -> None:
    symbol = builder.settle(node, 0)
    if isinstance(symbol, TwoValued):
        pads = merged_pads(symbol, linear)
        decomposed = two_valued.decompose(linear.weights)
        if pads is not None and decomposed is not None:
            binary(builder, node, linear, symbol, decomposed, pads)
            return
        nearly = two_valued.with_few_zeros(linear.weights) if linear.groups == 1 else None
        if pads is not None and nearly is not None:
            nearly_binary(builder, node, linear, symbol, nearly, pads)
            return
        _explain(builder, node, linear, padded=pads is None)
    elif _looks_binary(linear):
        builder.network.notes.append(
            f"{node}: its weights have two values but its input is no sign{_scaled_sign(builder, node)}, "
            "so it stays in full precision"
        )
    _float(builder, node, linear)


def _scaled_sign(builder: Builder, node: Node) -> str:
    """A clause for XNOR-Net's order of things, sign(x) * K before the layer: which node it is, and what would help."""
    product = builder.producers.get(node.inputs[0])
    if product is None or product.op != "Mul":
        return ""
    factors = [builder.producers.get(name) for name in product.inputs]
    if not any(factor is not None and factor.op == "Sign" for factor in factors):
        return ""
    return f" ({product} multiplies one by a map: multiply what the layer gives instead, and train it so)"


def _explain(builder: Builder, node: Node, linear: Linear, *, padded: bool) -> None:
    """Say why a layer that reads a sign is not binary: an error where it was surely meant to be."""
    if padded:
        raise builder.unsupported(node, "its binary input is padded with another value", "pad with 0, or with -1 or +1")
    reason = two_valued.why_not(linear.weights)
    if reason and linear.groups == 1:
        remedy = "replace the zeros (w[w == 0] = 1e-8)" if "exactly 0" in reason else "scale the filters, or the output"
        raise builder.unsupported(node, reason, f"{remedy} and export again")
    builder.network.notes.append(
        f"{node}: it reads a sign but its weights are real numbers, so it stays in full precision"
    )


def _looks_binary(linear: Linear) -> bool:
    """Two values in every filter, and that of filters long enough for it to be no accident; a box filter has one."""
    found = two_valued.decompose(linear.weights) if linear.weights[0].size >= 8 else None
    return found is not None and bool(np.ptp(found.signs))


def _float(builder: Builder, node: Node, linear: Linear) -> None:
    name = builder.real(node, 0)
    bias = None if linear.bias is None else linear.bias.astype(np.float32)
    if linear.dense:
        weights = linear.weights[:, :, 0, 0]
        builder.give(node, Dense, (linear.filters,), inputs=(name,), weights=weights, bias=bias)
        return
    builder.give(
        node,
        Conv,
        builder.shape(node, node.output)[1:],
        inputs=(name,),
        weights=linear.weights,
        bias=bias,
        strides=linear.strides,
        dilations=linear.dilations,
        pads=linear.pads,
        groups=linear.groups,
    )
