"""From what the processes of a row said to its line of the report: numbers, comparison, verdict."""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import numpy as np

from repbnn_edge.benching import report, statistics, verdicts
from repbnn_edge.benching.outcome import Outcome
from repbnn_edge.benching.profiling import op_times
from repbnn_edge.benching.rows import Row, Schedule
from repbnn_edge.benching.subjects import inspected
from repbnn_edge.benching.verdicts import Reason
from repbnn_edge.devices.cores import mask
from repbnn_edge.inspection import InspectReport


def result(row: Row, outcome: Outcome, device: Mapping[str, Any], schedule: Schedule) -> report.BenchResult:
    """A line of the report, not yet compared with others."""
    about = inspected(row.file)
    emulated = device.get("emulated")
    outcome.settle()
    summary = statistics.summarise(outcome.samples) if outcome.samples else None
    reasons = _reasons(outcome, summary, schedule, emulated)
    runtime, delegate = outcome.loaded.get("runtime"), outcome.loaded.get("delegate")
    kernels = outcome.loaded.get("float_kernels")
    if kernels is None and runtime:  # a device's TFLite
        kernels = f"what {runtime[0]} {runtime[1]} applies by default: its own XNNPACK"
    return report.BenchResult(
        model=_model(row.file, about),
        runtime=report.BenchedRuntime(name=runtime[0], version=runtime[1], float_kernels=kernels) if runtime else None,
        delegate=report.BenchedDelegate(**delegate) if delegate else None,
        device={"name": row.device.name, **device},
        config=report.Config(
            num_threads=row.num_threads,
            cpu_mask=mask(row.cores) if row.cores else None,
            warmup_runs=schedule.warmup_runs,
            repeats=schedule.repeats,
            **asdict(schedule.effort),
        ),
        latency_ms=None if emulated else _latency(outcome, summary),
        samples_ms=[process.round(6).tolist() for process in outcome.samples],
        runs=sum(map(len, outcome.samples)) or sum(int(s["count"]) for s in outcome.summaries),
        init_ms=_middle(outcome.init_ms),
        first_ms=_middle(outcome.first_ms),
        peak_memory_bytes=max(outcome.peak_bytes, default=None),
        instructions=round(float(np.median(outcome.instructions))) if outcome.instructions else None,
        ops=op_times(outcome.ops, about.operators) if outcome.ops else None,
        roofline=report.Roofline(**outcome.roofline) if outcome.roofline and not emulated else None,
        ran_on=sorted(outcome.ran_on) or None,
        output_check=outcome.check,
        measured_at=datetime.now(timezone.utc).isoformat(timespec="seconds"),
        environment={"before": outcome.before, "after": outcome.after},
        references=[],
        verdict=verdict(reasons),
    )


def _reasons(
    outcome: Outcome, summary: statistics.Summary | None, schedule: Schedule, emulated: object
) -> list[Reason]:
    reasons = list(outcome.reasons)
    if emulated:
        reasons.append(Reason("emulated", str(emulated)))
    if outcome.samples:
        tick = time.get_clock_info("perf_counter").resolution * 1e3
        reasons += verdicts.of_samples(outcome.samples, schedule.effort, tick, summary)
    elif outcome.summaries:
        reasons += verdicts.of_summaries(outcome.summaries, schedule.effort)
    if outcome.samples or outcome.summaries:
        reasons += verdicts.of_environment(outcome.before, outcome.after)
    return reasons + verdicts.of_delegate((outcome.loaded.get("delegate") or {}).get("refused", ()))


def _latency(outcome: Outcome, summary: statistics.Summary | None) -> report.Latency | None:
    if summary is not None:
        return report.Latency(**asdict(summary))
    if outcome.summaries:
        return report.Latency(**statistics.of_summaries(outcome.summaries))
    return None


def verdict(reasons: Sequence[Reason]) -> report.Verdict:
    """The reasons, and what follows from them."""
    shown = [report.VerdictReason(code=reason.code, detail=reason.detail) for reason in reasons]
    return report.Verdict(status=verdicts.status(reasons), reasons=shown)


def with_reasons(row: report.BenchResult, reasons: Sequence[Reason]) -> report.BenchResult:
    """A row with further reasons in its verdict."""
    known = [Reason(reason.code, reason.detail) for reason in row.verdict.reasons]
    return row.model_copy(update={"verdict": verdict([*known, *reasons])})


def with_references(
    rows: Sequence[Row], outcomes: Sequence[Outcome], results: Sequence[report.BenchResult]
) -> list[report.BenchResult]:
    """Each row beside the references of its device, runtime and threads; without any, beside its device's first row."""
    wanted = any(row.is_reference for row in rows)
    firsts: dict[int, int] = {}
    compared = []
    for index, (row, outcome, line) in enumerate(zip(rows, outcomes, results, strict=True)):
        first = firsts.setdefault(id(row.device), index)
        peers = [i for i, other in enumerate(rows) if other.is_reference and other.peers == row.peers]
        found = [_ratio(rows[i].name, outcome, outcomes[i]) for i in (peers if wanted else [first])]
        references = [reference for reference in found if reference is not None]
        compared.append(line.model_copy(update={"references": references}))
    return compared


def _ratio(name: str, ours: Outcome, reference: Outcome) -> report.ReferenceRatio | None:
    a, b = _processes(ours), _processes(reference)
    if not a or not b:
        return None
    value, interval = statistics.ratio(a, b)
    return report.ReferenceRatio(name=name, ratio=value, ci95=interval)


def _processes(outcome: Outcome) -> list[Any]:
    """Samples of each process; of a foreign runner each process's one typical value, where there are several."""
    if outcome.samples:
        return list(outcome.samples)
    if len(outcome.summaries) < 2:
        return []
    return [np.array([statistics.typical(summary)]) for summary in outcome.summaries]


def _model(file: Path, about: InspectReport) -> report.BenchedModel:
    return report.BenchedModel(path=str(file), sha256=about.sha256, bytes=about.bytes, macs=about.macs)


def _middle(values: Collection[float]) -> float | None:
    return float(np.median(list(values))) if values else None
