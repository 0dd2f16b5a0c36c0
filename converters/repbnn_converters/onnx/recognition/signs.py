"""Every way to write a sign: Sign, comparisons, Where, Cast, Not, Round of a hard sigmoid."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from repbnn_converters.onnx.graph import Node
from repbnn_converters.onnx.network import Affine, Combine
from repbnn_converters.onnx.recognition import ranges
from repbnn_converters.onnx.recognition.arithmetic import mapped
from repbnn_converters.onnx.recognition.builder import Builder
from repbnn_converters.onnx.recognition.handlers import handles
from repbnn_converters.onnx.recognition.symbols import IsZero, Known, Real, Symbol, TwoValued

_MAX_CHAIN = 16
_ODD = {"Tanh", "Softsign", "Erf", "Identity"}


@handles("Sign")
def sign(builder: Builder, node: Node) -> None:
    """torch.sign: 0 at 0."""
    symbol = builder.settle(node, 0)
    if isinstance(symbol, TwoValued):
        builder.symbols[node.output] = mapped(symbol, *np.sign([symbol.low, symbol.high]))
        return
    value, rectified = _stripped(builder, node)
    if rectified or ranges.never_negative(builder, node.inputs[0]):  # sign(relu(x)) is 0 or 1: what x > 0 is
        builder.symbols[node.output] = TwoValued(value, 0.5, 0.5, at_zero=-1)
        return
    builder.symbols[node.output] = TwoValued(value, 1.0, 0.0, at_zero=0)
    builder.network.plain_signs.add(node.output)


@handles("Greater", "GreaterOrEqual", "Less", "LessOrEqual")
def compare(builder: Builder, node: Node) -> None:
    """A comparison: 0 and 1, and which of the two at equality."""
    greater = node.op.startswith("Greater")
    holds_at_equality = node.op.endswith("OrEqual")
    source = _difference(builder, node)
    if isinstance(source, TwoValued):
        low, high = (_holds(node.op, value) for value in (source.low, source.high))
        builder.symbols[node.output] = mapped(source, low, high)
        return
    gain = 0.5 if greater else -0.5
    at_zero = 1 if greater == holds_at_equality else -1
    builder.symbols[node.output] = TwoValued(source.name, gain, 0.5, at_zero)


def _holds(op: str, value: float) -> float:
    """1 where ``value op 0``, else 0."""
    if value == 0:
        return float(op.endswith("OrEqual"))
    return float((value > 0) == op.startswith("Greater"))


def _difference(builder: Builder, node: Node) -> Real | TwoValued:
    """Left minus right: whose sign decides. A subtraction of floats is 0 only where they are equal."""
    left, right = builder.settle(node, 0), builder.settle(node, 1)
    if isinstance(right, Known) and not isinstance(left, Known):
        threshold = builder.scalar(node, 1)
        if isinstance(left, TwoValued) and threshold is not None:
            return replace(left, offset=left.offset - threshold)
        if threshold == 0:
            value, rectified = _stripped(builder, node)
            # relu(x) > 0 is x > 0, but relu(x) >= 0 always holds.
            same = not rectified or node.op in ("Greater", "LessOrEqual")
            return Real(value if same else builder.real(node, 0))
        name = builder.real(node, 0)
        return Real(_shifted(builder, node, name, right))
    if isinstance(left, Known) and not isinstance(right, Known):
        name = builder.real(node, 1)
        shape = builder.network.shapes[name]
        bound = builder.per_sample(node, left.array, shape)
        minus = np.full((1,) * len(shape), -1.0)
        layer = Affine(name=node.name, inputs=(name,), output=builder.fresh(name), scale=minus, shift=bound)
        return Real(builder.emit(layer, shape))
    names = (builder.real(node, 0), builder.real(node, 1))
    shape = np.broadcast_shapes(*(builder.network.shapes[name] for name in names))
    difference = Combine(name=node.name, inputs=names, output=builder.fresh(node.output), kind="subtract")
    return Real(builder.emit(difference, shape))


def _shifted(builder: Builder, node: Node, name: str, threshold: Known) -> str:
    shape = builder.network.shapes[name]
    value = builder.per_sample(node, threshold.array, shape)
    if not value.any():
        return name
    return builder.emit(Affine(name=node.name, inputs=(name,), output=builder.fresh(name), shift=-value), shape)


def _stripped(builder: Builder, node: Node) -> tuple[str, bool]:
    """The value behind monotone functions that leave a sign as it is, and whether a ReLU was among them.

    sign(clip(x)), sign(c * x) with c > 0 and sign(tanh(x)) are sign(x); the shortcut then reads the clipped map and
    the sign the map before it, as a batch norm does that can become a threshold.
    """
    name, rectified = node.inputs[0], False
    for _ in range(_MAX_CHAIN):
        producer = builder.producers.get(name)
        step = None if producer is None else _monotone(builder, producer)
        if step is None:
            break
        behind, clips_at_zero = step
        if not isinstance(builder.symbols.get(behind), Real):
            break
        name, rectified = behind, rectified or clips_at_zero
    symbol = builder.symbols.get(name)
    if isinstance(symbol, Real):
        return symbol.name, rectified
    return builder.real(node, 0), False


def _monotone(builder: Builder, node: Node) -> tuple[str, bool] | None:
    """What a sign-preserving node reads, and whether it clips negative values to 0."""
    if node.op in _ODD:
        return node.inputs[0], False
    if node.op == "Relu":
        return node.inputs[0], True
    if node.op == "Clip":
        low, high = clip_bounds(builder, node)
        if low < 0 < high:
            return node.inputs[0], False
        return (node.inputs[0], True) if low == 0 < high else None
    return _positive_factor(builder, node)


def _positive_factor(builder: Builder, node: Node) -> tuple[str, bool] | None:
    if node.op not in ("Mul", "Div") or len(node.inputs) != 2:
        return None
    for constant, other in ((1, 0), (0, 1)):
        value = builder.known(node, constant)
        if value is None or (node.op == "Div" and constant == 0):
            continue
        # Beyond these, a small number could become 0 and lose its sign.
        shrinks = value < 1e-6 if node.op == "Mul" else value > 1e6
        if (value > 0).all() and not shrinks.any():
            return node.inputs[other], False
    # A sample's own deviation; where that is 0 the source is infinite, of the same sign, or no number.
    if node.op == "Div" and builder.known(node, 1) is None and ranges.never_negative(builder, node.inputs[1]):
        source, result = builder.graph.shape(node.inputs[0]), builder.graph.shape(node.output)
        return (node.inputs[0], False) if source is not None and source == result else None
    return None


def clip_bounds(builder: Builder, node: Node) -> tuple[float, float]:
    """Low and high of a Clip, infinite where left out."""
    if "min" in node.attributes or "max" in node.attributes:
        return float(node.attributes.get("min", -math.inf)), float(node.attributes.get("max", math.inf))
    bounds = []
    for index, default in ((1, -math.inf), (2, math.inf)):
        value = builder.scalar(node, index) if node.input(index) else default
        if value is None:
            raise builder.unsupported(node, "its bounds depend on the input", "clip with constants")
        bounds.append(value)
    return bounds[0], bounds[1]


@handles("Equal")
def equal(builder: Builder, node: Node) -> None:
    """A sign, or a map, compared with a number: where it is 0, or on one side of it."""
    index = 1 if builder.uniform(node, 0) is not None else 0
    number = builder.uniform(node, 1 - index)
    symbol = builder.settle(node, index)
    if number is not None and isinstance(symbol, Real) and number == 0:
        builder.symbols[node.output] = IsZero(symbol.name)
        return
    if number is None or not isinstance(symbol, TwoValued) or symbol.padded:
        raise builder.unsupported(node, "it compares no sign with a number", "compare with > or >=")
    if symbol.at_zero == 0 and number == symbol.offset:
        builder.symbols[node.output] = IsZero(symbol.source)
        return
    low, high = float(symbol.low == number), float(symbol.high == number)
    side = symbol.at_zero or (1 if low else -1)  # torch.sign's own 0 is neither
    builder.symbols[node.output] = replace(mapped(symbol, low, high), at_zero=side)


@handles("Cast", "CastLike")
def cast(builder: Builder, node: Node) -> None:
    """Between floats nothing; of a comparison its 0 and 1."""
    mask = builder.zero_mask(node, 0)
    if mask is not None:
        builder.symbols[node.output] = mask
        return
    symbol = builder.settle(node, 0)
    kind = builder.graph.types.get(node.output)
    whole = kind is not None and kind.dtype.kind in "iub"
    if isinstance(symbol, TwoValued):
        if whole and kind is not None and kind.dtype.kind == "b":
            symbol = mapped(symbol, float(symbol.low != 0), float(symbol.high != 0))
        elif whole:
            symbol = mapped(symbol, float(np.trunc(symbol.low)), float(np.trunc(symbol.high)))
        builder.symbols[node.output] = symbol
        return
    if whole or kind is None or kind.dtype == np.float16:
        name = "an unknown type" if kind is None else kind.dtype.name
        raise builder.unsupported(node, f"it turns a map into {name}", "export the network in float32: model.float()")
    builder.symbols[node.output] = symbol


@handles("Not")
def invert(builder: Builder, node: Node) -> None:
    """1 - x of a comparison."""
    symbol = builder.settle(node, 0)
    if not isinstance(symbol, TwoValued):
        raise builder.unsupported(node, "its input is no comparison", "export without it")
    builder.symbols[node.output] = mapped(symbol, float(not symbol.low), float(not symbol.high))


@handles("Where")
def where(builder: Builder, node: Node) -> None:
    """A choice by a comparison: of two numbers a sign, of maps a sum of products; of a sign's 0, another number."""
    mask = builder.zero_mask(node, 0)
    if mask is not None:
        _without_zero(builder, node, mask, builder.symbol(node, 2), builder.uniform(node, 1))
        return
    constant = builder.uniform(node, 0)
    if constant is not None and _same_shape(builder, node, chosen := node.input(1 if constant else 2)):
        builder.symbols[node.output] = builder.symbol(node, node.inputs.index(chosen))
        return
    condition = builder.settle(node, 0)
    if not isinstance(condition, TwoValued) or {condition.low, condition.high} - {0.0, 1.0}:
        raise builder.unsupported(node, "its condition is no comparison of maps", "export without it")
    on, off = builder.uniform(node, 1), builder.uniform(node, 2)
    if on is not None and off is not None:
        low, high = (on if condition.low else off), (on if condition.high else off)
        builder.symbols[node.output] = mapped(condition, low, high)
        return
    chosen = builder.real(node, 0)
    first = _masked(builder, node, chosen, 1)
    rest = _inverse(builder, node, chosen)
    second = _masked(builder, node, rest, 2)
    parts = [part for part in (first, second) if part is not None]
    if len(parts) == 1:
        builder.symbols[node.output] = Real(parts[0])
        return
    shape = builder.network.shapes[parts[0]]
    builder.give(node, Combine, shape, inputs=tuple(parts), kind="add")


