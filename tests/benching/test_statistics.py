"""Intervals hold what they promise on series whose truth is known."""

from __future__ import annotations

import numpy as np
import pytest

from repbnn_edge.benching import statistics

from . import series


def coverage(trials: int, count: int, true_ratio: float) -> tuple[float, float]:
    """How often the ratio's interval holds the truth, and its typical width, on a machine that drifts."""
    hits, widths = 0, []
    for trial in range(trials):
        random = np.random.default_rng(trial)
        minutes = np.exp(np.cumsum(random.normal(0, 0.05, count)))  # shared by A and B: they run in turn
        a = series.processes(random, 9.0 * true_ratio, count, drift=0.04, minutes=minutes)
        b = series.processes(random, 9.0, count, drift=0.04, minutes=minutes)
        value, (low, high) = statistics.ratio(a, b)
        assert low <= value <= high
        hits += low <= true_ratio <= high
        widths.append(high / low - 1)
    return hits / trials, float(np.median(widths))


@pytest.mark.parametrize("count", [3, 5])
def test_the_ratio_of_interleaved_processes_covers_the_truth_in_90_to_99_percent_of_500_trials(count: int) -> None:
    share, width = coverage(500, count, 0.8)
    assert 0.90 <= share <= 0.99
    assert width < 0.15


def test_long_series_have_the_same_interval_from_counts() -> None:
    random = np.random.default_rng(4)
    (process,) = series.processes(random, 5.0, count=1, runs=500, within=0.05, between=0)
    exact = np.percentile(statistics._bootstrap_medians(process, random), (2.5, 50, 97.5))
    binned = np.percentile(statistics._binned_medians(process, 22, random), (2.5, 50, 97.5))
    assert binned == pytest.approx(exact, abs=0.25 * (exact[2] - exact[0]))


def test_a_million_runs_take_no_memory_to_speak_of() -> None:
    import tracemalloc

    process = np.random.default_rng(5).lognormal(0.0, 0.1, 1_000_000)
    tracemalloc.start()
    low, high = statistics.summarise([process]).ci95_median
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 200 << 20
    assert low < 1.0 < high and high - low < 0.002


@pytest.mark.parametrize("values", [np.full(5000, 2.0), np.r_[np.full(2500, 1.0), np.full(2500, 3.0)]])
def test_series_of_few_values_have_an_interval(values: np.ndarray) -> None:
    low, high = statistics.summarise([values]).ci95_median
    assert values.min() <= low <= high <= values.max()


def test_the_same_samples_give_the_same_interval() -> None:
    samples = series.processes(np.random.default_rng(1), 5.0)
    assert statistics.summarise(samples) == statistics.summarise(samples)


def test_a_summary_is_what_numpy_says() -> None:
    samples = [np.array([1.0, 2.0, 3.0]), np.array([2.0, 4.0, 9.0]), np.array([2.0, 3.0, 100.0])]
    summary = statistics.summarise(samples)
    assert summary.median == 3.0
    assert summary.min == 1.0
    assert summary.max == 100.0
    assert summary.mean == pytest.approx(14.0)
    low, high = summary.ci95_median
    assert low <= 3.0 <= high


def test_a_single_process_has_an_interval_too() -> None:
    random = np.random.default_rng(2)
    value, (low, high) = statistics.ratio(
        series.processes(random, 4.0, count=1, between=0), series.processes(random, 8.0, count=1, between=0)
    )
    assert low < value < high
    assert low < 0.5 < high


def test_one_slow_process_does_not_pull_the_centre() -> None:
    samples = series.processes(np.random.default_rng(3), 5.0, count=3, between=0)
    slow = [samples[0], samples[1], samples[2] * 3]
    assert statistics.centre(slow) == pytest.approx(statistics.centre(samples), rel=0.01)
