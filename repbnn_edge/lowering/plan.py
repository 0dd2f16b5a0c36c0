"""What is lowered: a flat list of steps whose binary convolutions are plain mathematics, batch size 1.

A step is either a call of the source's own layer (``Call``) or one of the few forms that passes work on. Passes
take a ``Plan`` and give a ``Plan``; none of them touches the source model.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from repbnn_edge.errors import UnsupportedError
from repbnn_edge.keras_graph import Node

Shape = tuple[int, ...]
Pads = tuple[tuple[int, int], tuple[int, int]]
NO_PADS: Pads = ((0, 0), (0, 0))


def same_padding(size: Sequence[int], strides: Sequence[int], spans: Sequence[int]) -> Pads:
    """TensorFlow's SAME in numbers; the odd one goes to the end. Each argument is (rows, columns)."""
    totals = [
        max(0, (-(-n // stride) - 1) * stride + span - n) for n, stride, span in zip(size, strides, spans, strict=True)
    ]
    rows, columns = ((total // 2, total - total // 2) for total in totals)
    return rows, columns


@dataclass(frozen=True, eq=False, kw_only=True)
class Step:
    """One operation.

    Attributes:
        name: unique in the plan; it starts with the source layer's name.
        inputs: names of the values that it reads.
        outputs: names of the values that it gives.
    """

    name: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]

    @property
    def output(self) -> str:
        """The one output."""
        (output,) = self.outputs
        return output


@dataclass(frozen=True, eq=False, kw_only=True)
class Call(Step):
    """A call of a Keras layer.

    Attributes:
        node: the call in the source.
        layer: what is called: the source's layer, or one that stands for it.
        moves: the layer only moves values, or takes the largest of some, so that it commutes with a sign.
    """

    node: Node
    layer: Any
    moves: bool = False


@dataclass(frozen=True, eq=False, kw_only=True)
class Sign(Step):
    """-1 where the input is below 0, else +1."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Convolution(Step):
    """A binary convolution, ``scale * integer``; a dense layer where ``dense``.

    Attributes:
        layer: the source layer's name.
        weights: int8 in {-1, +1}, (rows, columns, C_in / groups, filters).
        scale: float32 (filters,).
        strides, dilations: (rows, columns).
        padding: explicit, of the binary map.
        pad_value: what it is padded with: 0, +1 or -1.
        groups: convolution groups.
        dense: the input is (1, C_in) and the output (1, filters).
    """

    layer: str
    weights: NDArray[np.int8]
    scale: NDArray[np.float32]
    strides: tuple[int, int] = (1, 1)
    dilations: tuple[int, int] = (1, 1)
    padding: Pads = NO_PADS
    pad_value: int = 0
    groups: int = 1
    dense: bool = False

    @property
    def spans(self) -> tuple[int, int]:
        """Rows and columns from the first tap to the last, dilation counted."""
        rows, columns = ((k - 1) * d + 1 for k, d in zip(self.weights.shape[:2], self.dilations, strict=True))
        return rows, columns

    def output_size(self, height: int, width: int) -> tuple[int, int]:
        """Height and width of the output on a map of this size."""
        rows, columns = (
            (size + sum(pads) - span) // stride + 1
            for size, pads, span, stride in zip((height, width), self.padding, self.spans, self.strides, strict=True)
        )
        return rows, columns


@dataclass(frozen=True, eq=False, kw_only=True)
class Pad(Step):
    """Pads rows and columns with a constant."""

    padding: Pads
    value: float


@dataclass(frozen=True, eq=False, kw_only=True)
class Crop(Step):
    """Keeps the first rows and columns."""

    size: tuple[int, int]


@dataclass(frozen=True, eq=False, kw_only=True)
class SliceChannels(Step):
    """Keeps channels ``begin`` to ``end``."""

    begin: int
    end: int


@dataclass(frozen=True, eq=False, kw_only=True)
class Concat(Step):
    """Joins maps along channels."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Repeat(Step):
    """Tiles the whole block of channels: c0 c1 .. c0 c1 .."""

    times: int


@dataclass(frozen=True, eq=False, kw_only=True)
class Reshape(Step):
    """Gives the sample another shape; the batch stays."""

    shape: Shape


@dataclass(frozen=True, eq=False, kw_only=True)
class Apply(Step):
    """A part of a layer that acts on each value by itself: bias, activation, shift.

    Attributes:
        function: on TensorFlow tensors.
    """

    function: Callable[[Any], Any]


@dataclass(frozen=True, eq=False)
class Plan:
    """A network to lower.

    Attributes:
        name: the source model's.
        inputs, outputs: value names.
        steps: in an order in which they can run.
        shapes: of every value, batch size 1; -1 where TensorFlow alone knows.
        notes: which layers passes gave another form, in words.
    """

    name: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    steps: tuple[Step, ...]
    shapes: Mapping[str, Shape] = field(repr=False)
    notes: tuple[str, ...] = ()

    def producer(self, value: str) -> Step | None:
        """The step that gives a value; None for an input of the network."""
        return self._producers.get(value)

    def consumers(self, value: str) -> tuple[Step, ...]:
        """The steps that read a value."""
        return tuple(self._consumers.get(value, ()))

    @property
    def convolutions(self) -> tuple[Convolution, ...]:
        """The binary convolutions, in order."""
        return tuple(step for step in self.steps if isinstance(step, Convolution))

    def shape(self, value: str) -> Shape:
        """The shape of a value.

        Raises:
            UnsupportedError: it depends on the input, by the name of the step that gives the value.
        """
        shape = self.shapes[value]
        if -1 in shape:
            raise UnsupportedError(value, "the size of its output is not fixed", "give every size when building it")
        return shape

    def rewritten(
        self, rewrite: Callable[[Step], Sequence[Step] | None], note: str, shapes: Mapping[str, Shape] | None = None
    ) -> Plan:
        """A plan in which ``rewrite(step)``, where it gives steps, stands in the step's place.

        ``note`` says what the rewrite does to a layer. ``shapes`` holds the shapes of new values and may grow while
        ``rewrite`` runs. Steps whose values nobody reads any more are left out; where nothing is rewritten, the plan
        itself is given back.
        """
        steps: list[Step] = []
        changed: list[str] = []
        for step in self.steps:
            instead = rewrite(step)
            steps += [step] if instead is None else instead
            if instead is not None:
                changed.append(step.layer if isinstance(step, Convolution) else step.name)
        if not changed:
            return self
        return replace(
            self,
            steps=needed(steps, self.outputs),
            shapes={**self.shapes, **(shapes or {})},
            notes=(*self.notes, *(f"{name}: {note}" for name in changed)),
        )

    @cached_property
    def _producers(self) -> dict[str, Step]:
        return {output: step for step in self.steps for output in step.outputs}

    @cached_property
    def _consumers(self) -> dict[str, list[Step]]:
        readers: dict[str, list[Step]] = {}
        for step in self.steps:
            for value in dict.fromkeys(step.inputs):
                readers.setdefault(value, []).append(step)
        return readers


def needed(steps: Iterable[Step], outputs: Iterable[str]) -> tuple[Step, ...]:
    """The steps that the outputs depend on."""
    wanted, kept = set(outputs), []
    for step in reversed(list(steps)):
        if wanted.intersection(step.outputs):
            kept.append(step)
            wanted.update(step.inputs)
    return tuple(reversed(kept))
