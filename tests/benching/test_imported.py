"""An app's results: read, and judged by the same rules; what the app says of its own numbers is not believed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from repbnn_edge.benching import imported
from repbnn_edge.cli import main

from . import made_up


@pytest.fixture
def write(tmp_path: Path) -> Any:
    def _write(*rows: Any) -> Path:
        body = {"schema": "repbnn.bench/1", "repbnn_edge": "0.1.0", "interrupted": False, "results": list(rows)}
        path = tmp_path / "app.json"
        path.write_text(json.dumps(body))
        return path

    return _write


def _row(**changes: Any) -> dict[str, Any]:
    return {**made_up.result().to_json(), **changes}


def test_statistics_are_made_anew(write: Any) -> None:
    truth = made_up.result().latency_ms
    lying = {**_row()["latency_ms"], "median": 0.001}
    for latency in (None, lying):
        (row,) = imported.read(write(_row(latency_ms=latency))).results
        assert row.latency_ms is not None and truth is not None
        assert row.latency_ms.median == pytest.approx(truth.median, rel=1e-5)
        assert row.references[0].ratio == 1.0


def test_verdicts_are_made_anew_but_what_only_the_app_knows_stays(write: Any) -> None:
    calm = {"status": "conclusive", "reasons": []}
    hot = {"before": {"thermal_status": 0}, "after": {"thermal_status": 2}}
    (row,) = imported.read(write(_row(verdict=calm, environment=hot))).results
    assert [reason.code for reason in row.verdict.reasons] == ["throttled"]
    said = {
        "status": "inconclusive",
        "reasons": [{"code": "trend", "detail": ""}, {"code": "emulated", "detail": "goldfish"}],
    }
    (row,) = imported.read(write(_row(verdict=said))).results
    assert [reason.code for reason in row.verdict.reasons] == ["emulated"] and row.latency_ms is None


def test_no_samples_are_no_result(write: Any) -> None:
    (row,) = imported.read(write(_row(samples_ms=[], latency_ms=None))).results
    assert row.verdict.status == "failed"


def test_the_command_shows_them_alone(write: Any, capsys: pytest.CaptureFixture[str]) -> None:
    assert main.run(["bench", "--import", str(write(_row(), _row())), "--json"]) == 0
    body = json.loads(capsys.readouterr().out)
    assert len(body["results"]) == 2 and body["results"][1]["references"][0]["ratio"] == 1.0


def test_another_file_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "a.json").write_text('{"schema": "something/1"}')
    assert main.run(["bench", "--import", str(tmp_path / "a.json")]) == 3
    assert "repbnn.bench/1" in capsys.readouterr().err
