"""Add, Sub, Mul, Div and their kin: with a constant an affine, of two maps a combination, on a sign new values."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from repbnn_converters.onnx.graph import Node
from repbnn_converters.onnx.network import Affine, Clip, Combination, Combine, Doubles, Function, Shape
from repbnn_converters.onnx.recognition import movement, scaled_signs
from repbnn_converters.onnx.recognition.builder import Builder
from repbnn_converters.onnx.recognition.handlers import handles
from repbnn_converters.onnx.recognition.symbols import Known, Moved, Real, Symbol, TwoValued

_KINDS: dict[str, Combination] = {
    "Add": "add",
    "Sub": "subtract",
    "Mul": "multiply",
    "Div": "divide",
    "Max": "maximum",
    "Min": "minimum",
}


@handles("Add", "Sub", "Mul", "Div")
def arithmetic(builder: Builder, node: Node) -> None:
    """The four operations; a sign and where it is 0, added, are a sign that is a bit there too."""
    if _completed(builder, node):
        return
    node = _with_ranks_alike(builder, node)
    left, right = builder.settle(node, 0), builder.settle(node, 1)
    if isinstance(left, Real) and _over_its_magnitude(builder, node):
        # 0 / 0 is no number, which no comparison passes: what it is taken as is never proven wrong in silence.
        builder.symbols[node.output] = TwoValued(left.name, 1.0, 0.0, at_zero=1)
    elif isinstance(left, Known):
        _with_constant(builder, node, 1, left, reverse=True)
    elif isinstance(right, Known):
        _with_constant(builder, node, 0, right, reverse=False)
    else:
        combine(builder, node, _KINDS[node.op])
        _note_scaled(builder, node, left, right)


def _with_ranks_alike(builder: Builder, node: Node) -> Node:
    """``x.abs().mean()`` beside a map: for a batch of one, a number without axes is one number a sample."""
    for index in (0, 1):
        name, other = node.input(index), builder.graph.shape(node.input(1 - index))
        shape = builder.graph.shape(name)
        if name in builder.graph.constants or shape is None or other is None or builder.graph.batch != 1:
            continue
        start = movement.begin(builder, node, index) if len(shape) < len(other) and set(shape) <= {1} else None
        if start is not None:
            inputs, fresh = list(node.inputs), builder.fresh(name)
            inputs[index] = fresh
            builder.symbols[fresh] = Moved(start.source, start.shape, start.indices.reshape((1,) * len(other)))
            return Node(node.op, inputs, node.outputs, node.attributes, node.name)
    return node


def _note_scaled(builder: Builder, node: Node, left: Symbol, right: Symbol) -> None:
    """A sign times a real map, or over one; the product keeps the sign's own shape."""
    if node.op not in ("Mul", "Div"):
        return
    sign, factor = (left, right) if isinstance(left, TwoValued) else (right, left)
    if not isinstance(sign, TwoValued) or not isinstance(factor, Real) or (node.op == "Div" and sign is right):
        return
    if builder.graph.shape(node.output) == builder.graph.shape(node.inputs[0 if sign is left else 1]):
        scaled_signs.note(builder, node, sign, factor.name)


def _over_its_magnitude(builder: Builder, node: Node) -> bool:
    """x / |x|: a sign."""
    below = builder.producers.get(node.inputs[1])
    return node.op == "Div" and below is not None and below.op == "Abs" and below.inputs[0] == node.inputs[0]


def _completed(builder: Builder, node: Node) -> bool:
    """sign(x) + (x == 0): +1 at 0."""
    for index in (0, 1):
        mask = builder.zero_mask(node, index)
        sign = builder.symbol(node, 1 - index) if mask is not None else None
        if mask is None or not isinstance(sign, TwoValued):
            continue
        if node.op == "Add" and sign.source == mask.source and sign.at_zero == 0 and abs(sign.gain) == 1.0:
            builder.network.plain_signs.discard(node.input(1 - index))
            builder.symbols[node.output] = replace(sign, at_zero=1 if sign.gain > 0 else -1)
            return True
    return False


@handles("Neg")
def negate(builder: Builder, node: Node) -> None:
    """-x."""
    symbol = builder.settle(node, 0)
    if isinstance(symbol, TwoValued):
        builder.symbols[node.output] = rescaled(symbol, -1.0, 0.0)
        return
    name = builder.real(node, 0)
    affine(builder, node, name, np.full((1,) * len(builder.network.shapes[name]), -1.0), None)


