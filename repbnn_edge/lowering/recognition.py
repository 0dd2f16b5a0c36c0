"""From a Keras network to a plan: binary layers become mathematics, the rest stays calls of the source's layers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from repbnn_edge.errors import UnsupportedError
from repbnn_edge.keras_graph import Graph, Node, Value, copy_layer, copy_weights, walk
from repbnn_edge.layers import BinaryView, RSign, binary_view
from repbnn_edge.lowering import movement
from repbnn_edge.lowering.eligibility import check_layer, check_network
from repbnn_edge.lowering.emitting import constant
from repbnn_edge.lowering.plan import (
    NO_PADS,
    Apply,
    Call,
    Convolution,
    Pad,
    Pads,
    Plan,
    Repeat,
    Shape,
    Sign,
    Step,
    needed,
    same_padding,
)
from repbnn_edge.lowering.signs import is_sign, sign_layer, sign_of_operations


def recognise(model: Any) -> Plan:
    """Read a Keras model (or ``keras_graph.Graph``) into a plan.

    Raises:
        BadInputError: NaN or infinity in a layer's weights, named.
        UnsupportedError: a layer that is meant to be binary and has no exact binary form, named with the reason.
    """
    graph = walk(model)
    check_network(graph)
    return _Reader(graph).read()


class _Reader:
    """Keeps what is known so far: steps, shapes, and which values are two-valued."""

    def __init__(self, graph: Graph) -> None:
        self._graph = graph
        self._steps: list[Step] = []
        self._shapes: dict[str, Shape] = {value.tap: _shape(value) for value in graph.inputs}
        self._binary: set[str] = set()
        self._zero_padded: set[str] = set()  # a binary map with a border of zeros
        self._views: dict[int, BinaryView | None] = {}

    def read(self) -> Plan:
        for node in self._graph.nodes:
            self._shapes.update((value.tap, _shape(value)) for value in node.outputs)
            self._read(node)
        return Plan(
            name=self._graph.name,
            inputs=tuple(value.tap for value in self._graph.inputs),
            outputs=tuple(value.tap for value in self._graph.outputs),
            steps=needed(self._steps, [value.tap for value in self._graph.outputs]),
            shapes=self._shapes,
        )

    def _read(self, node: Node) -> None:
        inputs = tuple(value.tap for value in node.inputs)
        outputs = tuple(value.tap for value in node.outputs)
        known = self._convolution(node) or self._sign(node) or self._spatial_pad(node) or self._repeat(node)
        if known:
            self._steps += known
            return
        moves = movement.commutes_with_sign(node)
        if moves and all(tap in self._binary for tap in inputs):
            self._binary.update(outputs)
        self._steps.append(
            Call(name=node.name, inputs=inputs, outputs=outputs, node=node, layer=node.layer, moves=moves)
        )

    def _convolution(self, node: Node) -> list[Step]:
        if not movement.has_kernel(node.layer) or len(node.inputs) != 1:
            return []
        source = node.inputs[0].tap
        if id(node.layer) not in self._views:
            self._views[id(node.layer)] = binary_view(node.layer)
        view = self._views[id(node.layer)]
        binary_input = source in self._binary or source in self._zero_padded
        if view is None or not (view.quantizes_input or binary_input):
            check_layer(node, binary_input)
            return _with_outer_pads(node)
        if not view.quantizes_input and source in self._zero_padded:
            _check_zero_padded(view)
        return self._binary_steps(node, view)

    def _binary_steps(self, node: Node, view: BinaryView) -> list[Step]:
        chain = _Chain(node, self._shapes)
        if view.quantizes_input:
            chain.add(Sign, "sign", chain.shape)
        if view.input_repeats > 1:
            chain.add(Repeat, "repeat", _widened(chain.shape, view.input_repeats), times=view.input_repeats)
        fields = _convolution_fields(node, view, chain.shape)
        chain.add(Convolution, "convolution", _output_shape(fields, chain.shape), **fields)
        if view.output_repeats > 1:
            chain.add(Repeat, "tile", _widened(chain.shape, view.output_repeats), times=view.output_repeats)
        if view.bias is not None:
            chain.add(Apply, "bias", chain.shape, function=_adding(view.bias))
        if view.activation is not None and is_sign(view.activation, node.outputs[0]):
            chain.add(Sign, "activation", chain.shape)
            self._binary.add(node.outputs[0].tap)
        elif view.activation is not None:
            chain.add(Apply, "activation", chain.shape, function=view.activation)
        return chain.close()

    def _sign(self, node: Node) -> list[Step]:
        if len(node.inputs) != 1 or len(node.outputs) != 1:
            return []
        source: Value | None = node.inputs[0]
        chain = _Chain(node, self._shapes)
        if isinstance(node.layer, RSign) and is_sign(node.layer.quantizer, node.inputs[0]):
            chain.add(Apply, "shift", chain.shape, function=_adding(node.layer.shift.numpy()))
        elif node.is_operation:
            source = sign_of_operations(self._graph, node)
        elif not sign_layer(node):
            return self._sign_behind(node)
        if source is None:
            return []
        if source is not node.inputs[0]:
            chain = _Chain(node, self._shapes, source.tap)
        chain.add(Sign, "sign", chain.shape)
        self._binary.add(node.outputs[0].tap)
        return chain.close()

    def _sign_behind(self, node: Node) -> list[Step]:
        """A full-precision layer whose activation is a sign: the layer without it, and the sign."""
        layer = node.layer
        activation = getattr(layer, "activation", None)
        if not movement.has_kernel(layer) or activation is None or not is_sign(activation, node.outputs[0]):
            return []
        linear = copy_layer(layer, activation="linear")
        linear.build(node.inputs[0].shape)
        copy_weights(layer, linear)
        source, target = node.inputs[0].tap, node.outputs[0].tap
        before = f"{node.name}/linear"
        self._shapes[before] = self._shapes[target]
        self._binary.add(target)
        return [
            Call(name=node.name, inputs=(source,), outputs=(before,), node=node, layer=linear),
            Sign(name=f"{node.name}/sign", inputs=(before,), outputs=(target,)),
        ]

    def _spatial_pad(self, node: Node) -> list[Step]:
        found = movement.spatial_padding(node)
        if found is None:
            return []
        padding, value = found
        source, target = node.inputs[0].tap, node.outputs[0].tap
        if source in self._binary:
            if value in (1.0, -1.0):
                self._binary.add(target)
            elif value == 0.0:
                self._zero_padded.add(target)
        return [Pad(name=node.name, inputs=(source,), outputs=(target,), padding=padding, value=value)]

    def _repeat(self, node: Node) -> list[Step]:
        times = movement.channel_repeats(node)
        if times is None or len(node.inputs) != 1:
            return []
        source, target = node.inputs[0].tap, node.outputs[0].tap
        if source in self._binary:
            self._binary.add(target)
        return [Repeat(name=node.name, inputs=(source,), outputs=(target,), times=times)]


class _Chain:
    """Steps that stand for one call, one behind the other; the last one takes the name of the call's output."""

    def __init__(self, node: Node, shapes: dict[str, Shape], source: str | None = None) -> None:
        self._name, self._value, self._target = node.name, source or node.inputs[0].tap, node.outputs[0].tap
        self._shapes = shapes
        self._steps: list[Step] = []

    @property
    def shape(self) -> Shape:
        """Of the value that the next step reads."""
        return self._shapes[self._value]

    def add(self, kind: type[Step], suffix: str, shape: Shape, **fields: Any) -> None:
        name = f"{self._name}/{suffix}"
        self._steps.append(kind(name=name, inputs=(self._value,), outputs=(name,), **fields))
        self._shapes[name] = shape
        self._value = name

    def close(self) -> list[Step]:
        last = self._steps.pop()
        return [*self._steps, replace(last, outputs=(self._target,))]


