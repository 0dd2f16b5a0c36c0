"""Functions of each element, batch norm, softmax. On a sign, any of them only gives it other values."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from repbnn_converters.onnx.graph import Node
from repbnn_converters.onnx.network import Affine, Clip, Combine, Function, FunctionKind, PRelu
from repbnn_converters.onnx.recognition.arithmetic import affine, mapped
from repbnn_converters.onnx.recognition.builder import Builder
from repbnn_converters.onnx.recognition.handlers import handles
from repbnn_converters.onnx.recognition.signs import clip_bounds
from repbnn_converters.onnx.recognition.symbols import TwoValued

_FUNCTIONS: dict[str, tuple[FunctionKind, Callable[[float], float]]] = {
    "Relu": ("relu", lambda x: max(x, 0.0)),
    "Sigmoid": ("sigmoid", lambda x: 1 / (1 + math.exp(-x))),
    "Tanh": ("tanh", math.tanh),
    "Softplus": ("softplus", lambda x: math.log1p(math.exp(x))),
    "Softsign": ("softsign", lambda x: x / (1 + abs(x))),
    "Exp": ("exp", math.exp),
    "Sqrt": ("sqrt", lambda x: math.sqrt(x) if x >= 0 else math.nan),
    "Abs": ("abs", abs),
    "Erf": ("erf", math.erf),
    "Log": ("log", lambda x: math.log(x) if x > 0 else -math.inf if x == 0 else math.nan),
    "Sin": ("sin", math.sin),
    "Cos": ("cos", math.cos),
    "Reciprocal": ("reciprocal", lambda x: 1 / x if x else math.inf),
}

_PARAMETRISED: dict[str, FunctionKind] = {"Elu": "elu", "LeakyRelu": "leaky_relu", "Selu": "selu", "Gelu": "gelu"}


@handles(*_FUNCTIONS)
def function(builder: Builder, node: Node) -> None:
    """A function without parameters."""
    kind, evaluate = _FUNCTIONS[node.op]
    symbol = builder.settle(node, 0)
    if isinstance(symbol, TwoValued) and not symbol.padded:
        builder.symbols[node.output] = mapped(symbol, evaluate(symbol.low), evaluate(symbol.high))
        return
    name = builder.real(node, 0)
    builder.give(node, Function, builder.network.shapes[name], inputs=(name,), kind=kind)


@handles(*_PARAMETRISED)
def parametrised(builder: Builder, node: Node) -> None:
    """A function with one parameter, or with a variant of its own."""
    name = builder.real(node, 0)
    shape = builder.network.shapes[name]
    if node.op == "Gelu" and node.attributes.get("approximate", "none") != "none":
        raise builder.unsupported(node, "it is the approximated gelu", "use the exact one")
    if node.op == "Selu" and set(node.attributes) & {"alpha", "gamma"}:
        raise builder.unsupported(node, "its constants are not selu's own", "use torch.nn.SELU")
    kind = _PARAMETRISED[node.op]
    alpha = float(node.attributes.get("alpha", 1.0 if node.op == "Elu" else 0.01))
    builder.give(node, Function, shape, inputs=(name,), kind=kind, alpha=alpha)


@handles("Softmax", "LogSoftmax")
def softmax(builder: Builder, node: Node) -> None:
    """Along the channels of a vector."""
    name = builder.real(node, 0)
    shape = builder.network.shapes[name]
    axis = node.attributes.get("axis", -1 if builder.graph.opset >= 13 else 1)
    if len(shape) != 1 or axis not in (1, -1):
        raise builder.unsupported(
            node, f"it works along axis {axis} of a map {list(shape)}", "use it on the logits only"
        )
    kind = "softmax" if node.op == "Softmax" else "log_softmax"
    builder.give(node, Function, shape, inputs=(name,), kind=kind)


@handles("Clip")
def clip(builder: Builder, node: Node) -> None:
    """Hardtanh, ReLU6, clamp."""
    low, high = clip_bounds(builder, node)
    symbol = builder.settle(node, 0)
    if isinstance(symbol, TwoValued) and not symbol.padded:
        builder.symbols[node.output] = mapped(symbol, *np.clip([symbol.low, symbol.high], low, high))
        return
    name = builder.real(node, 0)
    builder.give(node, Clip, builder.network.shapes[name], inputs=(name,), low=low, high=high)


@handles("HardSigmoid", "HardSwish")
def hard_sigmoid(builder: Builder, node: Node) -> None:
    """alpha * x + beta, clipped to 0..1; hard swish is x times that."""
    swish = node.op == "HardSwish"
    name = builder.real(node, 0)
    shape = builder.network.shapes[name]
    ones = np.ones((1,) * len(shape))
    slope = 1 / 6 if swish else node.attributes.get("alpha", 0.2)
    middle = 0.5 if swish else node.attributes.get("beta", 0.5)
    line = Affine(
        name=node.name, inputs=(name,), output=builder.fresh(node.output), scale=ones * slope, shift=ones * middle
    )
    inner = builder.emit(line, shape)
    if not swish:
        builder.give(node, Clip, shape, inputs=(inner,), low=0.0, high=1.0)
        return
    gate = builder.emit(Clip(name=node.name, inputs=(inner,), output=builder.fresh(inner), low=0.0, high=1.0), shape)
    builder.give(node, Combine, shape, inputs=(name, gate), kind="multiply")


@handles("PRelu")
def prelu(builder: Builder, node: Node) -> None:
    """One slope per channel, or one for all."""
    slope = builder.known(node, 1)
    if slope is None:
        raise builder.unsupported(node, "its slopes depend on the input", "use constant slopes")
    name = builder.real(node, 0)
    shape = builder.network.shapes[name]
    value = builder.per_sample(node, slope, shape)
    if value.size not in (1, shape[0]) or (value.size > 1 and value.shape[0] == 1):
        raise builder.unsupported(node, f"it has {value.size} slopes for {shape[0]} channels", "use one per channel")
    slopes = np.broadcast_to(value.reshape(-1), (shape[0],)).astype(np.float32)
    builder.give(node, PRelu, shape, inputs=(name,), slope=slopes)


@handles("BatchNormalization")
def batch_norm(builder: Builder, node: Node) -> None:
    """With stored statistics, an affine per channel."""
    parts = [builder.known(node, i) for i in range(1, 5)]
    if any(part is None for part in parts):
        raise builder.unsupported(node, "its statistics depend on the input", "export with model.eval()")
    gamma, beta, mean, variance = (np.asarray(part, np.float64) for part in parts)
    name = builder.real(node, 0)
    shape = builder.network.shapes[name]
    if any(part.shape != (shape[0],) for part in (gamma, beta, mean, variance)):
        raise builder.unsupported(node, f"its statistics do not fit {shape[0]} channels", "export it again")
    scale = gamma / np.sqrt(variance + node.attributes.get("epsilon", 1e-5))
    if not np.isfinite(scale).all():
        raise builder.unsupported(node, "it has a negative variance", "train or export it again")
    column = (-1,) + (1,) * (len(shape) - 1)
    affine(builder, node, name, scale.reshape(column), (beta - mean * scale).reshape(column))
