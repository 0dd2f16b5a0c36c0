"""A Keras network as a reference: run call by call by Keras, its binary layers in integers."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from repbnn_edge import stack
from repbnn_edge.errors import UnsupportedError, VerificationError
from repbnn_edge.keras_graph import Graph, Node, Value, binary_nodes, evaluate, totals, walk
from repbnn_edge.layers import BinaryView, binary_view, why_not_binary
from repbnn_edge.verification.affine import to_next_sign
from repbnn_edge.verification.integers import convolve, layer_integers, signs
from repbnn_edge.verification.reference import OUTPUT, BinaryLayer, Floats, MaxPool, Pads
from repbnn_edge.verification.sign_inputs import SignInputs, Twins

_VIEW_TOLERANCE = 1e-4


@dataclass(frozen=True, eq=False)
class _Binary:
    """A binary call: the layer as mathematics, and where its sign input comes from.

    ``read`` is the value that the layer reads or, where a max pooling or zero padding stands directly before the
    layer, the value before that: both are part of ``layer`` then.
    """

    node: Node
    view: BinaryView
    layer: BinaryLayer
    read: Value
    holds_signs: bool


class KerasReference:
    """Runs a Keras network by Keras itself, every binary layer as integers times its scale.

    The integers of each layer are compared once with what the layer itself computes in floats; where they disagree
    by more than rounding, the layer is not what it was taken for, and that is an error.

    Args:
        model: a functional or Sequential Keras 2 model with one image as input and one output.

    Raises:
        BadInputError, UnsupportedError: as ``keras_graph.walk``; several inputs or outputs, an input that is no
            image, a binary layer that has no +-1 form.
    """

    def __init__(self, model: Any) -> None:
        self._graph = walk(model)
        _check_ends(self._graph)
        self._signs = SignInputs(self._graph)
        self._binary = {node.name: binary for node in self._graph.nodes if (binary := self._recognise(node))}
        self._refuse_unrecognised()
        self._checked: set[str] = set()
        self._replaced: dict[str, Floats] = {}

    @property
    def input_shape(self) -> tuple[int, int, int]:
        """Height, width, channels of one input."""
        height, width, channels = (int(size or 0) for size in self._graph.inputs[0].shape[1:])
        return height, width, channels

    @cached_property
    def binary_layers(self) -> Sequence[BinaryLayer]:
        """All binary layers, in topological order."""
        affine = to_next_sign(
            self._graph, {name: b.view for name, b in self._binary.items()}, [b.read for b in self._binary.values()]
        )
        layers = []
        for name, binary in self._binary.items():
            facts = {**vars(binary.layer), "to_sign": affine.get(name)}
            layers.append(BinaryLayer(**facts))
        return layers

    def counts(self) -> Mapping[str, Any]:
        """``{"macs": {"binary", "float"}, "parameters": {"binary", "float"}}`` of the network, before folding."""
        return totals(self._graph)

    def float_weights(self) -> Mapping[str, Floats]:
        """The kernels of convolutions and dense layers that are not binary, as (filters, ...), by layer name."""
        return {
            node.layer_name: _filters_first(node)
            for node in self._graph.nodes
            if node.name not in self._binary and _kernel_of(node) is not None and node.is_first_call
        }

    def with_float_weights(self, weights: Mapping[str, Floats]) -> KerasReference:
        """The same network with some of these kernels replaced; the model itself is left as it was."""
        twin = copy.copy(self)
        twin._replaced = dict(weights)
        return twin

    def run(self, batch: Floats) -> Mapping[str, NDArray[Any]]:
        """Run (N, H, W, C) preprocessed inputs; give every sign input, and ``OUTPUT``, channels last.

        Raises:
            VerificationError: a layer's own float output is not what its integers give.
        """
        taps: dict[str, NDArray[Any]] = {}
        twins = Twins([sign for sign in self._signs.nodes.values() if sign is not None])
        before: dict[str, Any] = {}
        wanted = {binary.read.tap for binary in self._binary.values() if not binary.holds_signs}

        def override(node: Node, tensors: tuple[Any, ...]) -> Any:
            before.update((v.tap, t) for v, t in zip(node.inputs, tensors, strict=True) if v.tap in wanted)
            binary = self._binary.get(node.name)
            twins_of_it = self._signs.nodes.get(node.name)
            if twins_of_it is None or twins_of_it.kind != "activation" or binary is None:
                twins.see(node, tensors)
            if binary is None:
                return self._with_replaced_kernel(node, tensors)
            read = twins.of(binary.read) if binary.holds_signs else before[binary.read.tap]
            tap = np.asarray(read, np.float32)
            if binary.view.input_repeats > 1:
                tap = np.concatenate([tap] * binary.view.input_repeats, axis=-1)
            taps[binary.layer.sign_input] = tap
            integers = layer_output(binary.layer, tap)
            if binary.layer.pool is None:  # else they were summed in another order: the judge sums its own
                taps[binary.layer.integers_tap] = integers
            linear = self._linear_output(binary, integers)
            if twins_of_it is not None and twins_of_it.kind == "activation":
                twins.set(node.outputs[0], linear)
            output = linear if binary.view.activation is None else binary.view.activation(linear)
            self._check_view(binary, tensors, output)
            return output

        output_tap = self._graph.outputs[0].tap
        results = evaluate(self._graph, batch, override, {output_tap})
        return {**taps, OUTPUT: np.asarray(results[output_tap], np.float32)}

    def _with_replaced_kernel(self, node: Node, tensors: tuple[Any, ...]) -> Any:
        weights = self._replaced.get(node.layer_name)
        if weights is None:
            return None
        kernel = _kernel_of(node)
        own = np.asarray(kernel)
        kernel.assign(_filters_last(node, weights))
        try:
            return node.call(tensors)
        finally:
            kernel.assign(own)

    def _linear_output(self, binary: _Binary, integers: NDArray[np.int32]) -> Any:
        """The layer's output before its activation: integers, scale, tiling, bias."""
        tf = stack.tensorflow()
        view = binary.view
        result = tf.constant(integers.astype(np.float32)) * view.scale
        if view.output_repeats > 1:
            result = tf.concat([result] * view.output_repeats, axis=-1)
        if view.bias is not None:
            result = result + view.bias
        shape = [-1 if size is None else size for size in binary.node.outputs[0].shape]
        return tf.reshape(result, [len(integers), *shape[1:]])

    def _check_view(self, binary: _Binary, tensors: tuple[Any, ...], output: Any) -> None:
        """Once for each layer, on one sample: a second opinion on what the layer was taken for."""
        if binary.node.name in self._checked:
            return
        own = np.asarray(binary.node.call(tuple(tensor[:1] for tensor in tensors)))
        ours = np.asarray(output[:1])
        largest = float(np.abs(own).max(initial=0.0))
        wrong = np.abs(own - ours).max(initial=0.0) if own.shape == ours.shape else np.inf
        if binary.view.activation is None and not wrong <= _VIEW_TOLERANCE * largest:
            raise VerificationError(
                binary.layer.name,
                f"its float output differs by {wrong:.3g} (largest {largest:.3g}) from what its +-1 weights give",
                "report it: the layer is not what it was taken for",
            )
        self._checked.add(binary.node.name)

    def _recognise(self, node: Node) -> _Binary | None:
        if len(node.inputs) != 1 or node.is_operation:
            return None
        view = binary_view(node.layer) if _has_kernel(node) else None
        if view is None:
            return None
        value, pool, pads = self._step_back(node, view)
        holds_signs = not view.quantizes_input
        if holds_signs and not self._signs.find(value):
            return None
        name = value.tap if view.input_repeats == 1 else f"{value.tap} x {view.input_repeats}"
        layer = BinaryLayer(
            name=node.name,
            kind=view.kind,
            sign_input=f"sign input of {name}" if holds_signs else name,
            weights=view.weights,
            strides=view.strides,
            dilations=view.dilations,
            padding=pads,
            pad_value=int(view.pad_value),
            groups=view.groups,
            pool=pool,
        )
        return _Binary(node, view, layer, value, holds_signs)

    def _step_back(self, node: Node, view: BinaryView) -> tuple[Value, MaxPool | None, Pads]:
        """The value that the sign is taken of, over a zero padding or max pooling between it and the layer."""
        value, pads = node.inputs[0], _padding_of(node, view)
        producer = self._graph.producer(value)
        if producer is None or view.kind == "dense" or None in value.shape[1:]:
            return value, None, pads
        before = producer.inputs[0] if producer.inputs else value
        if producer.operation == "ZeroPadding2D" and not view.quantizes_input and view.padding == "valid":
            return before, None, producer.layer.padding
        if producer.operation == "MaxPooling2D" and producer.layer.data_format == "channels_last":
            return before, _pool_of(producer), pads
        return value, None, pads

    def _refuse_unrecognised(self) -> None:
        for node in binary_nodes(self._graph):
            if node.name not in self._binary:
                why = why_not_binary(node.layer) or "its input is not the sign of a map"
                raise UnsupportedError(node.name, why, "give it +-1 weights with one scale per filter and a sign")


