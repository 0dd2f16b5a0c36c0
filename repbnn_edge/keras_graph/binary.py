"""Which layers are binary: two-valued weights AND a two-valued input, from a quantiser or from a sign before it."""

from __future__ import annotations

from typing import Any

from repbnn_edge import stack
from repbnn_edge.keras_graph.graph import Graph, Node

# What moves values about and makes none.
_MOVING_LAYERS = {
    *("MaxPooling1D", "MaxPooling2D", "MaxPooling3D", "GlobalMaxPooling1D", "GlobalMaxPooling2D"),
    *("Flatten", "Reshape", "Permute", "Dropout", "SpatialDropout2D", "Concatenate", "Cropping2D", "RepeatChannels"),
    "ZeroPadding2D",  # taps of the padding are no values of the map: BinaryLayer has them as ``pad_value``
}
_MOVING_OPERATIONS = {
    *(
        "concat",
        "split",
        "reshape",
        "transpose",
        "identity",
        "stop_gradient",
        "expand_dims",
        "squeeze",
        "slice",
        "tile",
    ),
    *("__operators__.getitem", "strided_slice", "nn.max_pool2d", "pad", "unstack", "stack", "repeat", "gather"),
}


def precision_of(quantizer: Any) -> int | None:
    """Bits of what a quantiser gives; None where it says nothing or does nothing."""
    if quantizer is None or type(quantizer).__name__ == "NoOp":
        return None
    precision = getattr(quantizer, "precision", None)
    return int(precision) if isinstance(precision, int) else None


def weight_precision(layer: Any) -> int | None:
    """Bits of a layer's quantised kernel, the widest where it has two kernels; None for full precision."""
    names = ("kernel_quantizer", "depthwise_quantizer", "pointwise_quantizer")
    quantizers = [getattr(layer, name) for name in names if hasattr(layer, name)]
    precisions = [precision_of(quantizer) for quantizer in quantizers]
    known = [bits for bits in precisions if bits is not None]
    return max(known) if known and len(known) == len(precisions) else None


def input_precision(node: Node, two_valued: set[str]) -> int | None:
    """Bits of what the node's kernel reads; None for full precision."""
    own = precision_of(getattr(node.layer, "input_quantizer", None))
    if own is not None:
        return own
    return 1 if node.inputs and node.inputs[0].tap in two_valued else None


def two_valued_taps(graph: Graph) -> set[str]:
    """The values that have two values only, because a sign made them and what follows only moves them."""
    taps: set[str] = set()
    for node in graph.nodes:
        moves = node.operation in (_MOVING_OPERATIONS if node.is_operation else _MOVING_LAYERS) or _is_linear(node)
        if makes_sign(node) or (moves and node.inputs and all(value.tap in taps for value in node.inputs)):
            taps.update(value.tap for value in node.outputs)
    return taps


def binary_nodes(graph: Graph, two_valued: set[str] | None = None) -> tuple[Node, ...]:
    """The calls of convolutions and dense layers whose weights and input are two-valued, in order."""
    taps = two_valued_taps(graph) if two_valued is None else two_valued
    return tuple(node for node in graph.nodes if weight_precision(node.layer) == 1 and input_precision(node, taps) == 1)


def makes_sign(node: Node) -> bool:
    """Whether a node's output is a sign, whatever it reads."""
    if node.is_operation:
        return node.operation in ("math.sign", "sign") or _is_select_of_constants(node)
    if hasattr(node.layer, "kernel_quantizer") or hasattr(node.layer, "depthwise_quantizer"):
        return False
    if precision_of(node.layer) == 1:  # larq's quantisers are layers, and so is RSign
        return True
    return precision_of(getattr(node.layer, "input_quantizer", None)) == 1 or (
        type(node.layer).__name__ == "Activation" and precision_of(node.layer.activation) == 1
    )


def _is_select_of_constants(node: Node) -> bool:
    return node.operation == "where" and len(node.inputs) == 1 and len(node.arguments) >= 3


def _is_linear(node: Node) -> bool:
    linear = stack.tensorflow().keras.activations.linear
    return type(node.layer).__name__ == "Activation" and node.layer.activation is linear
