"""Finds, for each binary layer of a Keras network, the float map whose sign it reads, and follows it at run time.

A sign commutes with everything that only moves values about (reshape, concat, max pooling, tiling). So each value of
the network that holds signs has a *twin*: the float map whose signs it holds. What a layer really reads is asked by
values (``why_not_sign``), not by names: a wrapped ``tf.where``, an RSign or somebody's own layer are the same to us.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from repbnn_edge import stack
from repbnn_edge.keras_graph import Graph, Node, Value

_MOVING = frozenset(
    {
        *("MaxPooling2D", "Flatten", "Reshape", "Permute", "Dropout", "SpatialDropout2D", "Concatenate", "Cropping2D"),
        *("RepeatChannels", "concat", "reshape", "transpose", "identity", "stop_gradient", "expand_dims", "squeeze"),
        *("slice", "tile", "__operators__.getitem", "strided_slice", "nn.max_pool2d", "split", "unstack", "stack"),
        *("repeat", "gather"),
    }
)
_LONGEST_SIGN = 4  # calls: sign(sign(x) + 0.1) are three, where(x >= 0, 1, -1) are two

Kind = Literal["sign", "shifted", "activation", "moving"]


@dataclass(frozen=True, eq=False)
class SignNode:
    """A node whose outputs hold signs.

    Attributes:
        node: the node.
        kind: ``sign``: of ``source``; ``shifted``: an RSign; ``activation``: a layer with a sign as its activation;
            ``moving``: moves the signs of its inputs.
        source: the value whose sign it is, for ``sign`` and ``shifted``.
    """

    node: Node
    kind: Kind
    source: Value | None = None


@dataclass
class SignInputs:
    """What holds signs in a graph; ``find`` fills it."""

    graph: Graph
    nodes: dict[str, SignNode | None] = field(default_factory=dict)

    def find(self, value: Value) -> bool:
        """Whether ``value`` holds signs; remembers every node on the way."""
        node = self.graph.producer(value)
        if node is None:
            return False
        if node.name not in self.nodes:
            self.nodes[node.name] = None
            self.nodes[node.name] = self._look(node)
        return self.nodes[node.name] is not None

    def _look(self, node: Node) -> SignNode | None:
        if type(node.layer).__name__ == "RSign" and _is_sign(node.layer.quantizer, node.inputs[0]):
            return SignNode(node, "shifted", node.inputs[0])
        if source := self._sign_of(node):
            return SignNode(node, "sign", source)
        if _has_sign_activation(node):
            return SignNode(node, "activation")
        moves = node.operation in _MOVING or _is_linear(node)
        if moves and node.inputs and all(self.find(value) for value in node.inputs):
            return SignNode(node, "moving")
        return None

    def _sign_of(self, last: Node) -> Value | None:
        """The nearest value before ``last`` whose sign it gives."""
        chain: list[Node] = []
        node: Node | None = last
        while node is not None and len(chain) < _LONGEST_SIGN and len(node.inputs) == 1 and len(node.outputs) == 1:
            if not node.is_operation and node.layer.weights:
                return None
            chain.insert(0, node)
            source = node.inputs[0]
            if source.dtype == "float32" and source.shape == last.outputs[0].shape and _is_sign(_run(chain), source):
                return source
            node = self.graph.producer(source)
        return None


class Twins:
    """The float maps behind the signs of one run, filled node by node."""

    def __init__(self, nodes: Sequence[SignNode]) -> None:
        self._nodes = {sign.node.name: sign for sign in nodes}
        self._sources = {sign.source.tap for sign in nodes if sign.kind == "sign" and sign.source}
        self._values: dict[str, Any] = {}
        self._twins: dict[str, Any] = {}

    def see(self, node: Node, tensors: Sequence[Any]) -> None:
        """Note what a node reads; to be called for every node, in order."""
        for value, tensor in zip(node.inputs, tensors, strict=True):
            if value.tap in self._sources:
                self._values[value.tap] = tensor
        sign = self._nodes.get(node.name)
        if sign is None:
            return
        results = stack.tensorflow().nest.flatten(self._twins_of(sign, tensors))
        for value, twin in zip(node.outputs, results, strict=True):
            self._twins[value.tap] = twin

    def of(self, value: Value) -> Any:
        """The float map whose signs ``value`` holds."""
        return self._twins[value.tap]

    def set(self, value: Value, twin: Any) -> None:
        """Note the float map behind the output of a node that a caller computes by itself."""
        self._twins[value.tap] = twin

    def _twins_of(self, sign: SignNode, tensors: Sequence[Any]) -> Any:
        node = sign.node
        if sign.kind == "sign":
            assert sign.source is not None
            return self._values[sign.source.tap]
        if sign.kind == "shifted":
            return tensors[0] + node.layer.shift
        if sign.kind == "activation":
            return _before_activation(node, tensors)
        return node.call(tuple(self._twins[value.tap] for value in node.inputs))


def _run(chain: Sequence[Node]) -> Any:
    nodes = list(chain)

    def run(x: Any) -> Any:
        for node in nodes:
            x = node.call((x,))
        return x

    return run


def _is_sign(function: Any, source: Value) -> bool:
    from repbnn_edge.layers import why_not_sign

    channels = source.shape[-1] if source.shape else None
    if channels is None or len(source.shape) not in (2, 4):
        return False
    try:
        return why_not_sign(function, channels, spatial=len(source.shape) == 4) is None
    except Exception:  # a call that wants another map than the probe is no sign
        return False


def _is_linear(node: Node) -> bool:
    linear = stack.tensorflow().keras.activations.linear
    return type(node.layer).__name__ == "Activation" and node.layer.activation is linear


def _has_sign_activation(node: Node) -> bool:
    activation = getattr(node.layer, "activation", None)
    if node.is_operation or activation is None or len(node.outputs) != 1:
        return False
    return type(node.layer).__name__ != "Activation" and _is_sign(activation, node.outputs[0])


def _before_activation(node: Node, tensors: Sequence[Any]) -> Any:
    layer = node.layer
    activation, layer.activation = layer.activation, stack.tensorflow().keras.activations.linear
    try:
        return node.call(tuple(tensors))
    finally:
        layer.activation = activation
