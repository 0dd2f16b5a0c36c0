"""What recognition knows of a value while it walks the graph."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from repbnn_converters.onnx.graph import Array
from repbnn_converters.onnx.network import NO_PADS, Doubles, Pads


@dataclass(frozen=True, eq=False)
class Known:
    """A constant."""

    array: Array


@dataclass(frozen=True)
class Real:
    """A map of real numbers: the value ``name`` of the network being built."""

    name: str


@dataclass(frozen=True)
class TwoValued:
    """``gain * sign(source) + offset``: a binary map, perhaps padded.

    Attributes:
        source: the real map whose sign it takes.
        gain, offset: one number each; a comparison gives (0.5, 0.5): 0 and 1.
        at_zero: the sign of 0: 0 for torch.sign, +1 for >=, -1 for >.
        pads, pad_value: zero or one-sided padding behind the sign, as a value of this map.
    """

    source: str
    gain: float
    offset: float
    at_zero: int
    pads: Pads = NO_PADS
    pad_value: float = 0.0

    @property
    def low(self) -> float:
        """The value where the source is negative."""
        return self.offset - self.gain

    @property
    def high(self) -> float:
        """The value where the source is positive."""
        return self.offset + self.gain

    @property
    def padded(self) -> bool:
        """Whether it carries padding that no layer has absorbed yet."""
        return self.pads != NO_PADS


@dataclass(frozen=True, eq=False)
class Moved:
    """Numbers of another value in another place: element i is element ``indices[i]`` of ``source``.

    Reshape, Transpose, Expand and their kin in chains are one such movement; what it amounts to (a repeat, a
    shuffle, a flatten) is decided where something reads it.

    Attributes:
        source: a Real or a TwoValued without padding.
        shape: of the source, with the batch.
        indices: int32, shaped as this value, into the flat source.
    """

    source: Real | TwoValued
    shape: tuple[int, ...]
    indices: np.ndarray[tuple[int, ...], np.dtype[np.int32]]


@dataclass(frozen=True, eq=False)
class ScaledSign:
    """What a real map also is: ``sign`` multiplied with, or divided by, ``factor``; see ``scaled_signs``.

    Attributes:
        sign: the binary map.
        factor: a real map of the network, or an array of constants, without the batch.
        kind: which of the two.
    """

    sign: TwoValued
    factor: str | Doubles
    kind: Literal["multiply", "divide"]


@dataclass(frozen=True)
class IsZero:
    """1 where ``source`` is 0, else 0: what makes a bit of torch.sign's 0, ``where(sign(x) == 0, 1, sign(x))``."""

    source: str


Symbol = Known | Real | TwoValued | Moved | IsZero
