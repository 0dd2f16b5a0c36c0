"""The import itself: one Keras layer for each node of a frozen inference graph.

``sign(sign(x) + c)`` with 0 < c < 1 and ``select(x >= 0, 1, -1)`` are binary activations. They are kept apart as
``Signed`` values until something reads them, so that a binary convolution quantises its own input, as Larq's do.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from repbnn_converters.tf_graph import operations
from repbnn_converters.tf_graph.frozen import FrozenGraph, Node
from repbnn_edge import stack
from repbnn_edge.errors import UnsupportedError

Array = NDArray[Any]
Pads = tuple[tuple[int, int], tuple[int, int]]

_NO_PADS: Pads = ((0, 0), (0, 0))


@dataclass(frozen=True)
class Signed:
    """The sign of ``source``, padded with ``pad_value`` after the sign."""

    source: Any
    pads: Pads = _NO_PADS
    pad_value: float = 0.0


@dataclass(frozen=True)
class Batched:
    """A map behind SpaceToBatchND, waiting for the dilated convolution that it spells."""

    source: Any
    block: tuple[int, int]
    pads: Pads


Value = Any
"""A Keras tensor, a numpy constant, a ``Signed`` or a ``Batched``."""


class Importer:
    """Builds the Keras network of one frozen graph."""

    def __init__(self, graph: FrozenGraph) -> None:
        self.graph = graph
        self.values: dict[str, Value] = {}
        self.names: set[str] = set()

    def build(self) -> Any:
        """Import every node and return the functional model."""
        tf = stack.tensorflow()
        inputs = tf.keras.Input(self.graph.input_shape[1:], batch_size=1, name="input")
        return tf.keras.Model(inputs, self.on(inputs), name="imported")

    def on(self, inputs: Any) -> Any:
        """Import every node onto a Keras tensor; gives the output."""
        for node in self.graph.nodes:
            if node.name == self.graph.input_name:
                self.values[f"{node.name}:0"] = inputs
                continue
            for index, value in enumerate(self._import(node)):
                self.values[f"{node.name}:{index}"] = value
        return self.plain(self.values[self.graph.output])

    def _import(self, node: Node) -> list[Value]:
        constants = self.graph.constants_of(node)
        if constants is not None:
            return list(constants)
        handler = _HANDLERS.get(node.op)
        if handler is None:
            raise UnsupportedError(
                f"node {node.name}",
                f"the operation {node.op} has no exact lowering yet",
                "convert from the code instead",
            )
        result = handler(self, node, [self.values[name] for name in node.inputs])
        return result if isinstance(result, list) else [result]

    def plain(self, value: Value) -> Any:
        """A value as a Keras tensor: signs are taken, paddings done."""
        if isinstance(value, Signed):
            sign = stack.larq().quantizers.SteSign()(value.source)
            if value.pads != _NO_PADS:
                sign = stack.tensorflow().pad(sign, [(0, 0), *value.pads, (0, 0)], constant_values=value.pad_value)
            return sign
        if isinstance(value, Batched):
            raise UnsupportedError("SpaceToBatchND", "no convolution follows it", "use dilation_rate on the layer")
        return value

    def name_for(self, node: Node) -> str:
        """A layer name made of the node's: its last telling part, unique."""
        parts = [p for p in node.name.split("/") if p not in {"StatefulPartitionedCall", "PartitionedCall", node.op}]
        base = "_".join(parts[1:] if len(parts) > 2 else parts[-1:]) or node.op.lower()
        base = "".join(c if c.isalnum() or c in "_.-" else "_" for c in base)
        name, count = base, 1
        while name in self.names:
            count += 1
            name = f"{base}_{count}"
        self.names.add(name)
        return name


Handler = Callable[[Importer, Node, list[Value]], Value]


def _sign(importer: Importer, node: Node, inputs: list[Value]) -> Value:
    inner = importer.graph.producer(node.inputs[0])
    if inner is not None and inner.op in {"Add", "AddV2"}:
        shifts = [importer.values[n] for n in inner.inputs if isinstance(importer.values[n], np.ndarray)]
        signs = [importer.graph.producer(n) for n in inner.inputs if not isinstance(importer.values[n], np.ndarray)]
        if len(shifts) == 1 and shifts[0].size == 1 and 0 < shifts[0].item() < 1 and signs[0] and signs[0].op == "Sign":
            return Signed(importer.plain(importer.values[signs[0].inputs[0]]))
    return stack.tensorflow().sign(importer.plain(inputs[0]))


