"""The truth of a binary layer: +-1 weights times +-1 inputs, summed in integers, straight from the definition."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from repbnn_edge import stack
from repbnn_edge.verification.reference import BinaryLayer, Floats, MaxPool


def signs(x: Floats) -> Floats:
    """-1 where x < 0, else +1 (0, -0 and NaN included), float32."""
    result = (x < 0).astype(np.float32)  # 1 - 2 * bit: a tenth of np.where's time
    result *= -2
    result += 1
    return result


def pooled(x: Floats, pool: MaxPool) -> Floats:
    """Max pooling of (N, H, W, C) over float values, padding taps never winning; the sign of it is the pooled sign."""
    tf = stack.tensorflow()
    padded = np.pad(x, ((0, 0), *pool.padding, (0, 0)), constant_values=np.float32(-np.inf))
    result: Floats = tf.nn.max_pool2d(padded, pool.size, pool.strides, "VALID").numpy()
    return result


def as_map(layer: BinaryLayer, x: Floats) -> Floats:
    """The map that a layer reads as (N, H, W, C): a dense layer's (N, C) becomes one pixel; the pool is applied."""
    if layer.kind == "dense":
        return x.reshape(-1, 1, 1, x.shape[-1])
    return pooled(x, layer.pool) if layer.pool else x


def layer_integers(layer: BinaryLayer, tap: Floats) -> NDArray[np.int32]:
    """The integers of a layer on the float map whose sign it reads.

    A float32 convolution of +-1 and 0 is exact, as every partial sum is an integer below 2^24.

    Args:
        layer: the layer.
        tap: the values of ``layer.sign_input``: (N, H, W, C_in), or (N, C_in) for a dense layer.

    Returns:
        int32 (N, H', W', filters).
    """
    x = np.pad(signs(as_map(layer, tap)), ((0, 0), *layer.padding, (0, 0)), constant_values=float(layer.pad_value))
    return convolve(x, layer)


def convolve(x: Floats, layer: BinaryLayer) -> NDArray[np.int32]:
    """The layer's convolution on a map of -1, 0 and +1 that is padded already."""
    tf = stack.tensorflow()
    kernel = layer.weights.astype(np.float32)
    depth, filters = kernel.shape[2], kernel.shape[3] // layer.groups
    parts = [
        tf.nn.conv2d(
            x[..., group * depth : (group + 1) * depth],
            kernel[..., group * filters : (group + 1) * filters],
            strides=layer.strides,
            padding="VALID",
            dilations=layer.dilations,
        ).numpy()
        for group in range(layer.groups)
    ]
    whole = parts[0] if len(parts) == 1 else np.concatenate(parts, axis=-1)
    result: NDArray[np.int32] = np.rint(whole).astype(np.int32)
    return result
