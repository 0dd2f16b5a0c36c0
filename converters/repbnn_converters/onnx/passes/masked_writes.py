"""Given: ``out[mask] = number`` as PyTorch's dynamo exporter writes it: NonZero of the mask, transposed, as the places
of a ScatterND whose updates are the number, spread.
Result: Where(mask, number, out).

``out = x.sign(); out[out == 0] = 1`` is how half of the field keeps torch.sign's 0 away.
"""

from __future__ import annotations

from repbnn_converters.onnx.graph import Graph, Node

_SPREADING = {"Expand", "Reshape", "Identity", "Unsqueeze", "Squeeze"}
_LONGEST = 8


def run(graph: Graph) -> None:
    """Apply the pass."""
    producers = graph.producers()
    rewritten = []
    for node in graph.nodes:
        mask = _mask(graph, node, producers)
        number = _spread_number(graph, node.input(2), producers) if mask else ""
        if mask and number:
            node = Node("Where", [mask, number, node.inputs[0]], node.outputs, {}, node.name)
            graph.types[node.output] = graph.types[node.inputs[2]]
        rewritten.append(node)
    graph.nodes = rewritten


def _mask(graph: Graph, node: Node, producers: dict[str, Node]) -> str:
    """What says where the node writes, a value of the shape of what it writes into; "" where it is no such write."""
    if node.op != "ScatterND" or node.attributes.get("reduction", "none") != "none":
        return ""
    transposed = producers.get(node.inputs[1])
    places = producers.get(transposed.inputs[0]) if transposed is not None and transposed.op == "Transpose" else None
    if transposed is None or places is None or places.op != "NonZero" or transposed.attributes.get("perm") != [1, 0]:
        return ""
    mask, shape = places.inputs[0], graph.shape(node.inputs[0])
    kind = graph.types.get(mask)
    return mask if kind is not None and kind.dtype.kind == "b" and shape is not None and kind.shape == shape else ""


def _spread_number(graph: Graph, name: str, producers: dict[str, Node]) -> str:
    """The one number that ``name`` is everywhere, as a constant's name; "" where it is none."""
    for _ in range(_LONGEST):
        constant = graph.constants.get(name)
        if constant is not None:
            return name if constant.size == 1 else ""
        node = producers.get(name)
        if node is None or node.op not in _SPREADING:
            return ""
        name = node.inputs[0]
    return ""
