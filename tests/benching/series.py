"""Simulated latencies: processes that differ, machines that drift, runs that spike."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def processes(
    random: np.random.Generator,
    median: float,
    count: int = 3,
    runs: int = 128,
    between: float = 0.01,
    within: float = 0.02,
    drift: float = 0.0,
    spikes: float = 0.02,
    minutes: NDArray[np.float64] | None = None,
) -> list[NDArray[np.float64]]:
    """``count`` processes of a program of ``median`` ms.

    ``between``: deviation of a process's own speed; ``within``: of its runs, correlated; ``drift``: how much slower
    each process's minute ends than it began; ``minutes``: the machine's speed in each process's minute, shared with
    what ran beside it.
    """
    shared = np.ones(count) if minutes is None else minutes
    result = []
    for index in range(count):
        noise = random.normal(0, within, runs)
        for position in range(1, runs):  # neighbours are alike
            noise[position] += 0.5 * noise[position - 1]
        ramp = 1 + drift * np.linspace(0, 1, runs)
        spike = 1 + random.exponential(0.5, runs) * (random.random(runs) < spikes)
        own = np.exp(random.normal(0, between))
        result.append(median * own * shared[index] * ramp * spike * np.exp(noise))
    return result
