"""The lines of the table to come, and the plan that is told before the first one runs."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

from repbnn_edge.benching.presets import Effort
from repbnn_edge.devices.interface import Device

_AROUND_SECONDS = 2.5
"""What a process takes beside its measured runs: start, load, warm-up."""


@dataclass(frozen=True)
class Row:
    """One line of the table to come."""

    file: Path
    runtime: str
    num_threads: int
    delegate: str
    delegate_options: dict[str, str]
    device: Device
    cores: tuple[int, ...] = ()
    is_reference: bool = False

    @property
    def name(self) -> str:
        """What messages and references call it."""
        threads = "" if self.num_threads == 1 else f", {self.num_threads} threads"
        where = "" if self.device.name == "host" else f" on {self.device.name}"
        return f"{self.file.name} in {self.runtime}{where}{threads}"

    @property
    def peers(self) -> tuple[int, str, int]:
        """Rows may be compared that have the same device, runtime and threads."""
        return (id(self.device), self.runtime, self.num_threads)


@dataclass(frozen=True)
class Schedule:
    """How each row is measured.

    Attributes:
        effort: how long each process measures.
        warmup_runs: least runs before the first counted one.
        repeats: processes for each row.
        limit: seconds after which a process is ended.
        cooldown: seconds of rest before each process but the first.
        profile: whether each row gets one further process that times its operators.
    """

    effort: Effort
    warmup_runs: int
    repeats: int
    limit: float
    cooldown: float = 0.0
    profile: bool = False

    def seconds(self, rows: int) -> float:
        """About how long ``rows`` rows of one device take at least."""
        processes = rows * (self.repeats + self.profile)
        each = self.effort.min_secs + _AROUND_SECONDS
        return rows * self.repeats * each + (rows * _AROUND_SECONDS if self.profile else 0) + processes * self.cooldown


def plan(rows: Sequence[Row], schedule: Schedule) -> str:
    """One line: how many rows, of what, and about how long."""
    devices = {id(row.device): row.device.name for row in rows}
    longest = max((sum(id(row.device) == key for row in rows) for key in devices), default=0)
    parts = [
        _count({row.file for row in rows}, "file"),
        _count({row.runtime for row in rows}, "runtime"),
        _count(devices, "device"),
        _count({row.num_threads for row in rows}, "number of threads", "numbers of threads"),
    ]
    effort = schedule.effort
    processes = "1 process" if schedule.repeats == 1 else f"{schedule.repeats} processes"
    each = f"{processes} of {effort.num_runs} runs and {effort.min_secs:g} s each"
    return (
        f"plan: {_count(rows, 'row')} ({' x '.join(parts)}), {each}: about {_time(schedule.seconds(longest))} or more"
    )


def _count(things: Collection[object], one: str, many: str = "") -> str:
    return f"{len(things)} {one if len(things) == 1 else many or one + 's'}"


def _time(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} minutes"
