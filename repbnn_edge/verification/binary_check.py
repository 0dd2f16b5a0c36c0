"""Judges binary convolutions of a file: every element against the integer that the definition gives.

Float output: ``round((y - bias) / multiplier)`` is the integer. Where a channel's numbers hide it (multiplier 0, or so
small beside the bias that float32 has no room for it), y itself must be ``multiplier * integer + bias`` to rounding.
Bitpacked output: the bit must be the sign of ``scale * integer + shift`` in float64, and so must be the bit that the
threshold gives for every integer that the layer can reach, whether a sample reaches it or not.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from repbnn_edge.tflite import lce
from repbnn_edge.tflite.schema import Model
from repbnn_edge.verification.matching import Match

_ULP = 2.0**-23
_TIE_ULPS = 4
_ROUNDING_ULPS = 4
_FILTERS_AT_ONCE = 64
_CLAMPS = {"NONE": (-np.inf, np.inf), "RELU": (0, np.inf), "RELU_N1_TO_1": (-1, 1), "RELU6": (0, 6)}

Numbers = NDArray[np.float64]


@dataclass
class BinaryCheck:
    """What is known of one operator that computes a binary layer, or a part of it.

    Attributes:
        match: operator and layer.
        elements: compared so far.
        wrong: of them.
        zeros: elements within 4 ulp of zero before a sign, which may fall on either side.
        wrong_constants: thresholds that are wrong for an integer in reach.
        reason: why the operator cannot be judged, if so.
    """

    model: Model = field(repr=False)
    match: Match
    elements: int = 0
    wrong: int = 0
    zeros: int = 0
    wrong_constants: int = 0
    reason: str = ""

    def __post_init__(self) -> None:
        operator = self.match.operator
        self._reach = int(np.prod(operator.kernel)) * (operator.channels_in // operator.groups)
        self._sign = np.where(self.match.negated, -1, 1)
        self._factor = 2 if self.match.doubled else 1
        if self.is_bitpacked and self.to_sign is not None:
            self._check_thresholds()

    @property
    def is_bitpacked(self) -> bool:
        """Whether the operator gives bits, so that no integer is seen."""
        return self.match.operator.threshold >= 0

    @property
    def to_sign(self) -> tuple[Numbers, Numbers] | None:
        """(scale, shift) of the operator's filters, where bits are a sign of those and nothing else."""
        facts = self.match.layer.to_sign
        if facts is None or len(facts[0]) != self.match.layer.weights.shape[3]:
            return None
        return facts[0][self.match.part.filters], facts[1][self.match.part.filters]

    @property
    def passed(self) -> bool:
        """Whether everything that was compared is right."""
        return not (self.wrong or self.wrong_constants or self.match.wrong_weights or self.reason)

    @property
    def detail(self) -> str:
        """What is wrong, as a clause."""
        faults = []
        if self.reason:
            faults.append(self.reason)
        if self.wrong:
            faults.append(f"{self.wrong} of {self.elements} {'bits' if self.is_bitpacked else 'integers'} differ")
        if self.match.wrong_weights:
            faults.append(f"{self.match.wrong_weights} weights differ, in {self.match.wrong_filters} filters")
        if self.wrong_constants:
            faults.append(f"{self.wrong_constants} thresholds are wrong")
        return ", ".join(faults)

    def see(self, output: NDArray[Any], integers: NDArray[np.int32]) -> None:
        """Compare what the operator gave with the integers of the layer, (N, H, W, filters)."""
        rows, columns = integers.shape[1:3]
        self.elements += int(np.prod(integers.shape[:3])) * self.match.width
        part = integers[..., self.match.part.filters]
        if output.shape[1] < rows or output.shape[2] < columns:
            self.reason = f"it gives {output.shape[1]} x {output.shape[2]} places, the source {rows} x {columns}"
            return
        seen = output[:, :rows, :columns]
        if self.is_bitpacked:
            self._see_bits(seen, part)
        else:
            self._see_floats(seen[..., : self.match.width].astype(np.float64), part)

    def _see_floats(self, y: Numbers, integers: NDArray[np.int32]) -> None:
        multiplier, bias = (self._constant(i) for i in (self.match.operator.multiplier, self.match.operator.bias))
        expected = np.clip(integers * (self._sign * self._factor), *_CLAMPS[self.match.operator.activation])
        room = _ROUNDING_ULPS * _ULP * np.maximum(self._reach * np.abs(multiplier), np.abs(bias))
        visible = np.abs(multiplier) > 4 * room
        safe = np.where(visible, multiplier, 1.0)
        with np.errstate(invalid="ignore", over="ignore"):
            differs = np.rint((y - bias) / safe) != expected
            hidden = ~(np.abs(y - (multiplier * expected + bias)) <= room)
        self.wrong += int(np.where(visible, differs, hidden).sum())

    def _see_bits(self, words: NDArray[Any], integers: NDArray[np.int32]) -> None:
        if self.to_sign is None:
            return  # the next sign's own check has every bit
        bits = lce.unpack(words, self.match.operator.channels_out)[..., : self.match.width] < 0
        negative, tie = self._signs(integers)
        self.wrong += int(((bits != negative) & ~tie).sum())
        self.zeros += int(tie.sum())

    def _signs(self, integers: NDArray[Any]) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
        """Whether the value before the sign is negative, and whether it is too near to 0 to say."""
        assert self.to_sign is not None
        scale, shift = self.to_sign
        value = scale * integers + shift
        reach = self._reach / self._factor
        return value < 0, np.abs(value) <= _TIE_ULPS * _ULP * np.maximum(reach * np.abs(scale), np.abs(shift))

    def _check_thresholds(self) -> None:
        """LCE counts differing bits a = 0..K, where the integer is K - 2 a, and gives -1 where a > threshold."""
        assert self.to_sign is not None
        threshold = self.model.constant(self.match.operator.threshold)
        assert threshold is not None
        count = np.arange(self._reach + 1)
        scale, shift = self.to_sign
        for chosen in _chunks(self.match.width):
            integers = (self._reach - 2.0 * count)[:, None] * self._sign[chosen] / self._factor
            value = scale[chosen] * integers + shift[chosen]
            margin = np.maximum(self._reach / self._factor * np.abs(scale[chosen]), np.abs(shift[chosen]))
            wrong = ((value < 0) != (count[:, None] > threshold[chosen])) & (np.abs(value) > _TIE_ULPS * _ULP * margin)
            self.wrong_constants += int(wrong.any(axis=0).sum())

    def _constant(self, tensor: int) -> Numbers:
        values = self.model.constant(tensor)
        assert values is not None  # read_bconv2d has checked it
        return values[: self.match.width].astype(np.float64)


def _chunks(width: int) -> Iterator[slice]:
    for start in range(0, width, _FILTERS_AT_ONCE):
        yield slice(start, min(start + _FILTERS_AT_ONCE, width))
