"""This run beside an earlier one: how much slower may it be before a build must fail?"""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from repbnn_edge.benching import statistics
from repbnn_edge.benching.report import BaselineRatio, BenchReport, BenchResult
from repbnn_edge.benching.reportfile import read_report
from repbnn_edge.benching.results import with_reasons
from repbnn_edge.benching.verdicts import Reason
from repbnn_edge.errors import UsageError


def allowed_slowdown(text: str) -> float:
    """``5%`` or ``0.05`` as a fraction.

    Raises:
        UsageError: it is neither, or negative.
    """
    found = re.fullmatch(r"\s*([0-9]*\.?[0-9]+)\s*(%?)\s*", text)
    if not found:
        raise UsageError("--fail-if-slower", f"{text!r} is no share", "give, for instance, 5% or 0.05")
    return float(found[1]) / (100 if found[2] else 1)


def compare(result: BenchResult, old: BenchReport, path: Path) -> tuple[BaselineRatio | None, list[Reason]]:
    """Find the row of ``old`` that measured the same, and the ratio to it; the reasons why there is none.

    The same is: file (sha256), device, runtime and its version, the delegate's kernels, threads and cores. Anything
    else changes the number for another cause than the one that is looked for; the delegate's version may be it.
    """
    if not result.samples_ms:
        return None, []
    rows = [row for row in old.results if row.samples_ms]
    if not rows:
        return None, [Reason("old_data", f"{path.name} has no samples")]
    differences = [_difference(result, row) for row in rows]
    if None not in differences:
        return None, [Reason("old_data", f"{path.name} measured {min(differences, key=_closeness)}")]
    row = rows[differences.index(None)]
    value, interval = statistics.unpaired_ratio(_samples(result), _samples(row))
    return BaselineRatio(path=str(path), measured_at=row.measured_at, ratio=value, ci95=interval), []


def is_slower(interval: tuple[float, float], allowed: float) -> bool:
    """Whether all of a ratio's interval lies above what is allowed: doubt fails no build."""
    return interval[0] > 1 + allowed


def _samples(result: BenchResult) -> list[np.ndarray]:  # type: ignore[type-arg]
    return [np.asarray(process, np.float64) for process in result.samples_ms]


_FACTS = ("another device", "another file", "another runtime", "another delegate", "other threads or cores")


def _difference(new: BenchResult, old: BenchResult) -> str | None:
    """The first fact in which two rows differ; None where they measured the same thing."""
    pairs = (
        (_device(new), _device(old)),
        (new.model.sha256, old.model.sha256),
        (_runtime(new), _runtime(old)),
        (_delegate(new), _delegate(old)),
        ((new.config.num_threads, new.config.cpu_mask), (old.config.num_threads, old.config.cpu_mask)),
    )
    return next((fact for fact, (a, b) in zip(_FACTS, pairs, strict=True) if a != b), None)


def _closeness(fact: str | None) -> int:
    """Later facts are nearer misses: a row of the same device and file is the one to name."""
    return -_FACTS.index(fact) if fact else 0


def _device(result: BenchResult) -> tuple[object, ...]:
    return tuple(result.device.get(key) for key in ("transport", "id_hash", "model", "soc_model", "abi"))


def _runtime(result: BenchResult) -> tuple[str, str] | None:
    return (result.runtime.name, result.runtime.version) if result.runtime else None


def _delegate(result: BenchResult) -> str | None:
    return result.delegate.implementation if result.delegate else None


def applied(report: BenchReport, path: Path) -> BenchReport:
    """``report`` with each row beside its own in the report at ``path``; ``old_data`` where there is none.

    Raises:
        BadInputError: ``path`` is no report of bench.
    """
    old = read_report(path)
    rows = []
    for row in report.results:
        found, reasons = compare(row, old, path)
        rows.append(with_reasons(row.model_copy(update={"baseline": found}), reasons))
    return report.model_copy(update={"results": rows})


def slower(report: BenchReport, allowed: float, *, than_baseline: bool) -> list[tuple[BenchResult, float]]:
    """Rows that are surely slower than allowed, with the ratio: than the baseline, or than the row's references.

    Rows without a latency, emulated ones, are neither slow nor fast.
    """
    found = []
    for row in report.results:
        if row.latency_ms is None:
            continue
        beside = [row.baseline] if than_baseline else row.references
        ratios = [one.ratio for one in beside if one and is_slower(one.ci95, allowed)]
        if ratios:
            found.append((row, max(ratios)))
    return found
