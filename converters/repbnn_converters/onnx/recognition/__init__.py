"""Recognition: what each operator of the file is in our IR, decided in one walk over the graph.

A value is a constant, a real map, a sign (two numbers and the map whose sign it takes) or a movement of another
value; see ``symbols``. Binary layers follow from that: a convolution that reads a sign with two-valued weights.
"""

from __future__ import annotations

from repbnn_converters.onnx.graph import Graph, Node
from repbnn_converters.onnx.network import Network
from repbnn_converters.onnx.recognition import (  # noqa: F401 - they fill the table
    arithmetic,
    convolutions,
    functions,
    pooling,
    ranges,
    reductions,
    resizing,
    signs,
    structure,
)
from repbnn_converters.onnx.recognition.builder import Builder
from repbnn_converters.onnx.recognition.foreign_operators import attempt
from repbnn_converters.onnx.recognition.handlers import TABLE
from repbnn_converters.onnx.trust import contradictions
from repbnn_edge.errors import UnsupportedError


def recognise(graph: Graph) -> Network:
    """Turn the file's graph into a network.

    Raises:
        UnsupportedError: an operator, or a use of one, that has no exact form; names the node.
    """
    builder = Builder(graph)
    for node in graph.nodes:
        with contradictions(str(node)):
            try:
                _recognise(builder, node)
            except UnsupportedError as error:
                attempt(builder, node, error)
            ranges.note(builder, node)
    last = graph.nodes[-1] if graph.nodes else None
    if last is None:
        raise UnsupportedError("the network", "its output does not depend on its input", "export it again")
    final = next(node for node in reversed(graph.nodes) if graph.output in node.outputs)
    end = type(final)("Identity", [graph.output], [], {}, final.name)
    builder.network.output = builder.real(end, 0)
    builder.network.recognised = builder.network.producers()
    return builder.network


def _recognise(builder: Builder, node: Node) -> None:
    handler = TABLE.get(node.op)
    if handler is None:
        why = "the importer does not know this operator"
        raise UnsupportedError(str(node), why, "export the network without it; docs/pytorch.md lists what is known")
    handler(builder, node)
