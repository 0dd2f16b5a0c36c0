"""What is said before and while bench measures."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from repbnn_edge.benching.presets import Effort
from repbnn_edge.benching.progress import Watch
from repbnn_edge.benching.rows import Row, Schedule, plan


class Place:
    name = "pixel"


class Bar:
    def __init__(self) -> None:
        self.done, self.texts = 0.0, []

    def move(self, text: str, share: float) -> None:
        assert share >= 0
        self.done += share
        self.texts.append(text)


def _runs(count: int, ms: float) -> dict[str, Any]:
    return {"event": "runs", "ns": [round(ms * 1e6)] * count}


def test_the_bar_follows_the_slower_of_runs_and_seconds() -> None:
    bar = Bar()
    watch = Watch("net", Effort(100, 10.0, 60.0), bar.move)
    watch.see(_runs(50, 20.0))  # half of the runs, a tenth of the seconds
    assert bar.done == pytest.approx(0.1) and "50 runs, 20 ms" in bar.texts[-1]
    watch.see(_runs(450, 20.0))
    assert bar.done == pytest.approx(1.0)
    watch.see(_runs(500, 20.0))
    watch.end()
    assert bar.done == pytest.approx(1.0)


def test_the_limit_fills_the_bar_too() -> None:
    bar = Bar()
    watch = Watch("net", Effort(1000, 1.0, 10.0), bar.move)
    watch.see(_runs(5, 1000.0))
    assert bar.done == pytest.approx(0.5)


def test_a_process_that_dies_counts_whole() -> None:
    bar = Bar()
    watch = Watch("net", Effort(100, 10.0, 60.0), bar.move)
    watch.see({"event": "loaded"})
    watch.see(_runs(0, 1.0))
    watch.end()
    assert bar.done == 1.0


def test_the_plan_tells_rows_and_minutes() -> None:
    place: Any = Place()
    rows = [
        Row(Path(name), runtime, threads, "auto", {}, place)
        for name in ("a.tflite", "b.tflite")
        for runtime in ("litert", "lce")
        for threads in (1, 2, 4)
    ]
    text = plan(rows, Schedule(Effort(128, 10.0, 60.0), 1, 3, 120.0))
    assert "12 rows (2 files x 2 runtimes x 1 device x 3 numbers of threads)" in text
    assert "3 processes of 128 runs and 10 s each: about 8 minutes" in text  # 36 x 12.5 s


def test_devices_run_side_by_side_and_rest_counts() -> None:
    first, second = Place(), Place()
    places: Any = (first, second)
    rows = [Row(Path("a.tflite"), "litert", 1, "auto", {}, place) for place in places]
    assert "about 25 s" in plan(rows, Schedule(Effort(128, 10.0, 60.0), 1, 2, 120.0))
    assert "about 45 s" in plan(rows, Schedule(Effort(128, 10.0, 60.0), 1, 2, 120.0, cooldown=10.0))
