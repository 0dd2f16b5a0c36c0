"""This run beside an earlier one: only the same measurement is compared, and only certainty fails a build."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from repbnn_edge.benching import baseline, statistics
from repbnn_edge.errors import UsageError

from . import made_up, series

OLD = Path("old.json")


@pytest.mark.parametrize(("text", "share"), [("5%", 0.05), ("0.05", 0.05), (" 12.5 % ", 0.125), ("0%", 0.0)])
def test_shares(text: str, share: float) -> None:
    assert baseline.allowed_slowdown(text) == pytest.approx(share)


@pytest.mark.parametrize("text", ["", "much", "-5%", "5%%", "1e-2"])
def test_no_shares(text: str) -> None:
    with pytest.raises(UsageError, match="no share"):
        baseline.allowed_slowdown(text)


@pytest.mark.parametrize(("factor", "slower"), [(1.0, False), (1.03, False), (1.20, True), (0.8, False)])
def test_only_an_interval_beyond_the_allowed_is_slower(factor: float, slower: bool) -> None:
    old = made_up.report(made_up.result(5.0))
    new = made_up.result(5.0, samples=made_up.samples(5.0 * factor, seed=9))
    found, reasons = baseline.compare(new, old, OLD)
    assert reasons == [] and found is not None
    assert found.ratio == pytest.approx(factor, rel=0.03)
    assert baseline.is_slower(found.ci95, 0.05) is slower


def test_processes_that_disagree_fail_no_build() -> None:
    wild = [process * factor for process, factor in zip(made_up.samples(6.0), (0.7, 1.0, 1.4), strict=True)]
    found, _ = baseline.compare(made_up.result(6.0, samples=wild), made_up.report(made_up.result(5.0)), OLD)
    assert found is not None and found.ratio > 1.05 and not baseline.is_slower(found.ci95, 0.05)


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"device": {**made_up.DEVICE, "id_hash": "beef"}}, "another device"),
        ({"runtime": {"name": "litert", "version": "2.3.0"}}, "another runtime"),
        ({"model": {"path": "net.tflite", "sha256": "f" * 64, "bytes": 1, "macs": {"binary": 1, "float": 1}}}, "file"),
    ],
)
def test_another_device_file_or_runtime_is_old_data(changes: dict[str, Any], word: str) -> None:
    found, reasons = baseline.compare(made_up.result(5.0), made_up.report(made_up.result(5.0, **changes)), OLD)
    assert found is None
    assert [reason.code for reason in reasons] == ["old_data"] and word in reasons[0].detail


def test_the_row_of_the_same_threads_is_found() -> None:
    config = {**made_up.result().config.to_json(), "num_threads": 2}
    old = made_up.report(made_up.result(3.0, config=config), made_up.result(5.0))
    found, _ = baseline.compare(made_up.result(5.0), old, OLD)
    assert found is not None and found.ratio == pytest.approx(1.0, rel=0.01)


@pytest.mark.parametrize("count", [3, 5])
def test_the_interval_of_an_unpaired_ratio_covers_the_truth(count: int) -> None:
    hits = 0
    for trial in range(100):
        random = np.random.default_rng(trial)
        ours, old = (series.processes(random, value, count, 40) for value in (4.0, 5.0))
        value, (low, high) = statistics.unpaired_ratio(ours, old)
        assert low <= value <= high or count == 3
        hits += low <= 0.8 <= high
    assert hits >= 88


def test_one_process_has_an_interval_from_its_runs() -> None:
    ours, old = made_up.samples(5.0, count=1), made_up.samples(4.0, seed=5, count=1)
    value, (low, high) = statistics.unpaired_ratio(ours, old)
    assert low < value < high