def layer_output(layer: BinaryLayer, tap: Floats) -> NDArray[np.int32]:
    """The integers of a layer, pooled as Keras orders things: sign first."""
    if layer.pool is None:
        return layer_integers(layer, tap)
    tf = stack.tensorflow()
    padded = np.pad(signs(tap), ((0, 0), *layer.pool.padding, (0, 0)), constant_values=-1)
    x = tf.nn.max_pool2d(padded, layer.pool.size, layer.pool.strides, "VALID").numpy()
    return convolve(np.pad(x, ((0, 0), *layer.padding, (0, 0)), constant_values=float(layer.pad_value)), layer)


def _check_ends(graph: Graph) -> None:
    if len(graph.inputs) != 1 or len(graph.outputs) != 1:
        raise UnsupportedError(
            graph.name,
            f"it has {len(graph.inputs)} inputs and {len(graph.outputs)} outputs",
            "give a network with one of each",
        )
    shape = graph.inputs[0].shape
    if len(shape) != 4 or None in shape[1:]:
        raise UnsupportedError(
            graph.name, f"its input shape is {list(shape)}, not an image", "give (batch, height, width, channels)"
        )


def _kernel_of(node: Node) -> Any:
    """The kernel of a convolution or dense layer that a file may hold in another precision; None for others."""
    keras = stack.tensorflow().keras.layers
    if isinstance(node.layer, keras.DepthwiseConv2D):
        return node.layer.depthwise_kernel
    if isinstance(node.layer, keras.Conv2DTranspose | keras.SeparableConv2D):
        return None
    return node.layer.kernel if isinstance(node.layer, keras.Conv2D | keras.Dense) else None


