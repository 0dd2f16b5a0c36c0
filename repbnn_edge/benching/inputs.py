"""What is fed to a network that is measured, and how far its answer is from another runtime's."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from repbnn_edge.inspection.report import TensorRow

_SEED = 0


def noise(tensors: Sequence[TensorRow]) -> bytes:
    """Raw bytes of all inputs in order: standard normal floats, or integers over their whole range; seeded."""
    random = np.random.default_rng(_SEED)
    return b"".join(_fill(tensor, random).tobytes() for tensor in tensors)


def _fill(tensor: TensorRow, random: np.random.Generator) -> NDArray[np.generic]:
    kind = np.dtype(tensor.type)
    if kind.kind in "iu":
        limits = np.iinfo(kind)
        return random.integers(limits.min, limits.max, tensor.shape, dtype=kind, endpoint=True)
    if kind.kind == "b":
        return random.integers(0, 2, tensor.shape).astype(kind)
    return random.standard_normal(tensor.shape).astype(kind)


@dataclass(frozen=True)
class Difference:
    """How far two answers are apart: see ``difference``."""

    size: float
    same_top1: bool


def difference(ours: bytes, theirs: bytes, tensors: Sequence[TensorRow]) -> Difference:
    """The Euclidean distance of two answers over the spread of the second; the largest of all outputs.

    0 is the same, 1 as far off as a constant answer would be. It is infinite for another length, and for values that
    are not finite. Denormals count as zeros: LCE's interpreter flushes them, stock runtimes do not.

    Args:
        ours: raw bytes of all outputs in order.
        theirs: those that they are compared with.
        tensors: the outputs.
    """
    if len(ours) != len(theirs):
        return Difference(float("inf"), False)
    sizes, agreements, begin = [0.0], [], 0
    for tensor in tensors:
        kind = np.dtype(tensor.type)
        end = begin + int(np.prod(tensor.shape)) * kind.itemsize
        a, b = (_flushed(np.frombuffer(data[begin:end], kind)).astype(np.float64) for data in (ours, theirs))
        sizes.append(_relative(a, b))
        agreements.append(bool(a.size and b.size and a.argmax() == b.argmax()))
        begin = end
    return Difference(max(sizes), all(agreements))


def _flushed(values: NDArray[Any]) -> NDArray[Any]:
    if values.dtype.kind != "f":
        return values
    return np.where(np.abs(values) < np.finfo(values.dtype).tiny, values.dtype.type(0), values)


def _relative(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
    if not (np.isfinite(a).all() and np.isfinite(b).all()):
        return float("inf")
    distance = float(np.linalg.norm(a - b))
    spread = float(np.linalg.norm(b - b.mean())) if b.size else 0.0
    if distance == 0.0:
        return 0.0
    return distance / spread if spread > 0 else float("inf")
