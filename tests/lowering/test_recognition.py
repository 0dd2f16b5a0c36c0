from __future__ import annotations

import numpy as np
import pytest

from repbnn_edge.errors import BadInputError, UnsupportedError
from repbnn_edge.layers import RepConv2D, RepDense, RepeatChannels, RSign
from repbnn_edge.lowering.emitting import run
from repbnn_edge.lowering.plan import Convolution
from repbnn_edge.lowering.recognition import recognise
from tests.lowering.networks import K, binary_conv, expected, images, kinds, lq, model, seeded, tf


def test_a_binary_layer_becomes_sign_convolution_bias_and_activation() -> None:
    network = model((8, 8, 4), binary_conv(6, use_bias=True, activation="relu", name="conv"))
    plan = recognise(network)
    assert kinds(plan) == ["Sign", "Convolution", "Apply", "Apply"]
    assert plan.convolutions[0].layer == "conv"
    x = images(network)
    np.testing.assert_array_equal(run(plan, x), expected(network, x))


def test_the_source_stays_as_it_is() -> None:
    network = model((8, 8, 4), K.ZeroPadding2D(1), K.Conv2D(4, 3, strides=2), binary_conv())
    before = [w.copy() for w in network.get_weights()]
    nodes = [len(layer._inbound_nodes) for layer in network.layers]
    run(recognise(network), images(network))
    assert [len(layer._inbound_nodes) for layer in network.layers] == nodes
    for old, new in zip(before, network.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


def test_rep_layers_repeat_by_concatenation() -> None:
    network = seeded(
        tf.keras.Sequential(
            [
                tf.keras.Input((6, 6, 4)),
                RepeatChannels(2),
                RepConv2D(8, 3, beta=2, input_quantizer="ste_sign", kernel_quantizer="ste_sign"),
                K.Flatten(),
                RepDense(6, beta=2, repeat="input", input_quantizer="ste_sign", kernel_quantizer="ste_sign"),
            ]
        )
    )
    plan = recognise(network)
    assert kinds(plan) == ["Repeat", "Sign", "Convolution", "Repeat", "Flatten", "Sign", "Repeat", "Convolution"]
    x = images(network)
    np.testing.assert_array_equal(run(plan, x), expected(network, x))


def test_a_sign_layer_shared_by_two_layers() -> None:
    inputs = tf.keras.Input((6, 6, 4))
    signed = RSign(name="sign")(inputs)
    a = binary_conv(4, input_quantizer=None, name="a")(signed)
    b = binary_conv(4, input_quantizer=None, name="b")(signed)
    network = seeded(tf.keras.Model(inputs, K.Add()([a, b])))
    plan = recognise(network)
    assert [step.layer for step in plan.convolutions] == ["a", "b"]
    x = images(network)
    np.testing.assert_array_equal(run(plan, x), expected(network, x))


def test_binary_weights_on_a_float_input_are_full_precision() -> None:
    plan = recognise(model((8, 8, 3), binary_conv(4, input_quantizer=None), binary_conv(4)))
    assert kinds(plan) == ["QuantConv2D", "Sign", "Convolution"]


def test_a_layer_called_twice_is_two_convolutions() -> None:
    layer = binary_conv(4, name="conv")
    network = seeded(tf.keras.Sequential([tf.keras.Input((6, 6, 4)), layer, layer]))
    assert [step.layer for step in recognise(network).convolutions] == ["conv", "conv#2"]


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"input_quantizer": lq.quantizers.DoReFa(2)}, "more than one bit"),
        ({"kernel_quantizer": "ste_tern"}, "zeros"),
        ({"input_quantizer": tf.keras.activations.relu, "kernel_quantizer": "ste_sign"}, "real numbers"),
        ({"pad_values": 0.5}, "pads with 0.5"),
    ],
)
def test_what_is_meant_to_be_binary_and_is_not_is_refused_by_name(changes: dict[str, object], reason: str) -> None:
    network = model((8, 8, 4), K.Conv2D(4, 1), binary_conv(4, name="culprit", **changes))
    with pytest.raises(UnsupportedError, match=rf"culprit.*{reason}"):
        recognise(network)


