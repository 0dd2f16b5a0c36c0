"""Weights that have two values in each filter: +-a, or AdaBin's {b - a, b + a}; and why others have not."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Doubles = NDArray[np.float64]

RELATIVE = 1e-6
"""How far a weight may lie from its value, relative to the distance of the two."""
ROUNDING = 2.0**-23
"""What float32 leaves of a residue that the exporter folded: ``a * sign(w) - clip(w) + clip(w)`` is rounded twice at
a magnitude of up to 1 + a, whatever a is."""
FEW_ZEROS = 1e-3
"""The share of weights that may be exactly 0 in a layer that is binary otherwise."""
_ROUNDING_SHARE = 1e-3
_SYMMETRIC = 1e-5


@dataclass(frozen=True, eq=False)
class TwoValued:
    """``weights = scale * signs + centre``, per filter.

    Attributes:
        signs: int8 in {-1, +1}, shaped as the weights.
        scale: float64 (filters,), at least 0.
        centre: float64 (filters,); exactly 0 where the two values are opposite within the tolerance.
    """

    signs: NDArray[np.int8]
    scale: Doubles
    centre: Doubles


def decompose(weights: NDArray[Any]) -> TwoValued | None:
    """Split (filters, ...) weights; None where some filter has more than two values."""
    rows = weights.reshape(len(weights), -1).astype(np.float32, copy=False)
    low, high = rows.min(1).astype(np.float64), rows.max(1).astype(np.float64)
    # A filter whose weights are all alike is +-a with all signs equal.
    one_valued = high - low <= RELATIVE * np.maximum(np.abs(high), np.abs(low))
    middle = (low + high) / 2
    scale = np.where(one_valued, np.abs(middle), (high - low) / 2)
    centre = np.where(one_valued, 0.0, middle)
    # No weight is further from the middle than the extremes are; each must be as far as they, on its side.
    nearest = np.abs(rows - centre.astype(np.float32)[:, None]).min(1)
    allowed = RELATIVE * scale + np.minimum(ROUNDING, _ROUNDING_SHARE * scale)
    if (nearest < scale - 2 * allowed).any():
        return None
    signs = np.where(rows > centre.astype(np.float32)[:, None], np.int8(1), np.int8(-1))
    centre = np.where(np.abs(centre) <= _SYMMETRIC * scale, 0.0, centre)
    return TwoValued(signs.reshape(weights.shape), scale, centre)


def with_few_zeros(weights: NDArray[Any]) -> TwoValued | None:
    """The same for +-a where a few weights are exactly 0, taken as +1 there; None for too many of them.

    torch.sign(0) is 0. A few zeros are an accident (among millions of freshly drawn weights some are 0); many are a
    ternary network.
    """
    zero = weights == 0
    if not 0 < np.count_nonzero(zero) <= FEW_ZEROS * weights.size:
        return None
    largest = np.abs(weights).reshape(len(weights), -1).max(1).reshape((-1,) + (1,) * (weights.ndim - 1))
    found = decompose(np.where(zero, largest, weights))
    return None if found is None or found.centre.any() else found


def why_not(weights: NDArray[Any]) -> str:
    """Why ``decompose`` gave None, as a clause; "" where the weights are plainly real numbers."""
    magnitude = np.abs(weights.reshape(len(weights), -1).astype(np.float64))
    zeros = int(np.count_nonzero(magnitude == 0))
    largest = magnitude.max(1, keepdims=True)
    if zeros and np.all((magnitude == 0) | (magnitude >= largest * (1 - 1e-5))):
        number = "one weight is" if zeros == 1 else f"{zeros} weights are"
        return f"{number} exactly 0 among +-a (torch.sign(0) is 0), and a binary weight is -1 or +1"
    if weights.shape[1] > 1 and _scaled_per_input(np.abs(weights.astype(np.float64))):
        return "its weights are scaled per input channel, and a binary layer has one scale per filter"
    return ""


def _scaled_per_input(magnitude: NDArray[np.float64]) -> bool:
    """Whether |w| is an outer product of a factor per filter and one per input channel."""
    flat = magnitude.reshape(*magnitude.shape[:2], -1)
    if np.ptp(flat, axis=2).max() > 1e-5 * flat.max():
        return False
    table = flat[..., 0]
    outer = np.outer(table[:, 0], table[0]) / max(table[0, 0], 1e-30)
    return bool(np.abs(outer - table).max() <= 1e-4 * table.max())