def _select(importer: Importer, node: Node, inputs: list[Value]) -> Value:
    condition = importer.graph.producer(node.inputs[0])
    yes, no = inputs[1], inputs[2]
    if (
        condition is not None
        and condition.op == "GreaterEqual"
        and isinstance(yes, np.ndarray)
        and isinstance(no, np.ndarray)
        and np.all(yes == 1)
        and np.all(no == -1)
    ):
        threshold = importer.values[condition.inputs[1]]
        if isinstance(threshold, np.ndarray) and np.all(threshold == 0):
            return Signed(importer.plain(importer.values[condition.inputs[0]]))
    raise UnsupportedError(f"node {node.name}", "a selection that is no sign", "use larq's quantisers")


def _pad(importer: Importer, node: Node, inputs: list[Value]) -> Value:
    tf = stack.tensorflow()
    pads = np.asarray(inputs[1]).tolist()
    fill = float(np.asarray(inputs[2]).item()) if len(inputs) > 2 else 0.0
    spatial = ((int(pads[1][0]), int(pads[1][1])), (int(pads[2][0]), int(pads[2][1]))) if len(pads) == 4 else None
    only_spatial = spatial is not None and pads[0] == [0, 0] and pads[3] == [0, 0]
    value = inputs[0]
    if isinstance(value, Signed) and only_spatial and value.pads == _NO_PADS and spatial is not None:
        return Signed(value.source, spatial, fill)
    if only_spatial and fill == 0.0:
        return tf.keras.layers.ZeroPadding2D(spatial, name=importer.name_for(node))(importer.plain(value))
    return tf.pad(importer.plain(value), pads, constant_values=fill)


def _space_to_batch(importer: Importer, node: Node, inputs: list[Value]) -> Value:
    block = tuple(int(b) for b in np.asarray(inputs[1]).tolist())
    pads = np.asarray(inputs[2]).tolist()
    if len(block) != 2:
        raise UnsupportedError(f"node {node.name}", "it does not spell a dilation", "use dilation_rate on the layer")
    return Batched(inputs[0], (block[0], block[1]), (tuple(pads[0]), tuple(pads[1])))


def _batch_to_space(importer: Importer, node: Node, inputs: list[Value]) -> Value:
    value = importer.plain(inputs[0])
    rows, columns = importer.graph.shape_of(f"{node.name}:0")[1:3]
    return value if tuple(value.shape[1:3]) == (rows, columns) else value[:, :rows, :columns, :]


def _reshape(importer: Importer, node: Node, inputs: list[Value]) -> Value:
    tf = stack.tensorflow()
    shape = importer.graph.shape_of(f"{node.name}:0")[1:]
    value = inputs[0]
    if isinstance(value, Signed) and value.pads == _NO_PADS:
        return Signed(tf.keras.layers.Reshape(shape, name=importer.name_for(node))(value.source))
    return tf.keras.layers.Reshape(shape, name=importer.name_for(node))(importer.plain(value))


def _identity(importer: Importer, node: Node, inputs: list[Value]) -> Value:
    return inputs if len(inputs) > 1 else inputs[0]


def _silent(importer: Importer, node: Node, inputs: list[Value]) -> Value:
    """An inner node of a recognised sign: computed, and dropped if nobody reads it."""
    return operations.apply(node, [importer.plain(value) for value in inputs], importer.name_for(node))


def _convolution(importer: Importer, node: Node, inputs: list[Value]) -> Value:
    from repbnn_converters.tf_graph.convolutions import convolution

    return convolution(importer, node, inputs)


def _dense(importer: Importer, node: Node, inputs: list[Value]) -> Value:
    from repbnn_converters.tf_graph.convolutions import dense

    return dense(importer, node, inputs)


_HANDLERS: dict[str, Handler] = {
    "Sign": _sign,
    "Select": _select,
    "SelectV2": _select,
    "Pad": _pad,
    "PadV2": _pad,
    "SpaceToBatchND": _space_to_batch,
    "BatchToSpaceND": _batch_to_space,
    "Reshape": _reshape,
    "Identity": _identity,
    "IdentityN": _identity,
    "StopGradient": _identity,
    "Conv2D": _convolution,
    "DepthwiseConv2dNative": _convolution,
    "MatMul": _dense,
    **dict.fromkeys(operations.NAMES, _silent),
}
