"""Events of a runner that does not keep to its own format: a failed row, never a bug of ours."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest

from repbnn_edge.benching import results
from repbnn_edge.benching.outcome import Outcome
from repbnn_edge.benching.presets import Effort
from repbnn_edge.benching.rows import Row, Schedule
from repbnn_edge.devices.host import HostDevice, exit_event
from repbnn_edge.devices.streaming import parse_event

SCHEDULE = Schedule(Effort(3, 0.0, 1.0), 0, 1, 10.0)
DELEGATE = {
    "version": "0.1.0", "implementation": "neon", "nodes_total": 2, "nodes_delegated": 1, "partitions": 1,
    "refused": [{"node": 0, "op": "CONV_2D", "reason": "it is float"}],
}  # fmt: skip
EVENTS: list[dict[str, Any]] = [
    {"event": "loaded", "init_ms": 1.5, "runtime": ["tflite", "2.16.1"], "delegate": DELEGATE, "float_kernels": "XNN"},
    {"event": "first", "first_ms": 2.0, "repeatable": True},
    {"event": "runs", "ns": [1000, 1001, 1002]},
    {"event": "cores", "ran_on": [0, 1], "khz": [2000, 1900]},
    {"event": "ops", "ops": [{"index": 1, "type": "CONV_2D", "mean_ms": 1.0, "delegated": False, "nodes": [1]}]},
    {"event": "roofline", "popcount_per_s": 1e12, "bytes_per_s": 1e10},
    {"event": "summary", "count": 3, "min": 1.0, "max": 2.0, "avg": 1.5, "std": 0.1, "median": 1.4, "p95": None},
    {"event": "end", "peak_memory_bytes": 4096, "instructions": 7},
]
JUNK = ["", "many", "\x1b]0;x", -1, 0, 1e999, float("nan"), 10**400, None, True, [], [[]], {}, {"a": 1}, [-1], ["x"]]


def taken(events: list[dict[str, Any]], file: Path) -> Any:
    """The row of one process."""
    outcome, row = Outcome(), Row(file, "litert", 1, "auto", {}, HostDevice())
    outcome.add_process([*events, exit_event(0, "", 0.1)])
    return results.result(row, outcome, {"model": "x"}, SCHEDULE)


def places(value: Any) -> list[tuple[Any, ...]]:
    """The path of every value inside."""
    pairs = list(value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ())
    return [(key, *rest) for key, part in pairs for rest in [(), *places(part)]]


def test_what_a_runner_says_is_in_the_row(rep_small: Path) -> None:
    row = taken(EVENTS, rep_small)
    assert row.verdict.status == "inconclusive" and row.runs == 3
    assert row.delegate.refused == DELEGATE["refused"] and row.runtime.version == "2.16.1"
    assert (row.init_ms, row.first_ms, row.peak_memory_bytes, row.instructions) == (1.5, 2.0, 4096, 7)
    assert row.ops[0].name and row.roofline.bytes_per_s == 1e10 and row.ran_on == [0, 1]


@pytest.mark.parametrize("kind", [event["event"] for event in EVENTS])
def test_junk_in_any_place_is_a_failed_row_or_another_value(rep_small: Path, kind: str) -> None:
    (number,) = (number for number, event in enumerate(EVENTS) if event["event"] == kind)
    failed = 0
    for place in places(EVENTS[number]):
        for junk in JUNK:
            events = copy.deepcopy(EVENTS)
            target: Any = events[number]
            for key in place[:-1]:
                target = target[key]
            target[place[-1]] = junk
            if events[number]["event"] != kind:
                continue
            row = taken(events, rep_small)
            json.dumps(row.to_json(), allow_nan=False)
            failed += row.verdict.status == "failed"
    assert failed


@pytest.mark.parametrize(
    "line", [b"{", b"[1]", b'{"event": 7}', b'{"event": "runs", "ns": [NaN]}', b"\xff", b"[" * 9999]
)
def test_what_is_no_event_is_dropped(line: bytes) -> None:
    assert parse_event(line) is None
