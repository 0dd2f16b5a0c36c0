"""Files with float16 or int8 weights: right ones are proven, one number changed is found."""

from __future__ import annotations

import copy
from functools import cache
from typing import Any

import numpy as np
import pytest

from repbnn_edge import stack
from repbnn_edge.lowering import lower_model
from repbnn_edge.reports import VerificationReport
from repbnn_edge.tflite import schema
from repbnn_edge.tflite.passes.pipeline import shrink
from repbnn_edge.verification.checking import check_file
from repbnn_edge.verification.float_weights import find_shrunk
from repbnn_edge.verification.keras_reference import KerasReference
from tests.verification import networks

tf = stack.tensorflow()


@cache
def source() -> tuple[KerasReference, bytes]:
    network = networks.wide_ends()
    return KerasReference(network), lower_model(network).data


def judged(data: bytes) -> VerificationReport:
    return check_file(source()[0], data, networks.images(3))


@pytest.mark.parametrize("kind", ["float16", "int8"])
@pytest.mark.parametrize("everywhere", [False, True])
def test_shrunk_files_are_proven(kind: Any, everywhere: bool) -> None:
    data = shrink(source()[1], kind, everywhere=everywhere)
    names = {"hidden", "last"} | ({"stem", "shortcut"} if everywhere else set())
    assert len(find_shrunk(schema.load(data))) == len(names)
    report = judged(data)
    assert report.failures == []
    own = {row.name: row.max_error for row in report.layers if row.detail.startswith("int8")}
    assert set(own) == (names if kind == "int8" else set())
    assert all(0 < error < 2e-2 for error in own.values())
    others = [row.max_error for row in report.layers if not row.detail.startswith("int8")]
    assert max(others) < (1e-3 if everywhere else 1e-5)


@pytest.mark.parametrize("kind", ["float16", "int8"])
@pytest.mark.parametrize("seed", range(4))
def test_one_shrunk_weight_that_is_no_rounding_is_found(kind: Any, seed: int) -> None:
    model = schema.load(shrink(source()[1], kind, everywhere=True))
    rng = np.random.default_rng(seed)
    item = find_shrunk(model)[seed]
    tensor = item.operator.inputs[1]
    if kind == "float16":
        tensor = model.operators[model.producers[tensor]].inputs[0]
    values = model.constant(tensor).copy()
    place = rng.integers(values.size)
    values.flat[place] = -values.flat[place] + values.dtype.type(3)
    twin = model.copy()
    buffer = copy.copy(twin.raw.buffers[twin.graph.tensors[tensor].buffer])
    buffer.data = np.frombuffer(values.tobytes(), np.uint8)
    twin.graph.tensors[tensor].buffer = len(twin.raw.buffers)
    twin.raw.buffers.append(buffer)
    report = judged(schema.pack(twin))
    name = ["stem", "shortcut", "hidden", "last"][seed]
    assert not report.passed
    assert f"{name}: its {kind} weights are no rounding of the source's" in report.failures


def test_a_batch_norm_before_the_shrunk_layer_is_no_alarm() -> None:
    keras = tf.keras.layers
    x = image = tf.keras.Input(networks.SHAPE)
    x = networks.conv(64, name="first")(keras.Conv2D(16, 3)(x))
    x = keras.BatchNormalization()(keras.GlobalAveragePooling2D()(x))
    network = networks.calibrated(tf.keras.Model(image, keras.Dense(40)(x)), 0)
    for kind in ("float16", "int8"):
        data = shrink(lower_model(network).data, kind)
        assert find_shrunk(schema.load(data))
        assert check_file(KerasReference(network), data, networks.images(3)).failures == []


def test_the_source_is_left_as_it_was() -> None:
    reference = source()[0]
    before = reference.float_weights()
    twin = reference.with_float_weights({"last": np.zeros_like(before["last"])})
    batch = networks.images(1)
    assert not np.array_equal(twin.run(batch)["output"], reference.run(batch)["output"])
    assert all(np.array_equal(before[name], values) for name, values in reference.float_weights().items())