def test_a_depthwise_binary_layer_is_refused_by_name() -> None:
    layer = lq.layers.QuantDepthwiseConv2D(
        3, input_quantizer="ste_sign", depthwise_quantizer="ste_sign", name="culprit"
    )
    with pytest.raises(UnsupportedError, match="culprit"):
        recognise(model((8, 8, 4), layer))


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_weights_that_are_not_finite_are_named(value: float) -> None:
    network = model((8, 8, 4), K.Conv2D(4, 1, name="culprit"), binary_conv())
    network.get_layer("culprit").kernel.assign(np.full((1, 1, 4, 4), value, np.float32))
    with pytest.raises(BadInputError, match=r"culprit: its kernel holds (NaN|infinity)"):
        recognise(network)


def test_another_type_than_float32_is_refused() -> None:
    network = tf.keras.Sequential([tf.keras.Input((4, 4, 2)), K.Conv2D(2, 1, dtype="mixed_float16", name="half")])
    with pytest.raises(UnsupportedError, match=r"half.*float16"):
        recognise(network)


def test_the_scale_is_a_factor_of_the_convolution() -> None:
    network = model((6, 6, 4), binary_conv(4, kernel_quantizer=lq.quantizers.MagnitudeAwareSign(clip_value=100.0)))
    (step,) = (s for s in recognise(network).steps if isinstance(s, Convolution))
    kernel = network.layers[0].get_weights()[0]
    np.testing.assert_allclose(step.scale, np.abs(kernel).mean(axis=(0, 1, 2)), rtol=1e-6)


SIGNS = {
    "larq's own function": lq.math.sign,
    "sign of a sum": lambda x: tf.sign(tf.sign(x) + 0.1),
    "where": lambda x: tf.where(x >= 0, 1.0, -1.0),
    "where, the other way round": lambda x: tf.where(x < 0, -1.0, 1.0),
    "a cast": lambda x: 2 * tf.cast(x >= 0, tf.float32) - 1,
    "a layer's activation": K.Conv2D(4, 1, activation=lq.quantizers.SteSign()),
    "a binary layer's activation": binary_conv(4, activation=lq.quantizers.SteSign()),
    "an activation layer": K.Activation(lq.quantizers.SwishSign()),
    "a quantiser": lq.quantizers.ApproxSign(),
}


@pytest.mark.parametrize("name", SIGNS)
def test_a_sign_is_known_by_its_values(name: str) -> None:
    inputs = tf.keras.Input((6, 6, 4))
    network = seeded(tf.keras.Model(inputs, binary_conv(4, input_quantizer=None, name="c")(SIGNS[name](inputs))))
    plan = recognise(network)
    assert kinds(plan)[-2:] == ["Sign", "Convolution"]
    assert plan.convolutions[-1].layer == "c"
    x = images(network)
    np.testing.assert_array_equal(run(plan, x), expected(network, x))


NO_SIGNS = {
    "sign(0) is 0": tf.sign,
    "above 0": lambda x: tf.where(x > 0, 1.0, -1.0),
    "0 and 1": lambda x: tf.cast(x >= 0, tf.float32),
    "another threshold": lambda x: tf.where(x >= 0.5, 1.0, -1.0),
    "a rectifier": tf.nn.relu,
}


@pytest.mark.parametrize("name", NO_SIGNS)
def test_what_gives_other_values_is_no_sign(name: str) -> None:
    inputs = tf.keras.Input((6, 6, 4))
    network = seeded(tf.keras.Model(inputs, binary_conv(4, input_quantizer=None)(NO_SIGNS[name](inputs))))
    plan = recognise(network)
    assert not plan.convolutions
    x = images(network)
    np.testing.assert_array_equal(run(plan, x), expected(network, x))
