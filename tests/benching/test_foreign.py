"""What TFLite's and LCE's own tools print becomes our events; a program that prints it stands for them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from repbnn_edge.benching import foreign_output, running
from repbnn_edge.benching.outcome import Outcome
from repbnn_edge.benching.presets import Effort
from repbnn_edge.errors import BadInputError

# The form of each version is TFLite's; the numbers are made up.
OLD = """STARTING!
Log parameter values verbosely: [0]
Loaded model net.tflite
Initialized session in 17.187ms.
Running benchmark for at least 1 iterations and at least 0.5 seconds but terminate if exceeding 150 seconds.
count=1 curr=3512391

Running benchmark for at least 50 iterations and at least 1 seconds but terminate if exceeding 150 seconds.
count=50 first=2990275 curr=2913402 min=2727568 max=3189954 avg=2.95034e+06 std=109798

Inference timings in us: Init: 17187, First inference: 3512391, Warmup (avg): 3.51239e+06, Inference (avg): 2.95034e+06
Memory footprint delta from the start of the tool (MB): init=4.21094 overall=46.0859
"""

NEW = """INFO: STARTING!
INFO: count=12 first=45012 curr=40100 min=39000 max=45012 avg=41000 std=1500 p5=39000 median=40500 p95=45012
INFO: count=128 first=41000 curr=40100 min=39000 max=52000 avg=40400 std=900 p5=39100 median=40200 p95=42000
INFO: Inference timings in us: Init: 5320, First inference: 45012, Warmup (avg): 41000, Inference (avg): 40400
INFO: Overall peak memory footprint (MB) via periodic monitoring: 31.5
INFO: Profiling Info for Benchmark Initialization:
============================== Run Order ==============================
\t     [node type]\t  [start]\t  [first]\t [avg ms]\t     [%]\t  [cdf%]\t  [mem KB]\t[times called]\t[Name]
\t AllocateTensors\t    0.000\t    1.356\t    1.356\t100.000%\t100.000%\t     0.000\t        1\tAllocateTensors/0
INFO: Operator-wise Profiling Info for Regular Benchmark Runs:
============================== Run Order ==============================
\t             [node type]\t  [first]\t [avg ms]\t     [%]\t  [cdf%]\t  [mem KB]\t[times called]\t[Name]
\t                 CONV_2D\t    1.356\t    1.250\t  3.100%\t  3.100%\t     0.000\t        1\t[model/stem/Conv2D]:0
\t          RepbnnDelegate\t   30.000\t   38.000\t 95.000%\t 98.100%\t     0.000\t        1\t[model/act_3]:41
\t         FULLY_CONNECTED\t    0.500\t    0.800\t  1.900%\t100.000%\t     0.000\t        1\t[Identity]:40

============================== Top by Computation Time ==============================
\t             [node type]\t  [first]\t [avg ms]\t     [%]\t  [cdf%]\t  [mem KB]\t[times called]\t[Name]
\t          RepbnnDelegate\t   30.000\t   38.000\t 95.000%\t 98.100%\t     0.000\t        1\t[model/act_3]:41