def _convolution_fields(node: Node, view: BinaryView, shape: Shape) -> dict[str, Any]:
    fields: dict[str, Any] = {
        "layer": node.name,
        "weights": view.weights,
        "scale": view.scale,
        "dense": view.kind == "dense",
    }
    if view.kind == "dense":
        return fields
    fields |= {"strides": view.strides, "dilations": view.dilations, "groups": view.groups}
    if isinstance(view.padding, tuple):
        padding: Pads = view.padding
    elif view.padding == "valid":
        padding = NO_PADS
    else:
        spans = [(k - 1) * d + 1 for k, d in zip(view.weights.shape[:2], view.dilations, strict=True)]
        padding = same_padding(_fixed(node, shape)[1:3], view.strides, spans)
    return fields | {"padding": padding, "pad_value": int(view.pad_value)}


def _output_shape(fields: dict[str, Any], shape: Shape) -> Shape:
    filters = int(fields["weights"].shape[-1])
    if fields["dense"] or -1 in shape:
        return (*shape[:-1], filters)
    probe = Convolution(name="", inputs=(), outputs=(), **fields)
    return (shape[0], *probe.output_size(shape[1], shape[2]), filters)


def _fixed(node: Node, shape: Shape) -> Shape:
    if -1 in shape:
        raise UnsupportedError(node.name, "the size of its input is not fixed", "build the network for one input size")
    return shape


def _with_outer_pads(node: Node) -> list[Step]:
    """A full-precision layer with explicit padding: the padding as a step of its own, where passes see it."""
    found = movement.explicit_padding(node.layer)
    if found is None or node.layer.input_quantizer is not None:
        return []
    padding, value = found
    padded = f"{node.name}/pad"
    inner = copy_layer(node.layer, padding="valid")
    inner.build(node.inputs[0].shape)
    copy_weights(node.layer, inner)
    source, target = node.inputs[0].tap, node.outputs[0].tap
    return [
        Pad(name=padded, inputs=(source,), outputs=(padded,), padding=padding, value=value),
        Call(name=node.name, inputs=(padded,), outputs=(target,), node=node, layer=inner),
    ]


def _check_zero_padded(view: BinaryView) -> None:
    if view.kind == "dense":
        raise UnsupportedError(view.name, "zeros were padded to its binary input", "pad before the sign")
    if view.padding != "valid" and view.pad_value != 0:
        raise UnsupportedError(
            view.name, f"its binary input is padded twice, with 0 and with {view.pad_value:g}", "pad once"
        )


def _adding(shift: NDArray[np.float32]) -> Callable[[Any], Any]:
    return lambda x: x + constant(shift)


def _widened(shape: Shape, times: int) -> Shape:
    return (*shape[:-1], shape[-1] * times)


def _shape(value: Value) -> Shape:
    """Batch size 1; -1 for what is not known."""
    return (1, *(-1 if size is None else size for size in value.shape[1:]))
