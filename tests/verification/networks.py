"""Small networks with every kind of binary layer, calibrated so that both signs occur everywhere."""

from __future__ import annotations

from typing import Any

import numpy as np

from repbnn_edge import stack
from repbnn_edge.layers import ChannelShift, RepConv2D, RepDense, RepeatChannels, RPReLU, RSign

tf = stack.tensorflow()
lq = stack.larq()
K = tf.keras.layers

SHAPE = (8, 8, 3)


def conv(filters: int, size: Any = 3, **changes: Any) -> Any:
    """A larq convolution that takes the sign of its input itself."""
    fields = {
        "input_quantizer": "ste_sign",
        "kernel_quantizer": "magnitude_aware_sign",
        "kernel_constraint": "weight_clip",
        "use_bias": False,
        "padding": "same",
    }
    return lq.layers.QuantConv2D(filters, size, **{**fields, **changes})


def float_output(seed: int = 0) -> Any:
    """ReActNet-like: float output, SAME-one, residual connections, an RSign."""
    x = stem = K.Input(SHAPE)
    x = K.BatchNormalization()(K.Conv2D(32, 3, padding="same")(x))
    y = ChannelShift()(x)
    y = conv(32, pad_values=1.0, name="first")(y)
    x = RPReLU()(K.Add()([K.BatchNormalization()(y), x]))
    y = RSign()(x)
    y = conv(32, 1, input_quantizer=None, name="second")(y)
    x = RPReLU()(K.Add()([K.BatchNormalization()(y), x]))
    return calibrated(tf.keras.Model(stem, _head(x)), seed)


def bitpacked(seed: int = 0) -> Any:
    """Batch norms right behind SAME-one and VALID convolutions: thresholds, and a max pooling of bits."""
    x = stem = K.Input(SHAPE)
    x = K.BatchNormalization()(K.Conv2D(16, 3, padding="same")(x))
    x = K.BatchNormalization()(conv(32, pad_values=1.0, name="first")(x))
    x = K.MaxPool2D(2)(x)
    x = K.BatchNormalization()(conv(48, 2, padding="valid", name="second")(x))
    x = K.BatchNormalization()(conv(32, 1, name="third")(x))
    return calibrated(tf.keras.Model(stem, _head(x)), seed)


def same_zero(seed: int = 0) -> Any:
    """SAME padding with zeros, strides and dilation, on odd widths."""
    x = stem = K.Input(SHAPE)
    x = K.BatchNormalization()(K.Conv2D(20, 3, padding="same", strides=1)(x))
    x = K.BatchNormalization()(conv(36, name="first", kernel_quantizer="ste_sign")(x))
    x = K.BatchNormalization()(conv(24, name="second", dilation_rate=2)(x))
    x = K.BatchNormalization()(conv(32, name="third", strides=2)(x))
    return calibrated(tf.keras.Model(stem, _head(x)), seed)


def rep(seed: int = 0, tile: Any = None) -> Any:
    """Rep-BNN: tiled outputs and inputs, a dense layer in its repeated form. ``tile`` replaces the first repeat."""
    x = stem = K.Input(SHAPE)
    x = K.BatchNormalization()(K.Conv2D(16, 3, padding="same")(x))
    x = RepeatChannels(2)(x)
    if tile is None:
        x = RepConv2D(32, 3, beta=2, name="first", **_REP)(x)
    else:
        x = tile(RepConv2D(16, 3, beta=1, name="first", **_REP)(x))
    x = K.BatchNormalization()(x)
    x = RPReLU()(x)
    x = K.BatchNormalization()(RepConv2D(32, 1, beta=2, repeat="input", name="second", **_REP)(x))
    x = K.GlobalAveragePooling2D()(x)
    x = K.BatchNormalization()(x)
    x = K.BatchNormalization()(RepDense(32, beta=2, name="third", **_REP)(x))
    return calibrated(tf.keras.Model(stem, K.Dense(10)(x)), seed)


_REP = {"input_quantizer": "ste_sign", "kernel_quantizer": "magnitude_aware_sign", "kernel_constraint": "weight_clip"}

KINDS = {"float output": float_output, "bitpacked": bitpacked, "SAME-zero": same_zero, "RepConv": rep}


def _head(x: Any) -> Any:
    return K.Dense(10)(K.GlobalAveragePooling2D()(x))


def calibrated(network: Any, seed: int) -> Any:
    """Draw every weight; then give each batch norm the mean and variance of what it reads on a random batch."""
    rng = np.random.default_rng(seed)
    norms = []
    for layer in network.layers:
        if isinstance(layer, K.BatchNormalization):
            norms.append(layer)
        else:
            layer.set_weights([rng.normal(0, 0.5, w.shape).astype(np.float32) for w in layer.get_weights()])
    batch = images(32, seed)
    for layer in norms:
        seen = np.asarray(tf.keras.Model(network.input, layer.input)(batch, training=False))
        axes, width = tuple(range(seen.ndim - 1)), seen.shape[-1]
        slope = rng.uniform(0.5, 1.5, width) * np.where(rng.random(width) < 0.1, -1, 1)
        values = [slope, rng.normal(0, 0.3, width), seen.mean(axes), seen.var(axes) + 1e-3]
        layer.set_weights([value.astype(np.float32) for value in values])
    return network


def images(count: int, seed: int = 0) -> Any:
    """Inputs for these networks."""
    return np.random.default_rng(seed + 1000).normal(size=(count, *SHAPE)).astype(np.float32)
