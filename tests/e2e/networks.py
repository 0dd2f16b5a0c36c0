"""Networks for `file.py:function`, small enough to convert in seconds."""

import larq as lq
import tensorflow as tf


def small():
    tf.keras.utils.set_random_seed(1)
    model = tf.keras.Sequential(
        [
            tf.keras.Input((12, 12, 3)),
            tf.keras.layers.Conv2D(32, 3, use_bias=False),
            tf.keras.layers.BatchNormalization(),
            binary("first", 32),
            tf.keras.layers.BatchNormalization(),
            binary("second", 32),
            tf.keras.layers.BatchNormalization(),
            tf.keras.layers.GlobalAveragePooling2D(),
            tf.keras.layers.Dense(10),
        ]
    )
    for layer in model.layers:
        if isinstance(layer, tf.keras.layers.BatchNormalization):
            size = layer.gamma.shape
            layer.set_weights(
                [tf.random.uniform(size, 0.5, 1.5), tf.random.normal(size), tf.random.normal(size), tf.fill(size, 9.0)]
            )
    return model


def binary(name, filters, **options):
    options = {"input_quantizer": "ste_sign", "kernel_quantizer": "ste_sign", "use_bias": False, **options}
    return lq.layers.QuantConv2D(filters, 3, padding="same", name=name, **options)


def not_a_number():
    model = small()
    model.get_layer("second").kernel.assign(model.get_layer("second").kernel * float("nan"))
    return model


def float_input():
    return tf.keras.Sequential(
        [tf.keras.Input((12, 12, 3)), tf.keras.layers.Conv2D(32, 3), binary("forgotten", 32, input_quantizer=None)]
    )


def ternary_weights():
    return tf.keras.Sequential(
        [tf.keras.Input((12, 12, 3)), tf.keras.layers.Conv2D(32, 3), binary("three", 32, kernel_quantizer="ste_tern")]
    )