def _same_shape(builder: Builder, node: Node, name: str) -> bool:
    shape = builder.graph.shape(name)
    return shape is not None and shape == builder.graph.shape(node.output) and name not in builder.graph.constants


def _without_zero(builder: Builder, node: Node, mask: IsZero, sign: Symbol, value: float | None) -> None:
    """torch.sign with another value at 0: one of its two, so that it is a bit everywhere."""
    if not isinstance(sign, TwoValued) or sign.source != mask.source or sign.padded:
        raise builder.unsupported(node, "it replaces the zeros of another map than of a sign", "use a comparison")
    if value not in (sign.low, sign.high) or value is None:
        raise builder.unsupported(node, f"it makes {value} of a sign's 0", "make it one of the sign's two values")
    builder.network.plain_signs.discard(node.input(2))
    builder.symbols[node.output] = replace(sign, at_zero=1 if value == sign.high else -1)


def _inverse(builder: Builder, node: Node, mask: str) -> str:
    shape = builder.network.shapes[mask]
    ones = np.ones((1,) * len(shape))
    layer = Affine(name=node.name, inputs=(mask,), output=builder.fresh(mask), scale=-ones, shift=ones)
    return builder.emit(layer, shape)


def _masked(builder: Builder, node: Node, mask: str, index: int) -> str | None:
    """mask * input; None where the input is 0."""
    shape = builder.network.shapes[mask]
    constant = builder.known(node, index)
    if constant is not None:
        value = builder.per_sample(node, constant, shape)
        if not value.any():
            return None
        layer = Affine(name=node.name, inputs=(mask,), output=builder.fresh(node.output), scale=value)
        return builder.emit(layer, shape)
    name = builder.real(node, index)
    if builder.network.shapes[name] != shape:
        raise builder.unsupported(node, "it chooses between maps of different shapes", "give them one shape")
    product = Combine(name=node.name, inputs=(mask, name), output=builder.fresh(node.output), kind="multiply")
    return builder.emit(product, shape)


