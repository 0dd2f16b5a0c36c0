"""From a description to a Keras functional model."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from repbnn_edge.layers import (
    ChannelShift,
    EDESign,
    LibraSign,
    PadChannels,
    PadMap,
    ReCU,
    ReCUSign,
    RepConv2D,
    RepeatChannels,
    RPReLU,
    TwoStepSign,
)
from repbnn_edge.layers.framework import tf
from repbnn_edge.models.description import Description, Family, Node

EPSILON = 1e-5
_MOMENTUM = 0.9
_keras: Any = tf.keras.layers

_QUANTIZERS: dict[Family, tuple[Callable[[], Any], Callable[[], Any]]] = {
    "two-step": (lambda: "approx_sign", TwoStepSign),
    "recu": (ReCUSign, ReCU),
    "ir-net": (EDESign, LibraSign),
}


@tf.autograph.experimental.do_not_convert  # it would read and recompile the source of every layer
def keras_network(description: Description, name: str) -> Any:
    """A functional model whose layers bear the nodes' names; its weights are Keras' initial ones."""
    tensors: dict[str, Any] = {}
    for node in description.nodes:
        if node.op == "input":
            tensors[node.name] = tf.keras.Input(node.shape, name=node.name)
            continue
        inputs = [tensors[name] for name in node.inputs]
        tensors[node.name] = OPERATIONS[node.op](node, description.family)(inputs[0] if len(inputs) == 1 else inputs)
    nodes = description.nodes
    return tf.keras.Model(tensors[nodes[0].name], tensors[nodes[-1].name], name=name)


def _convolution(node: Node, _: Family) -> Callable[[Any], Any]:
    a = node.attributes
    convolution = _keras.Conv2D(node.weights["kernel"][-1], a["size"], a["stride"], use_bias=False, name=node.name)
    padding = _keras.ZeroPadding2D(a["pads"], name=f"{node.name}_pad")
    return lambda x: convolution(padding(x))


def _rep_convolution(node: Node, family: Family) -> Any:
    a = node.attributes
    input_quantizer, kernel_quantizer = (make() for make in _QUANTIZERS[family]) if a["binary"] else (None, None)
    pad = a["size"] // 2
    return RepConv2D(
        a["filters"],
        a["size"],
        beta=a["filters"] // node.weights["kernel"][-1],
        strides=a["stride"],
        padding="valid" if pad == 0 else "same" if a["stride"] == 1 else ((pad, pad), (pad, pad)),
        filter_scale="ones" if "filter_scale" in node.weights else None,
        input_quantizer=input_quantizer,
        kernel_quantizer=kernel_quantizer,
        name=node.name,
    )


def _max_pool(node: Node, _: Family) -> Callable[[Any], Any]:
    a = node.attributes
    pool = _keras.MaxPooling2D(a["size"], a["stride"], name=node.name)
    if not any(map(any, a["pads"])):
        return lambda x: pool(x)
    padding = PadMap(a["pads"], name=f"{node.name}_pad")
    return lambda x: pool(padding(x))


def _average_pool(node: Node, _: Family) -> Any:
    return _keras.AveragePooling2D(node.attributes["size"], node.attributes["stride"], name=node.name)


OPERATIONS: dict[str, Callable[[Node, Family], Any]] = {
    "convolution": _convolution,
    "rep_convolution": _rep_convolution,
    "batch_norm": lambda n, _: _keras.BatchNormalization(momentum=_MOMENTUM, epsilon=EPSILON, name=n.name),
    "shift": lambda n, _: ChannelShift(name=n.name),
    "rprelu": lambda n, _: RPReLU(name=n.name),
    "hard_tanh": lambda n, _: _keras.Activation("hard_tanh", name=n.name),
    "repeat": lambda n, _: RepeatChannels(n.attributes["times"], name=n.name),
    "pad_channels": lambda n, _: PadChannels(n.attributes["each"], n.attributes["each"], name=n.name),
    "max_pool": _max_pool,
    "average_pool": _average_pool,
    "global_pool": lambda n, _: _keras.GlobalAveragePooling2D(name=n.name),
    "flatten": lambda n, _: _keras.Flatten(name=n.name),
    "add": lambda n, _: _keras.Add(name=n.name),
    "concat": lambda n, _: _keras.Concatenate(name=n.name),
    "dense": lambda n, _: _keras.Dense(n.shape[0], name=n.name),
}
"""How each kind of node becomes a Keras layer, or a callable that applies two."""
