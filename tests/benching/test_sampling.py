"""The loop, on a clock that the test turns."""

from __future__ import annotations

import pytest

from repbnn_edge.benching import sampling
from repbnn_edge.benching.presets import PRESETS, Effort, effort
from repbnn_edge.errors import UsageError


class Clock:
    """A clock that moves only while the program runs."""

    def __init__(self, milliseconds: list[float]) -> None:
        self.now = 0
        self.runs = 0
        self.milliseconds = milliseconds

    def __call__(self) -> int:
        return self.now

    def run(self) -> None:
        self.now += round(self.milliseconds[min(self.runs, len(self.milliseconds) - 1)] * 1e6)
        self.runs += 1


def test_runs_go_on_until_both_numbers_are_met() -> None:
    clock = Clock([10.0])
    batches = list(sampling.measure(clock.run, Effort(5, 1.0, 60.0), clock))
    assert sum(map(len, batches)) == 100
    clock = Clock([10.0])
    batches = list(sampling.measure(clock.run, Effort(500, 1.0, 60.0), clock))
    assert sum(map(len, batches)) == 500
    assert {value for batch in batches for value in batch} == {10_000_000}


def test_the_limit_ends_it() -> None:
    clock = Clock([100.0])
    assert sum(map(len, sampling.measure(clock.run, Effort(1000, 0.0, 2.0), clock))) == 20


def test_warm_up_ends_when_two_windows_agree() -> None:
    clock = Clock([50.0 * 0.9**i for i in range(16)] + [10.0])  # slow at first, then 10 ms
    warmup = sampling.warm_up(clock.run, clock)
    assert warmup.steady
    assert 16 + 25 < warmup.runs < 16 + 3 * 25


def test_warm_up_gives_up_after_ten_seconds() -> None:
    clock = Clock([10.0 * 1.02**i for i in range(2000)])
    warmup = sampling.warm_up(clock.run, clock)
    assert not warmup.steady
    assert 10e9 < clock.now < 12e9


def test_warm_up_makes_the_runs_that_were_asked_for() -> None:
    clock = Clock([10.0])
    assert sampling.warm_up(clock.run, clock, least_runs=200).runs >= 200


def test_an_explicit_number_wins_over_the_preset() -> None:
    assert effort("quick", num_runs=7) == Effort(7, PRESETS["quick"].min_secs, PRESETS["quick"].max_secs)
    assert effort("quick", min_secs=100).max_secs == 100


@pytest.mark.parametrize("values", [{"num_runs": 0}, {"min_secs": -1}, {"max_secs": 0}, {"max_secs": 1}])
def test_impossible_numbers_are_usage_errors(values: dict[str, float]) -> None:
    with pytest.raises(UsageError):
        effort("quick", **values)  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="quick, standard, mlperf"):
        effort("slow")