@handles("Round")
def round_(builder: Builder, node: Node) -> None:
    """Round of something between 0 and 1: 1 above a half, and 0 at the half itself (round half to even)."""
    symbol = builder.settle(node, 0)
    if isinstance(symbol, TwoValued):
        builder.symbols[node.output] = mapped(symbol, *np.round([symbol.low, symbol.high]))
        return
    producer = builder.producers.get(node.inputs[0])
    inside = None if producer is None else _unit_interval(builder, producer)
    if inside is None:
        raise builder.unsupported(
            node, "what it rounds is not between 0 and 1", "one-bit activations round a hard sigmoid"
        )
    behind, slope, middle = inside
    if slope <= 0:
        raise builder.unsupported(node, f"its hard sigmoid has the slope {slope}", "use a rising one")
    source = builder.symbols[behind]
    if not isinstance(source, Real):
        raise builder.unsupported(node, "its input is no map of real numbers", "export without it")
    # slope * x + middle > 1/2, with the constant gathered on the right.
    threshold = (0.5 - middle) / slope
    name = _shifted(builder, node, source.name, Known(np.array(threshold)))
    builder.symbols[node.output] = TwoValued(name, 0.5, 0.5, at_zero=-1)


def _unit_interval(builder: Builder, node: Node) -> tuple[str, float, float] | None:
    """(x, slope, middle) where ``node`` is slope * x + middle, clipped to 0..1."""
    if node.op == "HardSigmoid":
        return node.inputs[0], node.attributes.get("alpha", 0.2), node.attributes.get("beta", 0.5)
    if node.op != "Clip" or clip_bounds(builder, node) != (0.0, 1.0):
        return None
    name, slope, middle = node.inputs[0], 1.0, 0.0
    for _ in range(_MAX_CHAIN):
        producer = builder.producers.get(name)
        constant = None
        if producer is not None and producer.op in ("Add", "Sub", "Mul", "Div") and len(producer.inputs) == 2:
            side = 1 if builder.scalar(producer, 1) is not None else 0
            constant = builder.scalar(producer, side)
            if side == 0 and producer.op in ("Sub", "Div"):
                constant = None
        if producer is None or constant is None:
            break
        name = producer.inputs[1 - side]
        if producer.op == "Add":
            middle += slope * constant
        elif producer.op == "Sub":
            middle -= slope * constant
        else:
            slope *= constant if producer.op == "Mul" else 1 / constant
    return name, slope, middle
