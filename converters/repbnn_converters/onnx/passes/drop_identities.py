"""Given: nodes that give back their input: Identity, Dropout at inference, casts to the same type, Expand and
Tile by ones, Reshape and Transpose to the same thing, a full Slice, a Concat of one, a Pad of nothing.
Result: their readers read the input itself.

Also: an Expand of a constant becomes the constant, which every reader of such a value broadcasts anyway; without
that, a learned shift of 64 numbers becomes a map of 800,000.
"""

from __future__ import annotations

import numpy as np

from repbnn_converters.onnx.graph import Graph, Node

_SAME_SHAPE = {"Expand", "Tile", "Reshape", "Slice", "Pad", "Flatten", "Squeeze", "Unsqueeze", "Concat"}
_BROADCASTING = {"Add", "Sub", "Mul", "Div", "Pow", "Max", "Min", "Where", "PRelu", "Greater", "Less", "Expand"}


def run(graph: Graph) -> None:
    """Apply the pass."""
    only_broadcast = _read_only_by_broadcasting(graph)
    aliases: dict[str, str] = {}
    for node in graph.nodes:
        if _is_identity(graph, node) or (
            node.op == "Expand" and node.input(0) in graph.constants and node.output in only_broadcast
        ):
            aliases[node.output] = node.inputs[0]
    graph.replace(aliases)


def _read_only_by_broadcasting(graph: Graph) -> set[str]:
    expanded = {node.output for node in graph.nodes if node.op == "Expand" and node.input(0) in graph.constants}
    read_otherwise = {graph.output}
    for node in graph.nodes:
        # Some operand must keep the full shape: a result of expanded constants alone would shrink with them.
        shape = graph.shape(node.output)
        keeps = any(graph.shape(name) == shape for name in node.inputs if name and name not in expanded)
        if node.op not in _BROADCASTING or shape is None or not keeps:
            read_otherwise.update(node.inputs)
    return expanded - read_otherwise


def _is_identity(graph: Graph, node: Node) -> bool:
    if node.op == "Identity":
        return True
    if node.op == "Dropout":
        return not _trains(graph, node)
    if node.op in ("Cast", "CastLike"):
        source, target = graph.types.get(node.input(0)), graph.types.get(node.output)
        return source is not None and target is not None and source.dtype == target.dtype
    if node.op == "Transpose":
        perm = node.attributes.get("perm")
        return perm is not None and list(perm) == sorted(perm)
    if node.op not in _SAME_SHAPE or (node.op == "Concat" and len(node.inputs) != 1):
        return False
    if node.op == "Slice" and not _steps_forward(graph, node):
        return False
    shape = graph.shape(node.input(0))
    return shape is not None and shape == graph.shape(node.output) and _keeps_content(graph, node)


def _keeps_content(graph: Graph, node: Node) -> bool:
    """A Pad can move content at the same shape (+1, -1); everything else with the same shape is the same."""
    if node.op != "Pad":
        return True
    pads = node.attributes.get("pads")
    if pads is None:
        pads = graph.constants.get(node.input(1))
    return pads is not None and not np.any(pads)


def _steps_forward(graph: Graph, node: Node) -> bool:
    steps = node.input(4)
    return not steps or (steps in graph.constants and bool((graph.constants[steps] == 1).all()))


def _trains(graph: Graph, node: Node) -> bool:
    flag = node.input(2)
    return bool(flag) and bool(np.any(graph.constants.get(flag, np.array(True))))
