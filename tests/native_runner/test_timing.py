"""The clock of the runner and of the Android library does what benching/sampling.py does."""

from __future__ import annotations

import itertools
import subprocess
from pathlib import Path

from hypothesis import example, given, settings
from hypothesis import strategies as st

from repbnn_edge.benching.presets import Effort
from repbnn_edge.benching.sampling import measure, warm_up

MS = 1_000_000
times_of_runs = st.lists(st.integers(20 * MS, 900 * MS), min_size=1, max_size=40)


def _python(times: list[int], least: int, effort: Effort) -> list[str]:
    clock, durations = [1], itertools.cycle(times)

    def run() -> None:
        clock[0] += next(durations)

    warmup = warm_up(run, lambda: clock[0], least)
    batches = measure(run, effort, lambda: clock[0])
    lines = ["batch " + " ".join(map(str, batch)) for batch in batches]
    return [f"warm {warmup.runs} {int(warmup.steady)}", *lines]


def _seconds(most: float) -> st.SearchStrategy[float]:
    return st.floats(0, most, allow_subnormal=False)  # LiteRT may have switched them off in this process


@settings(max_examples=60, deadline=None)
@given(times_of_runs, st.integers(0, 60), st.integers(1, 80), _seconds(20), _seconds(30))
@example([100 * MS], 0, 10, 0.0, 60.0)
@example([100 * MS, 300 * MS], 0, 10, 0.0, 60.0)  # never steady: the limit ends the warm-up
@example([100 * MS, 300 * MS], 50, 10, 2.0, 1.0)  # the least number of runs is made behind the limit
def test_the_same_times_end_the_same_way(
    built: Path, times: list[int], least: int, runs: int, low: float, high: float
) -> None:
    words = [str(least), str(runs), repr(low), repr(high), *map(str, times)]
    said = subprocess.run([built / "tests" / "timing_replay", *words], capture_output=True, text=True, check=True)
    assert said.stdout.splitlines() == _python(times, least, Effort(runs, low, high))
