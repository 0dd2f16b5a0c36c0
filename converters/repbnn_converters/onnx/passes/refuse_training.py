"""Given: a graph with batch norms in training mode, or dropout that drops.
Result: an error that says how to export in eval mode. The graph is not changed.

Such a file imports without a complaint otherwise: the extra outputs of a training batch norm are unused, and its
running statistics are there to be read.
"""

from __future__ import annotations

import numpy as np

from repbnn_converters.onnx.graph import Graph, Node
from repbnn_edge.errors import UnsupportedError

_EXPORT = "export it with model.eval() first: torch.onnx.export(model.eval(), image, 'model.onnx')"


def run(graph: Graph) -> None:
    """Apply the pass.

    Raises:
        UnsupportedError: the network was exported in training mode.
    """
    for node in graph.nodes:
        why = _training(graph, node)
        if why:
            raise UnsupportedError(str(node), why, _EXPORT)


def _training(graph: Graph, node: Node) -> str:
    if node.op == "BatchNormalization":
        extra = [output for output in node.outputs[1:] if output]
        if node.attributes.get("training_mode", 0) or extra:
            return "it is in training mode and normalises with the statistics of one batch"
    if node.op == "Dropout" and node.input(2) and np.any(graph.constants.get(node.input(2), np.array(True))):
        return "it is in training mode and drops values at random"
    return ""
