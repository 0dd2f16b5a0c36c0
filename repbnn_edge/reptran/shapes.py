"""Arithmetic of shapes when one axis becomes beta times as wide."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

Shape = Sequence[int | None]


def reshaped_axis(before: Shape, after: Shape, axis: int) -> int | None:
    """The axis of ``after`` that grows when ``axis`` of ``before`` does and the values keep their order.

    A block of ``before[axis]`` and all that lies inside it is repeated; the axis found is the innermost one that such
    blocks fill. None if there is none: the block would be cut in two, or a size is not known.

    Args:
        before, after: shapes with the batch first.
        axis: of ``before``, not the batch.
    """
    inside = list(before[axis:])
    if None in inside or axis == 0:
        return None
    block = math.prod(size for size in inside if size is not None)
    stride = 1
    for at in range(len(after) - 1, 0, -1):
        size = after[at]
        if size is None:
            return None
        if block % stride == 0 and (stride * size) % block == 0:
            return at
        stride *= size
    return None


def scaled_slice(spec: Any, beta: int) -> Any:
    """A slice, or Keras' dictionary of one, with its bounds beta times as far."""
    if isinstance(spec, slice):
        return slice(_times(spec.start, beta), _times(spec.stop, beta), spec.step)
    return {"start": _times(spec["start"], beta), "stop": _times(spec["stop"], beta), "step": spec["step"]}


def is_slice(spec: Any) -> bool:
    """Whether an index is a slice, in Python's or Keras' form."""
    return isinstance(spec, slice) or (isinstance(spec, dict) and set(spec) == {"start", "stop", "step"})


def _times(bound: int | None, beta: int) -> int | None:
    return None if bound is None else bound * beta


def normalized(axis: int, rank: int) -> int:
    """An axis counted from the front."""
    return axis + rank if axis < 0 else axis