Timings (microseconds): count=128 first=40000 curr=40000 min=1 max=2 avg=3 std=4
"""


def _by_kind(text: str) -> dict[str, Any]:
    return {event["event"]: event for event in foreign_output.events(text, ("benchmark_model", "x"))}


def test_an_old_version_tells_a_mean_and_no_median() -> None:
    found = _by_kind(OLD)
    assert found["summary"]["count"] == 50
    assert found["summary"]["avg"] == pytest.approx(2950.34)
    assert found["summary"]["median"] is None and found["summary"]["p95"] is None
    assert found["loaded"]["init_ms"] == pytest.approx(17.187)
    assert found["first"]["first_ms"] == pytest.approx(3512.391)
    assert found["end"]["peak_memory_bytes"] == 46_085_900
    assert "ops" not in found


def test_a_new_version_tells_the_median_and_the_profile_is_not_taken_for_the_run() -> None:
    found = _by_kind(NEW)
    assert (found["summary"]["count"], found["summary"]["median"], found["summary"]["p95"]) == (128, 40.2, 42.0)
    assert found["end"]["peak_memory_bytes"] == 31_500_000
    ops = found["ops"]["ops"]
    assert [(op["type"], op["index"], op["mean_ms"], op["delegated"]) for op in ops] == [
        ("CONV_2D", 0, 1.25, False),
        ("RepbnnDelegate", 41, 38.0, True),
        ("FULLY_CONNECTED", 40, 0.8, False),
    ]
    assert ops[0]["name"] == "model/stem/Conv2D"


@pytest.mark.parametrize("text", ["", "Segmentation fault", "count=1 curr=5", "Inference timings in us: Init: 1"])
def test_what_has_no_summary_has_no_numbers(text: str) -> None:
    assert list(foreign_output.events(text, ("tool", "x"))) == []


@pytest.mark.parametrize("seed", range(40))
def test_mangled_words_are_no_traceback(seed: int) -> None:
    random = np.random.default_rng(seed)
    letters = list(NEW)
    for place in random.integers(0, len(letters), 12):
        letters[place] = str(random.choice(["", "\t", "e", ".", "9" * 20, "e+999", "[Name]", "=", "\n"]))
    outcome = Outcome()
    outcome.add_process(foreign_output.events("".join(letters), ("tool", "x")))
    assert {reason.code for reason in outcome.reasons} <= {"runner_failed"}
    for summary in outcome.summaries:
        assert np.isfinite(summary["avg"])


def _tool(folder: Path, body: str) -> Path:
    path = folder / "benchmark_model"
    path.write_text(f"#!/bin/sh\nprintf '%s\\n' \"$@\" >>'{folder}/flags'\n{body}\n")
    path.chmod(0o755)
    return path


SHORT = Effort(128, 0.1, 5.0)


def test_a_whole_bench_with_the_tool(rep_small: Path, tmp_path: Path) -> None:
    (tmp_path / "says").write_text(NEW)
    tool = _tool(tmp_path, f"cat '{tmp_path}/says' >&2")
    report = running.bench([rep_small], runner=tool, effort=SHORT, repeats=2, op_profiling=True, check_outputs=False)
    (row,) = report.results
    assert row.runtime is not None and row.runtime.name == "benchmark_model" and "sha256" in row.runtime.version
    assert row.latency_ms is not None and row.latency_ms.median == 40.2 and row.latency_ms.p95 == 42.0
    assert row.latency_ms.p90 is None and row.samples_ms == [] and row.runs == 256
    assert row.peak_memory_bytes == 31_500_000 and row.ops is not None and len(row.ops) == 3
    assert row.ops[1].share == pytest.approx(38 / 40.05)
    flags = (tmp_path / "flags").read_text()
    assert f"--graph={rep_small.resolve()}" in flags and "--num_runs=128" in flags
    assert "--external_delegate_path=" in flags and "explain:" in flags
    assert flags.count("--enable_op_profiling=true") == 1
    json.dumps(report.to_json(), allow_nan=False)


def test_a_tool_that_fails_is_told_by_its_last_words(rep_small: Path, tmp_path: Path) -> None:
    tool = _tool(tmp_path, "echo 'ERROR: Failed to load delegate'; exit 3")
    row = running.bench([rep_small], runner=tool, effort=SHORT, repeats=1, check_outputs=False).results[0]
    assert row.verdict.status == "failed" and "Failed to load delegate" in row.verdict.reasons[0].detail


def test_a_row_without_its_delegate_fails_alone(rep_small: Path, tmp_path: Path) -> None:
    (tmp_path / "says").write_text(NEW)
    tool = _tool(tmp_path, f"cat '{tmp_path}/says' >&2")
    options: dict[str, Any] = {"runtimes": ("litert", "lce"), "delegate": "/nowhere/lib.so", "check_outputs": False}
    rows = running.bench([rep_small], runner=tool, effort=SHORT, repeats=2, **options).results
    assert rows[0].verdict.status == "failed" and rows[1].verdict.status != "failed" and rows[1].runs == 256
    assert "/nowhere/lib.so" in rows[0].verdict.reasons[0].detail
    assert "external_delegate_path" not in (tmp_path / "flags").read_text()


def test_a_tool_that_says_nothing_is_no_success(rep_small: Path, tmp_path: Path) -> None:
    tool = _tool(tmp_path, "echo hello")
    row = running.bench([rep_small], runner=tool, effort=SHORT, repeats=1, check_outputs=False).results[0]
    assert [reason.code for reason in row.verdict.reasons] == ["runner_failed"]


def test_a_tool_that_is_not_there_is_an_error(rep_small: Path, tmp_path: Path) -> None:
    with pytest.raises(BadInputError, match="no such file"):
        running.bench([rep_small], runner=tmp_path / "nothing", effort=SHORT)
