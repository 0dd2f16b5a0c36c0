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
    DepthToSpace,
    Enlarge,
    Layer,
    Repeat,
    Reshape,
    Shape,
    SpaceToDepth,
    Stretch,
    TakeChannels,
)
from repbnn_converters.onnx.recognition.symbols import Moved, Real, TwoValued

if TYPE_CHECKING:
    from repbnn_converters.onnx.recognition.builder import Builder

MAX_ELEMENTS = 2**24
"""Of a map that is moved: 16 channels of 1024 x 1024. Some copies of 8 bytes each are made on the way."""
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


def keeps_order(moved: Moved) -> bool:
    """Whether it is the source's numbers in the source's order: a reshape."""
    flat = moved.indices.reshape(-1)
    return flat.size == math.prod(moved.shape) and bool((flat == np.arange(flat.size)).all())


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
        return _within_map(indices, source) or _to_space(indices, source) or _to_depth(indices, source)
    flat = (math.prod(source),)
    rest = _from_vector(indices, flat)
    return None if rest is None else [Step(Reshape, {"shape": flat}, flat), *rest]


def _one_sample(moved: Moved) -> Indices | None:
    """The indices of the first sample, if all samples are moved alike and none into another."""
    batch = moved.shape[0] if moved.shape else 1
    size = math.prod(moved.shape[1:])
    # One number a sample, (N,) or (), is a vector of one.
    indices = (
        moved.indices.reshape(batch, 1) if moved.indices.ndim < 2 and moved.indices.size == batch else moved.indices
    )
    if indices.ndim < 2 or indices.shape[0] != batch:
        return None
    first = indices[0].astype(np.int64)
    if first.size == 0 or first.max() >= size:
        return None
    offsets = (np.arange(batch, dtype=np.int64) * size).reshape((-1,) + (1,) * first.ndim)
    return first if (indices == first + offsets).all() else None


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
    larger = _larger(indices, source)
    if larger is not None:
        return larger
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


def _larger(indices: Indices, source: Shape) -> list[Step] | None:
    """Rows and columns several times each (nearest-neighbour upsampling), behind whatever else it is."""
    factors = (indices.shape[1] // source[1], indices.shape[2] // source[2])
    if max(factors) < 2 or min(factors) < 1 or (source[1] * factors[0], source[2] * factors[1]) != indices.shape[1:]:
        return None
    small = indices[:, :: factors[0], :: factors[1]]
    if (small.repeat(factors[0], 1).repeat(factors[1], 2) != indices).any():
        return None
    steps = [] if (small.reshape(-1) == np.arange(small.size)).all() else _within_map(small, source)
    return None if steps is None else [*steps, Step(Enlarge, {"factors": factors}, indices.shape)]


def _to_space(indices: Indices, source: Shape) -> list[Step] | None:
    """Pixel shuffle: each square of the result comes from one pixel, whatever the order of its channels."""
    channels, height, width = source
    size = indices.shape[1] // height
    if size < 2 or indices.shape[1:] != (height * size, width * size) or indices.shape[0] * size * size != channels:
        return None
    corner = indices[:, :size, :size]
    if (corner % (height * width)).any():
        return None
    chosen = corner.transpose(1, 2, 0).reshape(-1) // (height * width)
    moved = _shuffled(np.arange(math.prod(source)).reshape(source)[chosen], size)
    if (moved != indices).any():
        return None
    return [*_take(tuple(int(i) for i in chosen), source), Step(DepthToSpace, {"size": size}, indices.shape)]


def _to_depth(indices: Indices, source: Shape) -> list[Step] | None:
    """The inverse: each pixel of the result is one square of the map."""
    channels, height, width = source
    size = height // indices.shape[1]
    if size < 2 or (indices.shape[1] * size, indices.shape[2] * size) != (height, width):
        return None
    if indices.shape[0] != channels * size * size:
        return None
    whole = _unshuffled(np.arange(math.prod(source)).reshape(source), size)
    place = {int(first): i for i, first in enumerate(whole[:, 0, 0])}
    chosen = [place.get(int(first), -1) for first in indices[:, 0, 0]]
    if -1 in chosen or (whole[chosen] != indices).any():
        return None
    return [Step(SpaceToDepth, {"size": size}, indices.shape), *_take(tuple(chosen), indices.shape)]


def _shuffled(maps: Indices, size: int) -> Indices:
    """(size * size * C, H, W) to (C, H * size, W * size), channels as in ``DepthToSpace``."""
    _, height, width = maps.shape
    parts = maps.reshape(size, size, -1, height, width).transpose(2, 3, 0, 4, 1)
    return parts.reshape(-1, height * size, width * size)


def _unshuffled(maps: Indices, size: int) -> Indices:
    channels, height, width = maps.shape
    parts = maps.reshape(channels, height // size, size, width // size, size).transpose(2, 4, 0, 1, 3)
    return parts.reshape(-1, height // size, width // size)


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
