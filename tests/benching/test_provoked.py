"""Verdicts of the host provoked from end to end: real files in real runtimes, on a machine that is really busy."""

from __future__ import annotations

import dataclasses
import io
import json
import multiprocessing
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from repbnn_edge.benching import expected, running, verdicts, worker
from repbnn_edge.benching.expected import Answers
from repbnn_edge.benching.outcome import Outcome
from repbnn_edge.benching.presets import Effort
from repbnn_edge.tflite import lce, schema

from . import made_up

SHORT = Effort(20, 0.05, 10.0)


def _codes(row: Any) -> set[str]:
    return {reason.code for reason in row.verdict.reasons}


def _bench(file: Path, effort: Effort = SHORT, **changes: Any) -> Any:
    options: dict[str, Any] = {"effort": effort, "repeats": 1, "check_outputs": False, **changes}
    return running.bench([file], **options).results[0]


def _spin(core: int) -> None:
    os.sched_setaffinity(0, {core})
    while True:
        pass


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="no affinity on this system")
def test_busy_cpu(rep_small: Path) -> None:
    core = max(os.sched_getaffinity(0))
    busy = multiprocessing.get_context("fork").Process(target=_spin, args=(core,), daemon=True)
    busy.start()
    try:
        row = _bench(rep_small, Effort(20, 1.0, 10.0), cores=f"{1 << core:x}")
    finally:
        busy.kill()
        busy.join()
    assert "busy_cpu" in _codes(row)
    assert row.environment["after"]["other_cpu_share"] > 0.2
    assert row.ran_on == [core] and row.config.cpu_mask == f"{1 << core:x}"


def test_too_few_runs(rep_small: Path) -> None:
    row = _bench(rep_small, Effort(5, 0.0, 5.0), repeats=2)
    assert "too_few_runs" in _codes(row) and row.runs < 20 and row.latency_ms is not None


def test_time_limit(rep_small: Path) -> None:
    row = _bench(rep_small, Effort(10**6, 0.0, 0.3))
    assert "time_limit" in _codes(row) and 20 < row.runs < 10**6


def test_timed_out_kills_the_process_and_spares_the_other_row(rep_small: Path) -> None:
    began = time.monotonic()
    report = running.bench([rep_small], effort=Effort(10**6, 60.0, 60.0), repeats=2, timeout=2.5, check_outputs=False)
    assert time.monotonic() - began < 30
    assert _codes(report.results[0]) == {"timed_out"} and report.results[0].latency_ms is None


