"""Convolutions and dense layers: binary where the input is a sign and the weights have two values, else float.

With activations ``g * s + o`` and weights ``A * S + B`` (s, S of -1 and +1; A, B per filter) a convolution is

    g * A * conv(s, S)  +  g * B * conv(s, 1)  +  o * conv(1, A * S + B)

that is: a binary convolution of S, one more binary filter of ones, and a constant, which is a map where zero padding
makes the border differ. AdaBin (NeurIPS 2022) has all three terms; everybody else has B = o = 0.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from repbnn_converters.onnx import two_valued
from repbnn_converters.onnx.graph import Node
from repbnn_converters.onnx.network import (
    NO_PADS,
    Affine,
    BinaryConv,
    Combine,
    Conv,
    Dense,
    Doubles,
    Pads,
    Pair,
    Shape,
    TakeChannels,
)
from repbnn_converters.onnx.recognition.builder import Builder
from repbnn_converters.onnx.recognition.handlers import handles
from repbnn_converters.onnx.recognition.pooling import explicit_pads
from repbnn_converters.onnx.recognition.symbols import Real, TwoValued
from repbnn_edge.errors import BadInputError

_EXPERTS = "binary layers need constant weights: networks that choose among experts have no binary form in LCE"


@dataclass(frozen=True, eq=False)
class _Linear:
    """A convolution or dense layer of the file: weights (filters, C_in / groups, rows, columns)."""

    weights: np.ndarray[Any, np.dtype[np.float32]]
    bias: Doubles | None
    strides: Pair = (1, 1)
    dilations: Pair = (1, 1)
    pads: Pads = NO_PADS
    groups: int = 1
    dense: bool = False

    @property
    def filters(self) -> int:
        return len(self.weights)


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
    linear = _Linear(
        weights=weights,
        bias=bias,
        strides=strides,
        dilations=dilations,
        pads=explicit_pads(builder, node, size, kernel, strides, dilations),
        groups=node.attributes.get("group", 1),
    )
    _apply(builder, node, linear)


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
    _apply(builder, node, _Linear(weights=weights[:, :, None, None], bias=bias, dense=True))


@handles("MatMul")
def matmul(builder: Builder, node: Node) -> None:
    """A dense layer without bias."""
    weights = _weights(builder, node, 1)
    if weights.ndim != 2 or len(builder.shape(node, node.input(0))) != 2:
        raise builder.unsupported(
            node, "it multiplies more than a vector by a matrix", "use torch.nn.Linear on vectors"
        )
    _apply(builder, node, _Linear(weights=weights.T[:, :, None, None], bias=None, dense=True))


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


def _check_fit(builder: Builder, node: Node, linear: _Linear) -> None:
    channels = builder.shape(node, node.input(0))[1]
    read = linear.weights.shape[1] * linear.groups
    if read != channels or linear.groups < 1 or linear.filters % linear.groups:
        why = f"weights {list(linear.weights.shape)} in {linear.groups} groups do not fit {channels} channels"
        raise BadInputError(str(node), why, "export it again with torch.onnx.export")


def _apply(builder: Builder, node: Node, linear: _Linear) -> None:
    _check_fit(builder, node, linear)
    symbol = builder.settle(node, 0)
    if isinstance(symbol, TwoValued):
        pads = _merged_pads(symbol, linear)
        decomposed = two_valued.decompose(linear.weights)
        if pads is not None and decomposed is not None:
            _binary(builder, node, linear, symbol, decomposed, pads)
            return
        _explain(builder, node, linear, padded=pads is None)
    elif _looks_binary(linear):
        builder.network.notes.append(
            f"{node}: its weights have two values but its input is no sign, so it stays in full precision"
        )
    _float(builder, node, linear)


def _merged_pads(symbol: TwoValued, linear: _Linear) -> tuple[Pads, int] | None:
    """Padding behind the sign and in the layer as one, and what binary value it has; None where that has none."""
    if not symbol.padded:
        # Zero padding of g * s + o: the taps count nothing, whatever o is.
        return linear.pads, 0
    if linear.pads != NO_PADS and symbol.pad_value:
        return None
    (top, bottom), (left, right) = symbol.pads
    rows, columns = linear.pads
    pads = ((top + rows[0], bottom + rows[1]), (left + columns[0], right + columns[1]))
    if symbol.pad_value == 0:
        return pads, 0
    value = (symbol.pad_value - symbol.offset) / symbol.gain
    return (pads, int(value)) if value in (-1.0, 1.0) else None


def _explain(builder: Builder, node: Node, linear: _Linear, *, padded: bool) -> None:
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


def _looks_binary(linear: _Linear) -> bool:
    """Two values in every filter, and that of filters long enough for it to be no accident."""
    return linear.weights[0].size >= 8 and two_valued.decompose(linear.weights) is not None


def _float(builder: Builder, node: Node, linear: _Linear) -> None:
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


def _binary(
    builder: Builder,
    node: Node,
    linear: _Linear,
    symbol: TwoValued,
    weights: two_valued.TwoValued,
    padding: tuple[Pads, int],
) -> None:
    source, gain = builder.hardware_sign(node, symbol)
    pads, pad_value = padding
    if symbol.at_zero < 0:
        pad_value = -pad_value
    shape = (linear.filters,) if linear.dense else builder.shape(node, node.output)[1:]
    constant = _constant(builder, linear, symbol, weights, padding)
    if linear.bias is not None:
        constant = constant + linear.bias.reshape((-1,) + (1,) * (len(shape) - 1))
    signs, plain = weights.signs, not weights.centre.any() and _per_channel(constant)
    if not plain:
        if linear.groups > 1:
            raise builder.unsupported(node, "it is grouped and its two values are not opposite", "centre the weights")
        signs = np.concatenate([signs, np.ones((1, *signs.shape[1:]), np.int8)])
    layer = BinaryConv(
        name=node.name,
        inputs=(source,),
        output=builder.fresh(node.output),
        weights=signs,
        strides=linear.strides,
        dilations=linear.dilations,
        pads=pads,
        pad_value=pad_value,
        groups=linear.groups,
        dense=linear.dense,
        added=0 if plain else 1,
    )
    integers = builder.emit(layer, (len(signs), *shape[1:]))
    if not plain:
        _two_centres(builder, node, integers, shape, gain * weights.scale, gain * weights.centre, constant)
        return
    scale = (gain * weights.scale).reshape((-1,) + (1,) * (len(shape) - 1))
    shift = _uniform(constant)
    builder.give(node, Affine, shape, inputs=(integers,), scale=scale, shift=shift if shift.any() else None)


def _constant(
    builder: Builder, linear: _Linear, symbol: TwoValued, weights: two_valued.TwoValued, padding: tuple[Pads, int]
) -> Doubles:
    """``o * conv(1, A * S + B)``: zero at a tap of zero padding; (filters, 1, 1), (filters, H, W) or (filters,)."""
    column = (-1,) + (1,) * (weights.signs.ndim - 1)
    values = weights.signs * weights.scale.reshape(column) + weights.centre.reshape(column)
    whole = symbol.offset * values.sum((1, 2, 3))
    if linear.dense:
        return whole
    if not symbol.offset or padding[0] == NO_PADS or padding[1]:
        return whole[:, None, None]
    height, width = builder.network.shapes[symbol.source][1:]
    inside = np.pad(np.ones((height, width)), padding[0])
    rows, columns = (1 + (k - 1) * d for k, d in zip(values.shape[2:], linear.dilations, strict=True))
    windows = np.lib.stride_tricks.sliding_window_view(inside, (rows, columns))
    taps = windows[:: linear.strides[0], :: linear.strides[1], :: linear.dilations[0], :: linear.dilations[1]]
    return np.asarray(symbol.offset * np.einsum("hwij,oij->ohw", taps, values.sum(1)))


def _per_channel(constant: Doubles) -> bool:
    return constant.ndim == 1 or bool((constant == constant[:, :1, :1]).all())


def _uniform(constant: Doubles) -> Doubles:
    return constant if constant.ndim == 1 or not _per_channel(constant) else constant[:, :1, :1]


def _two_centres(
    builder: Builder, node: Node, integers: str, shape: Shape, scale: Doubles, centre: Doubles, constant: Doubles
) -> None:
    """``scale * I + centre * T + constant``, I all filters but the last, T the last.

    The constant is added to the sum of two tensors: directly behind the convolution LCE would fold a map of
    constants into the bias per channel, which converts without a word and cannot be loaded.
    """
    filters, tail = shape[0], shape[1:]
    column = (-1,) + (1,) * len(tail)

    def take(channels: range) -> str:
        layer = TakeChannels(
            name=node.name, inputs=(integers,), output=builder.fresh(integers), indices=tuple(channels)
        )
        return builder.emit(layer, (len(channels), *tail))

    scaled = builder.emit(
        Affine(
            name=node.name,
            inputs=(take(range(filters)),),
            output=builder.fresh(integers),
            scale=scale.reshape(column),
        ),
        shape,
    )
    weights = centre.astype(np.float32)
    total, output = (take(range(filters, filters + 1)),), builder.fresh(integers)
    spread = (
        Conv(name=node.name, inputs=total, output=output, weights=weights[:, None, None, None], added=True)
        if tail
        else Dense(name=node.name, inputs=total, output=output, weights=weights[:, None], added=True)
    )
    both = (scaled, builder.emit(spread, shape))
    if not constant.any():
        builder.give(node, Combine, shape, inputs=both, kind="add")
        return
    name = builder.emit(Combine(name=node.name, inputs=both, output=builder.fresh(integers), kind="add"), shape)
    builder.emit(Affine(name=node.name, inputs=(name,), output=node.output, shift=_uniform(constant)), shape)
    builder.symbols[node.output] = Real(node.output)
