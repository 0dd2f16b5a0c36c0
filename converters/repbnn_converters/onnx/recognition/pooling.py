"""Pooling: windows, ceil mode, padding that counts or not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

import numpy as np
import onnx

from repbnn_converters.onnx import sessions
from repbnn_converters.onnx.graph import Node
from repbnn_converters.onnx.network import Doubles, Pads, Pair, Pool
from repbnn_converters.onnx.recognition.builder import Builder
from repbnn_converters.onnx.recognition.handlers import handles
from repbnn_converters.onnx.recognition.symbols import Real, TwoValued

Kind = Literal["max", "average"]


@handles("MaxPool", "AveragePool")
def pool(builder: Builder, node: Node) -> None:
    """A window; of a sign, the maximum is the sign of the maximum."""
    kind: Kind = "max" if node.op == "MaxPool" else "average"
    if kind == "max" and len(node.outputs) > 1 and node.outputs[1]:
        raise builder.unsupported(node, "it gives indices too", "export without return_indices")
    if any(d != 1 for d in node.attributes.get("dilations", [])):
        raise builder.unsupported(node, "its window is dilated", "pool without dilation")
    symbol = builder.settle(node, 0)
    binary = isinstance(symbol, TwoValued) and kind == "max" and symbol.gain > 0 and not symbol.padded
    name = symbol.source if binary and isinstance(symbol, TwoValued) else builder.real(node, 0)
    shape = builder.network.shapes[name]
    output = builder.shape(node, node.output)[1:]
    size: Pair = _pair(node.attributes["kernel_shape"])
    strides: Pair = _pair(node.attributes.get("strides", [1, 1]))
    pads = explicit_pads(builder, node, shape[1:], size, strides, (1, 1))
    pads, extra = _to_the_end(pads, shape[1:], output[1:], size, strides)
    layer = Pool(
        name=node.name,
        inputs=(name,),
        output=builder.fresh(node.output) if binary else node.output,
        kind=kind,
        size=size,
        strides=strides,
        pads=pads,
        correction=_correction(builder, node, shape, pads)
        if kind == "average" and (any(map(any, pads)) or extra)
        else None,
    )
    builder.emit(layer, output)
    if binary and isinstance(symbol, TwoValued):
        builder.symbols[node.output] = replace(symbol, source=layer.output)
    else:
        builder.symbols[node.output] = Real(node.output)


def _pair(values: Sequence[int]) -> Pair:
    return int(values[0]), int(values[1])


def explicit_pads(
    builder: Builder, node: Node, size: Sequence[int], kernel: Pair, strides: Pair, dilations: Pair
) -> Pads:
    """The four numbers, whatever auto_pad says."""
    mode = node.attributes.get("auto_pad", "NOTSET") or "NOTSET"
    if mode == "VALID":
        return (0, 0), (0, 0)
    if mode == "NOTSET":
        top, left, bottom, right = node.attributes.get("pads", [0, 0, 0, 0])
        if min(top, left, bottom, right) < 0:
            raise builder.unsupported(node, "its pads are negative", "pad by 0 or more")
        return (top, bottom), (left, right)
    pairs = []
    for extent, taps, stride, dilation in zip(size, kernel, strides, dilations, strict=True):
        total = max(0, (-(-extent // stride) - 1) * stride + (taps - 1) * dilation + 1 - extent)
        half = total // 2
        pairs.append((half, total - half) if mode == "SAME_UPPER" else (total - half, half))
    return pairs[0], pairs[1]


def _to_the_end(
    pads: Pads, size: Sequence[int], output: Sequence[int], kernel: Pair, strides: Pair
) -> tuple[Pads, bool]:
    """Pads grown at the end to what the last window reads (ceil mode), and whether that was needed."""
    grown = []
    for (begin, end), extent, count, taps, stride in zip(pads, size, output, kernel, strides, strict=True):
        grown.append((begin, max(end, (count - 1) * stride + taps - extent - begin)))
    return (grown[0], grown[1]), (grown[0], grown[1]) != pads


def _correction(builder: Builder, node: Node, shape: Sequence[int], pads: Pads) -> Doubles | None:
    """What an average over the padded window must be multiplied by, (1, H_out, W_out); None where by 1.

    How many taps count at an edge differs between opsets; so onnxruntime is asked, with a map of ones, which gives
    (taps inside the map) / (taps that count).
    """
    ones = np.ones((1, 1, *shape[1:]), np.float32)
    kind = onnx.helper.make_tensor_value_info
    attributes = {name: value for name, value in node.attributes.items() if value != []}
    graph = onnx.helper.make_graph(
        [onnx.helper.make_node(node.op, ["x"], ["y"], **attributes)],
        "ones",
        [kind("x", onnx.TensorProto.FLOAT, ones.shape)],
        [onnx.helper.make_empty_tensor_value_info("y")],
    )
    imports = [onnx.helper.make_opsetid("", builder.graph.opset)]
    model = onnx.helper.make_model(graph, opset_imports=imports, ir_version=builder.graph.ir_version)
    got = sessions.run(sessions.unoptimised(model, str(node)), ["y"], {"x": ones}, str(node))[0][0].astype(np.float64)
    padded = np.pad(ones[0, 0], pads)
    size, strides = _pair(node.attributes["kernel_shape"]), _pair(node.attributes.get("strides", [1, 1]))
    windows = np.lib.stride_tricks.sliding_window_view(padded, size)[:: strides[0], :: strides[1]]
    plain = windows.mean((2, 3))[None, : got.shape[1], : got.shape[2]]
    if not plain.all():
        raise builder.unsupported(node, "one of its windows lies wholly in the padding", "pad less")
    ratio = got / plain
    return None if np.abs(ratio - 1).max() < 1e-6 else ratio
