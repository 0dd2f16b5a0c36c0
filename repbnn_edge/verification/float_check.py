"""Judges what the float operators of a file compute from one sign to the next, on the reference's own values."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from repbnn_edge.tflite import lce
from repbnn_edge.verification.forcing import Anchor
from repbnn_edge.verification.reference import Floats

FLOAT32_TOLERANCE = 1e-4


@dataclass
class FloatCheck:
    """What is known of the stretch of operators that ends in one tensor.

    Attributes:
        tensor: of the file, where the stretch ends.
        anchor: what is known of it; None for the network's output.
        cone: the operators of the stretch, back to what was given.
        tolerance: of the error.
        difference: the largest so far.
        magnitude: the reference's largest value so far.
        wrong_padding: values around the map that have the wrong sign.
        elements: compared so far.
        reason: why the stretch cannot be judged, if so.
    """

    tensor: int
    anchor: Anchor | None
    cone: frozenset[int] = field(repr=False)
    tolerance: float = FLOAT32_TOLERANCE
    difference: float = 0.0
    magnitude: float = 0.0
    wrong_padding: int = 0
    elements: int = 0
    reason: str = ""

    @property
    def error(self) -> float:
        """The largest difference, relative to the reference's largest magnitude."""
        if self.difference == 0.0:
            return 0.0
        with np.errstate(over="ignore"):
            error = float(np.float64(self.difference) / np.float64(max(self.magnitude, sys.float_info.min)))
        return min(error, sys.float_info.max)  # infinity is no JSON

    @property
    def passed(self) -> bool:
        """Whether everything that was compared is right."""
        return self.error <= self.tolerance and not self.wrong_padding and not self.reason

    @property
    def detail(self) -> str:
        """What is wrong, as a clause."""
        faults = [self.reason] if self.reason else []
        if self.error > self.tolerance:
            faults.append(f"the values differ by {self.error:.2g} of the largest, more than {self.tolerance:g}")
        if self.wrong_padding:
            faults.append(f"{self.wrong_padding} values of the padding have the wrong sign")
        return ", ".join(faults)

    def see(self, values: NDArray[Any], tap: Floats) -> None:
        """Compare what the file computed for one sample, (1, ...), with the reference's (1, ...)."""
        if self.anchor is None:
            self._see_output(values, tap)
        elif self.anchor.kind == "float":
            self._see_floats(values, tap)
        else:
            self._see_signs(values, tap)

    def _see_output(self, values: NDArray[Any], tap: Floats) -> None:
        if values.size != tap.size:
            self.reason = f"the output is {list(values.shape)}, the source's {list(tap.shape)}"
            return
        self._compare(values.reshape(-1), tap.reshape(-1))

    def _see_floats(self, values: NDArray[Any], tap: Floats) -> None:
        assert self.anchor is not None
        placement = self.anchor.placements[0]
        source = placement.seen(placement.source(tap))
        self.wrong_padding += placement.wrong_padding(values)
        for part in placement.from_file(values):
            if np.abs(tap).min(initial=1.0) == 1.0 == np.abs(tap).max(initial=1.0):  # the reference has signs only
                self._compare_signs(part < 0, source < 0, part)
            else:
                self._compare(part, source)

    def _see_signs(self, values: NDArray[Any], tap: Floats) -> None:
        """A bit differs rightly only where the reference's value is within the tolerance of 0."""
        assert self.anchor is not None
        placement = self.anchor.placements[0]
        negative = ~values if self.anchor.kind == "bool" else lce.unpack(values, placement.shape[2]) < 0
        source = placement.seen(placement.source(tap))
        for part in placement.from_file(negative):
            self._compare_signs(part, source < 0, source)

    def _compare(self, values: NDArray[Any], source: Floats) -> None:
        self.elements += source.size
        difference = float(np.abs(values.astype(np.float64) - source).max(initial=0.0))
        self.difference = max(self.difference, np.inf if np.isnan(difference) else difference)
        self.magnitude = max(self.magnitude, float(np.abs(source).max(initial=0.0)))

    def _compare_signs(self, values: NDArray[np.bool_], source: NDArray[np.bool_], size: NDArray[Any]) -> None:
        self.elements += source.size
        difference = np.abs(size[values != source]).max(initial=0.0)
        self.difference = max(self.difference, np.inf if np.isnan(difference) else float(difference))
        self.magnitude = max(self.magnitude, float(np.abs(size).max(initial=0.0)))
