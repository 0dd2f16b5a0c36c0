"""Each verdict code fires just outside its threshold and not just inside."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest

from repbnn_edge.benching import statistics, verdicts
from repbnn_edge.benching.presets import Effort

EFFORT = Effort(40, 0.0, 60.0)


def steady(factor: Any = 1.0, count: int = 3, runs: int = 40) -> list[Any]:
    ripple = 1 + 0.001 * np.cos(np.arange(runs))
    return [10.0 * ripple * factor for _ in range(count)]


def codes(samples: list[Any], timer_ms: float = 1e-6) -> set[str]:
    return {reason.code for reason in verdicts.of_samples(samples, EFFORT, timer_ms)}


def test_steady_samples_are_conclusive() -> None:
    assert verdicts.of_samples(steady(), EFFORT, 1e-6) == []
    assert verdicts.status([]) == "conclusive"


@pytest.mark.parametrize(("gap", "fires"), [(0.049, False), (0.051, True)])
def test_repeats_disagree(gap: float, fires: bool) -> None:
    samples = steady()
    samples[1] = samples[1] * (1 + gap)
    assert ("repeats_disagree" in codes(samples)) is fires


@pytest.mark.parametrize(("change", "fires"), [(0.049, False), (0.051, True), (-0.049, False), (-0.051, True)])
def test_trend(change: float, fires: bool) -> None:
    last = np.where(np.arange(40) < 30, 1.0, 1 + change)
    assert ("trend" in {reason.code for reason in verdicts.of_samples([10 * last] * 3, EFFORT, 1e-6)}) is fires


def test_one_process_with_a_bad_end_is_no_trend() -> None:
    samples = steady()
    samples[0] = samples[0] * np.r_[np.ones(30), np.full(10, 1.5)]
    assert "trend" not in codes(samples)


@pytest.mark.parametrize(("tail", "fires"), [(1.99, False), (2.01, True)])
def test_heavy_tail(tail: float, fires: bool) -> None:
    factor = np.ones(40)
    factor[::13] = tail
    assert ("heavy_tail" in codes(steady(factor))) is fires


@pytest.mark.parametrize(("runs", "fires"), [(20, False), (19, True)])
def test_too_few_runs(runs: int, fires: bool) -> None:
    assert ("too_few_runs" in codes(steady(count=1, runs=runs))) is fires


@pytest.mark.parametrize(("runs", "fires"), [(40, False), (39, True)])
def test_time_limit(runs: int, fires: bool) -> None:
    assert ("time_limit" in codes(steady(runs=runs))) is fires


@pytest.mark.parametrize(("tick_ms", "fires"), [(0.099, False), (0.101, True)])
def test_timer_resolution(tick_ms: float, fires: bool) -> None:
    assert ("timer_resolution" in codes(steady(), tick_ms)) is fires


def test_noise_makes_wide_intervals() -> None:
    random = np.random.default_rng(0)
    narrow = [10 * np.exp(random.normal(0, 0.01, 40)) for _ in range(3)]
    wide = [10 * np.exp(random.normal(0, 0.3, 40)) for _ in range(3)]
    assert "wide_interval" not in codes(narrow)
    assert "wide_interval" in codes(wide)


@pytest.mark.parametrize(("width", "fires"), [(0.049, False), (0.051, True)])
def test_wide_interval(width: float, fires: bool) -> None:
    known = statistics.summarise(steady())
    around = (known.median * (1 - width / 2), known.median * (1 + width / 2))
    found = verdicts.of_samples(steady(), EFFORT, 1e-6, dataclasses.replace(known, ci95_median=around))
    assert ("wide_interval" in {reason.code for reason in found}) is fires


def summaries(*medians: float, **changes: Any) -> list[dict[str, Any]]:
    base = {"count": 40, "min": 9.0, "max": 11.0, "avg": 10.0, "std": 0.1, "p95": 10.5}
    return [{**base, "median": median, **changes} for median in medians]


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        (summaries(10.0, 10.0, 10.0), set()),
        (summaries(10.0, 10.04, 10.4), {"wide_interval"}),
        (summaries(10.0, 10.04, 10.6), {"wide_interval", "repeats_disagree"}),
        (summaries(10.0, 10.0, p95=19.9), set()),
        (summaries(10.0, 10.0, p95=20.1), {"heavy_tail"}),
        (summaries(10.0, 10.0, count=39), {"time_limit"}),
        (summaries(10.0, 10.0, count=9), {"time_limit", "too_few_runs"}),
        (summaries(10.0), {"wide_interval"}),
        (summaries(10.0, 10.0, median=None, p95=None), set()),
    ],
)
def test_processes_that_tell_no_runs(told: list[dict[str, Any]], expected: set[str]) -> None:
    assert {reason.code for reason in verdicts.of_summaries(told, EFFORT)} == expected


def test_operators_of_lce_that_were_left_are_named_and_others_are_none_of_our_business() -> None:
    refused = [
        {"node": 0, "op": "CONV_2D", "reason": "a stem"},
        *({"node": node, "op": "LceBconv2d", "reason": "why"} for node in range(3, 8)),
    ]
    assert verdicts.of_delegate(refused[:1]) == []
    reasons = verdicts.of_delegate(refused)
    assert [reason.code for reason in reasons] == ["not_delegated"] * 3
    assert "operator 3 LceBconv2d: why" in reasons[0].detail


@pytest.mark.parametrize(
    ("before", "after", "code"),
    [
        ({"thermal_throttle_count": 3}, {"thermal_throttle_count": 4}, "throttled"),
        ({"thermal_throttle_count": 3}, {"thermal_throttle_count": 3}, None),
        ({"thermal_status": 0}, {"thermal_status": 1}, "throttled"),
        ({"under_voltage": True}, {}, "throttled"),
        ({"frequency_khz": [1000, 1000]}, {"frequency_khz": [1000, 949]}, "frequency_drift"),
        ({"frequency_khz": [1000, 1000]}, {"frequency_khz": [1000, 951]}, None),
        ({"frequency_khz": [1000]}, {"frequency_khz": [2000]}, None),
        ({"governors": ["powersave"]}, {}, "power_save"),
        ({"governors": ["powersave"], "intel_pstate": True}, {}, None),
        ({"governors": ["schedutil"]}, {}, None),
        ({}, {"low_power_mode": True}, "power_save"),
        ({}, {"other_cpu_share": 0.101}, "busy_cpu"),
        ({}, {"other_cpu_share": 0.099}, None),
        ({}, {}, None),
    ],
)
def test_the_environment(before: dict[str, Any], after: dict[str, Any], code: str | None) -> None:
    assert [reason.code for reason in verdicts.of_environment(before, after)] == ([code] if code else [])


def test_a_failure_outranks_doubt() -> None:
    doubt, failure = verdicts.Reason("trend", ""), verdicts.Reason("wrong_output", "")
    assert verdicts.status([doubt]) == "inconclusive"
    assert verdicts.status([doubt, failure]) == "failed"
    assert not set(verdicts.FAILED) & set(verdicts.INCONCLUSIVE)
