"""The count after conversion can fail."""

from __future__ import annotations

import pytest

from repbnn_edge.errors import UnsupportedError
from repbnn_edge.lowering.counting import check_binary
from repbnn_edge.lowering.freezing import freeze
from repbnn_edge.lowering.lce import convert_graph
from repbnn_edge.lowering.passes import run_passes
from repbnn_edge.lowering.recognition import recognise
from repbnn_edge.tflite import schema
from tests.lowering.networks import K, binary_conv, model, seeded, tf


def test_layers_are_counted_not_operators() -> None:
    network = model((6, 6, 32), binary_conv(8, groups=2, name="a"), K.BatchNormalization(), binary_conv(4, name="b"))
    plan = run_passes(recognise(network))
    assert check_binary(plan, schema.load(convert_graph(freeze(plan)))) == ("a", "b")


def test_a_layer_that_is_not_in_the_file_is_named() -> None:
    network = model((6, 6, 32), binary_conv(8), K.BatchNormalization(), binary_conv(4, name="culprit"))
    data = convert_graph(freeze(run_passes(recognise(network))))
    other = tf.keras.models.clone_model(network)
    seeded(other, seed=5)
    other.layers[0].set_weights(network.layers[0].get_weights())
    with pytest.raises(UnsupportedError, match="culprit: LCE left it"):
        check_binary(run_passes(recognise(other)), schema.load(data))


def test_an_operator_that_no_device_has_is_refused() -> None:
    inputs = tf.keras.Input((4, 4, 4))
    plan = recognise(tf.keras.Model(inputs, tf.linalg.inv(inputs)))
    with pytest.raises(UnsupportedError, match="no operator for MatrixInverse"):
        check_binary(plan, schema.load(convert_graph(freeze(plan))))