@handles("Max", "Min")
def extreme(builder: Builder, node: Node) -> None:
    """Against a number a clip, of two maps a combination."""
    if len(node.inputs) != 2:
        raise builder.unsupported(node, f"it compares {len(node.inputs)} maps", "compare two at a time")
    constants = [i for i in (0, 1) if builder.known(node, i) is not None]
    if not constants:
        combine(builder, node, _KINDS[node.op])
        return
    bound = builder.scalar(node, constants[0])
    if bound is None:
        raise builder.unsupported(node, "its bound differs from channel to channel", "use one bound")
    low, high = (bound, np.inf) if node.op == "Max" else (-np.inf, bound)
    symbol = builder.settle(node, 1 - constants[0])
    if isinstance(symbol, TwoValued):
        builder.symbols[node.output] = mapped(symbol, *np.clip([symbol.low, symbol.high], low, high))
        return
    name = builder.real(node, 1 - constants[0])
    builder.give(node, Clip, builder.network.shapes[name], inputs=(name,), low=low, high=high)


@handles("Pow")
def power(builder: Builder, node: Node) -> None:
    """A constant exponent: squares, roots, reciprocals, or any other."""
    exponent = builder.scalar(node, 1)
    if exponent is None:
        raise builder.unsupported(node, "its exponent is no single number", "use one constant exponent")
    name = builder.real(node, 0)
    shape = builder.network.shapes[name]
    if exponent == 2:
        builder.give(node, Combine, shape, inputs=(name, name), kind="multiply")
    elif exponent == 0.5:
        builder.give(node, Function, shape, inputs=(name,), kind="sqrt")
    elif exponent == -1:
        builder.give(node, Function, shape, inputs=(name,), kind="reciprocal")
    else:
        builder.give(node, Function, shape, inputs=(name,), kind="power", alpha=exponent)


def affine(builder: Builder, node: Node, name: str, scale: Doubles | None, shift: Doubles | None) -> None:
    """The node's output is ``scale * name + shift``."""
    builder.give(node, Affine, builder.network.shapes[name], inputs=(name,), scale=scale, shift=shift)


def rescaled(symbol: TwoValued, factor: float, addend: float) -> TwoValued:
    """``factor * symbol + addend``."""
    value = factor * symbol.pad_value + addend
    return replace(symbol, gain=factor * symbol.gain, offset=factor * symbol.offset + addend, pad_value=value)


def mapped(symbol: TwoValued, low: float, high: float) -> TwoValued:
    """The same sign with other values: what any function of each element makes of it."""
    return replace(symbol, gain=float(high - low) / 2, offset=float(high + low) / 2)


def combine(builder: Builder, node: Node, kind: Combination) -> None:
    """The node's output is a combination of its two inputs."""
    names = (builder.real(node, 0), builder.real(node, 1))
    shape = _broadcast(builder, node, *(builder.network.shapes[name] for name in names))
    builder.give(node, Combine, shape, inputs=names, kind=kind)


def _broadcast(builder: Builder, node: Node, left: Shape, right: Shape) -> Shape:
    if len(left) != len(right):
        raise builder.unsupported(node, f"a map {list(left)} meets a map {list(right)}", "give both the same rank")
    try:
        return np.broadcast_shapes(left, right)
    except ValueError as error:
        raise builder.unsupported(
            node, f"a map {list(left)} meets a map {list(right)}", "give both one shape"
        ) from error


def _with_constant(builder: Builder, node: Node, index: int, constant: Known, *, reverse: bool) -> None:
    """One operand is known; ``reverse``: it is the left one."""
    symbol = builder.settle(node, index)
    if isinstance(symbol, TwoValued) and constant.array.size == 1 and not (node.op == "Div" and reverse):
        factor, addend = _factors(node.op, float(constant.array.reshape(-1)[0]), reverse=reverse)
        builder.symbols[node.output] = rescaled(symbol, factor, addend)
        return
    name = builder.real(node, index)
    value = builder.per_sample(node, constant.array, builder.network.shapes[name])
    if node.op == "Div" and reverse:
        shape = builder.network.shapes[name]
        inverse = Function(name=node.name, inputs=(name,), output=builder.fresh(node.output), kind="reciprocal")
        affine(builder, node, builder.emit(inverse, shape), value, None)
        return
    if node.op in ("Mul", "Div"):
        with np.errstate(divide="ignore"):
            scale = value if node.op == "Mul" else 1 / value
        if not np.isfinite(scale).all():
            raise builder.unsupported(node, "it divides by 0", "look at its weights")
        affine(builder, node, name, scale, None)
        if isinstance(symbol, TwoValued):
            scaled_signs.note(builder, node, symbol, value)
    elif node.op == "Add" or not reverse:
        affine(builder, node, name, None, value if node.op == "Add" else -value)
    else:
        affine(builder, node, name, np.full(value.shape, -1.0), value)


def _factors(op: str, value: float, *, reverse: bool) -> tuple[float, float]:
    """Factor and addend of ``x op value``, or of ``value op x``."""
    if op == "Add":
        return 1.0, value
    if op == "Sub":
        return (-1.0, value) if reverse else (1.0, -value)
    return (value if op == "Mul" else 1 / value if value else np.inf), 0.0
