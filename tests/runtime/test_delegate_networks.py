"""Whole networks in stock LiteRT with the delegate, against LCE's own interpreter, bit for bit behind the stem.

Small networks of the kinds that converters write: two branches and repeats, SAME-one, SAME-zero, packed outputs, pools.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
import pytest

import repbnn_edge
from repbnn_edge import stack
from repbnn_edge.runtime import delegate as delegate_module
from repbnn_edge.tflite import lce, schema
from tests.runtime.flatbuffer_writer import Writer

litert = pytest.importorskip("ai_edge_litert.interpreter")
pytestmark = [
    pytest.mark.skipif(delegate_module.find_library() is None, reason="no delegate was built here"),
    pytest.mark.xdist_group("tensorflow"),
]
SIZE = 20


def _rep_block(pad_values: float) -> Any:
    """RSign, 3x3 RepConv, BN, shortcut, PReLU; two 1x1 branches side by side; a pool and a stride-2 block."""
    tf, larq = stack.tensorflow(), stack.larq()
    layers = tf.keras.layers

    def conv(x: Any, filters: int, kernel: int, strides: int = 1) -> Any:
        x = larq.layers.QuantConv2D(
            filters, kernel, strides, padding="same", pad_values=pad_values, use_bias=False,
            input_quantizer="ste_sign", kernel_quantizer=larq.quantizers.MagnitudeAwareSign(),
        )(x)  # fmt: skip
        return layers.BatchNormalization()(layers.Concatenate()([x] * 4))

    inputs = tf.keras.Input((SIZE, SIZE, 32))
    x = layers.Concatenate()([inputs, inputs])
    x = layers.PReLU(shared_axes=[1, 2])(conv(x, 16, 3) + x)
    x = layers.PReLU(shared_axes=[1, 2])(layers.Concatenate()([conv(x, 16, 1) + x, conv(x, 16, 1) + x]))
    x = conv(x, 32, 3, 2) + layers.AveragePooling2D(2, 2)(x)
    return tf.keras.Model(inputs, layers.PReLU(shared_axes=[1, 2])(x))


def _packed_chain() -> Any:
    """Batch norms directly behind convolutions (thresholds, packed output) and max pools before signs."""
    tf, larq = stack.tensorflow(), stack.larq()
    layers = tf.keras.layers
    options = {"kernel_quantizer": "ste_sign", "input_quantizer": "ste_sign", "use_bias": False}
    inputs = tf.keras.Input((SIZE, SIZE, 32))
    x = inputs
    for filters, padding in ((48, "valid"), (33, "same"), (64, "same")):
        x = larq.layers.QuantConv2D(filters, 3, padding=padding, pad_values=1.0, **options)(x)
        if filters == 33:
            x = layers.MaxPool2D(2, 2)(x)
        x = layers.BatchNormalization()(x)
    x = larq.layers.QuantConv2D(16, 1, activation="relu", **options)(x)
    return tf.keras.Model(inputs, layers.BatchNormalization()(x))


NETWORKS = {
    "rep block, SAME-one": lambda: _rep_block(1.0),
    "rep block, SAME-zero": lambda: _rep_block(0.0),
    "packed chain": _packed_chain,
}


@lru_cache
def _converted(name: str) -> bytes:
    tf, lce = stack.tensorflow(), stack.larq_compute_engine()
    tf.keras.utils.set_random_seed(3)
    model = NETWORKS[name]()
    generator = np.random.default_rng(4)
    for layer in model.layers:
        if isinstance(layer, tf.keras.layers.BatchNormalization):
            count = layer.gamma.shape[0]
            layer.gamma.assign(generator.uniform(0.5, 1.5, count))
            layer.beta.assign(generator.normal(0, 0.3, count))
            layer.momentum = 0.0
        if isinstance(layer, tf.keras.layers.PReLU):
            layer.alpha.assign(generator.uniform(0.1, 0.4, layer.alpha.shape))
    model(generator.normal(size=(4, SIZE, SIZE, 32)).astype(np.float32), training=True)
    return bytes(lce.convert_keras_model(model))


def _run(interpreter: Any, sample: Any) -> Any:
    interpreter.resize_tensor_input(interpreter.get_input_details()[0]["index"], sample.shape)
    interpreter.allocate_tensors()
    interpreter.set_tensor(interpreter.get_input_details()[0]["index"], sample)
    interpreter.invoke()
    return interpreter.get_tensor(interpreter.get_output_details()[0]["index"])


@pytest.mark.parametrize("implementation", ["auto", "avx2", "scalar"])
@pytest.mark.parametrize("name", NETWORKS)
def test_every_bit_is_lces(name: str, implementation: str) -> None:
    from repbnn_edge.runtime.lce import LceInterpreter

    data = _converted(name)
    options: dict[str, object] = {"implementation": implementation, "require_all": True}
    try:
        repbnn_edge.load_delegate(implementation=implementation)
    except repbnn_edge.errors.UsageError:
        pytest.skip(f"this processor has no {implementation}")
    sample = np.random.default_rng(5).normal(size=(1, SIZE, SIZE, 32)).astype(np.float32)
    expected = LceInterpreter(data).run([sample])[0]
    actual = _run(repbnn_edge.Interpreter(model_content=data, delegate_options=options), sample)
    np.testing.assert_array_equal(actual.view(np.int32), expected.view(np.int32))


@pytest.mark.parametrize("name", NETWORKS)
def test_fusion_threads_and_batches_change_no_bit(name: str) -> None:
    data = _converted(name)
    sample = np.random.default_rng(6).normal(size=(3, SIZE, SIZE, 32)).astype(np.float32)
    plain = _run(repbnn_edge.Interpreter(model_content=data, delegate_options={"fusion": "none"}), sample)
    for threads in (1, 2, 5):
        fused = _run(repbnn_edge.Interpreter(model_content=data, num_threads=threads), sample)
        np.testing.assert_array_equal(fused.view(np.int32), plain.view(np.int32))


def test_a_rep_block_is_one_partition(capfd: pytest.CaptureFixture[str]) -> None:
    _run(
        repbnn_edge.Interpreter(model_content=_converted("rep block, SAME-one")),
        np.zeros((1, SIZE, SIZE, 32), np.float32),
    )
    assert ", 1 partition, " in capfd.readouterr().err


@pytest.mark.parametrize(("size", "kernel"), [(1, 3), (2, 3), (4, 5), (6, 7), (3, 3), (9, 5)])
def test_zeros_around_a_map_smaller_than_the_kernel_are_the_definitions(size: int, kernel: int) -> None:
    """LCE is wrong exactly where the kernel is larger than the map; there alone the two may differ."""
    from repbnn_edge.runtime.lce import LceInterpreter

    writer = Writer(7)
    data = writer.write(writer.bconv2d(writer.quantize(writer.input((1, size, size, 32))), 32, kernel, 0))
    sample = np.random.default_rng(8).normal(size=(1, size, size, 32)).astype(np.float32)
    model = schema.load(data)
    layer = lce.read_bconv2d(model, model.operators[1])
    before = (kernel - 1) // 2
    signs = np.pad(np.where(sample[0] < 0, -1, 1), ((before, kernel), (before, kernel), (0, 0)))
    windows = np.lib.stride_tricks.sliding_window_view(signs, (kernel, kernel), (0, 1))[:size, :size]
    sums = np.einsum("yxcij,fijc->yxf", windows, lce.binary_weights(model, layer).astype(np.int64))
    multiplier, bias = model.constant(layer.multiplier), model.constant(layer.bias)
    theirs = LceInterpreter(data).run([sample])[0]
    for fusion in ("full", "none"):
        options: dict[str, object] = {"require_all": True, "fusion": fusion, "log_level": "error"}
        ours = _run(repbnn_edge.Interpreter(model_content=data, delegate_options=options), sample)
        np.testing.assert_array_equal(np.rint((ours[0] - bias) / multiplier), sums)
        assert np.array_equal(ours.view(np.int32), theirs.view(np.int32)) == (kernel <= size)
