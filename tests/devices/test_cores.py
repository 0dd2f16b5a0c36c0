"""Groups of cores go by maximum frequency."""

from __future__ import annotations

from typing import Any

import pytest

from repbnn_edge.devices.cores import check, choose
from repbnn_edge.errors import UsageError

# Core 7 little and core 0 prime: numbers say nothing.
THREE: list[dict[str, Any]] = [
    {"id": core, "max_khz": khz}
    for core, khz in enumerate([2_850_000, 2_400_000, 2_400_000, 1_800_000, 1_800_000, 1_800_000, 1_800_000, 1_800_000])
]
ALL = list(range(8))


@pytest.mark.parametrize(
    ("spec", "chosen"),
    [("prime", [0]), ("big", [1, 2]), ("little", [3, 4, 5, 6, 7]), ("all", []), ("5", [0, 2]), ("F0", [4, 5, 6, 7])],
)
def test_three_groups(spec: str, chosen: list[int]) -> None:
    assert choose(spec, THREE, ALL, "phone") == chosen


def test_big_is_the_fast_half_of_two_and_everything_between_of_four() -> None:
    two = [{"id": core, "max_khz": khz} for core, khz in enumerate([1, 1, 2, 2])]
    assert choose("big", two, range(4), "x") == choose("prime", two, range(4), "x") == [2, 3]
    four = [{"id": core, "max_khz": khz} for core, khz in enumerate([1, 2, 3, 4])]
    assert choose("big", four, range(4), "x") == [1, 2]


def test_cores_alike_or_of_unknown_frequency_are_not_told_apart() -> None:
    alike = [{"id": core, "max_khz": 1_500_000} for core in range(4)]
    assert choose("little", alike, range(4), "x") == [0, 1, 2, 3]
    assert choose("prime", [{"id": 0, "max_khz": None}, {"id": 1, "max_khz": None}], [0, 1], "x") == []


def test_a_core_that_may_not_be_used_is_in_no_group_and_no_mask() -> None:
    assert choose("prime", THREE, ALL[1:], "phone") == [1, 2]
    with pytest.raises(UsageError, match="core 0 of phone"):
        choose("1", THREE, ALL[1:], "phone")


@pytest.mark.parametrize("spec", ["zz", "0", "-1", "", "$(reboot)"])
def test_what_is_neither_group_nor_mask(spec: str) -> None:
    with pytest.raises(UsageError):
        check(spec)
