"""Fills of constants become constants; what is computed stays."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from repbnn_edge import stack
from repbnn_edge.lowering import lower_model
from repbnn_edge.tflite import schema
from repbnn_edge.tflite.passes import fills


def network(value: float) -> Any:
    """A binary convolution all of whose weights are alike, and so many that TensorFlow folds them into a fill."""
    tf, lq = stack.tensorflow(), stack.larq()
    tf.keras.utils.set_random_seed(0)
    layer = lq.layers.QuantConv2D(
        512, 3, input_quantizer="ste_sign", kernel_quantizer="ste_sign", use_bias=False, name="alike"
    )
    inputs = tf.keras.Input((8, 8, 3))
    model = tf.keras.Model(inputs, tf.keras.layers.ReLU()(layer(tf.keras.layers.Conv2D(512, 3)(inputs))))
    layer.kernel.assign(np.full(layer.kernel.shape, value, np.float32))
    return model


@pytest.mark.parametrize("value", [0.5, -0.5])
def test_a_kernel_of_equal_weights_converts_and_is_proven(
    value: float, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from repbnn_edge import convert

    given = []
    monkeypatch.setattr(fills, "run", lambda model, run=fills.run: given.append(model) or run(model))
    report = convert(network(value), tmp_path / "out.tflite", samples=2, mean=[127.5], std=[127.5])
    assert report.verification is not None
    assert report.verification.passed
    assert report.binary_convolutions.binary == 1
    assert "FILL" in [op.op for op in given[0].operators]
    assert "FILL" not in [op.op for op in schema.load((tmp_path / "out.tflite").read_bytes()).operators]


def test_a_file_without_fills_is_left_alone() -> None:
    model = schema.load(lower_model(network(0.5)).data)
    assert fills.run(model) is model


def test_a_fill_of_a_computed_value_stays() -> None:
    tf = stack.tensorflow()

    @tf.function(input_signature=[tf.TensorSpec((), tf.float32)])
    def spread(x: Any) -> Any:
        return tf.fill([2, 3], x) + 1.0

    converter = tf.lite.TFLiteConverter.from_concrete_functions([spread.get_concrete_function()])
    model = schema.load(converter.convert())
    assert [op.op for op in model.operators if op.op == "FILL"]
    assert fills.run(model) is model
