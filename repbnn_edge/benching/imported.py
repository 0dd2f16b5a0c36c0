"""Results that an app measured in itself: the same schema, judged here by the same rules."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import numpy as np

from repbnn_edge.benching import report, statistics, verdicts
from repbnn_edge.benching.presets import Effort
from repbnn_edge.benching.reportfile import read_report
from repbnn_edge.benching.results import verdict
from repbnn_edge.benching.verdicts import Reason

_OWN = {"wrong_output", "runner_failed", "device_lost", "timed_out", "affinity_refused", "emulated", "old_data"}
"""What only who measured can know; everything else follows from samples and environment."""

_TICK_MS = 1e-3  # Android's System.nanoTime and bionic's CLOCK_MONOTONIC tick finer than this


def read(path: Path) -> report.BenchReport:
    """Read an app's report; statistics, comparison and verdicts are made anew from its samples.

    Raises:
        BadInputError: as ``reportfile.read_report``.
    """
    raw = read_report(path)
    rows = [_judged(row) for row in raw.results]
    return raw.model_copy(update={"results": [_compared(row, rows) for row in rows]})


def _judged(row: report.BenchResult) -> report.BenchResult:
    samples = _samples(row)
    summary = statistics.summarise(samples) if samples else None
    reasons = [Reason(r.code, r.detail) for r in row.verdict.reasons if r.code in _OWN]
    if samples:
        effort = Effort(row.config.num_runs, row.config.min_secs, row.config.max_secs)
        reasons += verdicts.of_samples(samples, effort, _TICK_MS, summary)
        reasons += verdicts.of_environment(row.environment.get("before", {}), row.environment.get("after", {}))
        reasons += verdicts.of_delegate(row.delegate.refused if row.delegate else ())
    elif row.latency_ms is None and not any(reason.code in verdicts.FAILED for reason in reasons):
        reasons.append(Reason("runner_failed", "the app wrote no samples"))
    shown = summary is not None and not any(reason.code == "emulated" for reason in reasons)
    latency = report.Latency(**asdict(summary)) if shown and summary else None
    changes = {
        "latency_ms": latency,
        "runs": sum(map(len, samples)),
        "verdict": verdict(list(dict.fromkeys(reasons))),
    }
    return row.model_copy(update=changes)


def _compared(row: report.BenchResult, rows: list[report.BenchResult]) -> report.BenchResult:
    """Beside the first row of its device that has samples."""
    first = next((r for r in rows if r.device == row.device and r.samples_ms), None)
    if first is None or not row.samples_ms:
        return row.model_copy(update={"references": []})
    value, interval = statistics.ratio(_samples(row), _samples(first))
    name = f"{Path(first.model.path).name} in the app"
    return row.model_copy(update={"references": [report.ReferenceRatio(name=name, ratio=value, ci95=interval)]})


def _samples(row: report.BenchResult) -> list[np.ndarray]:  # type: ignore[type-arg]
    return [np.asarray(process, np.float64) for process in row.samples_ms]
