"""The whole of bench on this machine: real runtimes in fresh processes, and what happens when one fails."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from repbnn_edge.benching import running, verdicts
from repbnn_edge.benching.outcome import Outcome
from repbnn_edge.benching.presets import Effort
from repbnn_edge.cli import main
from repbnn_edge.errors import UsageError

SHORT = Effort(25, 0.05, 20.0)
FLAGS = ["--num-runs", "25", "--min-secs", "0.05", "--repeats", "2"]


@pytest.fixture(scope="module")
def report(rep_small: Path) -> Any:
    return running.bench([rep_small], runtimes=("litert", "lce"), effort=SHORT, repeats=2)


def test_every_row_says_what_ran_where_and_how(report: Any, rep_small: Path) -> None:
    ours, lce = report.results
    assert (ours.runtime.name, lce.runtime.name) == ("litert", "lce")
    assert ours.delegate.implementation
    assert lce.delegate is None
    for result in report.results:
        assert len(result.samples_ms) == 2 and min(map(len, result.samples_ms)) >= 25
        assert result.runs == sum(map(len, result.samples_ms))
        assert result.latency_ms.min <= result.latency_ms.median <= result.latency_ms.p99 <= result.latency_ms.max
        assert result.init_ms > 0
        assert result.first_ms > 0
        assert result.peak_memory_bytes > 0
        assert result.model.macs.binary > 1_000_000
        assert result.device["transport"] == "host"
        assert result.device["cores"]
        assert {reason.code for reason in result.verdict.reasons} <= set(verdicts.INCONCLUSIVE)
    assert ours.references[0].ratio == 1.0
    low, high = lce.references[0].ci95
    assert low <= lce.references[0].ratio <= high


def test_the_command_prints_the_contract(rep_small: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    written = tmp_path / "bench.json"
    assert main.run(["bench", str(rep_small), "--json", "--output", str(written), *FLAGS]) == 0
    body = json.loads(capsys.readouterr().out)
    assert body["schema"] == "repbnn.bench/1"
    assert body["interrupted"] is False
    (row,) = body["results"]
    assert set(row) >= {
        "model", "runtime", "delegate", "device", "config", "latency_ms", "samples_ms", "runs", "init_ms", "first_ms",
        "peak_memory_bytes", "instructions", "ops", "environment", "references", "verdict",
    }  # fmt: skip
    assert set(row["config"]) >= {"num_threads", "cpu_mask", "num_runs", "min_secs", "warmup_runs", "repeats"}
    assert json.loads(written.read_text())["results"][0]["runs"] == row["runs"]


def test_a_runtime_that_cannot_run_the_file_fails_its_row_alone(
    rep_small: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = ["--delegate", "none", "--runtime", "litert", "--runtime", "lce", "--no-check-outputs"]
    code = main.run(["bench", str(rep_small), *rows, *FLAGS, "--repeats", "1"])
    printed = capsys.readouterr()
    assert code == 6
    assert "runner_failed" in printed.out
    assert "lce" in printed.out
    assert printed.err.startswith("plan: 2 rows")
    assert printed.err.splitlines()[-1].startswith("error: ")


def test_a_worker_that_takes_too_long_is_ended(rep_small: Path) -> None:
    result = running.bench([rep_small], effort=Effort(10**6, 30.0, 30.0), repeats=2, timeout=2.0).results[0]
    assert [reason.code for reason in result.verdict.reasons] == ["timed_out"]
    assert result.latency_ms is None


def test_a_worker_that_dies_is_told_by_its_signal(
    rep_small: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    crashing = tmp_path / "python"
    crashing.write_text("#!/bin/sh\nkill -SEGV $$\n")
    crashing.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(crashing))
    result = running.bench([rep_small], effort=SHORT, repeats=1).results[0]
    assert result.verdict.status == "failed"
    assert "SIGSEGV" in result.verdict.reasons[0].detail


def test_an_answer_that_changes_is_never_timed() -> None:
    outcome = Outcome()
    outcome.add_process([{"event": "first", "first_ms": 1.0, "repeatable": False}])
    assert [reason.code for reason in outcome.reasons] == ["wrong_output"]


def test_ctrl_c_prints_what_was_finished_and_leaves_no_worker(rep_small: Path, tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    flags = ["--repeats", "500", "--min-secs", "0.1", "--num-runs", "30", "--no-check-outputs", "--report", str(page)]
    command = [sys.executable, "-m", "repbnn_edge.cli.main", "-v", "bench", str(rep_small), "--json", *flags]
    marked = {**os.environ, "WHOSE": str(tmp_path)}
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=marked)
    assert process.stderr is not None
    for line in process.stderr:
        if "process 3 of" in line:
            break
    assert process.pid in _marked(tmp_path)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    body = json.loads(out)
    assert body["interrupted"] is True and body["results"][0]["runs"] >= 60
    assert body["results"][0]["latency_ms"]["median"] > 0 and "interrupted" in page.read_text()
    assert _marked(tmp_path) == set()


def _marked(folder: Path) -> set[int]:
    """The processes that inherited the mark of a test: those of a bench that it started, orphans too."""
    found = set()
    for entry in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if f"WHOSE={folder}".encode() in (entry / "environ").read_bytes().split(b"\0"):
                found.add(int(entry.name))
    return found


@pytest.mark.parametrize(
    "flags",
    [
        ["--num-threads", "two"],
        ["--num-threads", "0"],
        ["--cores", "zz"],
        ["--cores", "0"],
        ["--preset", "slow"],
        ["--delegate-option", "fusion"],
        ["--runtime", "bogus"],
        ["--timeout", "0"],
        ["--timeout", "nan"],
        ["--min-secs", "nan"],
        ["--max-secs", "inf"],
    ],
)
def test_wrong_values_are_usage_errors(rep_small: Path, flags: list[str]) -> None:
    code = main.run(["bench", str(rep_small), *FLAGS, *flags])
    assert code == 2


def test_a_core_that_is_not_ours_is_refused(rep_small: Path) -> None:
    with pytest.raises(UsageError, match="may not be used"):
        running.bench([rep_small], effort=SHORT, cores="1" + "0" * 200)
