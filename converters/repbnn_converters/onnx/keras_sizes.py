"""Keras layers that give a map another size, for ``keras_lowering``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from repbnn_converters.onnx import network as ir
from repbnn_edge import stack

Resizing = ir.DepthToSpace | ir.SpaceToDepth | ir.Enlarge | ir.ResizeBilinear


def resized(layer: Resizing, x: Any, name: str) -> Any:
    """A pixel shuffle or its inverse, or an enlarged map; ``name`` is the Keras layer's."""
    tf = stack.tensorflow()
    if isinstance(layer, ir.DepthToSpace):
        return tf.nn.depth_to_space(x, layer.size)
    if isinstance(layer, ir.SpaceToDepth):
        return tf.nn.space_to_depth(x, layer.size)
    if isinstance(layer, ir.Enlarge):
        return tf.keras.layers.UpSampling2D(layer.factors, name=name)(x)
    from repbnn_edge.layers import ResizeMap

    return ResizeMap(layer.size, align_corners=layer.align_corners, name=name)(x)


def transposed(layer: ir.ConvTranspose, x: Any, name: Callable[..., str], make: Callable[..., Any]) -> Any:
    """A transposed convolution: each group by itself, joined, and cropped.

    Args:
        layer: the convolution.
        x: its input, channels last.
        name: gives a free Keras name for a layer, with a suffix.
        make: calls a Keras layer and remembers its weights.
    """
    tf = stack.tensorflow()
    parts = tf.split(x, layer.groups, axis=-1) if layer.groups > 1 else [x]
    weights = np.split(layer.weights, layer.groups)
    bias = [None] * layer.groups if layer.bias is None else np.split(layer.bias, layer.groups)
    pieces = []
    for part, kernel, shift in zip(parts, weights, bias, strict=True):
        made = tf.keras.layers.Conv2DTranspose(
            kernel.shape[1], kernel.shape[2:], strides=layer.strides, use_bias=shift is not None, name=name(layer)
        )
        turned = kernel.transpose(2, 3, 1, 0)
        pieces.append(make(made, part, [turned] if shift is None else [turned, shift]))
    whole = pieces[0] if len(pieces) == 1 else tf.keras.layers.Concatenate(name=name(layer, ".concat"))(pieces)
    return (
        whole if layer.crop == ir.NO_PADS else tf.keras.layers.Cropping2D(layer.crop, name=name(layer, ".crop"))(whole)
    )
