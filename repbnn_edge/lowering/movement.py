"""What a call does to a map, as far as lowering must know: it moves values, pads, repeats, takes a sign."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

import numpy as np

from repbnn_edge import stack
from repbnn_edge.keras_graph import Node
from repbnn_edge.layers import RepeatChannels, RSign
from repbnn_edge.lowering.plan import NO_PADS, Pads

# Layers that only move, copy or drop values; a maximum commutes with the sign too.
_MOVING_LAYERS = {
    *("Reshape", "Flatten", "Permute", "Concatenate", "Cropping2D", "RepeatVector", "UpSampling2D"),
    *("Dropout", "SpatialDropout2D", "MaxPooling2D", "GlobalMaxPooling2D"),
}
_MOVING_OPERATIONS = {
    *("reshape", "transpose", "concat", "getitem", "split", "squeeze", "expand_dims", "strided_slice", "slice"),
    *("identity", "stop_gradient", "gather", "repeat", "tile", "stack", "unstack", "reverse", "roll"),
    *("depth_to_space", "space_to_depth", "max_pool", "max_pool2d"),
}


def operation(node: Node) -> str:
    """The last word of a TensorFlow function's name (``nn.max_pool2d`` is ``max_pool2d``); "" for a layer."""
    return node.operation.rsplit(".", 1)[-1] if node.is_operation else ""


def bound_arguments(node: Node) -> Mapping[str, Any]:
    """The arguments of a TensorFlow function by name, its inputs as ``Value``; empty where they cannot be told."""
    args, kwargs = node.map_arguments(node.inputs)
    try:
        bound = inspect.signature(node.layer.function).bind(*args, **kwargs)
    except (TypeError, ValueError):
        return {}
    bound.apply_defaults()
    return bound.arguments


def commutes_with_sign(node: Node) -> bool:
    """Whether sign(call(x)) = call(sign(x)) for every x."""
    if node.is_operation:
        return operation(node) in _MOVING_OPERATIONS and not _holds_float_constants(node)
    kind = type(node.layer).__name__
    if kind == "UpSampling2D":
        return bool(node.layer.interpolation == "nearest")
    if kind == "Activation":
        return bool(node.layer.activation is stack.tensorflow().keras.activations.linear)
    return kind in _MOVING_LAYERS


def may_be_sign(node: Node) -> bool:
    """Whether a layer is of a kind that can be a sign; what it gives must still be looked at."""
    if node.is_operation:
        return False
    layer = node.layer
    if isinstance(layer, RSign) or getattr(layer, "precision", None) == 1:
        return True
    keras = stack.tensorflow().keras
    return type(layer) is keras.layers.Activation and layer.activation is not keras.activations.linear


def has_kernel(layer: Any) -> bool:
    """Whether a layer is a convolution or dense layer of Keras or of a subclass."""
    keras = stack.tensorflow().keras.layers
    kinds = (keras.Conv1D, keras.Conv2D, keras.Conv3D, keras.Dense, keras.SeparableConv1D, keras.SeparableConv2D)
    # DepthwiseConv2D and the transposed and separable ones derive from these in Keras 2.
    return isinstance(layer, (*kinds, keras.DepthwiseConv2D, keras.LocallyConnected2D))


def spatial_padding(node: Node) -> tuple[Pads, float] | None:
    """The padding and value of a call that pads rows and columns with a constant, and nothing else; else None."""
    if isinstance(node.layer, stack.tensorflow().keras.layers.ZeroPadding2D):
        if node.layer.data_format != "channels_last":
            return None
        (top, bottom), (left, right) = node.layer.padding
        return ((int(top), int(bottom)), (int(left), int(right))), 0.0
    if operation(node) not in ("pad", "pad_v2"):
        return None
    arguments = bound_arguments(node)
    pads, value = _constant(arguments.get("paddings")), _constant(arguments.get("constant_values", 0))
    if str(arguments.get("mode", "CONSTANT")).upper() != "CONSTANT" or pads is None or value is None:
        return None
    if pads.shape != (4, 2) or pads[[0, 3]].any() or value.size != 1:
        return None
    (top, bottom), (left, right) = pads[1:3].tolist()
    return ((int(top), int(bottom)), (int(left), int(right))), float(value.reshape(()))


def channel_repeats(node: Node) -> int | None:
    """How often a call tiles the block of channels, if that is all it does; else None."""
    if isinstance(node.layer, RepeatChannels):
        return int(node.layer.times)
    if operation(node) != "tile":
        return None
    multiples = _constant(bound_arguments(node).get("multiples"))
    if multiples is None or multiples.ndim != 1 or (multiples[:-1] != 1).any():
        return None
    return int(multiples[-1])


def explicit_padding(layer: Any) -> tuple[Pads, float] | None:
    """What a RepConv2D pads around its map with a padding of its own, not TensorFlow's; None where it does not."""
    pads: Pads | None = getattr(layer, "pads", None)
    if pads is None or pads == NO_PADS:
        return None
    return pads, float(layer.pad_values)


def _constant(argument: Any) -> Any:
    """An argument as an array; None where it is computed in the network."""
    try:
        array = np.asarray(argument)
    except (TypeError, ValueError, NotImplementedError):
        return None
    return array if array.dtype.kind in "iuf" else None


def _holds_float_constants(node: Node) -> bool:
    """Whether the call brings values of its own into the map: a concat with a constant, say."""
    own = (argument for place, argument in enumerate(node.arguments) if place not in node.places)
    return any(
        isinstance(a, float)
        or getattr(getattr(a, "dtype", None), "is_floating", False)
        or getattr(getattr(a, "dtype", None), "kind", "") == "f"
        for a in own
    )
