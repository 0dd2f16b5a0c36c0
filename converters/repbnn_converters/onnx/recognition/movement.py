"""Chains of Reshape, Transpose, Expand, Tile, Slice, Gather, Concat: followed number by number, then named.

Every such operator is applied to an array of positions. What the whole chain amounts to is read off the result, so
that a repeat is a repeat however it is spelled, and tiling (c0 c1 c0 c1) is told from interleaving (c0 c0 c1 c1).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from repbnn_converters.onnx.graph import Node
from repbnn_converters.onnx.network import (
    CropMap,
    Layer,
    Repeat,
    Reshape,
    Shape,
    Stretch,
    TakeChannels,
)
from repbnn_converters.onnx.recognition.symbols import Moved, Real, TwoValued

if TYPE_CHECKING:
    from repbnn_converters.onnx.recognition.builder import Builder

MAX_ELEMENTS = 2**26
Indices = NDArray[np.int64]


@dataclass(frozen=True)
class Step:
    """A layer still to be made: its class, what it takes, and the shape that it gives."""

    make: type[Layer]
    arguments: dict[str, Any]
    shape: Shape


def begin(builder: Builder, node: Node, index: int) -> Moved | None:
    """Input ``index`` as the start or the middle of a chain; None where it cannot be one (a constant, or padded)."""
    symbol = builder.symbol(node, index)
    if isinstance(symbol, Moved):
        return symbol
    if not isinstance(symbol, Real | TwoValued) or (isinstance(symbol, TwoValued) and symbol.padded):
        return None
    shape = builder.shape(node, node.input(index))
    if math.prod(shape) > MAX_ELEMENTS:
        raise builder.unsupported(node, f"it moves a map of {math.prod(shape)} elements", "use a smaller image")
    indices = np.arange(math.prod(shape), dtype=np.int32).reshape(shape)
    return Moved(symbol, shape, indices)


def settle(builder: Builder, node: Node, name: str, moved: Moved) -> Real | TwoValued:
    """Make the layers that a movement amounts to; ``name`` is the value that it gives, ``node`` who reads it.

    Raises:
        UnsupportedError: it is none that a map of channels, rows and columns can do.
    """
    source = moved.source
    start = source.source if isinstance(source, TwoValued) else source.name
    steps = _plan(moved, builder.network.shapes[start])
    if steps is None:
        why = f"it moves numbers of a map {list(moved.shape)} into {list(moved.indices.shape)} by no known rule"
        raise builder.unsupported(node, why, "spell it with repeat, cat, slices, flatten or channel shuffle")
    mover = builder.producers.get(name, node).name
    value = start
    for step in steps:
        # The value of the file keeps its name; signs move behind the movement, so theirs is another value.
        own = step is steps[-1] and isinstance(source, Real)
        output = name if own else builder.fresh(name)
        value = builder.emit(step.make(name=mover, inputs=(value,), output=output, **step.arguments), step.shape)
    return replace(source, source=value) if isinstance(source, TwoValued) else Real(value)


def _plan(moved: Moved, source: Shape) -> list[Step] | None:
    """The layers, or None. ``source`` is the shape of the source in the network."""
    indices = _one_sample(moved)
    if indices is None:
        return None
    target = indices.shape
    if len(target) not in (1, 3):
        return None
    if indices.size == math.prod(source) and (indices.reshape(-1) == np.arange(indices.size)).all():
        return [] if target == source else [Step(Reshape, {"shape": target}, target)]
    if len(source) == 1 or source[1:] == (1, 1):
        return _from_vector(indices, source)
    if len(target) == 3:
        return _within_map(indices, source)
    flat = (math.prod(source),)
    rest = _from_vector(indices, flat)
    return None if rest is None else [Step(Reshape, {"shape": flat}, flat), *rest]


def _one_sample(moved: Moved) -> Indices | None:
    """The indices of the first sample, if all samples are moved alike and none into another."""
    batch = moved.shape[0]
    size = math.prod(moved.shape[1:])
    if moved.indices.ndim < 2 or moved.indices.shape[0] != batch:
        return None
    first = moved.indices[0].astype(np.int64)
    if first.size == 0 or first.max() >= size:
        return None
    offsets = (np.arange(batch, dtype=np.int64) * size).reshape((-1,) + (1,) * first.ndim)
    return first if (moved.indices == first + offsets).all() else None


def _from_vector(indices: Indices, source: Shape) -> list[Step] | None:
    """From (F,) or (F, 1, 1): any choice of channels, then perhaps rows and columns of equal numbers."""
    target = indices.shape
    channels = indices if indices.ndim == 1 else indices[:, 0, 0]
    if indices.ndim == 3 and (indices != channels[:, None, None]).any():
        return None
    steps = _take(tuple(int(i) for i in channels), source)
    narrow = (len(channels), *source[1:])
    if narrow == target:
        return steps
    if len(target) == 1 or target[1:] == (1, 1):
        return [*steps, Step(Reshape, {"shape": target}, target)]
    if len(source) == 1:
        steps.append(Step(Reshape, {"shape": (len(channels), 1, 1)}, (len(channels), 1, 1)))
    return [*steps, Step(Stretch, {"size": target[1:]}, target)]


def _within_map(indices: Indices, source: Shape) -> list[Step] | None:
    """Channels, rows and columns each chosen by themselves."""
    _, height, width = source
    channels = indices[:, 0, 0] // (height * width)
    rows = indices[0, :, 0] // width % height
    columns = indices[0, 0, :] % width
    separable = channels[:, None, None] * (height * width) + rows[None, :, None] * width + columns[None, None, :]
    if (separable != indices).any():
        return None
    by_row, by_column = _progression(rows, height), _progression(columns, width)
    if by_row is None or by_column is None:
        return None
    steps = _take(tuple(int(i) for i in channels), source)
    if (by_row, by_column) == ((0, height, 1), (0, width, 1)):
        return steps
    crop = Step(CropMap, {"rows": by_row, "columns": by_column}, indices.shape)
    return [*steps, crop]


def _progression(values: Indices, size: int) -> tuple[int, int, int] | None:
    """As (start, stop, step), or None."""
    if len(values) == 1:
        return int(values[0]), int(values[0]) + 1, 1
    steps = np.diff(values)
    if steps[0] < 1 or (steps != steps[0]).any():
        return None
    stop = int(values[-1]) + 1
    return int(values[0]), min(size, stop), int(steps[0])


def _take(channels: tuple[int, ...], source: Shape) -> list[Step]:
    """The layer that chooses channels: nothing, a repeat of the whole block, or any choice."""
    count = source[0]
    shape = (len(channels), *source[1:])
    times, rest = divmod(len(channels), count)
    if not rest and channels == tuple(range(count)) * times:
        return [] if times == 1 else [Step(Repeat, {"times": times}, shape)]
    return [Step(TakeChannels, {"indices": channels}, shape)]
