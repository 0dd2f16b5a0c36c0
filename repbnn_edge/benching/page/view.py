"""What the page shows, worked out before the template sees it. Rows have numbers that all charts and tables use."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from repbnn_edge.benching.page import environment, operators, roof
from repbnn_edge.benching.page.charts import Axis, axis, density, word
from repbnn_edge.benching.report import BenchReport, BenchResult

_ENDS = (1, 98)  # percentiles at which the latency axis ends: a few spikes must not flatten everything else
_SAME_SCALE = 4.0  # rows whose medians lie further apart are each shown around their own median


@dataclass(frozen=True)
class RowView:
    """A line of the table."""

    number: int
    file: str
    runtime: str
    device: str
    threads: int
    median: str
    interval: str
    p90: str
    ratio: str
    ratio_interval: str
    size: str
    memory: str
    verdict: str
    verdict_kind: str


@dataclass(frozen=True)
class Strip:
    """The distribution of one row: its density, and where median, interval and p90 stand, in percent."""

    number: int
    name: str
    path: str
    median: float
    low: float
    high: float
    p90: float
    word: str
    title: str


@dataclass(frozen=True)
class Distributions:
    """All strips on one axis."""

    strips: list[Strip]
    ticks: list[tuple[float, str]]
    relative: bool


@dataclass(frozen=True)
class Dot:
    """A row in a scatter plot, both places in percent."""

    number: int
    x: float
    y: float
    title: str


@dataclass(frozen=True)
class Scatter:
    """Size against latency."""

    dots: list[Dot]
    x_ticks: list[tuple[float, str]]
    y_ticks: list[tuple[float, str]]


@dataclass(frozen=True)
class Page:
    """All of it."""

    title: str
    summary: str
    verdict: str
    verdict_kind: str
    rows: list[RowView]
    devices: int
    doubts: list[tuple[int, str, str]]
    distributions: Distributions | None
    bars: list[operators.Bar]
    roof: roof.Roof | None
    roof_note: str
    scatter: Scatter | None
    facts: list[tuple[str, list[tuple[str, str]]]]


def page(report: BenchReport) -> Page:
    """Work out the page."""
    numbered = list(enumerate(report.results, 1))
    ceiling, note = roof.roof(numbered)
    word, kind = _overall(report)
    return Page(
        title="How fast it runs",
        summary=_summary(report),
        verdict=word,
        verdict_kind=kind,
        rows=[_row(number, result) for number, result in numbered],
        devices=len({(r.device.get("transport"), r.device.get("id_hash")) for r in report.results}),
        doubts=[(n, reason.code, reason.detail) for n, result in numbered for reason in result.verdict.reasons],
        distributions=_distributions(numbered),
        bars=operators.bars(numbered),
        roof=ceiling,
        roof_note=note,
        scatter=_scatter(numbered),
        facts=environment.facts(numbered),
    )


def _overall(report: BenchReport) -> tuple[str, str]:
    states = [result.verdict.status for result in report.results]
    if report.interrupted:
        return "interrupted", "unknown"
    if "failed" in states:
        return f"{states.count('failed')} of {len(states)} rows failed", "bad"
    if "inconclusive" in states:
        return f"{states.count('inconclusive')} of {len(states)} rows inconclusive", "unknown"
    return "conclusive", "good"


def _summary(report: BenchReport) -> str:
    devices = {str(result.device.get("model") or "this machine") for result in report.results}
    files = {result.model.sha256 for result in report.results}
    runs = sum(result.runs for result in report.results)
    repeats = max((result.config.repeats for result in report.results), default=0)
    what = f"{len(files)} {'file' if len(files) == 1 else 'files'} on {', '.join(sorted(devices))}"
    return f"{what}: {runs:,} runs, each row in {repeats} fresh processes, rows in turn. Lower is better."


def _row(number: int, result: BenchResult) -> RowView:
    latency = result.latency_ms
    typical = result.typical_ms
    reference = next((r for r in result.references if r.ratio != 1), None) or next(iter(result.references), None)
    interval = latency.ci95_median if latency else None
    return RowView(
        number=number,
        file=Path(result.model.path).name,
        runtime=runtime_of(result),
        device=str(result.device.get("model") or result.device.get("transport") or "-"),
        threads=result.config.num_threads,
        median="-" if typical is None else f"{typical:.3f}",
        interval=f"{interval[0]:.3f} to {interval[1]:.3f}" if interval else "-",
        p90=f"{latency.p90:.3f}" if latency and latency.p90 is not None else "-",
        ratio=f"{reference.ratio:.3f}" if reference else "-",
        ratio_interval=f"{reference.ci95[0]:.3f} to {reference.ci95[1]:.3f}" if reference else "-",
        size=f"{result.model.bytes / 1e6:.2f}",
        memory="-" if result.peak_memory_bytes is None else f"{result.peak_memory_bytes / 1e6:.1f}",
        verdict=result.verdict.status,
        verdict_kind={"conclusive": "good", "failed": "bad"}.get(result.verdict.status, "unknown"),
    )


def runtime_of(result: BenchResult) -> str:
    """``litert 2.1.0 + repbnn (avx2)``."""
    if result.runtime is None:
        return "-"
    ours = f" + repbnn ({result.delegate.implementation})" if result.delegate else ""
    return f"{result.runtime.name} {result.runtime.version}{ours}"


def name_of(result: BenchResult) -> str:
    """What a chart calls a row."""
    threads = "" if result.config.num_threads == 1 else f", {result.config.num_threads} threads"
    return f"{Path(result.model.path).name}, {runtime_of(result)}{threads}"


def _distributions(numbered: Sequence[tuple[int, BenchResult]]) -> Distributions | None:
    shown = [(number, result) for number, result in numbered if result.samples_ms and result.latency_ms]
    if not shown:
        return None
    medians = [r.latency_ms.median for _, r in shown if r.latency_ms and r.latency_ms.median]
    relative = max(medians) > _SAME_SCALE * min(medians)
    units = medians if relative else [1.0] * len(shown)
    edges = [
        np.percentile(np.concatenate(result.samples_ms), _ENDS) / unit
        for (_, result), unit in zip(shown, units, strict=True)
    ]
    scale = axis([float(value) for pair in edges for value in pair], 4.0, 96.0, logarithmic=False)
    strips = [_strip(n, r, scale, unit) for (n, r), unit in zip(shown, units, strict=True)]
    ticks = [(scale.place(value), _off(value) if relative else word(value)) for value in scale.values(6)]
    return Distributions(strips, ticks, relative)


def _off(value: float) -> str:
    return "median" if abs(value - 1) < 1e-9 else f"{100 * (value - 1):+.3g}%"


def _strip(number: int, result: BenchResult, scale: Axis, unit: float) -> Strip:
    latency: Any = result.latency_ms
    low, high = latency.ci95_median
    outside = f", longest {latency.max:.3f}" if latency.max > scale.high * unit else ""
    return Strip(
        number=number,
        name=name_of(result),
        path=density(np.concatenate(result.samples_ms) / unit, scale),
        median=scale.place(latency.median / unit),
        low=scale.place(low / unit),
        high=scale.place(high / unit),
        p90=scale.place(latency.p90 / unit),
        word=f"{latency.median:.3f} ms",
        title=f"median {latency.median:.3f} ms, 95% {low:.3f} to {high:.3f}, p90 {latency.p90:.3f}{outside}",
    )


def _scatter(numbered: Sequence[tuple[int, BenchResult]]) -> Scatter | None:
    shown = [(number, result, result.typical_ms) for number, result in numbered if result.typical_ms]
    if not shown:
        return None
    across = axis([value for _, _, value in shown if value], 8.0, 96.0, margin=0.12)
    up = axis([result.model.bytes / 1e6 for _, result, _ in shown], 88.0, 6.0, margin=0.12)
    dots = [
        Dot(number, across.place(value), up.place(result.model.bytes / 1e6), f"{name_of(result)}: {value:.3f} ms")
        for number, result, value in shown
        if value
    ]
    return Scatter(dots, across.ticks(5), up.ticks(5))
