"""Teacher forcing: a file in which every sign reads the reference's own values, so that each stretch stands alone.

One run of that file gives everything that is judged: what each stretch of float operators computes up to the next sign,
and what each binary convolution makes of the reference's own input. No binary convolution runs twice.

::

    file       ... -> add -> x -> LceQuantize -> LceBconv2d -> y -> ...
    forced     ... -> add -> x (given out)      x' (given in) -> LceQuantize -> LceBconv2d -> y (given out) -> ...
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from repbnn_edge.runtime.lce import CheckedInterpreter
from repbnn_edge.tflite import lce
from repbnn_edge.tflite.cut import cut
from repbnn_edge.tflite.schema import Model
from repbnn_edge.verification.integers import signs
from repbnn_edge.verification.matching import Match
from repbnn_edge.verification.placement import MisfitError, Placement, place
from repbnn_edge.verification.reference import BinaryLayer, Floats


@dataclass(frozen=True, eq=False)
class Anchor:
    """A tensor of the file whose value the reference knows.

    Attributes:
        tensor: its index in the file.
        kind: ``float`` before an LceQuantize, ``bits`` for a bitpacked map, ``bool`` before an LceQuantize of a
            comparison.
        placements: of every binary convolution that reads it; the first says what it is fed with.
    """

    tensor: int
    kind: Literal["float", "bits", "bool"]
    placements: tuple[Placement, ...]

    @property
    def layers(self) -> list[BinaryLayer]:
        """The source's layers that read it."""
        return [placement.match.layer for placement in self.placements]

    def feed(self, tap: Floats) -> NDArray[Any]:
        """What stands for the reference's values in the file, (N, ...)."""
        values = self.placements[0].to_file(tap)
        if self.kind == "bits":
            return lce.pack(signs(values).astype(np.int8))
        return values >= 0 if self.kind == "bool" else values


def find_anchors(
    model: Model, matches: Sequence[Match], taps: dict[str, tuple[int, ...]]
) -> tuple[list[Anchor], dict[str, str]]:
    """The tensors at which the file can be fed with the reference's values, in the order in which they are computed.

    Args:
        model: the file.
        matches: its binary convolutions.
        taps: the shape of each of the reference's taps.

    Returns:
        the anchors, and for each layer that cannot be fed, why.
    """
    found: dict[int, tuple[Literal["float", "bits", "bool"], list[Placement]]] = {}
    misfits: dict[str, str] = {}
    for match in matches:
        tensor, kind, pooled = _where(model, match)
        shape = model.tensors[tensor].shape
        if kind == "bits":  # in words; the width is that of the convolution, the pool works on whole words
            shape = (*shape[:3], match.operator.channels_in)
        try:
            placement = place(match, shape, taps[match.layer.sign_input], pooled)
        except (MisfitError, IndexError) as error:
            misfits[match.layer.name] = str(error)
            continue
        found.setdefault(tensor, (kind, []))[1].append(placement)
    anchors = [Anchor(tensor, kind, tuple(placements)) for tensor, (kind, placements) in found.items()]
    return sorted(anchors, key=lambda anchor: model.producers.get(anchor.tensor, -1)), misfits


def _where(model: Model, match: Match) -> tuple[int, Literal["float", "bits", "bool"], bool]:
    """The tensor to feed for a convolution, its kind, and whether the layer's max pooling lies before it."""
    tensor, pooled = match.operator.input, True
    producer = _producer(model, tensor)
    if producer is not None and producer.op == lce.BMAXPOOL:
        if match.layer.pool is None:  # the source's own tap is the pooled one
            return tensor, "bits", True
        tensor, pooled = producer.inputs[0], False
        producer = _producer(model, tensor)
    if producer is not None and producer.op == lce.QUANTIZE:
        source = producer.inputs[0]
        return source, "bool" if model.tensors[source].type == "bool" else "float", pooled
    return tensor, "bits", pooled


class ForcedFile:
    """The file cut at its anchors, ready to run.

    Args:
        model: the file.
        anchors: where it is cut. One that nobody computes, as the network's own input, is left as it is.
        more: tensors to give out besides.
    """

    def __init__(self, model: Model, anchors: Sequence[Anchor], more: Sequence[int] = ()) -> None:
        self._original = model
        self.anchors = [anchor for anchor in anchors if anchor.tensor in model.producers]
        self.model, self._given = _with_inputs(model, self.anchors)
        convolutions = [
            operator.outputs[0]
            for operator in model.operators
            if operator.op == lce.BCONV and model.tensors[operator.outputs[0]].type == "float32"
        ]
        wanted = [anchor.tensor for anchor in self.anchors] + convolutions + list(model.outputs) + list(more)
        self.outputs = list(dict.fromkeys(wanted))

    @cached_property
    def data(self) -> bytes:
        """The flatbuffer: inputs are the file's own, then the anchors; outputs are ``outputs``."""
        inputs = [*self._original.inputs, *self._given.values()]
        return cut(self.model, range(len(self.model.operators)), inputs, self.outputs)

    @cached_property
    def _interpreter(self) -> CheckedInterpreter:
        return CheckedInterpreter(self.data)

    def inputs(self, sample: Floats, feeds: dict[int, NDArray[Any]]) -> list[NDArray[Any]]:
        """What one run reads: a sample, (1, H, W, C); ``feeds`` has the value of each anchor by tensor."""
        return [sample, *(feeds[anchor.tensor] for anchor in self.anchors)]

    def run(self, inputs: Sequence[NDArray[Any]]) -> dict[int, NDArray[Any]]:
        """Run once; the outputs by tensor."""
        return dict(zip(self.outputs, self._interpreter.run(inputs), strict=True))

    @cached_property
    def cones(self) -> dict[int, frozenset[int]]:
        """For each output, the operators that compute it from what is given."""
        memory: dict[int, frozenset[int]] = {}
        for operator in self.model.operators:
            before = [memory[tensor] for tensor in operator.inputs if tensor in memory]
            cone = frozenset({operator.index}).union(*before)
            memory.update(dict.fromkeys(operator.outputs, cone))
        return {tensor: memory.get(tensor, frozenset()) for tensor in self.outputs}


def _with_inputs(model: Model, anchors: Sequence[Anchor]) -> tuple[Model, dict[int, int]]:
    """A copy whose readers of an anchor read a new tensor in its place."""
    twin = model.copy()
    given = {}
    for anchor in anchors:
        fresh = copy.copy(twin.graph.tensors[anchor.tensor])
        fresh.name = f"forced {anchor.tensor}".encode()
        fresh.buffer = 0
        given[anchor.tensor] = len(twin.graph.tensors)
        twin.graph.tensors.append(fresh)
        for reader in _readers(model, anchor):
            operator = twin.graph.operators[reader]
            operator.inputs = [given[anchor.tensor] if i == anchor.tensor else int(i) for i in operator.inputs]
    return twin, given


def _readers(model: Model, anchor: Anchor) -> list[int]:
    """Who reads the reference's values: everybody where they are the map itself, else the signs alone."""
    readers = model.consumers.get(anchor.tensor, ())
    if anchor.kind == "float" and not anchor.placements[0].is_whole:
        return [reader for reader in readers if model.operators[reader].op == lce.QUANTIZE]
    return list(readers)


def _producer(model: Model, tensor: int) -> Any:
    index = model.producers.get(tensor)
    return None if index is None else model.operators[index]
