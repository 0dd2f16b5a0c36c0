"""Writes tests/tflite/corpus/: small networks as LCE itself converts them. Run by hand when LCE or its words change."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from repbnn_edge import stack

tf, larq, lce = stack.tensorflow(), stack.larq(), stack.larq_compute_engine()
keras, layers = tf.keras, tf.keras.layers
SIGN = {"input_quantizer": "ste_sign", "use_bias": False}


class Shift(layers.Layer):
    """A learnable shift per channel."""

    def build(self, shape: Any) -> None:
        self.shift = self.add_weight("shift", (shape[-1],), initializer=keras.initializers.RandomNormal(0, 0.3))

    def call(self, x: Any) -> Any:
        return x + self.shift


def norm() -> Any:
    return layers.BatchNormalization(
        gamma_initializer=keras.initializers.RandomUniform(0.5, 1.5),
        beta_initializer=keras.initializers.RandomNormal(0, 0.3),
        moving_mean_initializer=keras.initializers.RandomNormal(0, 1),
        moving_variance_initializer=keras.initializers.RandomUniform(0.5, 1.5),
    )


def binary(x: Any, filters: int, kernel: int, **options: Any) -> Any:
    options = {"padding": "same", "kernel_quantizer": "ste_sign", **SIGN, **options}
    return larq.layers.QuantConv2D(filters, kernel, **options)(x)


def rep_conv(x: Any, filters: int, kernel: int, stride: int, beta: int) -> Any:
    y = binary(x, filters // beta, kernel, strides=stride, kernel_quantizer="magnitude_aware_sign")
    return layers.Concatenate()([y] * beta**2) if beta > 1 else y


def activation(x: Any) -> Any:
    slopes = layers.PReLU(shared_axes=[1, 2], alpha_initializer=keras.initializers.RandomUniform(0.1, 0.4))
    return Shift()(slopes(Shift()(x)))


def block(x: Any, before: int, filters: int, stride: int, beta: int) -> Any:
    """ReActNet's: 3x3 and 1x1, each with its shortcut; where channels double, two 1x1 branches."""
    shortcut = layers.AveragePooling2D(2, 2, padding="same")(x) if stride == 2 else x
    x = activation(layers.Add()([norm()(rep_conv(Shift()(x), before, 3, stride, beta)), shortcut]))
    shifted = Shift()(x)
    branches = [layers.Add()([norm()(rep_conv(shifted, before, 1, 1, beta)), x]) for _ in range(filters // before)]
    return activation(layers.Concatenate()(branches) if len(branches) > 1 else branches[0])


def reactnet(beta: int) -> Any:
    image = keras.Input((32, 32, 3), batch_size=1)
    x = norm()(layers.Conv2D(32, 3, 2, padding="same", use_bias=False)(image))
    x = layers.Concatenate()([x] * beta) if beta > 1 else x
    x = block(block(x, 32, 64, 1, beta), 64, 128, 2, beta)
    return keras.Model(image, layers.Dense(10)(layers.GlobalAveragePooling2D()(x)))


def mixed() -> Any:
    """Bitpacked output, VALID behind a pool, an activation that LCE fuses, and float work of several kinds."""
    image = keras.Input((16, 16, 3), batch_size=1)
    x = norm()(layers.Conv2D(32, 3, padding="same", activation="relu")(image))
    x = norm()(binary(x, 64, 3, pad_values=1.0))
    x = norm()(layers.MaxPool2D(2)(binary(x, 64, 3, padding="valid")))
    x = norm()(binary(x, 40, 3, pad_values=1.0, activation="relu"))
    x = layers.Conv2D(24, 1)(layers.DepthwiseConv2D(3, padding="same")(x))
    return keras.Model(image, layers.Dense(10, activation="softmax")(layers.GlobalAveragePooling2D()(x)))


def groups() -> Any:
    image = keras.Input((16, 16, 64), batch_size=1)
    return keras.Model(image, norm()(binary(image, 64, 3, pad_values=1.0, groups=2)))


def plain_float() -> Any:
    image = keras.Input((16, 16, 3), batch_size=1)
    return keras.Model(image, layers.Dense(10)(layers.GlobalAveragePooling2D()(layers.Conv2D(8, 3)(image))))


def stock() -> dict[str, bytes]:
    """What TensorFlow's own converter writes: other subgraphs, control flow, variable tensors."""

    @tf.function(input_signature=[tf.TensorSpec((), tf.int32)])
    def loop(count: Any) -> Any:
        return tf.while_loop(lambda i, x: i < count, lambda i, x: (i + 1, x * 2.0), [0, tf.constant([1.0])])

    @tf.function(input_signature=[tf.TensorSpec((2,), tf.float32)])
    def branch(x: Any) -> Any:
        return tf.cond(x[0] > 0, lambda: x * 2, lambda: x - 1)

    sequence, words = keras.Input((10, 4), batch_size=1), keras.Input((6, 16))
    image = keras.Input((16, 16, 3))
    up = layers.Softmax()(layers.UpSampling2D()(layers.Conv2DTranspose(4, 3, 2)(image)))
    networks = {
        "lstm": keras.Model(sequence, layers.LSTM(8)(sequence)),
        "mha": keras.Model(words, layers.MultiHeadAttention(2, 8)(words, words)),
        "deconv": keras.Model(image, up),
    }
    converter = tf.lite.TFLiteConverter
    return {
        "while": converter.from_concrete_functions([loop.get_concrete_function()], loop).convert(),
        "if": converter.from_concrete_functions([branch.get_concrete_function()], branch).convert(),
        **{name: converter.from_keras_model(network).convert() for name, network in networks.items()},
    }


if __name__ == "__main__":
    keras.utils.set_random_seed(0)
    for name, network in {
        "rep_small": reactnet(2),
        "plain_small": reactnet(1),
        "mixed_small": mixed(),
        "groups_small": groups(),
        "float_small": plain_float(),
    }.items():
        path = Path(__file__).parent / "corpus" / f"{name}.tflite"
        path.write_bytes(lce.convert_keras_model(network))
    for name, data in stock().items():
        (Path(__file__).parent / "corpus" / f"stock_{name}.tflite").write_bytes(data)
