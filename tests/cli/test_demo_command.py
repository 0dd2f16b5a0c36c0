"""The demo: the whole road on real pictures, and what its screen says with and without trained weights."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from rich.console import Console

from repbnn_edge.cli.demo_command import show
from repbnn_edge.demonstration import demonstrate
from repbnn_edge.reports import DemoReport

CARD = {"top1": 0.801, "test_images": 10_000, "data": "CIFAR-10, JPEG-75", "other_betas": {"1": 0.787}}


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> DemoReport:
    return demonstrate(tmp_path_factory.mktemp("demo"))


def _screen(report: DemoReport, **options: object) -> str:
    out = Console(record=True, width=120, file=io.StringIO(), **options)  # type: ignore[arg-type]
    show(report, out)
    return out.export_text()


def test_the_road_ends_at_a_proven_file_and_answers(report: DemoReport) -> None:
    proof = report.conversion.verification
    assert proof is not None and proof.passed
    assert proof.exact_binary_layers == proof.binary_layers == 18
    assert Path(report.conversion.output).stat().st_size == report.conversion.bytes < report.float32_bytes
    assert [picture.truth for picture in report.pictures[:3]] == ["airplane", "automobile", "bird"]
    assert all(0.1 <= picture.score <= 1 for picture in report.pictures)
    assert report.latency_ms["lce"] > 0


def test_the_screen_tells_trained_from_untrained(report: DemoReport) -> None:
    untrained = _screen(report.model_copy(update={"trained": None}))
    assert "untrained" in untrained
    assert "18 of 18 binary convolutions exact" in untrained
    right = sum(picture.answer == picture.truth for picture in report.pictures)
    trained = _screen(report.model_copy(update={"trained": CARD}))
    assert "untrained" not in trained
    assert f"{right} of the 8 above are right; 80.1% of 10,000 test pictures" in trained
    assert "beta 1 trained the same way 78.7%" in trained


def test_a_terminal_shows_the_pictures(report: DemoReport) -> None:
    assert "▀" in _screen(report, force_terminal=True, color_system="truecolor")
    assert "▀" not in _screen(report)
