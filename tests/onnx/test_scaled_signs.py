"""sign(x) * K before a layer: behind it where K commutes with the layer, a warning where it does not."""

from __future__ import annotations

import numpy as np
import pytest
from repbnn_converters.onnx import network as ir

from repbnn_edge import conversion
from repbnn_edge.errors import UnsupportedError
from repbnn_edge.verification.checking import check_file
from tests.onnx import building, checking
from tests.onnx.building import normal, signs
from tests.onnx.test_recognition import CONV, NUMBERS, WEIGHTS, imported, layers

PADDED = {"pads": [1, 1, 1, 1]}
POINTWISE = {"w": signs(8, 4, 1, 1) * np.float32(0.5), "bias": normal(8)}
CONSTANTS = {**WEIGHTS, **NUMBERS, "bias": normal(8), "map": np.abs(normal(1, 1, 6, 6)) + np.float32(0.1)}


def mean(*axes):
    """k: the mean of |x| over these axes."""
    return [("Abs", "x", "a"), ("ReduceMean", "a", "k", {"axes": list(axes), "keepdims": 1})]


SIGN = ("Sign", "x", "s")
WITH_BIAS = ("Conv", "b w bias", "y", PADDED)
FIRE = {
    "a sample's mean": [*mean(1, 2, 3), SIGN, ("Mul", "s k", "b"), CONV],
    "a number without axes": [
        *(("Abs", "x", "a"), ("ReduceMean", "a", "k", {"keepdims": 0}), SIGN),
        *(("Mul", "s k", "b"), WITH_BIAS),
    ],
    "before stride and dilation": [
        *(*mean(1, 2, 3), SIGN, ("Mul", "s k", "b")),
        ("Conv", "b w bias", "y", {"pads": [2, 2, 2, 2], "strides": [2, 2], "dilations": [2, 2]}),
    ],
    "a number a sample, flat": [
        *(("Abs", "x", "a"), ("ReduceMax", "a", "k", {"axes": [1, 2, 3], "keepdims": 0})),
        *(SIGN, ("Mul", "k s", "b"), WITH_BIAS),
    ],
    "on the left, with a bias": [*mean(1, 2, 3), SIGN, ("Mul", "k s", "b"), WITH_BIAS],
    "divided": [*mean(1, 2, 3), SIGN, ("Div", "s k", "b"), WITH_BIAS],
    "a pooled mean": [
        *(("Abs", "x", "a"), ("GlobalAveragePool", "a", "p"), ("ReduceMean", "p", "k", {"axes": [1], "keepdims": 1})),
        *(SIGN, ("Mul", "s k", "b"), ("Conv", "b w", "y", {**PADDED, "strides": [2, 2]})),
    ],
    "zeros and ones": [
        *(*mean(1, 2, 3), ("Greater", "x zero", "c"), ("Where", "c one zero", "s")),
        *(("Mul", "s k", "b"), ("Conv", "b w bias", "y")),
    ],
    "a straight-through estimator around": [
        *(
            *mean(1, 2, 3),
            SIGN,
            ("Mul", "s k", "m"),
            ("Tanh", "x", "t"),
            ("Sub", "m t", "d"),
            ("Add", "d t", "b"),
            CONV,
        ),
    ],
    "a shortcut beside": [
        *(*mean(1, 2, 3), SIGN, ("Mul", "s k", "b"), CONV, ("Concat", "b b", "bb", {"axis": 1}), ("Add", "y bb", "z")),
    ],
}
POINTWISE_FIRE = {
    "a position's mean": [*mean(1), SIGN, ("Mul", "s k", "b"), ("Conv", "b w bias", "y")],
    "a learned map": [SIGN, ("Mul", "s map", "b"), ("Conv", "b w", "y")],
    "over a learned map": [SIGN, ("Div", "s map", "b"), ("Conv", "b w bias", "y")],
}


def commuted(folder, steps, constants, *, by_position=False, **options):
    """Import, and compare with onnxruntime; the tie to the file's own sums holds for each sample by itself."""
    path = building.save(building.model(steps, constants, **options), folder)
    source = checking.load(path)
    inputs = checking.random_inputs(source, count=3)
    assert len(source.reference.binary_layers) == 1
    assert checking.relative_error(source, inputs) < 1e-5
    if not by_position:
        assert [checking.check_tie(path, inputs[i : i + 1]) for i in range(3)] == [1, 1, 1]
    return imported(folder, steps, constants, **options)


