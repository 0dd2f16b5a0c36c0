"""Operators' times: the delegate's steps, joined with what the file says of their operators."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from repbnn_edge import inspect_file
from repbnn_edge.benching import ceilings, profiling, running
from repbnn_edge.benching.page import roof
from repbnn_edge.benching.presets import Effort

PROFILE = {
    "partitions": [
        [
            {"mean_ms": 3.0, "steps": [
                {"form": "bconv2d", "kernel": "neon", "nodes": [4, 5], "cpu_ms": 2.0},
                {"form": "average_pool", "kernel": None, "nodes": [6], "cpu_ms": 4.0},
            ]},
        ]
    ]
}  # fmt: skip


def test_steps_that_run_together_share_their_wall_time() -> None:
    first, second = profiling.delegate_steps(PROFILE)
    assert (first["index"], first["type"], first["mean_ms"]) == (4, "bconv2d neon", pytest.approx(1.0))
    assert (second["index"], second["type"], second["mean_ms"]) == (6, "average_pool", pytest.approx(2.0))


def test_each_operators_macs_count_once(rep_small: Path) -> None:
    report = inspect_file(rep_small)
    binary = [row.index for row in report.operators if row.op == "LceBconv2d"]
    step: dict[str, Any] = {"type": "bconv2d", "mean_ms": 1.0, "delegated": True}
    ops = [{**step, "index": binary[0], "nodes": binary[:2]}, {**step, "index": binary[1], "nodes": binary[1:3]}]
    first, second = profiling.op_times(ops, report.operators)
    macs = {row.index: row.macs for row in report.operators}
    assert first.macs == macs[binary[0]] + macs[binary[1]] and second.macs == macs[binary[2]]
    assert first.share == 0.5 and first.binary and first.bytes > 0 and "QuantConv2D" in first.name


def test_a_runner_that_knows_no_nodes_still_gets_rows(rep_small: Path) -> None:
    ops = [{"index": None, "name": "PAD", "type": "litert", "mean_ms": 0.0, "delegated": False}]
    (row,) = profiling.op_times(ops, inspect_file(rep_small).operators)
    assert (row.index, row.name, row.macs, row.share) == (None, "PAD", 0, 0.0)


@pytest.mark.parametrize("fusion", ["full", "none"])
def test_the_whole_bench_times_operators(rep_small: Path, fusion: str) -> None:
    report = running.bench(
        rep_small, effort=Effort(5, 0.05, 5.0), repeats=1, op_profiling=True, check_outputs=False,
        delegate_options={"fusion": fusion},
    )  # fmt: skip
    (row,) = report.results
    assert row.ops is not None and row.delegate is not None
    assert sum(op.share for op in row.ops) == pytest.approx(1.0)
    assert sum(op.macs for op in row.ops) >= row.model.macs.binary
    nodes = {node for op in row.ops if op.delegated for node in op.nodes}
    left = {int(node["node"]) for node in row.delegate.refused}
    assert nodes and not nodes & left  # a view costs no step, so not every delegated node has one
    assert nodes >= {o.index for o in inspect_file(rep_small).operators if o.op == "LceBconv2d"}
    assert row.ops[-1].index is None and "FULLY_CONNECTED" in row.ops[-1].name
    json.dumps(report.to_json(), allow_nan=False)


def test_a_runners_delegate_node_becomes_its_steps() -> None:
    kept = [{"index": 0, "type": "CONV_2D", "mean_ms": 1.0, "delegated": False}]
    node = {"index": 60, "type": "RepbnnDelegate", "mean_ms": 3.1, "delegated": True}
    last = {"index": 50, "type": "FULLY_CONNECTED", "mean_ms": 0.5, "delegated": False}
    event = {"event": "ops", "ops": [*kept, node, last], "delegate_steps": PROFILE}
    assert [op["type"] for op in profiling.joined(event) or []] == [
        "CONV_2D", "bconv2d neon", "average_pool", "FULLY_CONNECTED",
    ]  # fmt: skip
    assert profiling.joined({"event": "ops", "ops": [*kept, node, last]}) == [*kept, node, last]
    assert profiling.joined({"event": "ops", "ops": None}) is None


@pytest.mark.skipif(ceilings.find_runner() is None, reason="the runner was not built: make native")
def test_the_roofline_of_this_machine_is_measured(rep_small: Path) -> None:
    options: dict[str, Any] = {"repeats": 1, "op_profiling": True, "check_outputs": False}
    (row,) = running.bench(rep_small, effort=Effort(5, 0.05, 5.0), **options).results
    assert row.roofline is not None
    assert 1e9 < row.roofline.popcount_per_s < 1e14 and 1e8 < row.roofline.bytes_per_s < 1e13
    chart, note = roof.roof([(1, row)])
    assert chart is not None and note == "" and len(chart.points) == 6


def test_without_a_runner_there_is_no_roofline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ceilings, "find_runner", lambda: None)
    assert ceilings.roofline(1, []) is None
    monkeypatch.setattr(ceilings, "find_runner", lambda: Path("/bin/false"))
    assert ceilings.roofline(1, [0]) is None
