"""Operators that move numbers: applied to positions, see ``movement``; and padding."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from repbnn_converters.onnx.graph import Node
from repbnn_converters.onnx.network import Concat, PadChannels, PadMap
from repbnn_converters.onnx.recognition import movement
from repbnn_converters.onnx.recognition.builder import Builder
from repbnn_converters.onnx.recognition.handlers import handles
from repbnn_converters.onnx.recognition.symbols import Known, Moved, Real, TwoValued

_FIXED = "export with a fixed image size"


@handles("Reshape", "Flatten", "Squeeze", "Unsqueeze")
def reshape(builder: Builder, node: Node) -> None:
    """All of them: the same numbers in the shape that the file's types give."""
    shape = builder.shape(node, node.output)
    move(builder, node, lambda positions: positions.reshape(shape))


@handles("Transpose")
def transpose(builder: Builder, node: Node) -> None:
    """Axes in another order."""
    move(builder, node, lambda positions: positions.transpose(node.attributes.get("perm")))


@handles("Expand", "Tile")
def widen(builder: Builder, node: Node) -> None:
    """Repeats: Expand of sizes of 1, Tile of whole axes."""
    if node.op == "Expand":
        shape = builder.shape(node, node.output)
        _check_size(builder, node)
        move(builder, node, lambda positions: np.broadcast_to(positions, shape))
        return
    repeats = _integers(builder, node, 1)
    if min(repeats) < 1 or math.prod(repeats) > movement.MAX_ELEMENTS:
        raise builder.unsupported(node, f"it repeats {repeats} times", "repeat once or more often")
    _check_size(builder, node)
    move(builder, node, lambda positions: np.tile(positions, repeats))


@handles("Gather")
def gather(builder: Builder, node: Node) -> None:
    """Chosen along one axis."""
    indices = builder.known(node, 1)
    if indices is None:
        raise builder.unsupported(node, "its indices depend on the input", "export with constant indices")
    move(builder, node, lambda positions: np.take(positions, indices, node.attributes.get("axis", 0)))


@handles("Slice")
def slice_(builder: Builder, node: Node) -> None:
    """Slices with constant bounds."""
    index = _slices(builder, node)
    move(builder, node, lambda positions: positions[index])


@handles("Split")
def split(builder: Builder, node: Node) -> None:
    """Consecutive parts along one axis."""
    axis = node.attributes.get("axis", 0)
    start = movement.begin(builder, node, 0)
    if start is None:
        raise builder.unsupported(node, "it splits a constant or padded map", "export without it")
    begin = 0
    for output in node.outputs:
        size = builder.shape(node, output)[axis] if output else 0
        part = np.take(start.indices, range(begin, begin + size), axis)
        begin += size
        if output:
            builder.symbols[output] = Moved(start.source, start.shape, part)


@handles("Concat")
def concat(builder: Builder, node: Node) -> None:
    """The same value several times is a repeat; zeros beside a map are option A's padding; else a real joint."""
    axis = node.attributes["axis"]
    parts = [
        movement.begin(builder, node, i) if name not in builder.graph.constants else None
        for i, name in enumerate(node.inputs)
    ]
    first = parts[0]
    if first is not None and all(part is not None and part.source == first.source for part in parts):
        _check_size(builder, node)
        joined = np.concatenate([part.indices for part in parts if part is not None], axis)
        builder.symbols[node.output] = Moved(first.source, first.shape, joined)
        return
    shape = builder.shape(node, node.output)
    if axis % len(shape) != 1:
        raise builder.unsupported(node, f"it joins along axis {axis}", "join along channels (dim 1) only")
    symbols = [builder.settle(node, i) for i in range(len(node.inputs))]
    if any(isinstance(symbol, Known) for symbol in symbols):
        _concat_zeros(builder, node, symbols)
    elif _all_alike(symbols):
        binary = [symbol for symbol in symbols if isinstance(symbol, TwoValued)]
        inputs, output = tuple(symbol.source for symbol in binary), builder.fresh(node.output)
        source = builder.emit(Concat(name=node.name, inputs=inputs, output=output), shape[1:])
        builder.symbols[node.output] = replace(binary[0], source=source)
    else:
        inputs = tuple(builder.real(node, i) for i in range(len(node.inputs)))
        builder.give(node, Concat, shape[1:], inputs=inputs)


def _all_alike(symbols: list[Known | Real | TwoValued]) -> bool:
    """Whether signs are joined that have the same two values, so that the joint is a sign too."""
    kinds = {(s.gain, s.offset, s.at_zero) if isinstance(s, TwoValued) and not s.padded else None for s in symbols}
    return len(kinds) == 1 and None not in kinds


