"""Every layer trains: gradients reach each weight and a small batch is overfitted; the schedules and the two steps."""

from __future__ import annotations

import math

import numpy as np
import pytest

from repbnn_edge.errors import UsageError
from repbnn_edge.layers import (
    ChannelAffine,
    ChannelShift,
    EDESchedule,
    EDESign,
    LibraSign,
    ReCU,
    ReCUSign,
    RepConv2D,
    RepDense,
    RepeatChannels,
    RPReLU,
    RSign,
    TauSchedule,
    TwoStepSign,
    set_training_step,
)
from repbnn_edge.layers.framework import lq, tf

_PAIRS = {
    "two-step": (lambda: "approx_sign", TwoStepSign),
    "recu": (ReCUSign, ReCU),
    "ir-net": (lambda: EDESign(t=1.0), lambda: LibraSign(t=1.0)),
}


def _network(pair):
    inputs_of, weights_of = _PAIRS[pair]
    layers = tf.keras.layers
    x = inputs = tf.keras.Input((6, 6, 3))
    x = layers.BatchNormalization()(layers.Conv2D(8, 3, padding="same", use_bias=False)(x))
    x = ChannelShift()(RepeatChannels(2)(x))
    x = RepConv2D(
        8, 3, 2, input_quantizer=inputs_of(), kernel_quantizer=weights_of(), filter_scale="ones", name="conv_a"
    )(x)
    x = RSign()(RPReLU()(layers.BatchNormalization()(x)))
    x = RepConv2D(8, 3, 2, kernel_quantizer=weights_of())(x)
    x = ChannelAffine()(layers.BatchNormalization()(x))
    return tf.keras.Model(inputs, RepDense(10, use_bias=True)(layers.GlobalAveragePooling2D()(x)))


@pytest.mark.parametrize("pair", _PAIRS)
def test_a_small_batch_is_overfitted(pair):
    tf.keras.utils.set_random_seed(1)
    network = _network(pair)
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(16, 6, 6, 3)).astype(np.float32), rng.integers(0, 10, 16)
    with tf.GradientTape() as tape:
        loss = tf.reduce_mean(tf.square(network(x, training=True)))
    gradients = tape.gradient(loss, network.trainable_weights)
    for weight, gradient in zip(network.trainable_weights, gradients, strict=True):
        assert gradient is not None and np.any(np.asarray(gradient) != 0), weight.name
    network.compile(
        optimizer=tf.keras.optimizers.Adam(0.01),
        loss=tf.keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )
    history = network.fit(x, y, epochs=100, batch_size=16, verbose=0).history
    assert max(history["accuracy"][-10:]) >= 0.9, history["accuracy"][::10]


def test_recu_clamps_by_its_formula():
    kernel = np.random.default_rng(0).laplace(size=(3, 3, 4, 8)).astype(np.float32)
    variable = tf.Variable(kernel)
    quantizer = ReCU(tau=0.9)
    with tf.GradientTape() as tape:
        signs = quantizer(variable)
        loss = tf.reduce_sum(signs * tf.constant(np.arange(kernel.size, dtype=np.float32).reshape(kernel.shape)))
    centred = kernel - kernel.mean((0, 1, 2))
    np.testing.assert_array_equal(signs.numpy(), np.where(centred < 0, -1, 1))
    assert tape.gradient(loss, variable) is not None
    standardised = centred / (np.sqrt(centred.var((0, 1, 2), ddof=1) + 1e-5) / (2 * math.sqrt(2)))
    bound = -np.abs(standardised).mean() * math.log(2 - 2 * 0.9)
    clamped = np.abs(standardised) > bound
    assert 0.02 < clamped.mean() < 0.4
    with tf.GradientTape() as tape:
        tape.watch(variable)
        loss = tf.reduce_sum(quantizer(variable) * tf.constant(clamped.astype(np.float32)))
    assert np.abs(tape.gradient(loss, variable).numpy()).max() < 1e-6  # clamped weights pass no gradient of their own


def test_libra_scales_by_a_power_of_two():
    kernel = np.random.default_rng(0).normal(size=(3, 3, 4, 8)).astype(np.float32) * np.linspace(
        0.01, 9, 8, dtype=np.float32
    )
    out = LibraSign()(kernel).numpy()
    magnitude = np.abs(out).max((0, 1, 2))
    np.testing.assert_array_equal(np.abs(out), np.broadcast_to(magnitude, out.shape))
    np.testing.assert_array_equal(np.log2(magnitude), np.round(np.log2(magnitude)))
    centred = kernel - kernel.mean((0, 1, 2))
    standardised = centred / centred.std((0, 1, 2), ddof=1)
    np.testing.assert_array_equal(np.log2(magnitude), np.round(np.log2(np.abs(standardised).mean((0, 1, 2)))))


