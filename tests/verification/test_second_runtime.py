"""The second runtime: it agrees on right files, and what differs from LCE's interpreter is found and named."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from repbnn_edge.lowering import lower_model
from repbnn_edge.reports import VerificationReport
from repbnn_edge.verification import second_runtime
from repbnn_edge.verification.checking import check_file
from repbnn_edge.verification.keras_reference import KerasReference
from tests.verification import networks

pytestmark = [
    pytest.mark.skipif(not second_runtime.is_there(), reason="no delegate was built here"),
    pytest.mark.xdist_group("tensorflow"),
]


@pytest.fixture(scope="module")
def converted() -> tuple[KerasReference, bytes]:
    network = networks.KINDS["float output"]()
    return KerasReference(network), lower_model(network).data


def _judged(converted: tuple[KerasReference, bytes]) -> VerificationReport:
    return check_file(*converted, networks.images(2))


def _spoil(patch: pytest.MonkeyPatch, spoil: Any) -> None:
    """What LiteRT answers is spoilt before it is compared."""
    compare = second_runtime.SecondRuntime._compare
    patch.setattr(
        second_runtime.SecondRuntime,
        "_compare",
        lambda self, tensor, ours, theirs: compare(self, tensor, spoil(self, tensor, ours.copy()), theirs),
    )


def test_it_gives_lces_bits_at_every_binary_layer(converted: Any) -> None:
    report = _judged(converted)
    second = report.second_runtime
    assert report.passed
    assert second is not None
    assert second.passed
    assert second.exact_binary_outputs == second.binary_outputs == 2
    assert second.partitions > 0
    assert second.max_float_difference < 1e-5


def test_one_bit_of_one_binary_layer_refutes(converted: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def spoil(self: Any, tensor: int, values: Any) -> Any:
        if self._names.get(self._producers[tensor].index) == "second":
            values.view(np.int32).flat[7] ^= 1
        return values

    _spoil(monkeypatch, spoil)
    report = _judged(converted)
    assert not report.passed
    assert report.exact_binary_layers == report.binary_layers  # in LCE's interpreter
    assert report.second_runtime is not None
    assert report.second_runtime.exact_binary_outputs == 1
    (failure,) = report.failures
    assert "stock LiteRT" in failure
    assert "second" in failure
    assert "2 elements are not LCE's" in failure  # one a sample


@pytest.mark.parametrize(("scale", "passes"), [(1 + 1e-5, True), (1.001, False), (np.nan, False)])
def test_a_float_layer_beyond_its_bound_refutes(
    converted: Any, monkeypatch: pytest.MonkeyPatch, scale: float, passes: bool
) -> None:
    _spoil(monkeypatch, lambda self, t, values: values if self._is_binary(t) else values * np.float32(scale))
    report = _judged(converted)
    assert report.passed == passes
    assert any("a float layer differs" in failure for failure in report.failures) != passes


def test_without_the_delegate_nothing_is_said(converted: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(second_runtime, "find_library", lambda: None)
    report = _judged(converted)
    assert report.passed
    assert report.second_runtime is None


def test_what_it_cannot_run_is_told_and_refutes_nothing(converted: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(**_: Any) -> None:
        raise RuntimeError("repbnn: LceBconv2d (node 3) is not taken: stride 0")

    monkeypatch.setattr("repbnn_edge.runtime.litert.Interpreter", refuse)
    report = _judged(converted)
    assert report.passed
    assert report.second_runtime is not None
    assert not report.second_runtime.passed
    assert "stride 0" in report.second_runtime.detail