def _filters_first(node: Node) -> Floats:
    kernel = np.asarray(_kernel_of(node), np.float32)
    if _is_depthwise(node):
        return np.ascontiguousarray(kernel.reshape(-1, kernel.shape[2] * kernel.shape[3]).T)
    return np.ascontiguousarray(np.moveaxis(kernel, -1, 0))


def _filters_last(node: Node, weights: Floats) -> Floats:
    shape = tuple(_kernel_of(node).shape)
    return weights.T.reshape(shape) if _is_depthwise(node) else np.moveaxis(weights, 0, -1).reshape(shape)


def _is_depthwise(node: Node) -> bool:
    return isinstance(node.layer, stack.tensorflow().keras.layers.DepthwiseConv2D)


def _has_kernel(node: Node) -> bool:
    keras = stack.tensorflow().keras
    return isinstance(node.layer, keras.layers.Conv2D | keras.layers.Dense) and len(node.outputs) == 1


def _padding_of(node: Node, view: BinaryView) -> Pads:
    if view.padding == "valid":
        return (0, 0), (0, 0)
    if view.padding != "same":
        return view.padding
    sizes = node.inputs[0].shape[1:3]
    kernel = view.weights.shape[:2]
    rows, columns = (
        _same(int(size or 0), k, stride, dilation)
        for size, k, stride, dilation in zip(sizes, kernel, view.strides, view.dilations, strict=True)
    )
    return rows, columns


def _pool_of(node: Node) -> MaxPool:
    size, strides = tuple(node.layer.pool_size), tuple(node.layer.strides)
    pads = ((0, 0), (0, 0))
    if node.layer.padding == "same":
        height, width = (int(n or 0) for n in node.inputs[0].shape[1:3])
        pads = _same(height, size[0], strides[0], 1), _same(width, size[1], strides[1], 1)
    return MaxPool(size, strides, pads)


def _same(size: int, kernel: int, stride: int, dilation: int) -> tuple[int, int]:
    """TensorFlow's SAME padding; the odd tap goes to the end."""
    total = max(0, (-(-size // stride) - 1) * stride + (kernel - 1) * dilation + 1 - size)
    return total // 2, total - total // 2
