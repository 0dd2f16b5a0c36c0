"""Given: nodes and constants whose values nobody reads (the f of a cancelled residue, a batch norm's statistics).
Result: they are gone.
"""

from __future__ import annotations

from repbnn_converters.onnx.graph import Graph


def run(graph: Graph) -> None:
    """Apply the pass."""
    live = {graph.output}
    kept = []
    for node in reversed(graph.nodes):
        if any(output in live for output in node.outputs):
            kept.append(node)
            live.update(node.inputs)
    graph.nodes = kept[::-1]
    graph.constants = {name: value for name, value in graph.constants.items() if name in live}
