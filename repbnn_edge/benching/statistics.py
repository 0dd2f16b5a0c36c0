"""Numbers out of samples: percentiles, and intervals by bootstrap over processes, then within them.

Runs of one process share its memory layout, its core and its minute, so they are not independent: resampling them
alone gives intervals that are too narrow. Processes are drawn first, then blocks of neighbouring runs inside each.
Source: Kalibera and Jones, Rigorous benchmarking in reasonable time (ISMM 2013); Kuensch 1989 for the blocks.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Samples = Sequence[NDArray[np.float64]]
"""One array of milliseconds a process."""

RESAMPLES = 2000
_SEED = 20220718  # an interval is a function of its samples


@dataclass(frozen=True)
class Summary:
    """Latency in milliseconds over all runs of all processes."""

    min: float
    median: float
    mean: float
    p90: float
    p95: float
    p99: float
    max: float
    std: float
    ci95_median: tuple[float, float]


def summarise(samples: Samples) -> Summary:
    """Describe the runs of several processes; ``samples`` holds at least one run."""
    everything = np.concatenate(list(samples))
    p90, p95, p99 = np.percentile(everything, (90, 95, 99))
    return Summary(
        min=float(everything.min()),
        median=centre(samples),
        mean=float(everything.mean()),
        p90=float(p90),
        p95=float(p95),
        p99=float(p99),
        max=float(everything.max()),
        std=float(everything.std(ddof=1)) if len(everything) > 1 else 0.0,
        ci95_median=interval(bootstrap_centres(samples)),
    )


def of_summaries(summaries: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """As ``summarise``, of processes that tell no single runs: ``count``, ``min``, ``max``, ``avg``, ``std`` in ms, and
    ``median`` and ``p95`` where they tell them.

    The interval is Student's t over the processes' typical values; one process has none.
    """
    counts = np.array([summary["count"] for summary in summaries], np.float64)
    means = np.array([summary["avg"] for summary in summaries])
    deviations = np.array([summary["std"] for summary in summaries])
    mean = float(np.average(means, weights=counts))
    squares = deviations**2 + (means - mean) ** 2
    has_median = all(summary.get("median") is not None for summary in summaries)
    tails = [float(summary["p95"]) for summary in summaries if summary.get("p95") is not None]
    typicals = [typical(summary) for summary in summaries]
    return {
        "min": min(float(summary["min"]) for summary in summaries),
        "median": float(np.median(typicals)) if has_median else None,
        "mean": mean,
        "p90": None,
        "p95": float(np.median(tails)) if tails else None,
        "p99": None,
        "max": max(float(summary["max"]) for summary in summaries),
        "std": float(np.average(squares, weights=counts) ** 0.5),
        "ci95_median": _student_interval(typicals),
    }


def typical(summary: Mapping[str, Any]) -> float:
    """A process's median, or its mean where it tells no median."""
    return float(summary["avg"] if summary.get("median") is None else summary["median"])


def _student_interval(values: Sequence[float]) -> tuple[float, float] | None:
    if len(values) < 2:
        return None
    half = _student(len(values) - 1) * float(np.std(values, ddof=1)) / len(values) ** 0.5
    middle = float(np.median(values))
    return middle - half, middle + half


def centre(samples: Samples) -> float:
    """The median of the processes' medians, which one slow process cannot pull."""
    return float(np.median([np.median(process) for process in samples]))


def bootstrap_centres(samples: Samples, seed: int = _SEED) -> NDArray[np.float64]:
    """``RESAMPLES`` values of ``centre``, each of processes drawn with replacement and runs drawn inside them."""
    random = np.random.default_rng(seed)
    medians = np.stack([_bootstrap_medians(process, random) for process in samples])
    count = len(samples)
    drawn = random.integers(0, count, (count, RESAMPLES))
    return np.asarray(np.median(medians[drawn, np.arange(RESAMPLES)], axis=0))


