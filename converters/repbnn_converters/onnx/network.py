"""Our own IR of a binary network: typed layers over named maps, NCHW without the batch, in topological order.

A map is (C, H, W), a vector (F,). A value keeps the name that it has in the ONNX file wherever it is a value of
the file, so that the file itself can be asked for it; values that recognition invents end in ``DERIVED``.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Doubles = NDArray[np.float64]
Floats = NDArray[np.float32]
Shape = tuple[int, ...]
Pads = tuple[tuple[int, int], tuple[int, int]]
Pair = tuple[int, int]
NO_PADS: Pads = ((0, 0), (0, 0))
DERIVED = "~"


@dataclass(frozen=True, eq=False, kw_only=True)
class Layer:
    """One operation: ``name`` is the ONNX node's."""

    name: str
    inputs: tuple[str, ...]
    output: str

    @property
    def input(self) -> str:
        """The only input, or the first."""
        return self.inputs[0]


@dataclass(frozen=True, eq=False, kw_only=True)
class BinaryConv(Layer):
    """Sums of +-1 weights times the signs of the input: integers. A dense layer where ``dense``, on vectors.

    Attributes:
        weights: int8 (filters, C_in / groups, rows, columns).
        strides, dilations: (rows, columns).
        pads: of the binary map, ((top, bottom), (left, right)).
        pad_value: what the binary map is padded with.
        groups: convolution groups.
        dense: input and output are vectors.
        added: how many filters at the end are ours and no filters of the source (AdaBin's filter of ones).
        exact_at_zero: the file's sign of 0 is +1, by a comparison; torch.sign gives 0.
    """

    weights: NDArray[np.int8]
    strides: Pair = (1, 1)
    dilations: Pair = (1, 1)
    pads: Pads = NO_PADS
    pad_value: int = 0
    groups: int = 1
    dense: bool = False
    added: int = 0
    exact_at_zero: bool = False

    @property
    def source_weights(self) -> int:
        """How many weights the source has here."""
        return self.weights.size - self.added * self.weights[0].size


@dataclass(frozen=True, eq=False, kw_only=True)
class Conv(Layer):
    """A full-precision convolution with zero padding; weights as in ``BinaryConv``, bias (filters,) or None.

    ``added``: it is part of a binary layer's algebra, and no layer of the source.
    """

    weights: Floats
    bias: Floats | None = None
    strides: Pair = (1, 1)
    dilations: Pair = (1, 1)
    pads: Pads = NO_PADS
    groups: int = 1
    added: bool = False


@dataclass(frozen=True, eq=False, kw_only=True)
class Dense(Layer):
    """A full-precision dense layer; weights (outputs, inputs), bias (outputs,) or None; ``added`` as in ``Conv``."""

    weights: Floats
    bias: Floats | None = None
    added: bool = False


@dataclass(frozen=True, eq=False, kw_only=True)
class Affine(Layer):
    """``scale * x + shift``; each of the input's rank, sizes 1 or the input's, or None where it is left out."""

    scale: Doubles | None = None
    shift: Doubles | None = None


@dataclass(frozen=True, eq=False, kw_only=True)
class Sign(Layer):
    """-1 below 0, else +1, as a float map of its own: for signs that something other than a binary layer reads."""


Combination = Literal["add", "subtract", "multiply", "divide", "maximum", "minimum"]


@dataclass(frozen=True, eq=False, kw_only=True)
class Combine(Layer):
    """Two maps, element by element; sizes of 1 broadcast."""

    kind: Combination


FunctionKind = Literal[
    "abs", "cos", "elu", "erf", "exp", "gelu", "leaky_relu", "log", "log_softmax", "power", "reciprocal", "relu",
    "selu", "sigmoid", "sin", "softmax", "softplus", "softsign", "sqrt", "tanh",
]  # fmt: skip


@dataclass(frozen=True, eq=False, kw_only=True)
class Function(Layer):
    """A function of each element (softmax: along the channels); ``alpha`` of elu and leaky_relu, exponent of power."""

    kind: FunctionKind
    alpha: float = 0.0


@dataclass(frozen=True, eq=False, kw_only=True)
class Clip(Layer):
    """Clipped to low..high; either can be infinite."""

    low: float
    high: float


@dataclass(frozen=True, eq=False, kw_only=True)
class PRelu(Layer):
    """x where x > 0, else slope * x; slope (C,)."""

    slope: Floats


@dataclass(frozen=True, eq=False, kw_only=True)
class Pool(Layer):
    """Maximum or average of a window; padding never wins a maximum, and counts as 0 in an average.

    ``correction``: an average over other counts than the window's (ceil mode, count_include_pad = 0) is multiplied
    by this map, (1, H_out, W_out).
    """

    kind: Literal["max", "average"]
    size: Pair
    strides: Pair
    pads: Pads = NO_PADS
    correction: Doubles | None = None


