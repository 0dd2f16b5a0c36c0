"""Where things stand on a chart: axes, densities, ticks. Places are percents of the chart: text never scales."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_POINTS = 160


@dataclass(frozen=True)
class Axis:
    """A scale from ``low`` to ``high`` that takes the places ``start`` to ``end``, in percent."""

    low: float
    high: float
    start: float
    end: float
    logarithmic: bool

    def place(self, value: float) -> float:
        """Where a value stands, kept inside the chart."""
        share = (self._scale(value) - self._scale(self.low)) / (self._scale(self.high) - self._scale(self.low))
        return round(self.start + min(1.0, max(0.0, share)) * (self.end - self.start), 3)

    def ticks(self, most: int = 6) -> list[tuple[float, str]]:
        """Round values and their places, at most about ``most``."""
        return [(self.place(value), word(value)) for value in self.values(most)]

    def values(self, most: int) -> list[float]:
        """Round values inside the axis, at most about ``most``."""
        return _decades(self.low, self.high, most) if self.logarithmic else _steps(self.low, self.high, most)

    def _scale(self, value: float) -> float:
        return math.log10(max(value, 1e-300)) if self.logarithmic else value


def axis(
    values: Sequence[float], start: float, end: float, *, margin: float = 0.06, logarithmic: bool | None = None
) -> Axis:
    """An axis around positive ``values``, logarithmic where they span more than four times, unless told."""
    low, high = min(values), max(values)
    wide = high > 4 * low if logarithmic is None else logarithmic
    if wide:
        pad = max((high / low) ** margin, 1.15)
        return Axis(low / pad, high * pad, start, end, True)
    pad = max((high - low) * margin, high * 0.01)
    return Axis(max(low - pad, 0.0), high + pad, start, end, False)


def density(values: NDArray[np.float64], on: Axis) -> str:
    """The path of a smoothed histogram on an axis, in a box of 100 x 100, its peak at the top.

    Gaussian kernels of Silverman's width (Density Estimation, 1986, eq. 3.31), on the axis' own scale.
    """
    inside = values[(values >= on.low) & (values <= on.high)]
    scaled = np.log10(inside) if on.logarithmic else inside
    low, high = (math.log10(edge) if on.logarithmic else edge for edge in (on.low, on.high))
    places = on.start + (scaled - low) / (high - low) * (on.end - on.start)
    spread = min(float(places.std()), float(np.subtract(*np.percentile(places, (75, 25)))) / 1.34) or float(
        places.std()
    )
    width = max(0.9 * spread * len(places) ** -0.2, 0.25)
    grid = np.linspace(0.0, 100.0, _POINTS)
    counts, edges = np.histogram(places, bins=400, range=(0.0, 100.0))
    middles = (edges[:-1] + edges[1:]) / 2
    heights = (counts[None, :] * np.exp(-0.5 * ((grid[:, None] - middles[None, :]) / width) ** 2)).sum(axis=1)
    tops = 100 - 96 * heights / max(float(heights.max()), 1e-12)
    points = " ".join(f"{x:.2f},{y:.2f}" for x, y in zip(grid, tops, strict=True))
    return f"M0,100 L{points} L100,100 Z"


def word(value: float) -> str:
    """A number for an axis: ``0.5``, ``20``, ``3 M``, ``2 T``."""
    for unit, name in ((1e12, " T"), (1e9, " G"), (1e6, " M"), (1e4, " k")):
        if abs(value) >= unit:
            return f"{value / (1e3 if name == ' k' else unit):.4g}{name}"
    return f"{value:.4g}"


def _decades(low: float, high: float, most: int) -> list[float]:
    first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
    for mantissas in ((1, 2, 3, 5, 7), (1, 2, 5), (1, 3), (1,)):
        values = [m * 10.0**power for power in range(first, last + 1) for m in mantissas]
        inside = [value for value in values if low <= value <= high]
        if len(inside) <= most:
            return inside
    return inside[:: math.ceil(len(inside) / most)]


def _steps(low: float, high: float, most: int) -> list[float]:
    rough = (high - low) / most
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(m * power for m in (1, 2, 5, 10) if m * power >= rough)
    first = math.ceil(low / step)
    return [n * step for n in range(first, math.floor(high / step) + 1)]
