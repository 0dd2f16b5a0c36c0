"""Through LCE: what it makes of each form, run by its own interpreter, against the network itself."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest

from repbnn_edge import stack
from repbnn_edge.errors import UnsupportedError
from repbnn_edge.layers import RepConv2D, RepeatChannels, RPReLU, RSign
from repbnn_edge.lowering import lower_model
from repbnn_edge.lowering.freezing import FrozenGraph, freeze
from repbnn_edge.lowering.passes import run_passes
from repbnn_edge.lowering.recognition import recognise
from repbnn_edge.tflite import schema
from tests.lowering.networks import K, binary_conv, expected, images, lce_outputs, lq, model, seeded, tf


def operators(data: bytes) -> list[str]:
    return [operator.op for operator in schema.load(data).operators]


def exact(network: Any, *, within: float = 0.0) -> bytes:
    lowered = lower_model(network)
    x = images(network)
    want = expected(network, x)
    np.testing.assert_allclose(
        lce_outputs(lowered.data, x).reshape(want.shape), want, rtol=0, atol=within * max(1.0, np.abs(want).max())
    )
    return lowered.data


def rep_conv(**changes: Any) -> Any:
    return RepConv2D(8, **{"kernel_size": 3, "input_quantizer": "ste_sign", "kernel_quantizer": "ste_sign", **changes})


NATIVE: dict[str, tuple[tuple[int, ...], list[Any]]] = {
    "same zero": ((8, 8, 32), [rep_conv()]),
    "same one": ((8, 8, 32), [rep_conv(pad_values=1.0)]),
    "minus one": ((8, 8, 32), [rep_conv(pad_values=-1.0)]),
    "pytorch's stride 2": ((8, 8, 32), [rep_conv(strides=2, padding=((1, 1), (1, 1)))]),
    "pytorch's stride 2 with ones": ((8, 8, 32), [rep_conv(strides=2, padding=((1, 1), (1, 1)), pad_values=1.0)]),
    "5x5 at stride 2": ((8, 8, 5), [rep_conv(kernel_size=5, strides=2, padding=((2, 2), (2, 2)))]),
    "a map of 1x1": ((1, 1, 32), [rep_conv()]),
    "a map of 2x2": ((2, 2, 32), [rep_conv()]),
    "dilation beyond the map": ((7, 7, 32), [rep_conv(dilation_rate=4)]),
    "groups of 16": ((6, 6, 32), [binary_conv(8, groups=2)]),
    "groups of 32": ((6, 6, 64), [binary_conv(8, groups=2)]),
    "dense": (
        (3, 3, 20),
        [K.Flatten(), lq.layers.QuantDense(7, input_quantizer="ste_sign", kernel_quantizer="ste_sign", use_bias=False)],
    ),
    "sign, pool": ((8, 8, 32), [lq.quantizers.SteSign(), K.MaxPool2D(2), binary_conv(8, input_quantizer=None)]),
    "zeros, then valid": (
        (8, 8, 32),
        [lq.quantizers.SteSign(), K.ZeroPadding2D(1), binary_conv(8, strides=2, padding="valid", input_quantizer=None)],
    ),
}


@pytest.mark.parametrize("name", NATIVE)
def test_every_form_is_binary_and_exact(name: str) -> None:
    shape, layers = NATIVE[name]
    data = exact(model(shape, *layers))
    names = operators(data)
    assert "CONV_2D" not in names and "FULLY_CONNECTED" not in names and "LceDequantize" not in names
    assert "LceBconv2d" in names


@pytest.mark.parametrize("depthwise", [False, True])
@pytest.mark.parametrize(("size", "kernel"), [(8, 3), (10, 5), (12, 7), (9, 3)])
def test_float_convolutions_behind_symmetric_padding(depthwise: bool, size: int, kernel: int) -> None:
    layer = K.DepthwiseConv2D(kernel, strides=2) if depthwise else K.Conv2D(4, kernel, strides=2)
    network = model((size, size, 3), K.ZeroPadding2D(kernel // 2), layer)
    exact(network, within=1e-6)


def test_a_rep_block_has_the_operators_that_the_delegate_fuses() -> None:
    inputs = tf.keras.Input((8, 8, 16))
    x = RepeatChannels(2)(inputs)
    y = RSign()(x)
    y = RepConv2D(16, 3, beta=2, kernel_quantizer=lq.quantizers.MagnitudeAwareSign())(y)
    y = K.BatchNormalization()(y)
    y = RPReLU()(K.Add()([x, y]))
    data = lower_model(seeded(tf.keras.Model(inputs, y))).data
    assert operators(data) == [
        *("CONCATENATION", "ADD", "LceQuantize", "LceBconv2d", "CONCATENATION", "MUL", "ADD"),
        *("ADD", "ADD", "PRELU", "ADD"),
    ]


def test_a_scale_too_small_for_lce_to_see_is_a_factor_of_its_own() -> None:
    network = model((6, 6, 32), binary_conv(8, kernel_quantizer=None))
    signs = np.where(np.random.default_rng(0).random((3, 3, 32, 8)) < 0.5, -1, 1)
    network.layers[0].set_weights([(signs * 2.0**-40).astype(np.float32)])
    assert "LceBconv2d" in operators(exact(network))


def test_lce_says_nothing_on_stdout_or_stderr(capfd: pytest.CaptureFixture[str]) -> None:
    lower_model(model((6, 6, 32), binary_conv(8)))
    assert capfd.readouterr() == ("", "")


def test_the_same_model_gives_the_same_bytes() -> None:
    network = model((6, 6, 32), K.Conv2D(32, 3), binary_conv(8), K.BatchNormalization(), binary_conv(4))
    assert lower_model(network).data == lower_model(network).data


def test_what_lce_cannot_convert_has_its_reason(capfd: pytest.CaptureFixture[str]) -> None:
    inputs = tf.keras.Input((4, 4, 4))
    network = tf.keras.Model(inputs, tf.linalg.inv(inputs))
    with pytest.raises(UnsupportedError, match=r"MatrixInverse"):
        lower_model(network)
    assert capfd.readouterr().out == ""


def test_a_layer_with_a_function_of_its_own_is_inlined() -> None:
    class Scaled(K.Layer):
        def build(self, shape: Any) -> None:
            self.factor = self.add_weight(name="factor", shape=(shape[-1],))

        @tf.function
        def call(self, x: Any) -> Any:
            return x * self.factor

    exact(model((6, 6, 4), Scaled(), binary_conv(8)))


def test_a_layer_with_a_state_is_refused() -> None:
    class Counting(K.Layer):
        def build(self, shape: Any) -> None:
            self.count = self.add_weight(name="count", shape=(), trainable=False)

        def call(self, x: Any) -> Any:
            return x + self.count.assign_add(1.0)

    with pytest.raises(UnsupportedError, match="keeps a state"):
        lower_model(model((6, 6, 4), Counting(), binary_conv(8)))


def test_a_graph_holds_no_variable() -> None:
    graph = freeze(run_passes(recognise(model((6, 6, 4), K.Conv2D(4, 3), K.BatchNormalization(), binary_conv(8)))))
    assert isinstance(graph, FrozenGraph)
    definition = tf.compat.v1.GraphDef.FromString(graph.graph_def)
    names = {node.op for node in definition.node}
    assert "ReadVariableOp" not in names and [n.op for n in definition.node].count("Placeholder") == 1


def test_where_lce_is_right_its_operators_and_its_numbers_are_ours() -> None:
    network = model(
        (16, 16, 3),
        K.Conv2D(32, 3, padding="same"),
        K.BatchNormalization(),
        binary_conv(32, kernel_quantizer=lq.quantizers.MagnitudeAwareSign()),
        K.BatchNormalization(),
        binary_conv(16, 3, strides=2, pad_values=1.0),
        K.PReLU(shared_axes=[1, 2]),
        K.GlobalAveragePooling2D(),
        K.Dense(10),
    )
    theirs = lce_alone(network)
    ours = lower_model(network).data
    assert operators(ours) == operators(theirs)
    x = images(network)
    np.testing.assert_array_equal(lce_outputs(ours, x), lce_outputs(theirs, x))


def lce_alone(network: Any) -> bytes:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        data: bytes = stack.larq_compute_engine().convert_keras_model(network)
        return data


BEHIND = {
    "a map": (6, 6, 8),
    "a scale of rank 4": (1, 1, 1, 8),
    "one number": (),
    "one number of rank 1": (1,),
    "rows alone": (6, 1, 1),
}


@pytest.mark.parametrize("product", [False, True])
@pytest.mark.parametrize("name", BEHIND)
def test_constants_right_behind_a_binary_convolution(name: str, product: bool) -> None:
    inputs = tf.keras.Input((6, 6, 32))
    values = np.random.default_rng(3).normal(size=BEHIND[name]).astype(np.float32)
    y = binary_conv(8)(inputs)
    exact(seeded(tf.keras.Model(inputs, y * values if product else y + values)), within=1e-6)