@dataclass(frozen=True, eq=False, kw_only=True)
class GlobalPool(Layer):
    """Maximum or average over rows and columns: (C, 1, 1) where ``keep``, else (C,)."""

    kind: Literal["max", "average"]
    keep: bool


ReduceKind = Literal["max", "mean", "min", "sum"]


@dataclass(frozen=True, eq=False, kw_only=True)
class Reduce(Layer):
    """Over some axes (0 channels, 1 rows, 2 columns), which stay as sizes of 1."""

    kind: ReduceKind
    axes: tuple[int, ...]


@dataclass(frozen=True, eq=False, kw_only=True)
class Repeat(Layer):
    """Tiles the whole block of channels: c0 c1 .. c0 c1 .."""

    times: int


@dataclass(frozen=True, eq=False, kw_only=True)
class TakeChannels(Layer):
    """Output channel i is input channel ``indices[i]``: slices, shuffles, interleaving repeats."""

    indices: tuple[int, ...]


@dataclass(frozen=True, eq=False, kw_only=True)
class Concat(Layer):
    """Joins along channels."""


@dataclass(frozen=True, eq=False, kw_only=True)
class PadChannels(Layer):
    """Adds channels of zeros: the option-A shortcut."""

    before: int
    after: int


@dataclass(frozen=True, eq=False, kw_only=True)
class PadMap(Layer):
    """Adds rows and columns of ``value``."""

    pads: Pads
    value: float


@dataclass(frozen=True, eq=False, kw_only=True)
class CropMap(Layer):
    """Rows and columns by (start, stop, step)."""

    rows: tuple[int, int, int]
    columns: tuple[int, int, int]


@dataclass(frozen=True, eq=False, kw_only=True)
class Reshape(Layer):
    """The same numbers, in NCHW order, in another shape: flatten and its kin."""

    shape: Shape


@dataclass(frozen=True, eq=False, kw_only=True)
class DepthToSpace(Layer):
    """Channel ``(i * size + j) * C + c`` becomes row i and column j of each square of channel c: pixel shuffle."""

    size: int


@dataclass(frozen=True, eq=False, kw_only=True)
class SpaceToDepth(Layer):
    """The inverse of ``DepthToSpace``."""

    size: int


@dataclass(frozen=True, eq=False, kw_only=True)
class Enlarge(Layer):
    """Each row and column several times: nearest-neighbour upsampling by whole factors."""

    factors: Pair


@dataclass(frozen=True, eq=False, kw_only=True)
class ResizeBilinear(Layer):
    """Linear interpolation to (rows, columns), without antialiasing; pixels are squares, or the corners meet."""

    size: Pair
    align_corners: bool


@dataclass(frozen=True, eq=False, kw_only=True)
class ConvTranspose(Layer):
    """A full-precision transposed convolution, cropped at its edges.

    Attributes:
        weights: (C_in, filters / groups, rows, columns), as ONNX has them.
        bias: (filters,) or None.
        crop: of the whole result, ((top, bottom), (left, right)).
    """

    weights: Floats
    bias: Floats | None
    strides: Pair
    crop: Pads
    groups: int = 1


@dataclass(frozen=True, eq=False, kw_only=True)
class Stretch(Layer):
    """A (C, 1, 1) map repeated over rows and columns."""

    size: Pair


@dataclass(frozen=True, eq=False, kw_only=True)
class Foreign(Layer):
    """A full-precision operator that this IR has no layer for.

    Attributes:
        operator: its ONNX type.
        model: a ModelProto, serialised, of this node alone: input ``x``, output ``y``, constants inside, a batch of 1.
        why: what keeps it out of this IR, as a clause.
    """

    operator: str
    model: bytes
    why: str


@dataclass(eq=False)
class Network:
    """The whole of it.

    Attributes:
        input, output: value names.
        layers: in topological order.
        shapes: of every value, without the batch.
        notes: what the user should know, one sentence each.
        plain_signs: values of the file that are torch.sign of a map: 0 at 0, where binary hardware has +1.
        recognised: the layers before any pass, by what they make: how a value that the file does not have came from
            one that it has.
    """

    input: str
    output: str
    layers: list[Layer]
    shapes: dict[str, Shape]
    notes: list[str] = field(default_factory=list)
    plain_signs: set[str] = field(default_factory=set)
    recognised: dict[str, Layer] = field(default_factory=dict)

    @property
    def binary(self) -> list[BinaryConv]:
        """The binary layers, in order."""
        return [layer for layer in self.layers if isinstance(layer, BinaryConv)]

    def producers(self) -> dict[str, Layer]:
        """Which layer makes each value."""
        return {layer.output: layer for layer in self.layers}

    def uses(self) -> Counter[str]:
        """How often each value is read; the network's output counts as one."""
        counts = Counter(name for layer in self.layers for name in layer.inputs)
        counts[self.output] += 1
        return counts
