"""Where a source's map lies in the map that an operator of the file reads, and the way from one to the other.

The file's map may be larger than the source's (padded before the sign, or grown so that SAME padding comes out
right), smaller (the source pads with +1 where the file's operator does it), hold every channel twice, or some channels
only. Windows of both must line up: the file's map begins ``pad(source) - pad(file)`` rows before the source's.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from repbnn_edge.tflite.lce import padding_taps
from repbnn_edge.verification.integers import as_map
from repbnn_edge.verification.matching import Match
from repbnn_edge.verification.reference import BinaryLayer, Floats


class MisfitError(ValueError):
    """The file's operator cannot be fed with what the source's layer reads; the message is a clause."""


@dataclass(frozen=True)
class Placement:
    """How one match's sign input lies in the file.

    Attributes:
        match: operator and layer.
        shape: (rows, columns, channels) of the file's map.
        pooled: whether the map is the one behind the layer's max pooling.
        before: rows and columns of the file's map before the source's first; negative where the source's are cut off.
        size: rows and columns of the source's map.
        read: rows and columns of the file's map that outputs of the layer read.
    """

    match: Match
    shape: tuple[int, int, int]
    pooled: bool
    before: tuple[int, int]
    size: tuple[int, int]
    read: tuple[tuple[int, int], tuple[int, int]]

    @property
    def is_whole(self) -> bool:
        """Whether the file's map is the source's, value for value."""
        return (
            not self.match.doubled
            and self.before == (0, 0)
            and self.size == self.shape[:2]
            and not (self.pooled and self.match.layer.pool)
            and self.match.part.channels.stop - self.match.part.channels.start == _channels(self.match.layer)
        )

    def source(self, tap: Floats) -> Floats:
        """The source's map, (N, H, W, C), as far as the operator reads it."""
        layer = self.match.layer
        if layer.kind == "dense":
            return tap.reshape(-1, *self.shape[:2], _channels(layer) // (self.shape[0] * self.shape[1]))
        return (as_map(layer, tap) if self.pooled else tap)[..., self.match.part.channels]

    def to_file(self, tap: Floats) -> Floats:
        """The file's map that stands for the source's, (N, rows, columns, channels)."""
        source = self.source(tap)
        if self.match.doubled:
            return np.concatenate([self._framed(source, 1.0), self._framed(source, -1.0)], axis=-1)
        return self._framed(source, float(self.match.layer.pad_value or 1))

    def from_file(self, values: NDArray[Any]) -> list[NDArray[Any]]:
        """The copies of the source's map (two if doubled) in the file's map, as far as the file has it."""
        (rows, columns), _ = self._windows()
        return [part[:, rows, columns] for part in (np.split(values, 2, axis=-1) if self.match.doubled else [values])]

    def seen(self, source: NDArray[Any]) -> NDArray[Any]:
        """The rows and columns of the source's map that lie in the file's."""
        _, (rows, columns) = self._windows()
        return source[:, rows, columns]

    def wrong_padding(self, values: Floats) -> int:
        """How many values around the source's map have the wrong sign, of those that are read."""
        layer = self.match.layer
        outside = np.ones(self.shape[:2], bool)
        outside[self._windows()[0]] = False
        (top, bottom), (left, right) = self.read
        used = np.zeros_like(outside)
        used[top:bottom, left:right] = True
        frame = (values < 0)[:, outside & used]
        if self.match.doubled:
            first, second = np.split(frame, 2, axis=-1)
            return int((first == second).sum())
        return int((frame != (layer.pad_value < 0)).sum()) if layer.pad_value else 0

    def _framed(self, source: Floats, fill: float) -> Floats:
        frame = np.full((len(source), *self.shape[:2], source.shape[-1]), fill, np.float32)
        (rows, columns), _ = self._windows()
        frame[:, rows, columns] = self.seen(source)
        return frame

    def _windows(self) -> tuple[tuple[slice, slice], tuple[slice, slice]]:
        """(rows, columns) of what both maps share, in the file's map and in the source's."""
        spans = [
            (max(0, before), min(room, before + length))
            for before, length, room in zip(self.before, self.size, self.shape[:2], strict=True)
        ]
        file_rows, file_columns = (slice(*span) for span in spans)
        rows, columns = (slice(a - b, z - b) for (a, z), b in zip(spans, self.before, strict=True))
        return (file_rows, file_columns), (rows, columns)


def place(match: Match, shape: tuple[int, ...], tap: tuple[int, ...], pooled: bool) -> Placement:
    """Line the source's map up with the file's.

    Args:
        match: operator and layer.
        shape: (1, rows, columns, channels) of the file's map.
        tap: (N, ..., channels) of the source's.
        pooled: whether the file's map stands behind the layer's max pooling (or there is none).

    Raises:
        MisfitError: they cannot be lined up.
    """
    layer, operator = match.layer, match.operator
    channels = shape[3] // (2 if match.doubled else 1)
    if layer.kind == "dense":
        if shape[1] * shape[2] * channels != tap[-1] or match.doubled:
            raise MisfitError(f"it reads {list(shape[1:])} in the file, {tap[-1]} values in the source")
        size = (shape[1], shape[2])
        return Placement(match, (shape[1], shape[2], shape[3]), True, (0, 0), size, ((0, size[0]), (0, size[1])))
    wanted = match.part.channels.stop - match.part.channels.start
    if channels != wanted:
        raise MisfitError(f"it reads {channels} channels in the file, {wanted} in the source")
    size = (tap[1], tap[2])
    if not pooled:
        if shape[1:3] != size:
            raise MisfitError(f"its pooling reads {list(shape[1:3])} in the file, {list(size)} in the source")
        return Placement(match, (shape[1], shape[2], shape[3]), False, (0, 0), size, ((0, size[0]), (0, size[1])))
    if layer.pool:
        size = _pooled_size(layer, size)
    pads = padding_taps(operator, shape[1], shape[2])
    before = (layer.padding[0][0] - pads[0][0], layer.padding[1][0] - pads[1][0])
    outputs = output_size(layer, size)
    read = [
        (max(0, -pad[0]), min(length, (count - 1) * stride + (kernel - 1) * dilation + 1 - pad[0]))
        for pad, length, count, stride, kernel, dilation in zip(
            pads, shape[1:3], outputs, layer.strides, operator.kernel, layer.dilations, strict=True
        )
    ]
    return Placement(match, (shape[1], shape[2], shape[3]), True, before, size, (read[0], read[1]))


def output_size(layer: BinaryLayer, size: tuple[int, int]) -> tuple[int, int]:
    """Rows and columns that the layer's convolution gives on a map of this size."""
    rows, columns = (
        (length + sum(pad) - (kernel - 1) * dilation - 1) // stride + 1
        for length, pad, kernel, dilation, stride in zip(
            size, layer.padding, layer.weights.shape[:2], layer.dilations, layer.strides, strict=True
        )
    )
    return rows, columns


def _pooled_size(layer: BinaryLayer, size: tuple[int, int]) -> tuple[int, int]:
    pool = layer.pool
    assert pool is not None
    rows, columns = (
        (length + sum(pad) - window) // stride + 1
        for length, pad, window, stride in zip(size, pool.padding, pool.size, pool.strides, strict=True)
    )
    return rows, columns


def _channels(layer: BinaryLayer) -> int:
    rows, columns, depth, _ = layer.weights.shape
    return rows * columns * depth if layer.kind == "dense" else depth * layer.groups