def _concat_zeros(builder: Builder, node: Node, symbols: list[Known | Real | TwoValued]) -> None:
    """Constant zeros before and after one map."""
    maps = [i for i, symbol in enumerate(symbols) if not isinstance(symbol, Known)]
    zeros = all(not symbol.array.any() for symbol in symbols if isinstance(symbol, Known))
    if len(maps) != 1 or not zeros:
        raise builder.unsupported(node, "it joins a map with constants other than 0", "export without them")
    before = sum(s.array.shape[1] for s in symbols[: maps[0]] if isinstance(s, Known))
    after = sum(s.array.shape[1] for s in symbols[maps[0] :] if isinstance(s, Known))
    value = builder.real(node, maps[0])
    shape = builder.shape(node, node.output)[1:]
    builder.give(node, PadChannels, shape, inputs=(value,), before=before, after=after)


@handles("Pad")
def pad(builder: Builder, node: Node) -> None:
    """Constant padding: of rows and columns, and zeros along channels."""
    mode, value = node.attributes.get("mode", "constant"), _pad_value(builder, node)
    if mode != "constant":
        raise builder.unsupported(node, f"it pads by '{mode}'", "pad with a constant")
    pads = node.attributes.get("pads") or list(_integers(builder, node, 1))
    axes = list(range(len(pads) // 2)) if not node.input(3) else [int(a) % 4 for a in _integers(builder, node, 3)]
    amounts = {axis: (int(pads[i]), int(pads[i + len(axes)])) for i, axis in enumerate(axes)}
    shape = builder.shape(node, node.output)
    if len(shape) != 4 or any(amounts.get(0, (0, 0))) or min(min(pair) for pair in amounts.values()) < 0:
        raise builder.unsupported(node, f"its pads are {list(pads)}", "pad channels, rows or columns, by 0 or more")
    before, after = amounts.get(1, (0, 0))
    spatial = (amounts.get(2, (0, 0)), amounts.get(3, (0, 0)))
    symbol = builder.settle(node, 0)
    if isinstance(symbol, TwoValued) and not symbol.padded and not before and not after:
        builder.symbols[node.output] = replace(symbol, pads=spatial, pad_value=value)
        return
    _pad_real(builder, node, (before, after), spatial, value)


def _pad_real(builder: Builder, node: Node, channels: tuple[int, int], spatial: Any, value: float) -> None:
    name = builder.real(node, 0)
    before, after = channels
    shape = builder.shape(node, node.output)[1:]
    if before or after:
        if value:
            raise builder.unsupported(node, f"it pads channels with {value}", "pad channels with 0")
        if any(map(any, spatial)):
            inner = (shape[0], *builder.network.shapes[name][1:])
            output = builder.fresh(name)
            name = builder.emit(
                PadChannels(name=node.name, inputs=(name,), output=output, before=before, after=after), inner
            )
        else:
            builder.give(node, PadChannels, shape, inputs=(name,), before=before, after=after)
            return
    builder.give(node, PadMap, shape, inputs=(name,), pads=spatial, value=value)


def _pad_value(builder: Builder, node: Node) -> float:
    if node.input(2):
        value = builder.scalar(node, 2)
        if value is None:
            raise builder.unsupported(node, "its padding value depends on the input", "pad with a constant")
        return value
    return float(node.attributes.get("value", 0.0))


def move(builder: Builder, node: Node, function: Callable[[Any], Any]) -> None:
    """The node's output is its first input with its numbers moved as ``function`` moves an array of positions."""
    start = movement.begin(builder, node, 0)
    if start is None:
        symbol = builder.symbol(node, 0)
        if not isinstance(symbol, TwoValued):
            raise builder.unsupported(node, "its input is a constant that was not computed", "export without it")
        builder.real(node, 0)
        start = movement.begin(builder, node, 0)
        assert start is not None
    builder.symbols[node.output] = Moved(start.source, start.shape, function(start.indices))


def _check_size(builder: Builder, node: Node) -> None:
    size = int(np.prod(builder.shape(node, node.output), dtype=object))
    if size > movement.MAX_ELEMENTS:
        raise builder.unsupported(node, f"its output has {size} elements", "use a smaller image")


def _integers(builder: Builder, node: Node, index: int) -> list[int]:
    value = builder.known(node, index)
    if value is None:
        raise builder.unsupported(node, f"its input '{node.input(index)}' depends on the image", _FIXED)
    return [int(item) for item in value.reshape(-1)]


def _slices(builder: Builder, node: Node) -> tuple[slice, ...]:
    shape = builder.shape(node, node.input(0))
    if len(node.inputs) > 1:
        starts, ends = _integers(builder, node, 1), _integers(builder, node, 2)
        axes = _integers(builder, node, 3) if node.input(3) else list(range(len(starts)))
        steps = _integers(builder, node, 4) if node.input(4) else [1] * len(starts)
    else:
        starts, ends = node.attributes["starts"], node.attributes["ends"]
        axes, steps = node.attributes.get("axes", list(range(len(starts)))), [1] * len(starts)
    index = [slice(None)] * len(shape)
    for axis, start, end, step in zip(axes, starts, ends, steps, strict=True):
        size = shape[axis]
        # Going backwards, "before the first" is a stop below -size, which Python spells None.
        index[axis] = slice(start, None if step < 0 and end < -size else end, step)
    return tuple(index)
