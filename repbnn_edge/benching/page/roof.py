"""The roofline: what the machine's popcounts and its memory allow, and where the binary steps stand below it.

Source: Williams, Waterman and Patterson, Roofline (CACM 2009). The horizontal axis is binary MACs for each byte that a
step must move at least (its input map, its constants, its output map); the vertical one binary MACs a second.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from repbnn_edge.benching.page.charts import axis, word
from repbnn_edge.benching.report import BenchResult, Roofline

_LEFT, _RIGHT, _TOP, _BOTTOM = 9.0, 97.0, 5.0, 86.0


@dataclass(frozen=True)
class Point:
    """A step below the roof; places in percent."""

    number: int
    x: float
    y: float
    title: str


@dataclass(frozen=True)
class Roof:
    """The chart: the sloped line, the flat one, and the points."""

    slope: tuple[float, float, float, float]
    flat: tuple[float, float, float, float]
    bandwidth: str
    popcount: str
    points: list[Point]
    x_ticks: list[tuple[float, str]]
    y_ticks: list[tuple[float, str]]
    threads: int


def roof(numbered: Sequence[tuple[int, BenchResult]]) -> tuple[Roof | None, str]:
    """The chart of the first row with ceilings and binary steps, and of its device's; or why there is none."""
    real = [(number, result) for number, result in numbered if not _emulated(result)]
    if not real:
        return None, "Left out: these rows ran under emulation, whose ceilings are not those of any machine."
    known = [(number, result) for number, result in real if result.roofline and _steps(result)]
    if not known:
        if any(result.ops for _, result in real):
            return None, "Left out: this machine's ceilings were not measured, or no row has binary steps."
        return None, "Left out: no row's operators were timed (--enable-op-profiling)."
    first = known[0][1]
    same = [(n, r) for n, r in known if r.device == first.device and r.config.num_threads == first.config.num_threads]
    assert first.roofline is not None
    return _chart(same, first.roofline, first.config.num_threads), ""


def _emulated(result: BenchResult) -> bool:
    return any(reason.code == "emulated" for reason in result.verdict.reasons)


def _steps(result: BenchResult) -> list[tuple[float, float, str]]:
    """Intensity, MACs a second, and a title of each binary step."""
    return [
        (op.macs / op.bytes, op.macs / op.mean_ms * 1e3, f"{op.name or op.type}: {op.mean_ms:.3f} ms")
        for op in result.ops or []
        if op.binary and op.macs and op.bytes and op.mean_ms > 0
    ]


def _chart(rows: list[tuple[int, BenchResult]], ceiling: Roofline, threads: int) -> Roof:
    steps = [(number, *step) for number, result in rows for step in _steps(result)]
    knee = ceiling.popcount_per_s / ceiling.bytes_per_s
    across = axis([knee, *(step[1] for step in steps)], _LEFT, _RIGHT, logarithmic=True)
    speeds = [ceiling.popcount_per_s, *(step[2] for step in steps)]
    up = axis(speeds, _BOTTOM, _TOP, logarithmic=True)
    start = max(across.low, up.low / ceiling.bytes_per_s)
    top = up.place(ceiling.popcount_per_s)
    return Roof(
        slope=(across.place(start), up.place(start * ceiling.bytes_per_s), across.place(knee), top),
        flat=(across.place(knee), top, _RIGHT, top),
        bandwidth=f"memory {ceiling.bytes_per_s / 1e9:.3g} GB/s",
        popcount=f"popcount {word(ceiling.popcount_per_s)}MAC/s",
        points=[
            Point(
                number,
                across.place(x),
                up.place(y),
                f"{title}, {word(y)}MAC/s, {y / _limit(x, ceiling):.0%} of the roof",
            )
            for number, x, y, title in steps
        ],
        x_ticks=across.ticks(5),
        y_ticks=up.ticks(5),
        threads=threads,
    )


def _limit(intensity: float, ceiling: Roofline) -> float:
    return min(ceiling.popcount_per_s, intensity * ceiling.bytes_per_s)
