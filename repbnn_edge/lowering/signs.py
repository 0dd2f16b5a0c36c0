"""Where a network takes a sign: found by the values that it gives, not by what it is called."""

from __future__ import annotations

from typing import Any

from repbnn_edge import stack
from repbnn_edge.keras_graph import Graph, Node, Value
from repbnn_edge.layers import why_not_sign
from repbnn_edge.lowering import movement

_LONGEST = 5  # calls: 2 * cast(x >= 0) - 1 are four, sign(sign(x) + 0.1) are three
_ENDS = frozenset({"sign", "where", "add", "subtract", "multiply", "sub", "mul"})


def sign_layer(node: Node) -> bool:
    """Whether a layer without weights is a sign: a quantiser, or an activation."""
    if node.is_operation or node.layer.weights or not movement.may_be_sign(node):
        return False
    return is_sign(node.layer, node.inputs[0])


def sign_of_operations(graph: Graph, last: Node) -> Value | None:
    """The value whose sign a chain of TensorFlow functions gives, ``last`` being its end; None if it gives another."""
    if movement.operation(last) not in _ENDS or last.outputs[0].dtype != "float32":
        return None
    chain: list[Node] = []
    node: Node | None = last
    while node is not None and node.is_operation and len(node.inputs) == 1 and len(chain) < _LONGEST:
        chain.insert(0, node)
        source = node.inputs[0]
        alike = source.dtype == "float32" and source.shape == last.outputs[0].shape
        if alike and is_sign(_Chain(chain), source):
            return source
        node = graph.producer(source)
    return None


def is_sign(function: Any, source: Value) -> bool:
    """Whether a function of maps like ``source`` is the sign with sign(0) = +1."""
    try:
        return why_not_sign(function, int(source.shape[-1] or 1), spatial=len(source.shape) == 4) is None
    except (TypeError, ValueError, RuntimeError, stack.tensorflow().errors.OpError):  # made for another shape
        return False


class _Chain:
    """Calls one behind the other, as one function."""

    def __init__(self, nodes: list[Node]) -> None:
        self._nodes = nodes

    def __call__(self, x: Any) -> Any:
        for node in self._nodes:
            x = node.call((x,))
        return x
