"""What sort of layer a node calls, by the names that Keras, larq and this package give their classes."""

from __future__ import annotations

from repbnn_edge.keras_graph import Node

_KNOWN_PACKAGES = {"keras", "tf_keras", "larq", "repbnn_edge"}
_TYPES = ("Conv1D", "Conv2D", "Conv3D", "Conv2DTranspose", "Conv3DTranspose", "Conv1DTranspose")
CONVOLUTIONS = {*_TYPES, *(f"Quant{name}" for name in _TYPES), "RepConv2D"}
DENSE = {"Dense", "QuantDense", "RepDense"}
DEPTHWISE = {"DepthwiseConv1D", "DepthwiseConv2D", "QuantDepthwiseConv2D"}
SEPARABLE = {"SeparableConv1D", "SeparableConv2D", "QuantSeparableConv1D", "QuantSeparableConv2D"}
_GLOBAL_POOLS = {"GlobalAveragePooling2D", "GlobalMaxPooling2D"}
_POOLS = {"AveragePooling2D", "MaxPooling2D"}


def known_class(node: Node) -> str | None:
    """The layer's class name if Keras, larq or this package wrote it; None for a class of somebody else."""
    kind = type(node.layer)
    return kind.__name__ if kind.__module__.split(".")[0] in _KNOWN_PACKAGES else None


def has_kernel(node: Node) -> bool:
    """Whether the node is a convolution or a dense layer, of whatever kind."""
    return known_class(node) in CONVOLUTIONS | DENSE | DEPTHWISE | SEPARABLE


def is_depthwise(node: Node) -> bool:
    """Whether each filter reads one channel: a depthwise layer, or as many groups as channels."""
    if known_class(node) in DEPTHWISE:
        return True
    groups = getattr(node.layer, "groups", 1)
    return known_class(node) in CONVOLUTIONS and groups > 1 and groups == node.inputs[0].shape[-1]


def is_fully_connected(node: Node) -> bool:
    """A dense layer, or a convolution whose kernel covers its whole input map."""
    if known_class(node) in DENSE:
        return True
    if known_class(node) not in ("Conv2D", "QuantConv2D", "RepConv2D") or node.layer.groups != 1:
        return False
    return node.outputs[0].shape[1:3] == (1, 1) and tuple(node.layer.kernel_size) == node.inputs[0].shape[1:3]


def is_softmax(node: Node) -> bool:
    """A softmax, as a layer, an activation or an operation."""
    if node.is_operation:
        return node.operation in ("nn.softmax", "nn.log_softmax")
    if known_class(node) == "Activation":
        return getattr(node.layer.activation, "__name__", "") in ("softmax", "log_softmax")
    return known_class(node) == "Softmax"


def is_global_pool(node: Node) -> bool:
    """Whether the node makes one number per channel of a map."""
    if node.is_operation:
        return node.operation == "math.reduce_mean" and len(node.inputs[0].shape) == 4
    if known_class(node) in _GLOBAL_POOLS:
        return True
    return known_class(node) in _POOLS and node.outputs[0].shape[1:3] == (1, 1)


def is_product(node: Node) -> bool:
    """Whether the node multiplies two values."""
    return node.operation in ("Multiply", "math.multiply") and len(node.inputs) > 1
