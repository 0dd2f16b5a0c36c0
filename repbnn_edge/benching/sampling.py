"""The loop around one inference: warm-up until it is steady, then runs until there are enough.

Nothing here knows what is run, so that an app, a device and a test can feed the same clock.
"""

from __future__ import annotations

import time
from array import array
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from repbnn_edge.benching.presets import Effort

Clock = Callable[[], int]
"""Nanoseconds of a clock that never goes back."""

STEADY = 0.02
WARMUP_LIMIT_SECONDS = 10.0
WINDOW_SECONDS = 0.25
WINDOW_RUNS = 4


@dataclass(frozen=True)
class Warmup:
    """What it took to be steady.

    Attributes:
        runs: inferences before the first counted one.
        steady: whether two windows in a row agreed within 2%, rather than the limit ending the warm-up.
    """

    runs: int
    steady: bool


def warm_up(run: Callable[[], object], clock: Clock = time.perf_counter_ns, least_runs: int = 0) -> Warmup:
    """Run until the medians of two consecutive windows are within 2%, for at most 10 seconds.

    A window is a quarter of a second, and at least four runs. ``least_runs`` are made in any case.
    """
    started, runs, previous = clock(), 0, 0.0
    while True:
        window, window_start = array("q"), clock()
        while len(window) < WINDOW_RUNS or clock() - window_start < WINDOW_SECONDS * 1e9:
            before = clock()
            run()
            window.append(clock() - before)
            if clock() - started > WARMUP_LIMIT_SECONDS * 1e9 and runs + len(window) >= least_runs:
                return Warmup(runs + len(window), steady=False)
        runs += len(window)
        median = sorted(window)[len(window) // 2]
        if runs >= least_runs and previous and abs(median - previous) <= STEADY * previous:
            return Warmup(runs, steady=True)
        previous = median


def measure(
    run: Callable[[], object], effort: Effort, clock: Clock = time.perf_counter_ns, batch_seconds: float = 0.2
) -> Iterator[array[int]]:
    """Run until both numbers of ``effort`` are met, or its limit; give the nanoseconds of each run in batches.

    Batches let a caller report progress between runs, outside the times that are measured.
    """
    started, count = clock(), 0
    while True:
        batch, batch_start = array("q"), clock()
        while True:
            before = clock()
            run()
            after = clock()
            batch.append(after - before)
            count += 1
            elapsed = (after - started) / 1e9
            enough = count >= effort.num_runs and elapsed >= effort.min_secs
            if enough or elapsed >= effort.max_secs:
                yield batch
                return
            if after - batch_start >= batch_seconds * 1e9:
                break
        yield batch