@pytest.mark.parametrize("name", list(FIRE))
def test_a_number_a_sample_stands_behind_the_layer(name, tmp_path):
    network = commuted(tmp_path, FIRE[name], CONSTANTS)
    assert not layers(network, ir.Conv)
    assert not network.notes


@pytest.mark.parametrize("name", list(POINTWISE_FIRE))
def test_a_number_a_position_stands_behind_a_pointwise_layer(name, tmp_path):
    network = commuted(tmp_path, POINTWISE_FIRE[name], {**CONSTANTS, **POINTWISE}, by_position=True)
    assert not layers(network, ir.Conv)


def test_a_number_a_sample_stands_behind_a_dense_layer(tmp_path):
    steps = [*mean(1), SIGN, ("Mul", "s k", "b"), ("Gemm", "b w bias", "y", {"transB": 1})]
    constants = {"w": signs(8, 64) * np.float32(0.5), "bias": normal(8)}
    commuted(tmp_path, steps, constants, shape=(1, 64))


STAY = {
    "a position's mean before a 3x3 kernel": ([*mean(1), SIGN, ("Mul", "s k", "b"), CONV], {}),
    "a channel's mean": ([*mean(2, 3), SIGN, ("Mul", "s k", "b"), CONV], {}),
    "a channel's mean before a pointwise layer": (
        [*mean(2, 3), SIGN, ("Mul", "s k", "b"), ("Conv", "b w", "y")],
        POINTWISE,
    ),
    "a position's mean before a stride": (
        [*mean(1), SIGN, ("Mul", "s k", "b"), ("Conv", "b w", "y", {"strides": [2, 2]})],
        POINTWISE,
    ),
    "a sign below": ([*mean(1, 2, 3), SIGN, ("Add", "s two", "t"), ("Div", "k t", "b"), CONV], {}),
}


@pytest.mark.parametrize("name", list(STAY))
def test_any_other_factor_stays_before_the_layer(name, tmp_path):
    steps, more = STAY[name]
    network = imported(tmp_path, steps, {**CONSTANTS, **more})
    assert not layers(network, ir.BinaryConv)
    assert more or "its input is no sign" in network.notes[0]
    source = checking.load(tmp_path / "model.onnx")
    assert checking.relative_error(source, checking.random_inputs(source)) < 1e-5


def test_numbers_of_a_batch_of_two_are_not_laid_over_its_maps(tmp_path):
    """(N,) beside (N, C, H, W) is one number a column to ONNX, not one a sample."""
    steps = [
        *(("Abs", "x", "a"), ("ReduceMean", "a", "k", {"axes": [1, 2, 3], "keepdims": 0})),
        *(SIGN, ("Mul", "s k", "b"), ("Conv", "b w", "y", PADDED)),
    ]
    with pytest.raises(UnsupportedError, match="Mul"):
        imported(tmp_path, steps, CONSTANTS, shape=(2, 4, 6, 2))


def test_weights_of_three_values_leave_the_factor_before_the_layer(tmp_path):
    weights = WEIGHTS["w"].copy()
    weights[0, 0] = 2.0
    steps = [*mean(1, 2, 3), SIGN, ("Mul", "s k", "b"), CONV]
    assert not layers(imported(tmp_path, steps, {**CONSTANTS, "w": weights}), ir.BinaryConv)


def test_the_papers_own_k_behind_the_layer_is_no_binary_layer_that_was_missed(tmp_path):
    box = {"box": np.full((1, 1, 3, 3), 1 / 9, np.float32)}
    steps = [*mean(1), SIGN, ("Conv", "s w", "c", PADDED), ("Conv", "k box", "kk", PADDED), ("Mul", "c kk", "y")]
    network = commuted(tmp_path, steps, {**CONSTANTS, **box}, by_position=True)
    assert not network.notes


def test_the_file_is_proven(tmp_path):
    steps = [*mean(1, 2, 3), SIGN, ("Mul", "s k", "b"), WITH_BIAS, ("Relu", "y", "r")]
    path = building.save(building.model(steps, {**CONSTANTS, "w": signs(8, 3, 3, 3)}, shape=(1, 3, 8, 8)), tmp_path)
    report = conversion.convert(str(path), tmp_path / "net.tflite", mean=[0.0], std=[1.0], samples=1, verify=False)
    assert report.binary_convolutions.binary == report.binary_convolutions.found == 1
    source = checking.load(path)
    proof = check_file(
        source.reference, (tmp_path / "net.tflite").read_bytes(), checking.random_inputs(source, count=3)
    )
    assert proof.passed, proof.failures
