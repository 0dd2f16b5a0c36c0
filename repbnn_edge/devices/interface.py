"""What a device is to ``bench``: it says what it is and in what state, and runs one request at a time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Protocol

Event = dict[str, Any]
"""One JSON line of a runner, ``{"event": kind, ...}``; docs/bench.md lists the kinds."""


class Device(Protocol):
    """A machine that measures.

    ``prepare``, ``run`` and ``state`` are called from one thread at a time, a device's own; ``stop`` from any.
    """

    @property
    def name(self) -> str:
        """What the user called it."""

    def prepare(self, seconds: float) -> None:
        """Make it ready for measurements that end within ``seconds`` at the latest.

        Raises:
            DeviceError: it is missing, refuses, is full, or is of a kind that nothing here runs on.
        """

    def facts(self) -> dict[str, Any]:
        """What it is: the ``device`` of a bench report; what cannot be read is None."""

    def usable_cores(self) -> list[int]:
        """The numbers of the cores that a measurement may use."""

    def state(self, cores: Sequence[int]) -> dict[str, Any]:
        """The state of the cores that measure; see ``benching.verdicts.of_environment`` for the fields."""

    def run(self, request: dict[str, Any], limit: float) -> Iterator[Event]:
        """Measure one row once in a fresh process: the runner's events as they come, then one of our own.

        The last is ``{"event": "exit", "code": int, "signal": name or None, "stderr": its last lines, "cpu_seconds":
        user and system time of the process, or None}``.

        Args:
            request: ``file``, ``runtime``, ``num_threads``, ``delegate``, ``delegate_options``, ``effort``,
                ``warmup_runs``, ``cores`` and ``input`` (a file with the raw bytes of all inputs), as
                ``benching.worker`` reads them; ``profile`` asks for the operators' times, ``roofline`` for the
                machine's ceilings beside them.
            limit: seconds, kept where the process runs.

        Raises:
            DeadlineError: ``limit`` passed; the process is ended.
            DeviceError: the device was lost, or is full.
        """

    def stop(self) -> None:
        """End what runs now; its ``run`` then gives an ``exit`` like that of any process that was killed."""

    def close(self) -> None:
        """End what runs and remove what was put on the device for this call."""
