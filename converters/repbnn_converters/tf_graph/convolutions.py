"""Convolutions and dense layers of an imported graph: binary where input and weights are two-valued."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from repbnn_converters.tf_graph.frozen import Node
from repbnn_edge import stack
from repbnn_edge.errors import UnsupportedError

if TYPE_CHECKING:
    from repbnn_converters.tf_graph.network import Importer

_TWO_VALUED = 1e-6


def signs_and_scales(weights: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]] | None:
    """Split weights (..., filters) into +-1 and one positive scale a filter; None where they are not two-valued."""
    flat = np.abs(weights.reshape(-1, weights.shape[-1]))
    scale = flat.max(axis=0)
    if np.any(scale == 0) or np.any(flat.min(axis=0) < scale * (1 - _TWO_VALUED)):
        return None
    return np.where(weights < 0, -1.0, 1.0).astype(np.float32), scale.astype(np.float32)


def convolution(importer: Importer, node: Node, inputs: list[Any]) -> Any:
    """A Conv2D or DepthwiseConv2dNative node."""
    from repbnn_converters.tf_graph.network import Batched, Signed

    value, weights = inputs
    if not isinstance(weights, np.ndarray):
        raise UnsupportedError(
            f"node {node.name}", "its weights depend on the input", "only constant weights can be packed"
        )
    if node.attributes.get("data_format", "NHWC") != "NHWC":
        raise UnsupportedError(f"node {node.name}", "it is channels-first", "export it channels-last")
    dilation = tuple(int(d) for d in node.attributes.get("dilations", [1, 1, 1, 1])[1:3])
    if isinstance(value, Batched):
        value, dilation = _undo_space_to_batch(importer, value, weights, node)
    split = signs_and_scales(weights) if node.op == "Conv2D" else None
    if isinstance(value, Signed) and split is not None:
        return _binary(importer, node, value, split, dilation)
    return _float(importer, node, importer.plain(value), weights, dilation)


def _undo_space_to_batch(importer: Importer, value: Any, weights: NDArray[Any], node: Node) -> tuple[Any, Any]:
    """SpaceToBatchND, VALID convolution, BatchToSpaceND is a dilated convolution; its extra end padding is cropped."""
    from repbnn_converters.tf_graph.network import Signed

    tf = stack.tensorflow()
    pads = []
    for block, (before, after), kernel in zip(value.block, value.pads, weights.shape[:2], strict=True):
        reach = (kernel - 1) * block
        pads.append((before, min(after, reach - before)) if before else (0, 0))
    if isinstance(value.source, Signed):
        return Signed(value.source.source, (pads[0], pads[1]), 0.0), value.block
    padded = tf.keras.layers.ZeroPadding2D(pads, name=importer.name_for(node))(importer.plain(value.source))
    return padded, value.block


def _binary(importer: Importer, node: Node, value: Any, split: Any, dilation: Any) -> Any:
    from repbnn_edge.layers import RepConv2D

    signs, scales = split
    padding: Any = node.attributes["padding"].lower()
    if any(p for pair in value.pads for p in pair):
        if padding != "valid":
            raise UnsupportedError(f"node {node.name}", "it is padded twice", "pad once")
        padding = value.pads
    name = importer.name_for(node)
    layer = RepConv2D(
        signs.shape[-1],
        signs.shape[:2],
        strides=tuple(node.attributes["strides"][1:3]),
        dilation_rate=dilation,
        groups=int(value.source.shape[-1]) // signs.shape[2],
        padding=padding,
        pad_values=value.pad_value,
        input_quantizer="ste_sign",
        kernel_quantizer="ste_sign",
        use_bias=False,
        name=name,
    )
    return _scaled(_with_weights(layer, value.source, signs), scales, name)


def _float(importer: Importer, node: Node, value: Any, weights: NDArray[Any], dilation: Any) -> Any:
    tf = stack.tensorflow()
    common = {
        "strides": tuple(node.attributes["strides"][1:3]),
        "padding": node.attributes["padding"].lower(),
        "dilation_rate": dilation,
        "use_bias": False,
        "name": importer.name_for(node),
    }
    if node.op == "DepthwiseConv2dNative":
        layer = tf.keras.layers.DepthwiseConv2D(
            weights.shape[:2],
            depth_multiplier=weights.shape[3],
            **common,
        )
    else:
        layer = tf.keras.layers.Conv2D(
            weights.shape[-1],
            weights.shape[:2],
            groups=int(value.shape[-1]) // weights.shape[2],
            **common,
        )
    return _with_weights(layer, value, weights)


def dense(importer: Importer, node: Node, inputs: list[Any]) -> Any:
    """A MatMul node with constant weights."""
    from repbnn_converters.tf_graph.network import Signed
    from repbnn_edge.layers import RepDense

    value, weights = inputs
    if not isinstance(weights, np.ndarray) or node.attributes.get("transpose_a"):
        raise UnsupportedError(f"node {node.name}", "a product of two maps", "only constant weights can be packed")
    weights = np.ascontiguousarray(weights.T) if node.attributes.get("transpose_b") else weights
    name, split = importer.name_for(node), signs_and_scales(weights)
    if not isinstance(value, Signed) or split is None:
        plain = stack.tensorflow().keras.layers.Dense(weights.shape[1], use_bias=False, name=name)
        return _with_weights(plain, importer.plain(value), weights)
    layer = RepDense(
        weights.shape[1],
        input_quantizer="ste_sign",
        kernel_quantizer="ste_sign",
        use_bias=False,
        name=name,
    )
    return _scaled(_with_weights(layer, value.source, split[0]), split[1], name)


def _with_weights(layer: Any, value: Any, weights: NDArray[Any]) -> Any:
    """Apply a layer whose only weights are ``weights``; an initialiser would put them into its configuration."""
    result = layer(value)
    layer.set_weights([weights])
    return result


def _scaled(value: Any, scales: NDArray[np.float32], name: str) -> Any:
    from repbnn_edge.layers import ChannelAffine

    if np.all(scales == 1):
        return value
    return _with_weights(ChannelAffine(shift=None, name=f"{name}_scale"), value, scales)
