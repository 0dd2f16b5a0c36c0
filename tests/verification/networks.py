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


def padded(seed: int = 0) -> Any:
    """What no SAME of LCE pads right: with -1, on a map smaller than the kernel, unevenly; and groups."""
    x = stem = K.Input(SHAPE)
    x = K.BatchNormalization()(K.Conv2D(32, 3, padding="same", strides=2)(x))
    x = K.BatchNormalization()(RepConv2D(32, 3, pad_values=-1.0, name="first", **_REP)(x))
    x = K.BatchNormalization()(conv(32, groups=4, name="second", pad_values=1.0)(x))
    x = K.BatchNormalization()(conv(24, 5, name="third")(x))
    x = K.BatchNormalization()(RepConv2D(24, 3, padding=((1, 1), (1, 1)), strides=2, name="fourth", **_REP)(x))
    x = K.BatchNormalization()(conv(32, name="fifth")(x))
    return calibrated(tf.keras.Model(stem, _head(x)), seed)


_REP = {"input_quantizer": "ste_sign", "kernel_quantizer": "magnitude_aware_sign", "kernel_constraint": "weight_clip"}

KINDS = {"float output": float_output, "bitpacked": bitpacked, "SAME-zero": same_zero, "RepConv": rep, "padded": padded}


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
    batch = images(32, seed, network.input_shape[1:])
    for layer in norms:
        seen = np.asarray(tf.keras.Model(network.input, layer.input)(batch, training=False))
        axes, width = tuple(range(seen.ndim - 1)), seen.shape[-1]
        slope = rng.uniform(0.5, 1.5, width) * np.where(rng.random(width) < 0.1, -1, 1)
        values = [slope, rng.normal(0, 0.3, width), seen.mean(axes), seen.var(axes) + 1e-3]
        layer.set_weights([value.astype(np.float32) for value in values])
    return network


def images(count: int, seed: int = 0, shape: Any = SHAPE) -> Any:
    """Inputs for these networks."""
    return np.random.default_rng(seed + 1000).normal(size=(count, *shape)).astype(np.float32)


def random_network(seed: int) -> Any:
    """A small network drawn at random: kinds of layers, widths, strides, paddings, map sizes, shortcuts."""
    rng = np.random.default_rng(seed)
    size = int(rng.integers(5, 12))
    x = image = K.Input((size, size + int(rng.integers(0, 3)), int(rng.choice([1, 3]))))
    x = K.Conv2D(int(rng.choice([8, 20, 32])), 3, padding="same", strides=int(rng.integers(1, 3)))(x)
    x = K.BatchNormalization()(x)
    for number in range(int(rng.integers(2, 5))):
        x = _random_block(x, rng, f"binary_{number}")
    x = K.GlobalAveragePooling2D()(x) if rng.random() < 0.5 else K.Flatten()(x)
    if rng.random() < 0.5:
        x = K.BatchNormalization()(x)
        x = RepDense(32, beta=int(rng.choice([1, 2])), name="binary_dense", **_REP)(x)
        x = K.BatchNormalization()(x)
    return calibrated(tf.keras.Model(image, K.Dense(10)(x)), seed)


def _random_block(x: Any, rng: np.random.Generator, name: str) -> Any:
    width, kernel = int(rng.choice([8, 16, 32, 40])), int(rng.choice([1, 2, 3, 5]))
    kind, before = rng.integers(7), x
    quantizer = str(rng.choice(["ste_sign", "magnitude_aware_sign"]))
    plain = {"kernel_quantizer": quantizer, "name": name}
    if rng.random() < 0.3 and min(x.shape[1:3]) > 3:
        x = K.MaxPool2D(2, padding=str(rng.choice(["same", "valid"])))(x)
    if kind == 0:
        y = conv(width, kernel, pad_values=1.0, strides=int(rng.integers(1, 3)), **plain)(x)
    elif kind == 1:
        y = conv(width, min(kernel, *x.shape[1:3]), padding="valid", **plain)(x)
    elif kind == 2:
        y = conv(width, kernel, strides=int(rng.integers(1, 3)), **plain)(x)
    elif kind == 3:
        y = conv(width, 3, dilation_rate=2, pad_values=float(rng.integers(2)), **plain)(x)
    elif kind == 4:
        y = RepConv2D(16, kernel, beta=2, repeat=str(rng.choice(["input", "output"])), name=name, **_REP)(x)
    elif kind == 5:
        y = conv(width, kernel, groups=int(rng.choice([2, 4])), pad_values=float(rng.integers(2)), **plain)(x)
    else:
        y = RepConv2D(
            16,
            3,
            padding=((1, 1), (1, int(x.shape[2] < 2))),
            strides=2,
            pad_values=float(rng.integers(-1, 2)),
            name=name,
            **_REP,
        )(x)
    if rng.random() < 0.8:
        y = K.BatchNormalization()(y)
    if rng.random() < 0.4:
        y = RPReLU()(y)
    return K.Add()([y, before]) if y.shape == before.shape and rng.random() < 0.7 else y


def wide_ends(seed: int = 0) -> Any:
    """Float layers large enough to be shrunk before the first sign, on a shortcut, and behind the last sign."""
    x = stem = K.Input(SHAPE)
    x = K.BatchNormalization()(K.Conv2D(64, 7, padding="same", use_bias=False, name="stem")(x))
    y = K.BatchNormalization()(conv(64, 3, pad_values=1.0, name="first")(x))
    x = K.Add()([y, K.Conv2D(64, 1, name="shortcut")(x)])
    x = K.DepthwiseConv2D(7, padding="same", name="blur")(x)
    x = K.BatchNormalization()(conv(64, 1, name="second")(x))
    x = K.Dense(128, activation="relu", name="hidden")(K.GlobalAveragePooling2D()(x))
    return calibrated(tf.keras.Model(stem, K.Dense(100, name="last")(x)), seed)
