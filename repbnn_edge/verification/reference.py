"""What verification needs of a source, whatever framework runs it.

The truth of a binary layer is integer: the sum over +-1 weights and +-1 inputs, padding taps counted as
``pad_value``. A reference gives the float map whose sign each binary layer reads; the integers follow from it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Pads = tuple[tuple[int, int], tuple[int, int]]

OUTPUT = "output"
"""The tap under which a reference gives the network's output."""


@dataclass(frozen=True)
class MaxPool:
    """Max pooling of the binary map between the sign and the convolution; padding taps never win."""

    size: tuple[int, int]
    strides: tuple[int, int]
    padding: Pads


@dataclass(frozen=True, eq=False)
class BinaryLayer:
    """A binary convolution or dense layer of the source.

    Attributes:
        name: the source's own name of it (Keras layer or ONNX node), which every message uses.
        kind: ``conv2d`` or ``dense``.
        sign_input: tap name of the float map (N, H, W, C_in) whose sign the layer reads; (N, C_in) for dense.
            The sign of x is -1 where x < 0, else +1.
        weights: int8 in {-1, +1}, (kh, kw, C_in / groups, filters); a dense layer is (1, 1, C_in, units).
        strides: (rows, columns).
        dilations: (rows, columns).
        padding: ((top, bottom), (left, right)), explicit for the map size that the network runs at.
        pad_value: what the binary map is padded with: 0, +1 or -1.
        groups: convolution groups.
        pool: max pooling between sign and convolution, if any.
        to_sign: (scale, shift), float64, one value per channel of the next sign's input, where that input is
            nothing but ``scale * integer + shift`` (the integer map tiled to that width); None elsewhere.
        exact_at_zero: the source's sign of 0 is +1 as here; torch.sign(0) is 0, which no bit can be.
    """

    name: str
    kind: Literal["conv2d", "dense"]
    sign_input: str
    weights: NDArray[np.int8]
    strides: tuple[int, int] = (1, 1)
    dilations: tuple[int, int] = (1, 1)
    padding: Pads = ((0, 0), (0, 0))
    pad_value: int = 0
    groups: int = 1
    pool: MaxPool | None = None
    to_sign: tuple[NDArray[np.float64], NDArray[np.float64]] | None = None
    exact_at_zero: bool = False

    @property
    def integers_tap(self) -> str:
        """Under which a reference that has computed the layer's integers on the way gives them, int32."""
        return f"integers of {self.name}"


class Reference(Protocol):
    """A source that can be run by its own framework, binary layers in integers."""

    @property
    def input_shape(self) -> tuple[int, int, int]:
        """Height, width, channels of one input."""

    @property
    def binary_layers(self) -> Sequence[BinaryLayer]:
        """All binary layers, in topological order."""

    def run(self, batch: Floats) -> Mapping[str, NDArray[Any]]:
        """Run (N, H, W, C) preprocessed inputs; give every ``sign_input`` tap and ``OUTPUT``, channels last.

        A reference that sums a layer's integers from that very tap by ``integers.layer_integers`` may give them too,
        as ``integers_tap``, so that they need not be summed twice.
        """

    def counts(self) -> Mapping[str, Any]:
        """``{"macs": {"binary", "float"}, "parameters": {"binary", "float"}}`` of the source, before folding."""
