"""What networks are fed, and how far an answer is from another."""

from __future__ import annotations

import numpy as np
import pytest

from repbnn_edge.benching.inputs import difference, noise
from repbnn_edge.benching.report import OutputCheck
from repbnn_edge.benching.verdicts import of_output
from repbnn_edge.inspection.report import TensorRow

FLOATS = TensorRow(name="x", shape=[1, 1000], type="float32")
BYTES = TensorRow(name="y", shape=[1, 4000], type="int8")


def test_noise_is_seeded_fits_the_tensors_and_uses_the_whole_range() -> None:
    data = noise([FLOATS, BYTES])
    assert data == noise([FLOATS, BYTES]) and len(data) == 8000
    floats, integers = np.frombuffer(data[:4000], np.float32), np.frombuffer(data[4000:], np.int8)
    assert abs(float(floats.mean())) < 0.1 and float(floats.std()) == pytest.approx(1, abs=0.1)
    assert integers.min() == -128 and integers.max() == 127


@pytest.fixture
def answer() -> np.ndarray:
    return np.random.default_rng(1).standard_normal(1000).astype(np.float32)


def test_a_denormal_is_the_zero_that_lce_makes_of_it(answer: np.ndarray) -> None:
    tiny, zeros = np.full_like(answer, 1e-42), np.zeros_like(answer)
    assert difference(tiny.tobytes(), zeros.tobytes(), [FLOATS]).size == 0
    assert difference((2e-38 + tiny).tobytes(), zeros.tobytes(), [FLOATS]).size == float("inf")


def test_the_same_is_no_difference_and_a_constant_is_one(answer: np.ndarray) -> None:
    assert difference(answer.tobytes(), answer.tobytes(), [FLOATS]).size == 0
    constant = np.full(1000, answer.mean(), np.float32)
    assert difference(constant.tobytes(), answer.tobytes(), [FLOATS]).size == pytest.approx(1, abs=1e-3)
    other = np.random.default_rng(2).standard_normal(1000).astype(np.float32)
    assert difference(other.tobytes(), answer.tobytes(), [FLOATS]).size > 1


def test_what_cannot_be_compared_is_infinitely_far(answer: np.ndarray) -> None:
    broken = answer.copy()
    broken[3] = np.nan
    for ours in (broken.tobytes(), answer.tobytes()[:-4], b""):
        assert difference(ours, answer.tobytes(), [FLOATS]).size == float("inf")


def test_the_worst_of_several_outputs_counts(answer: np.ndarray) -> None:
    integers = np.arange(4000).astype(np.int8)
    good, bad = answer.tobytes() + integers.tobytes(), answer.tobytes() + integers[::-1].tobytes()
    assert difference(good, good, [FLOATS, BYTES]).size == 0
    assert difference(bad, good, [FLOATS, BYTES]).size > 0.5


@pytest.mark.parametrize(("size", "fires"), [(0.25, False), (0.26, True), (1e9, True)])
def test_wrong_output_fires_just_outside_its_threshold(size: float, fires: bool) -> None:
    check = OutputCheck(against="lce 0.16.0", difference=size, same_top1=True, inputs=1)
    assert [reason.code for reason in of_output(check)] == (["wrong_output"] if fires else [])
