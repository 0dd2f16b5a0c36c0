"""The page of ``convert --report``: whole, alone, and safe with hostile names."""

from __future__ import annotations

from pathlib import Path

import pytest

from repbnn_edge.htmlreport import render, view
from repbnn_edge.inspection import InspectReport, inspect_file
from repbnn_edge.reports import (
    BinaryConvolutions,
    ConvertReport,
    CountPair,
    LayerCheck,
    Seconds,
    SourceReport,
    VerificationReport,
)
from tests.pages import Page, check_it_stands_alone

REP = Path(__file__).parents[1] / "tflite" / "corpus" / "rep_small.tflite"
HOSTILE = '"><script src=//evil.example/x.js></script><img onerror=alert(1)>'


@pytest.fixture
def inspection() -> InspectReport:
    return inspect_file(REP)


def _proof(layers: list[LayerCheck], *, passed: bool = True) -> VerificationReport:
    return VerificationReport(
        passed=passed,
        binary_layers=6,
        exact_binary_layers=6 if passed else 5,
        max_float_error=2e-6,
        flipped_bit_rate=1e-4,
        top1_agreement=1.0,
        samples=16,
        sign_zeros=0,
        layers=layers,
        failures=[] if passed else ["conv_1: 5 of 100 integers are wrong"],
    )


def _report(proof: VerificationReport | None, name: str = "net") -> ConvertReport:
    return ConvertReport(
        output="net.tflite",
        bytes=REP.stat().st_size,
        source=SourceReport(kind="keras", name=name, sha256="0" * 64),
        beta=2,
        binary_convolutions=BinaryConvolutions(found=6, binary=6),
        macs=CountPair(binary=1, float=1),
        parameters=CountPair(binary=1, float=1),
        seconds=Seconds(load=1, convert=2, verify=3),
        verification=proof,
    )


LAYERS = [
    LayerCheck(name="conv_0", binary=True, passed=True, elements=100),
    LayerCheck(name="prelu_0", binary=False, passed=True, max_error=1e-6),
    LayerCheck(name="conv_1", binary=True, passed=False, elements=100, wrong_elements=5),
]


def test_nothing_is_fetched_and_nothing_runs(inspection: InspectReport) -> None:
    check_it_stands_alone(render(_report(_proof(LAYERS)), inspection))


def test_a_hostile_name_stays_text(inspection: InspectReport) -> None:
    layers = [LayerCheck(name=HOSTILE, binary=True, passed=True, detail=HOSTILE)]
    text = render(_report(_proof(layers), name=HOSTILE), inspection)
    assert not [tag for tag, _ in Page(text).elements if tag in ("script", "img")]
    assert "&lt;script" in text


def test_the_verdict_and_the_numbers(inspection: InspectReport) -> None:
    words = " ".join(Page(render(_report(_proof(LAYERS[:2])), inspection)).words)
    assert " proven " in words and "not proven" not in words
    assert "6 of 6 binary layers equal the source" in words
    assert f"{inspection.ops / 1e8:.3f}e8" in words
    words = " ".join(Page(render(_report(_proof(LAYERS, passed=False)), inspection)).words)
    assert "not proven" in words and "conv_1: 5 of 100 integers are wrong" in words and "5.00% wrong" in words
    words = " ".join(Page(render(_report(None), inspection)).words)
    assert "not verified" in words and "Error of each layer" not in words


def test_every_operator_is_in_the_diagram_and_in_the_table(inspection: InspectReport) -> None:
    page = view.page(_report(None), inspection)
    chips = [chip for stage in page.stages for chip in stage.chips]
    assert len(chips) == len(inspection.operators)
    assert next(chip.label for chip in chips if chip.kind == "binary") == "bconv 64 → 16"
    assert [stage.name for stage in page.stages] == ["32 x 32", "16 x 16", "8 x 8", "vector"]
    rows = [tag for tag, _ in Page(render(_report(None), inspection)).elements if tag == "tr"]
    assert len(rows) == len(inspection.operators) + 1


def test_shares_add_up(inspection: InspectReport) -> None:
    page = view.page(_report(None), inspection)
    for parts in (page.bytes_parts, page.ops_parts):
        assert sum(part.share for part in parts) == pytest.approx(100)


@pytest.mark.parametrize(
    ("error", "place"),
    [(0.0, 2.0), (1e-12, 2.0), (1e-10, 2.0), (1e-5, 49.5), (1.0, 97.0), (9.0, 97.0), (float("inf"), 97.0)],
)
def test_places_on_the_logarithmic_axis(error: float, place: float) -> None:
    layer = LayerCheck(name="x", binary=False, passed=True, max_error=error)
    plot = view.page(_report(_proof([layer])), inspect_file(REP)).plot
    assert plot is not None
    assert plot.rows[0].x == pytest.approx(place)
    assert plot.limit == pytest.approx(59.0)


def test_a_nan_error_does_not_hide_at_the_left() -> None:
    layer = LayerCheck(name="x", binary=False, passed=False, max_error=float("nan"))
    plot = view.page(_report(_proof([layer], passed=False)), inspect_file(REP)).plot
    assert plot is not None and plot.rows[0].x == 97.0 and plot.rows[0].kind == "bad"
