"""Recognise, rewrite, convert, and look whether every binary layer is there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from repbnn_edge.lowering import lce
from repbnn_edge.lowering.counting import broken_layers, check_binary
from repbnn_edge.lowering.freezing import freeze
from repbnn_edge.lowering.passes import run_passes
from repbnn_edge.lowering.passes.guards import guard
from repbnn_edge.lowering.plan import Plan
from repbnn_edge.lowering.recognition import recognise
from repbnn_edge.tflite import schema
from repbnn_edge.tflite.passes import compact, fills
from repbnn_edge.tflite.schema import Model


@dataclass(frozen=True)
class Lowered:
    """A converted network.

    Attributes:
        data: the flatbuffer.
        binary_layers: the source's binary layers by name, every one an LceBconv2d.
        corrections: layers that have another form than the source's, in words.
    """

    data: bytes
    binary_layers: tuple[str, ...]
    corrections: tuple[str, ...]


def lower_model(network: Any) -> Lowered:
    """Convert a Keras model (or ``keras_graph.Graph``), which stays as it is.

    Raises:
        BadInputError: NaN or infinity in its weights.
        UnsupportedError: a layer that would not become binary, or that LCE cannot convert; by name.
    """
    plan = run_passes(recognise(network))
    data, model = _converted(plan)
    if broken := broken_layers(plan, model):
        plan = guard(plan, broken)
        data, model = _converted(plan)
    return Lowered(data=data, binary_layers=check_binary(plan, model), corrections=plan.notes)


def _converted(plan: Plan) -> tuple[bytes, Model]:
    data = lce.convert_graph(freeze(plan))
    model = schema.load(data, "LCE's output")
    folded = fills.run(model)
    if folded is not model:
        data = schema.pack(compact.run(folded))
        model = schema.load(data, "LCE's output")
    return data, model