def _bootstrap_medians(process: NDArray[np.float64], random: np.random.Generator) -> NDArray[np.float64]:
    """Medians of one process resampled in blocks of neighbouring runs, about the square root of their number long."""
    count = len(process)
    length = max(1, round(count**0.5))
    if count > _EXACT_RUNS:
        return _binned_medians(process, length, random)
    blocks = -(-count // length)
    starts = random.integers(0, count, (RESAMPLES, blocks))
    index = (starts[:, :, None] + np.arange(length)) % count
    return np.asarray(np.median(process[index.reshape(RESAMPLES, -1)[:, :count]], axis=1))


def _binned_medians(process: NDArray[np.float64], length: int, random: np.random.Generator) -> NDArray[np.float64]:
    """The same for long series, without a copy of the series for each resample.

    Blocks do not overlap (Carlstein 1986). Of each block it is counted once how many of its runs lie below each of some
    edges; a resample is then a sum of such rows, and its median lies between the two edges where half is reached.
    """
    blocks = len(process) // length
    rows = process[: blocks * length].reshape(blocks, length)
    edges = np.unique(np.quantile(process, _EDGES))
    if len(edges) < 2:
        return np.full(RESAMPLES, float(edges[0]))
    below = np.stack([np.searchsorted(np.sort(row), edges, side="right") for row in rows]).astype(np.float64)
    chosen = random.integers(0, blocks, (RESAMPLES, blocks)) + np.arange(RESAMPLES)[:, None] * blocks
    times = np.bincount(chosen.ravel(), minlength=RESAMPLES * blocks).reshape(RESAMPLES, blocks)
    drawn = times.astype(np.float64) @ below
    half = blocks * length / 2
    right = np.clip((drawn >= half).argmax(axis=1), 1, len(edges) - 1)
    pick = np.arange(RESAMPLES)
    low, high = drawn[pick, right - 1], drawn[pick, right]
    share = np.clip((half - low) / np.maximum(high - low, 1e-9), 0.0, 1.0)
    return np.asarray(edges[right - 1] + share * (edges[right] - edges[right - 1]))


_EXACT_RUNS = 512
_EDGES = np.concatenate([np.linspace(0, 1, 129), np.linspace(0.3, 0.7, 385)])
"""Ranks of the edges, closer where medians lie."""


def interval(values: NDArray[np.float64]) -> tuple[float, float]:
    """The middle 95% of bootstrapped values."""
    low, high = np.percentile(values, (2.5, 97.5))
    return float(low), float(high)


def ratio(ours: Samples, reference: Samples) -> tuple[float, tuple[float, float]]:
    """This median over the reference's, below 1 is faster, with its 95% interval.

    Where both have the same number of processes these ran in turn, A B A B: process i of one is then compared with
    process i of the other, which shared its minute, so that a machine that slows down slows both.
    """
    if len(ours) != len(reference):
        values = bootstrap_centres(ours, _SEED) / bootstrap_centres(reference, _SEED + 1)
        return centre(ours) / centre(reference), interval(values)
    ratios = [float(np.median(a) / np.median(b)) for a, b in zip(ours, reference, strict=True)]
    if len(ratios) == 1:
        random = np.random.default_rng(_SEED)
        drawn = _bootstrap_medians(ours[0], random) / _bootstrap_medians(reference[0], random)
        return ratios[0], interval(drawn)
    value = float(np.median(ratios))
    return value, _paired_interval(ratios, value)


def unpaired_ratio(ours: Samples, reference: Samples) -> tuple[float, tuple[float, float]]:
    """As ``ratio``, of processes that did not run in turn: another day's machine is not taken out.

    Welch's interval on the logarithms of the processes' medians; where one side has a single process, the bootstrap
    within them, which says nothing of what differs between processes.
    """
    value = centre(ours) / centre(reference)
    if min(len(ours), len(reference)) < 2:
        return value, interval(bootstrap_centres(ours, _SEED) / bootstrap_centres(reference, _SEED + 1))
    errors, freedom = [], []
    for samples in (ours, reference):
        logs = np.log([np.median(process) for process in samples])
        errors.append(float(logs.var(ddof=1)) / len(logs))
        freedom.append(len(logs) - 1)
    error = sum(errors)
    weights = sum(part**2 / count for part, count in zip(errors, freedom, strict=True))
    degrees = int(error**2 / weights) if weights > 0 else sum(freedom)
    half = _student(max(degrees, 1)) * float(error**0.5)
    middle = float(np.log(value))
    return value, (float(np.exp(middle - half)), float(np.exp(middle + half)))


def _paired_interval(ratios: Sequence[float], value: float) -> tuple[float, float]:
    """The interval of a paired ratio.

    A bootstrap over the three or five processes of a usual bench is too narrow: it draws the same few again and
    again. So between processes Student's t is used, on the logarithms of their ratios; what varies within them is in
    it. One pair alone has the bootstrap within it, and nothing to say of other processes.
    """
    half = _student(len(ratios) - 1) * float(np.std(np.log(ratios), ddof=1)) / len(ratios) ** 0.5
    middle = float(np.log(value))
    return float(np.exp(middle - half)), float(np.exp(middle + half))


def _student(degrees: int) -> float:
    return _T95[min(degrees, len(_T95)) - 1]


_T95 = (12.71, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262)
"""Student's t, two-sided 95%, for 1 to 9 degrees of freedom."""
