"""Given: sums in which a term appears and disappears again, as straight-through estimators write them:
``sign(x) - f(x).detach() + f(x)``, where f and its detached copy are one value in the file.
Result: what is left of the sum, where that is a value that exists already.

Every value is written as a linear combination of at most four others (a longer one is a term by itself, which
keeps the pass linear); Add, Sub, Neg and products with a known scalar combine them. f is never looked at. This
runs before constants are folded: afterwards the residue of a weight would be rounding noise inside the weight.
"""

from __future__ import annotations

from collections.abc import Mapping

from repbnn_converters.onnx.graph import Graph, Node

_MAX_TERMS = 4
Combination = Mapping[str, float]


def run(graph: Graph) -> None:
    """Apply the pass."""
    combinations: dict[str, Combination] = {}
    known: dict[frozenset[tuple[str, float]], str] = {}
    aliases: dict[str, str] = {}
    for node in graph.nodes:
        node.inputs = [aliases.get(name, name) for name in node.inputs]
        terms = _combine(graph, node, combinations)
        if terms is None:
            continue
        sum_, cancelled = terms
        same = _existing(sum_, known)
        if cancelled and same is not None and _same_type(graph, same, node.output):
            aliases[node.output] = same
            continue
        if len(sum_) <= _MAX_TERMS:
            combinations[node.output] = sum_
            known.setdefault(frozenset(sum_.items()), node.output)
    graph.replace(aliases)


def _combine(graph: Graph, node: Node, combinations: Mapping[str, Combination]) -> tuple[Combination, bool] | None:
    """The node's output as a combination, and whether a term vanished; None where it is none."""

    def terms(name: str) -> Combination:
        return combinations.get(name, {name: 1.0})

    if node.op == "Neg":
        return {name: -factor for name, factor in terms(node.inputs[0]).items()}, False
    if node.op in ("Mul", "Div"):
        return _scaled(graph, node, combinations)
    if node.op not in ("Add", "Sub"):
        return None
    sign = 1.0 if node.op == "Add" else -1.0
    left, right = terms(node.inputs[0]), terms(node.inputs[1])
    total = dict(left)
    for name, factor in right.items():
        total[name] = total.get(name, 0.0) + sign * factor
    remaining = {name: factor for name, factor in total.items() if factor}
    return remaining, len(remaining) < len(total)


def _scaled(graph: Graph, node: Node, combinations: Mapping[str, Combination]) -> tuple[Combination, bool] | None:
    left, right = node.inputs
    if node.op == "Mul" and left in graph.constants:
        left, right = right, left
    factor = graph.constants.get(right)
    if factor is None or factor.size != 1 or factor.dtype.kind != "f" or not float(factor.reshape(-1)[0]):
        return None
    if left in graph.constants:  # known either way; products of two constants are left to onnxruntime's bits
        return None
    value = float(factor.reshape(-1)[0])
    value = value if node.op == "Mul" else 1.0 / value
    return {name: own * value for name, own in combinations.get(left, {left: 1.0}).items()}, False


def _existing(sum_: Combination, known: Mapping[frozenset[tuple[str, float]], str]) -> str | None:
    if len(sum_) == 1:
        ((name, factor),) = sum_.items()
        if factor == 1.0:
            return name
    return known.get(frozenset(sum_.items()))


def _same_type(graph: Graph, left: str, right: str) -> bool:
    shape = graph.shape(left)
    return shape is not None and shape == graph.shape(right)
