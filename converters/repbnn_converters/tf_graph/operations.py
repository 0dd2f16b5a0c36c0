"""What is neither convolution nor sign: each operation becomes a Keras layer, or a TensorFlow call on Keras tensors."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from repbnn_converters.tf_graph.frozen import Node
from repbnn_edge import stack
from repbnn_edge.errors import UnsupportedError

_BINARY = {
    "Add": "add", "AddV2": "add", "Sub": "subtract", "Mul": "multiply", "RealDiv": "divide", "Maximum": "maximum",
    "Minimum": "minimum", "SquaredDifference": "squared_difference", "Pow": "pow",
}  # fmt: skip
_UNARY = {
    "Abs": "abs", "Exp": "exp", "Neg": "negative", "Rsqrt": "rsqrt", "Sigmoid": "sigmoid", "Sqrt": "sqrt",
    "Square": "square", "Tanh": "tanh", "Sign": "sign", "Softplus": "softplus", "Log": "log",
}  # fmt: skip
_NN = {
    "Relu": "relu", "Relu6": "relu6", "Elu": "elu", "Selu": "selu", "Softsign": "softsign", "Softmax": "softmax",
}  # fmt: skip


def apply(node: Node, inputs: list[Any], name: str) -> Any:
    """Apply one node to Keras tensors and numpy constants.

    Raises:
        UnsupportedError: the attributes have no exact Keras form.
    """
    tf = stack.tensorflow()
    if node.op in _BINARY:
        return getattr(tf.math, _BINARY[node.op])(*inputs)
    if node.op in _UNARY:
        return getattr(tf.math, _UNARY[node.op])(inputs[0])
    if node.op in _NN:
        return getattr(tf.nn, _NN[node.op])(inputs[0])
    return _OTHERS[node.op](node, inputs, name)


def _batch_norm(node: Node, inputs: list[Any], name: str) -> Any:
    tf = stack.tensorflow()
    if node.attributes.get("is_training"):
        raise UnsupportedError(f"node {node.name}", "its batch norm is in training mode", "export the inference form")
    layer = tf.keras.layers.BatchNormalization(epsilon=node.attributes["epsilon"], name=name)
    result = layer(inputs[0])
    layer.set_weights([np.asarray(value) for value in inputs[1:5]])
    return result


def _bias_add(node: Node, inputs: list[Any], name: str) -> Any:
    return stack.tensorflow().nn.bias_add(inputs[0], inputs[1])


def _pool(node: Node, inputs: list[Any], name: str) -> Any:
    tf = stack.tensorflow()
    window, strides = node.attributes["ksize"], node.attributes["strides"]
    if window[0] != 1 or window[3] != 1 or node.attributes.get("explicit_paddings"):
        raise UnsupportedError(f"node {node.name}", "it pools over channels or batch", "pool over rows and columns")
    layer = tf.keras.layers.MaxPooling2D if node.op == "MaxPool" else tf.keras.layers.AveragePooling2D
    return layer(window[1:3], strides[1:3], node.attributes["padding"].lower(), name=name)(inputs[0])


def _mirror_pad(node: Node, inputs: list[Any], name: str) -> Any:
    return stack.tensorflow().pad(inputs[0], np.asarray(inputs[1]).tolist(), mode=node.attributes["mode"])


def _reduce(node: Node, inputs: list[Any], name: str) -> Any:
    tf = stack.tensorflow()
    function = {"Mean": tf.reduce_mean, "Max": tf.reduce_max, "Sum": tf.reduce_sum}[node.op]
    axes = [int(a) for a in np.atleast_1d(inputs[1])]
    return function(inputs[0], axis=axes, keepdims=bool(node.attributes.get("keep_dims")))


def _concat(node: Node, inputs: list[Any], name: str) -> Any:
    axis = int(np.asarray(inputs[-1]).item())
    return stack.tensorflow().concat(inputs[:-1], axis=axis)


def _split(node: Node, inputs: list[Any], name: str) -> Any:
    tf = stack.tensorflow()
    if node.op == "Split":
        return list(tf.split(inputs[1], int(node.attributes["num_split"]), axis=int(np.asarray(inputs[0]).item())))
    sizes = [int(s) for s in np.asarray(inputs[1])]
    return list(tf.split(inputs[0], sizes, axis=int(np.asarray(inputs[2]).item())))


def _strided_slice(node: Node, inputs: list[Any], name: str) -> Any:
    tf = stack.tensorflow()
    masks = {key: int(node.attributes[key]) for key in (
        "begin_mask", "end_mask", "ellipsis_mask", "new_axis_mask", "shrink_axis_mask")}  # fmt: skip
    begin, end, strides = (np.asarray(value).tolist() for value in inputs[1:4])
    return tf.strided_slice(inputs[0], begin, end, strides, **masks)


def _slice(node: Node, inputs: list[Any], name: str) -> Any:
    begin, size = (np.asarray(value).tolist() for value in inputs[1:3])
    return stack.tensorflow().slice(inputs[0], begin, size)


def _leaky_relu(node: Node, inputs: list[Any], name: str) -> Any:
    return stack.tensorflow().nn.leaky_relu(inputs[0], alpha=node.attributes["alpha"])


def _transpose(node: Node, inputs: list[Any], name: str) -> Any:
    return stack.tensorflow().transpose(inputs[0], np.asarray(inputs[1]).tolist())


def _tile(node: Node, inputs: list[Any], name: str) -> Any:
    return stack.tensorflow().tile(inputs[0], np.asarray(inputs[1]).tolist())


def _expand_dims(node: Node, inputs: list[Any], name: str) -> Any:
    return stack.tensorflow().expand_dims(inputs[0], int(np.asarray(inputs[1]).item()))


def _squeeze(node: Node, inputs: list[Any], name: str) -> Any:
    axes = [int(a) for a in node.attributes.get("squeeze_dims") or []]
    return stack.tensorflow().squeeze(inputs[0], axis=axes or None)


def _depth_space(node: Node, inputs: list[Any], name: str) -> Any:
    tf = stack.tensorflow()
    function = tf.nn.depth_to_space if node.op == "DepthToSpace" else tf.nn.space_to_depth
    return function(inputs[0], node.attributes["block_size"])


def _cast(node: Node, inputs: list[Any], name: str) -> Any:
    tf = stack.tensorflow()
    if node.attributes.get("DstT") != tf.float32:
        raise UnsupportedError(f"node {node.name}", "it casts to another type than float32", "keep float32")
    return tf.cast(inputs[0], tf.float32)


_OTHERS: dict[str, Callable[[Node, list[Any], str], Any]] = {
    "FusedBatchNorm": _batch_norm,
    "FusedBatchNormV2": _batch_norm,
    "FusedBatchNormV3": _batch_norm,
    "BiasAdd": _bias_add,
    "MaxPool": _pool,
    "AvgPool": _pool,
    "MirrorPad": _mirror_pad,
    "Mean": _reduce,
    "Max": _reduce,
    "Sum": _reduce,
    "ConcatV2": _concat,
    "Split": _split,
    "SplitV": _split,
    "StridedSlice": _strided_slice,
    "Slice": _slice,
    "LeakyRelu": _leaky_relu,
    "Transpose": _transpose,
    "Tile": _tile,
    "ExpandDims": _expand_dims,
    "Squeeze": _squeeze,
    "DepthToSpace": _depth_space,
    "SpaceToDepth": _depth_space,
    "Cast": _cast,
}

NAMES = (set(_BINARY) | set(_UNARY) | set(_NN) | set(_OTHERS)) - {"Sign"}
"""Every operation that ``apply`` knows, except Sign, which is recognised first."""
