"""The demo: the whole road on real pictures, and what its screen says with and without trained weights."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from rich.console import Console

from repbnn_edge.cli import main
from repbnn_edge.cli.demo_command import show
from repbnn_edge.demonstration import demonstrate
from repbnn_edge.htmlreport.demo import render
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


def test_the_page_has_pictures_answers_speed_and_size(report: DemoReport) -> None:
    page = render(report.model_copy(update={"trained": CARD}))
    assert page.count('<img src="data:image/jpeg;base64,/9j/') == len(report.pictures) == 8
    for picture in report.pictures:
        assert f"{picture.answer} {picture.score:.0%}" in page
    for value in (*report.latency_ms.values(), report.conversion.bytes / 1e6, report.float32_bytes / 1e6):
        assert f"<b>{value:.2f} " in page
    assert "80.1% of 10,000 test pictures" in page and "JPEG-75" in page
    assert "http" not in page.replace("http-equiv", "") and "<script" not in page
    assert "answers above are chance" in render(report.model_copy(update={"trained": None}))


def test_a_folder_that_cannot_be_made_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").write_text("")
    assert main.run(["demo", "--folder", str(tmp_path / "file" / "demo")]) == 9
    error = capsys.readouterr().err
    assert "file" in error and error.count("\n") == 1


def test_the_command_writes_the_page(
    report: DemoReport, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("repbnn_edge.demonstration.demonstrate", lambda folder: report)
    assert main.run(["demo", "--folder", str(tmp_path)]) == 0
    assert f"page: {tmp_path / 'demo.html'}" in capsys.readouterr().out
    assert (tmp_path / "demo.html").read_text("utf-8") == render(report)
