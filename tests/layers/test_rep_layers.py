"""RepConv2D and RepDense against their spelling-out, and the arguments that they refuse."""

from __future__ import annotations

import numpy as np
import pytest

from repbnn_edge.errors import UnsupportedError, UsageError
from repbnn_edge.layers import RepConv2D, RepDense, RepeatChannels
from repbnn_edge.layers.framework import lq, tf


def _map(*shape: int) -> np.ndarray:
    return np.random.default_rng(1).normal(size=shape).astype(np.float32)


def _sign(x: np.ndarray) -> np.ndarray:
    return np.where(x < 0, -1.0, 1.0).astype(np.float32)


@pytest.mark.parametrize("beta", [1, 2, 4])
@pytest.mark.parametrize("strides", [1, 2])
def test_output_repeat_is_the_plain_convolution_concatenated(beta, strides):
    layer = RepConv2D(8, 3, beta=beta, strides=strides, input_quantizer="ste_sign", kernel_quantizer="ste_sign")
    x = _map(2, 6, 5, 4 * beta)
    got = layer(x).numpy()
    plain = tf.nn.conv2d(_sign(x), _sign(layer.kernel.latent_variable.numpy()), strides, "SAME").numpy()
    assert layer.kernel.shape == (3, 3, 4 * beta, 8 // beta)
    np.testing.assert_array_equal(got, np.concatenate([plain] * beta**2, axis=-1))
    assert got.shape == tuple(layer.compute_output_shape(x.shape)) and got.shape[-1] == 8 * beta


def test_input_repeat_reads_a_tiled_input():
    layer = RepConv2D(8, 3, beta=2, repeat="input", padding="valid", kernel_quantizer="ste_sign")
    x = _map(1, 5, 5, 3)
    got = layer(x).numpy()
    kernel = _sign(layer.kernel.latent_variable.numpy())
    np.testing.assert_array_equal(got, tf.nn.conv2d(np.concatenate([x, x], -1), kernel, 1, "VALID").numpy())
    assert got.shape == (1, 3, 3, 4) == tuple(layer.compute_output_shape(x.shape))


def test_weights_and_macs_do_not_depend_on_beta():
    counts = set()
    for beta in (1, 2, 4):
        layer = RepConv2D(16, 3, beta=beta)
        layer.build((None, 8, 8, 8 * beta))
        counts.add(int(np.prod(layer.kernel.shape)))
    assert counts == {3 * 3 * 8 * 16}


@pytest.mark.parametrize("pad_values", [0.0, 1.0, -1.0])
@pytest.mark.parametrize("pads", [((1, 1), (1, 1)), ((1, 0), (0, 2))])
def test_explicit_padding_surrounds_the_sign_map(pads, pad_values):
    layer = RepConv2D(
        4, 3, padding=pads, strides=2, pad_values=pad_values, input_quantizer="ste_sign", kernel_quantizer="ste_sign"
    )
    x = _map(1, 6, 6, 3) + 0.5
    got = layer(x).numpy()
    padded = np.pad(_sign(x), [(0, 0), *pads, (0, 0)], constant_values=pad_values)
    expected = tf.nn.conv2d(padded, _sign(layer.kernel.latent_variable.numpy()), 2, "VALID").numpy()
    np.testing.assert_array_equal(got, expected)
    assert tuple(layer.compute_output_shape(x.shape)) == expected.shape


def test_same_padding_with_ones_is_larqs():
    ours = RepConv2D(4, 3, strides=2, pad_values=1.0, input_quantizer="ste_sign", kernel_quantizer="ste_sign")
    theirs = lq.layers.QuantConv2D(
        4,
        3,
        strides=2,
        padding="same",
        pad_values=1.0,
        input_quantizer="ste_sign",
        kernel_quantizer="ste_sign",
        kernel_constraint="weight_clip",
        use_bias=False,
    )
    x = _map(1, 7, 6, 3)
    ours(x), theirs(x)
    theirs.set_weights(ours.get_weights())
    np.testing.assert_array_equal(ours(x).numpy(), theirs(x).numpy())


def test_bias_and_activation_come_after_the_repeat():
    layer = RepConv2D(4, 1, beta=2, use_bias=True, activation="relu")
    x = _map(1, 2, 2, 4)
    layer(x)
    layer.bias.assign(np.arange(8, dtype=np.float32))
    plain = tf.nn.conv2d(x, layer.kernel, 1, "VALID").numpy()
    np.testing.assert_array_equal(
        layer(x).numpy(), np.maximum(np.concatenate([plain] * 4, -1) + np.arange(8, dtype=np.float32), 0)
    )


def test_filter_scale_multiplies_each_kernel():
    layer = RepConv2D(4, 3, kernel_quantizer="ste_sign", filter_scale="ones")
    x = _sign(_map(1, 4, 4, 3))
    integers = layer(x).numpy()
    layer.filter_scale.assign([0.5, -2.0, 1.0, 4.0])
    np.testing.assert_array_equal(layer(x).numpy(), integers * np.float32([0.5, -2.0, 1.0, 4.0]))


def test_grouped_and_dilated():
    layer = RepConv2D(8, 3, beta=2, groups=2, dilation_rate=2, padding="same", kernel_quantizer="ste_sign")
    x = _map(1, 7, 7, 8)
    got = layer(x).numpy()
    kernel = _sign(layer.kernel.latent_variable.numpy())
    halves = [
        tf.nn.conv2d(x[..., 4 * g : 4 * g + 4], kernel[..., 2 * g : 2 * g + 2], 1, "SAME", dilations=2)
        for g in range(2)
    ]
    np.testing.assert_allclose(got, np.concatenate([np.concatenate(halves, -1)] * 4, -1), rtol=1e-5)


@pytest.mark.parametrize(("repeat", "width"), [("output", 12), ("input", 3)])
def test_rep_dense_is_its_spelling_out(repeat, width):
    layer = RepDense(6, beta=2, repeat=repeat, kernel_quantizer="ste_sign", use_bias=True)
    x = _map(3, 10)
    got = layer(x).numpy()
    read = np.concatenate([x, x], -1) if repeat == "input" else x
    plain = read @ _sign(layer.kernel.latent_variable.numpy())
    expected = plain if repeat == "input" else np.concatenate([plain] * 4, -1)
    np.testing.assert_allclose(got, expected, rtol=1e-5, atol=1e-5)
    assert got.shape == (3, width) == tuple(layer.compute_output_shape(x.shape))


def test_repeat_channels_tiles_and_does_not_interleave():
    assert RepeatChannels(2)(np.float32([[1, 2, 3]])).numpy().tolist() == [[1, 2, 3, 1, 2, 3]]


@pytest.mark.parametrize("beta", [0, -1, True, 2.0])
def test_a_beta_that_is_no_positive_whole_number_is_refused(beta):
    with pytest.raises(UsageError, match="block3_conv"):
        RepConv2D(8, 3, beta=beta, name="block3_conv")


def test_a_beta_that_does_not_divide_names_the_layer():
    with pytest.raises(UnsupportedError, match="block3_conv: its 8 filters cannot be divided by beta 3"):
        RepConv2D(8, 3, beta=3, name="block3_conv")
    with pytest.raises(UnsupportedError, match="fc: its 10 filters cannot be divided by beta 4"):
        RepDense(10, beta=4, name="fc")


@pytest.mark.parametrize(
    "arguments",
    [
        {"repeat": "both"},
        {"padding": "full"},
        {"padding": ((1, 1), (1, -1))},
        {"padding": 3},
        {"data_format": "channels_first"},
    ],
)
def test_arguments_outside_their_range_are_refused(arguments):
    with pytest.raises(UsageError, match="conv_a"):
        RepConv2D(8, 3, name="conv_a", **arguments)


def test_groups_that_do_not_divide_the_kernels_are_refused():
    with pytest.raises(UnsupportedError, match="conv_a: its 4 kernels cannot be divided by 8 groups"):
        RepConv2D(8, 3, beta=2, groups=8, name="conv_a")