def test_the_gradient_of_ede_is_its_formula():
    x = tf.Variable(np.linspace(-2, 2, 9, dtype=np.float32))
    with tf.GradientTape() as tape:
        y = EDESign(t=0.5, k=2.0)(x)
    np.testing.assert_allclose(tape.gradient(y, x).numpy(), 2.0 * 0.5 * (1 - np.tanh(0.5 * x.numpy()) ** 2), rtol=1e-6)


def test_two_steps():
    network = _network("two-step")
    kernel = network.get_layer("conv_a").kernel.latent_variable.numpy()
    network.compile(loss="mse")
    set_training_step(network, 1)
    np.testing.assert_array_equal(network.get_layer("conv_a").quantized_kernel().numpy(), kernel)
    assert network.get_layer("conv_a").kernel_quantizer.precision is None
    x = np.random.default_rng(0).normal(size=(2, 6, 6, 3)).astype(np.float32)
    real = network.predict(x, verbose=0)
    set_training_step(network, 2)
    expected = np.abs(kernel).mean((0, 1, 2)) * np.where(kernel < 0, -1, 1)
    np.testing.assert_allclose(network.get_layer("conv_a").quantized_kernel().numpy(), expected, rtol=1e-6)
    assert np.any(network.predict(x, verbose=0) != real), "predict must see the new step"


def test_two_step_passes_the_clips_gradient():
    w = tf.Variable(np.float32([[-2.0, -0.5], [0.5, 3.0]]))
    with tf.GradientTape() as tape:
        y = TwoStepSign()(w)
    np.testing.assert_array_equal(tape.gradient(y, w).numpy(), [[0, 1], [1, 0]])


def test_the_schedules_give_the_authors_numbers():
    network = _network("recu")
    schedule = TauSchedule(epochs=100)
    schedule.set_model(network)
    quantizers = [layer.kernel_quantizer for layer in network.layers if isinstance(layer, RepConv2D)]
    for epoch in (0, 50, 100, 300):
        schedule.on_epoch_begin(epoch)
        a = (0.99 - 0.85) / (math.e - 1)
        expected = a * math.e ** min(epoch / 100, 1) + 0.85 - a
        assert [float(q.tau) for q in quantizers] == pytest.approx([expected, expected], rel=1e-6)
    network = _network("ir-net")
    schedule = EDESchedule(epochs=400)
    schedule.set_model(network)
    schedule.on_epoch_begin(100)
    quantizers = [layer.kernel_quantizer for layer in network.layers if isinstance(layer, RepConv2D)]
    quantizers.append(network.get_layer("conv_a").input_quantizer)
    assert [float(q.t) for q in quantizers] == pytest.approx([1e-2] * 3, rel=1e-5)
    assert [float(q.k) for q in quantizers] == pytest.approx([100] * 3, rel=1e-5)


@pytest.mark.parametrize(
    "call",
    [
        lambda: ReCU(tau=0.5),
        lambda: EDESign(t=0.0),
        lambda: TwoStepSign(step=3),
        lambda: TauSchedule(0),
        lambda: TauSchedule(10, start=0.99, end=0.85),
        lambda: EDESchedule(10, start=0.0),
        lambda: set_training_step(_network("recu"), 2),
        lambda: set_training_step(_network("two-step"), 0),
        lambda: RepeatChannels(0),
    ],
)
def test_values_outside_their_range_are_refused(call):
    with pytest.raises(UsageError):
        call()


def test_prelu_is_keras_prelu():
    x = np.random.default_rng(0).normal(size=(2, 3, 3, 4)).astype(np.float32)
    layer = RPReLU()
    layer(x)
    rng = np.random.default_rng(1)
    a, slope, b = (rng.normal(size=4).astype(np.float32) for _ in range(3))
    layer.set_weights([a, slope, b])
    shifted = x + a
    np.testing.assert_allclose(
        layer(x).numpy(), np.where(shifted < 0, slope * shifted, shifted) + b, rtol=1e-6, atol=1e-6
    )


def test_larqs_starving_hint_is_kept_for_larqs_quantisers(caplog):
    RepConv2D(4, 3, kernel_quantizer=ReCU())
    assert "starved" not in caplog.text
    RepConv2D(4, 3, kernel_quantizer=lq.quantizers.SteSign())
    assert "starved" in caplog.text