@pytest.fixture(scope="module")
def broken_delegate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A delegate that takes the whole network and answers with a ramp."""
    compiler = shutil.which("c++") or shutil.which("g++")
    if compiler is None:
        pytest.skip("there is no C++ compiler")
    folder = tmp_path_factory.mktemp("broken")
    source, library = Path(__file__).with_name("broken_delegate.cc"), folder / "libbroken.so"
    native = Path(__file__).parents[2] / "native"
    command = [compiler, "-std=c++17", "-O1", "-shared", "-fPIC", f"-I{native}", str(source), "-o", str(library)]
    subprocess.run(command, check=True)
    return library


def test_wrong_output_is_never_timed(rep_small: Path, broken_delegate: Path) -> None:
    row = _bench(rep_small, delegate=str(broken_delegate), check_outputs=True)
    assert _codes(row) == {"wrong_output"}, row.verdict
    assert "differs from lce" in row.verdict.reasons[0].detail
    assert row.latency_ms is None and row.runs == 0 and row.output_check.difference > 0.25


def test_a_right_answer_is_told_as_one(rep_small: Path) -> None:
    row = _bench(rep_small, check_outputs=True)
    assert row.output_check.against.startswith("lce ") and row.output_check.difference < 1e-4
    assert row.output_check.same_top1


def test_answers_of_lce_are_kept(rep_small: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _bench(rep_small, check_outputs=True)
    monkeypatch.setattr(Answers, "_run", lambda *_: pytest.fail("it was run again"))
    assert _bench(rep_small, check_outputs=True).output_check is not None


def test_an_operator_that_cannot_be_claimed_is_named(rep_small: Path, tmp_path: Path) -> None:
    """What inspect calls right the delegate claims, but for operators that a later LCE may bring."""
    broken = tmp_path / "unclaimable.tflite"
    broken.write_bytes(made_up.with_a_later_operator(rep_small.read_bytes()))
    row = _bench(broken)
    assert row.verdict.status == "failed" and row.delegate.nodes_delegated < row.delegate.nodes_total
    details = {reason.code: reason.detail for reason in row.verdict.reasons}
    assert set(details) == {"runner_failed", "not_delegated"}
    assert "the delegate left operator" in details["runner_failed"] and "LceOfTomorrow" in details["runner_failed"]
    assert "LceOfTomorrow: no operator that" in details["not_delegated"]


def test_the_worker_reports_refused_affinity() -> None:
    events = io.StringIO()
    worker._pin([10_000], events)
    event = json.loads(events.getvalue())
    assert event["event"] == "affinity" and event["refused"]


def test_peak_memory_is_not_the_parents(rep_small: Path) -> None:
    """Linux hands a parent's peak down to what it starts; a report must not count it."""
    code = (
        "import sys; from repbnn_edge.benching import running; from repbnn_edge.benching.presets import Effort\n"
        "block = b'x' * (1 << 29); block = None\n"
        "row = running.bench([sys.argv[1]], effort=Effort(5, 0.0, 5.0), repeats=1, check_outputs=False).results[0]\n"
        "print(row.peak_memory_bytes, [m for m in ('tensorflow', 'larq', 'onnx', 'jinja2') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code, str(rep_small)], capture_output=True, text=True, check=True)
    peak, _, heavy = done.stdout.strip().partition(" ")
    assert 0 < int(peak) < 100 << 20
    assert heavy == "[]"


def test_the_clock_is_read_while_it_runs(tmp_path: Path) -> None:
    (core,) = {core for thread, _, core in worker.CoresUsed()._threads() if thread == os.getpid()}
    for number in range(os.cpu_count() or 1):
        (tmp_path / f"cpu{number}" / "cpufreq").mkdir(parents=True)
    seen = worker.CoresUsed(tmp_path)
    assert core >= 0 and seen.speeds() is None
    for khz in (2000, 2000, 1900, 1800, 1700, 1600, 1500, 1500):
        for number in range(os.cpu_count() or 1):
            (tmp_path / f"cpu{number}" / "cpufreq" / "scaling_cur_freq").write_text(f"{khz}000\n")
        seen.look()
    assert seen.speeds() == [2_000_000, 1_500_000]


def test_a_clock_that_falls_is_drift_and_idle_ones_are_not() -> None:
    outcome = Outcome(before={"frequency_khz": [800]}, after={"frequency_khz": [700]})
    for first, last in ((3000, 3000), (3000, 2500)):
        process = Outcome()
        process.add_process([{"event": "cores", "ran_on": [0], "khz": [first, last]}])
        outcome.merge(process)
        outcome.settle()
        drift = verdicts.of_environment(outcome.before, outcome.after)
        assert [reason.code for reason in drift] == (["frequency_drift"] if last < 3000 else [])


@pytest.mark.parametrize(
    ("change", "shape", "wrong"),
    [
        ({}, (1, 3, 3, 2), False),
        ({}, (1, 2, 9, 2), True),
        ({}, (1, 9, 2, 2), True),
        ({"pad_value": 1}, (1, 2, 2, 2), False),
        ({"padding": "VALID"}, (1, 2, 2, 2), False),
        ({"dilations": (4, 1)}, (1, 8, 9, 2), True),
        ({"dilations": (4, 1)}, (1, 9, 9, 2), False),
    ],
)
def test_where_lce_is_wrong_it_is_no_judge(
    rep_small: Path, change: dict[str, Any], shape: tuple[int, ...], wrong: bool
) -> None:
    model = schema.load(rep_small.read_bytes())
    operators = [operator for operator in model.operators if operator.op == "LceBconv2d"]
    layer = dataclasses.replace(lce.read_bconv2d(model, operators[0]), padding="SAME", pad_value=0, kernel=(3, 3))
    assert expected.exceeds(dataclasses.replace(layer, **change), shape) is wrong
    assert not expected.lce_errs(rep_small)


def test_nothing_is_expected_of_lce_where_it_errs(rep_small: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(expected, "lce_errs", lambda file: True)
    monkeypatch.setattr(Answers, "_run", lambda *_: pytest.fail("LCE was asked"))
    row = _bench(rep_small, check_outputs=True)
    assert row.output_check is None and row.latency_ms is not None
