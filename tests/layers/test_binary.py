"""binary_view: what it sees, and each reason for which it sees nothing."""

from __future__ import annotations

import numpy as np
import pytest

from repbnn_edge.layers import (
    EDESign,
    LibraSign,
    ReCU,
    ReCUSign,
    RepConv2D,
    RepDense,
    TwoStepSign,
    binary_view,
    why_not_binary,
    why_not_sign,
)
from repbnn_edge.layers.binary import claims_binary
from repbnn_edge.layers.framework import lq, tf


def _larq(**arguments):
    return lq.layers.QuantConv2D(8, 3, kernel_constraint="weight_clip", use_bias=False, name="conv_a", **arguments)


def _built(layer, channels=4):
    layer.build((None, 6, 6, channels) if isinstance(layer, tf.keras.layers.Conv2D) else (None, channels))
    return layer


def _from_view(view, x):
    """The layer's output by its view, the integers summed in int64."""
    bits = np.where(x < 0, -1, 1).astype(np.int64)
    rows, columns = view.weights.shape[:2]
    pads = view.padding if isinstance(view.padding, tuple) else ((0, 0), (0, 0))
    if view.padding == "same":
        pads = ((rows // 2, rows // 2), (columns // 2, columns // 2))
    bits = np.concatenate([bits] * view.input_repeats, -1)
    bits = np.pad(bits, [(0, 0), *pads, (0, 0)], constant_values=int(view.pad_value))
    windows = np.lib.stride_tricks.sliding_window_view(bits, (rows, columns), axis=(1, 2))
    windows = windows[:, :: view.strides[0], :: view.strides[1]]
    integers = np.einsum("nhwcij,ijcf->nhwf", windows, view.weights.astype(np.int64))
    y = np.concatenate([integers * view.scale] * view.output_repeats, -1)
    return y if view.bias is None else y + view.bias


@pytest.mark.parametrize(
    "layer",
    [
        _larq(input_quantizer="ste_sign", kernel_quantizer="ste_sign", padding="same"),
        _larq(input_quantizer="approx_sign", kernel_quantizer="magnitude_aware_sign"),
        RepConv2D(8, 3, beta=2, input_quantizer=ReCUSign(), kernel_quantizer=ReCU(), filter_scale="ones"),
        RepConv2D(8, 3, beta=2, repeat="input", input_quantizer=EDESign(), kernel_quantizer=LibraSign()),
        RepConv2D(
            8,
            3,
            input_quantizer="approx_sign",
            kernel_quantizer=TwoStepSign(),
            padding=((1, 0), (0, 1)),
            strides=2,
            pad_values=-1.0,
            use_bias=True,
        ),
    ],
    ids=lambda layer: f"{type(layer).__name__}-{layer.kernel_quantizer.name}",
)
def test_the_view_gives_the_layers_output(layer):
    x = np.random.default_rng(0).normal(size=(2, 6, 6, 4)).astype(np.float32)
    layer(x)
    if getattr(layer, "filter_scale", None) is not None:
        layer.filter_scale.assign(np.linspace(-1, 2, layer.kernels))
    if layer.use_bias:
        layer.bias.assign(np.linspace(-1, 2, layer.output_channels))
    view = binary_view(layer)
    assert view is not None and why_not_binary(layer) is None and claims_binary(layer)
    assert view.weights.dtype == np.int8 and set(np.unique(view.weights)) == {-1, 1}
    assert view.quantizes_input
    np.testing.assert_allclose(layer(x).numpy(), _from_view(view, x), rtol=1e-5, atol=1e-5)


def test_dense_is_a_one_by_one_convolution():
    layer = _built(RepDense(6, beta=2, kernel_quantizer="ste_sign"), channels=10)
    view = binary_view(layer)
    assert view is not None and view.kind == "dense" and view.weights.shape == (1, 1, 10, 3)
    assert view.output_repeats == 4 and not view.quantizes_input


def test_zero_counts_as_plus_one():
    layer = _built(_larq(kernel_quantizer="ste_sign"))
    layer.set_weights([np.zeros((3, 3, 4, 8), np.float32)])
    view = binary_view(layer)
    assert view is not None and np.all(view.weights == 1) and np.all(view.scale == 1)


def test_a_plain_layer_with_folded_binary_weights_is_binary():
    layer = _built(tf.keras.layers.Conv2D(8, 3, name="folded"))
    kernel = np.sign(np.random.default_rng(0).normal(size=(3, 3, 4, 8))) * np.linspace(0.1, 2, 8)
    layer.set_weights([kernel.astype(np.float32), np.ones(8, np.float32)])
    view = binary_view(layer)
    assert view is not None and not claims_binary(layer)
    np.testing.assert_allclose(view.scale, np.linspace(0.1, 2, 8), rtol=1e-6)
    kernel[0, 0, 0, 3] *= 1 + 1e-5
    layer.set_weights([kernel.astype(np.float32), np.ones(8, np.float32)])
    assert why_not_binary(layer) == "its weights are real numbers"


def _with_kernel(kernel):
    layer = _built(_larq())
    layer.set_weights([kernel.astype(np.float32)])
    return layer


_SIGNS = np.sign(np.random.default_rng(0).normal(size=(3, 3, 4, 8)))


def _with_zero():
    kernel = _SIGNS.copy()
    kernel[1, 1, 2, 5] = 0
    return _with_kernel(kernel)


def _with_nan():
    kernel = _SIGNS.copy()
    kernel[1, 1, 2, 5] = np.nan
    return _with_kernel(kernel)


def _with_scale_nan():
    layer = _built(RepConv2D(8, 3, kernel_quantizer=ReCU(), filter_scale="ones"))
    layer.filter_scale.assign([1, 2, 3, np.nan, 5, 6, 7, 8])
    return layer


@pytest.mark.parametrize(
    ("layer", "reason"),
    [
        (lambda: _built(_larq()), "real numbers"),
        (_with_zero, "1 of its 8 filters hold zeros"),
        (_with_nan, "weights hold NaN"),
        (_with_scale_nan, "scale per filter holds NaN"),
        (lambda: _with_kernel(_SIGNS * np.linspace(0.5, 2, 4)[:, None]), "scale per input channel"),
        (lambda: _built(_larq(kernel_quantizer=lq.quantizers.DoReFa(2, mode="weights")), 64), "more than one bit"),
        (lambda: _built(_larq(kernel_quantizer="ste_tern"), 64), "hold zeros"),
        (lambda: _built(_larq(kernel_quantizer="ste_sign", input_quantizer="ste_heaviside")), "unsigned"),
        (lambda: _built(_larq(kernel_quantizer="ste_sign", input_quantizer="ste_tern")), "0 besides -1 and \\+1"),
        (lambda: _built(_larq(kernel_quantizer="ste_sign", input_quantizer="dorefa_quantizer")), "4 values"),
        (lambda: _built(_larq(kernel_quantizer="ste_sign", input_quantizer=tf.nn.relu)), "real numbers"),
        (lambda: _built(_larq(kernel_quantizer="ste_sign", input_quantizer=tf.sign)), "0 besides"),
        (
            lambda: _built(_larq(kernel_quantizer="ste_sign", input_quantizer=lambda x: 0.5 * lq.math.sign(x))),
            "-0.5 and 0.5",
        ),
        (lambda: _built(RepConv2D(8, 3, kernel_quantizer=TwoStepSign(step=1))), "real numbers"),
        (lambda: _built(_larq(kernel_quantizer="ste_sign", padding="same", pad_values=0.5)), "pads with 0.5"),
        (lambda: _larq(kernel_quantizer="ste_sign"), "no weights yet"),
        (lambda: tf.keras.layers.ReLU(), "no convolution or dense layer"),
        (lambda: lq.layers.QuantConv2DTranspose(8, 3), "no convolution or dense layer"),
        (lambda: lq.layers.QuantDepthwiseConv2D(3), "no convolution or dense layer"),
    ],
)
def test_each_reason(layer, reason):
    layer = layer()
    assert binary_view(layer) is None
    with pytest.raises(AssertionError, match=reason):
        raise AssertionError(why_not_binary(layer))


def test_why_not_sign_on_activations():
    assert why_not_sign(tf.keras.layers.Activation(lq.math.sign), 3) is None
    assert "real numbers" in str(why_not_sign(tf.keras.layers.ReLU(), 3))
    assert why_not_sign(lq.quantizers.SteSign(), 5, spatial=False) is None
