from __future__ import annotations

import pytest

from repbnn_edge import stack
from repbnn_edge.keras_graph import binary_nodes, costs, totals, two_valued_taps, walk
from repbnn_edge.layers import RepConv2D, RSign

tf = stack.tensorflow()
lq = stack.larq()
layers = tf.keras.layers
BINARY = {"kernel_quantizer": "ste_sign", "kernel_constraint": "weight_clip", "use_bias": False}


def network() -> tf.keras.Model:
    x = entry = layers.Input((8, 8, 3))
    x = lq.layers.QuantConv2D(32, 3, strides=2, padding="same", name="stem", **BINARY)(x)
    x = layers.BatchNormalization(name="norm")(x)
    x = lq.layers.QuantConv2D(32, 3, padding="same", input_quantizer="ste_sign", name="first", **BINARY)(x)
    x = layers.MaxPooling2D(name="pool")(RSign(name="sign")(x))
    x = RepConv2D(64, 1, beta=2, kernel_quantizer="ste_sign", kernel_constraint="weight_clip", name="second")(x)
    x = layers.DepthwiseConv2D(3, padding="same", name="depthwise")(x)
    x = lq.quantizers.SteSign(name="last_sign")(layers.Flatten()(x))
    x = lq.layers.QuantDense(16, name="fc", **BINARY)(x)
    return tf.keras.Model(entry, layers.Dense(10, name="logits")(x))


def test_binary_is_what_has_binary_weights_and_a_binary_input() -> None:
    graph = walk(network())
    assert [node.name for node in binary_nodes(graph)] == ["first", "second", "fc"]
    assert two_valued_taps(graph) == {"sign", "pool", "last_sign"}


def test_weights_and_macs_by_hand() -> None:
    model = network()
    cost = costs(model)
    assert (cost["stem"].binary_weights, cost["stem"].float_macs) == (9 * 3 * 32, 16 * 9 * 3 * 32)
    assert (cost["first"].binary_weights, cost["first"].binary_macs) == (9 * 32 * 32, 16 * 9 * 32 * 32)
    assert (cost["second"].binary_weights, cost["second"].binary_macs) == (32 * 32, 4 * 32 * 32)
    assert (cost["depthwise"].float_weights, cost["depthwise"].float_macs) == (9 * 128 + 128, 4 * 9 * 128)
    assert cost["fc"].binary_macs == cost["fc"].binary_weights == 2 * 2 * 128 * 16
    assert (cost["logits"].float_macs, cost["logits"].input_bits) == (160, None)
    assert (cost["first"].input_bits, cost["stem"].input_bits, cost["norm"].input_bits) == (1, None, None)
    both = totals(model)["parameters"]
    assert both["binary"] + both["float"] == model.count_params()


def test_a_shared_layer_has_its_weights_once_and_its_macs_twice() -> None:
    x = entry = layers.Input((8, 8, 32))
    shared = lq.layers.QuantConv2D(32, 3, padding="same", input_quantizer="ste_sign", **BINARY)
    assert totals(tf.keras.Model(entry, shared(shared(x)))) == {
        "macs": {"binary": 2 * 64 * 9 * 1024, "float": 0},
        "parameters": {"binary": 9 * 1024, "float": 0},
    }


@pytest.mark.parametrize("kind", ["no_op", "two_bits", "float_input", "zeros_before"])
def test_what_is_not_binary(kind: str) -> None:
    x = entry = layers.Input((8, 8, 4))
    if kind == "zeros_before":
        x = layers.ReLU()(lq.quantizers.SteSign()(x))
    quantizer = {"two_bits": lq.quantizers.DoReFa(k_bit=2), "no_op": "ste_sign"}.get(kind)
    kernel = lq.quantizers.NoOp(precision=1) if kind == "no_op" else "ste_sign"
    x = lq.layers.QuantConv2D(
        4, 3, input_quantizer=quantizer, kernel_quantizer=kernel, kernel_constraint="weight_clip"
    )(x)
    assert binary_nodes(walk(tf.keras.Model(entry, x))) == ()


def test_operations_that_make_and_move_signs() -> None:
    x = entry = layers.Input((8, 8, 4))
    x = tf.where(x < 0, -1.0, 1.0)
    x = tf.concat(tf.split(x, 2, axis=-1), axis=-1)
    x = lq.layers.QuantConv2D(4, 3, **BINARY)(layers.ZeroPadding2D()(x))
    assert len(binary_nodes(walk(tf.keras.Model(entry, x)))) == 1
