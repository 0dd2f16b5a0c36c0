"""What the processes of one row said: their events, gathered one by one as they come."""

from __future__ import annotations

import base64
import math
from collections.abc import Callable, Generator, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from repbnn_edge.benching.expected import Expected
from repbnn_edge.benching.profiling import joined
from repbnn_edge.benching.report import BenchedDelegate, OutputCheck
from repbnn_edge.benching.verdicts import FAILED, Reason
from repbnn_edge.devices.interface import Event
from repbnn_edge.errors import DeadlineError, DeviceError

_MALFORMED = (KeyError, TypeError, ValueError, OverflowError, AttributeError)
"""What reading the events of a runner raises that does not keep to its own format."""


@dataclass
class Outcome:
    """Samples and facts of a row, over its processes."""

    samples: list[NDArray[np.float64]] = field(default_factory=list)
    loaded: dict[str, Any] = field(default_factory=dict)
    init_ms: list[float] = field(default_factory=list)
    first_ms: list[float] = field(default_factory=list)
    peak_bytes: list[int] = field(default_factory=list)
    reasons: list[Reason] = field(default_factory=list)
    before: dict[str, Any] = field(default_factory=dict)
    after: dict[str, Any] = field(default_factory=dict)
    shares: list[float] = field(default_factory=list)
    error: Event | None = None
    ops: list[dict[str, Any]] | None = None
    roofline: dict[str, float] | None = None
    check: OutputCheck | None = None
    ran_on: set[int] = field(default_factory=set)
    speeds: list[list[int]] = field(default_factory=list)
    instructions: list[int] = field(default_factory=list)
    summaries: list[dict[str, Any]] = field(default_factory=list)

    @property
    def failed(self) -> bool:
        """Whether there is no use in running it again."""
        return any(reason.code in FAILED for reason in self.reasons)

    def add_process(
        self, events: Iterable[Event], expected: Expected | None = None, see: Callable[[Event], None] | None = None
    ) -> float | None:
        """Take in one process as it runs; gives the CPU seconds that it took, None where nobody knows.

        Args:
            events: of the process, as they come; a process whose answer is wrong is ended, and not timed.
            expected: what it must answer, where somebody knows.
            see: gets each event too.
        """
        nanoseconds: list[int] = []
        seconds, ended = None, False
        try:
            for event in events:
                if event["event"] == "runs":
                    nanoseconds.extend(int(_number(value, least=1)) for value in event["ns"])
                elif event["event"] == "exit":
                    seconds = event["cpu_seconds"]
                    self._exit(event)
                    ended = True
                elif event["event"] == "outputs":
                    self._answer(event, expected)
                else:
                    self._other(event)
                if see is not None:
                    see(event)
                if event["event"] == "outputs" and self.failed:
                    _close(events)
                    return None
        except DeadlineError as error:
            self.reasons.append(Reason("timed_out", error.why))
            return seconds
        except DeviceError as error:
            self.lost(error)
            return seconds
        except (
            KeyError,
            TypeError,
            ValueError,
            OverflowError,
            AttributeError,
        ):  # a runner that does not keep to its own format
            self.reasons.append(Reason("runner_failed", "its output is not what a runner writes"))
            return seconds
        if ended and not nanoseconds and not self.summaries and not self.failed:
            self.reasons.append(Reason("runner_failed", "it ended without a single run"))
        if nanoseconds:
            self.samples.append(np.asarray(nanoseconds, np.float64) / 1e6)
        return seconds

    def _answer(self, event: Event, expected: Expected | None) -> None:
        if expected is not None:
            self.check, reasons = expected.check(base64.b64decode(event["data"]))
            self.reasons += reasons

    def merge(self, process: Outcome) -> None:
        """Add what one finished process said."""
        self.loaded.update(process.loaded)
        for name in ("samples", "init_ms", "first_ms", "peak_bytes", "reasons", "instructions", "summaries", "speeds"):
            getattr(self, name).extend(getattr(process, name))
        self.ops = process.ops or self.ops
        self.roofline = process.roofline or self.roofline
        self.check = process.check or self.check
        self.ran_on |= process.ran_on
        self.reasons = list(dict.fromkeys(self.reasons))  # what every process says is said once
        self.error = process.error or self.error

    def settle(self) -> None:
        """What is known only when all processes are through: others' share, and the clock under what ran."""
        if self.after:
            self.after = {**self.after, "other_cpu_share": max(self.shares, default=None)}
        if self.speeds:
            self.before = {**self.before, "frequency_khz": self.speeds[0][:1]}
            self.after = {**self.after, "frequency_khz": self.speeds[-1][1:]}

    def lost(self, error: DeviceError) -> None:
        """The device went between two processes."""
        self.reasons.append(Reason("device_lost", f"{error.what}: {error.why}, {error.do}"))

    def _other(self, event: Event) -> None:
        kind = event["event"]
        if kind == "loaded":
            self._load(event)
        elif kind == "first":
            self.first_ms.append(_number(event["first_ms"]))
            if not event["repeatable"]:
                self.reasons.append(Reason("wrong_output", "two runs on the same input differ, or are not finite"))
        elif kind == "end":
            if event.get("peak_memory_bytes") is not None:
                self.peak_bytes.append(int(_number(event["peak_memory_bytes"])))
            if event.get("instructions") is not None:
                self.instructions.append(int(_number(event["instructions"])))
        elif kind == "cores":
            self.ran_on.update(int(core) for core in event["ran_on"])
            if event.get("khz"):
                first, last = event["khz"]
                self.speeds.append([int(_number(first)), int(_number(last))])
        elif kind == "ops":
            self.ops = [_operator(op) for op in joined(event) or ()] or None
        elif kind == "roofline":
            self.roofline = {name: _number(event[name]) for name in ("popcount_per_s", "bytes_per_s")}
        elif kind == "summary":
            self.summaries.append(_summary(event))
        elif kind == "affinity":
            self.reasons.append(Reason("affinity_refused", str(event["refused"])))
        elif kind == "error":
            self.error = event
            if event.get("delegate") is not None:  # what it left may be the reason
                self.loaded["delegate"] = _delegate(event["delegate"])

    def _load(self, event: Event) -> None:
        name, version = event["runtime"]
        kernels = event.get("float_kernels")
        self.loaded = {
            "runtime": [str(name), str(version)],
            "delegate": _delegate(event["delegate"]),
            "float_kernels": None if kernels is None else str(kernels),
        }
        self.init_ms.append(_number(event["init_ms"]))

    def _exit(self, event: Event) -> None:
        if event["code"] != 0:
            self.reasons.append(Reason("runner_failed", self._cause(event)))

    def _cause(self, event: Event) -> str:
        if self.error:
            return f"{self.error['what']}: {self.error['why']}"
        if event["signal"]:
            return f"ended by {event['signal']}"
        lines = [line for line in event["stderr"].splitlines() if line.strip() and not line.startswith("INFO: ")]
        return lines[-1][:300] if lines else f"exit code {event['code']}"


def _number(value: Any, least: float = 0) -> float:
    """A finite number that is not below ``least``.

    Raises:
        ValueError, TypeError, OverflowError: it is none.
    """
    number = float(value)
    if not least <= number < math.inf:
        raise ValueError(f"{number} is not what it should be")
    return number


def _delegate(facts: Any) -> dict[str, Any] | None:
    if facts is None:
        return None
    refused = [{"node": int(node["node"]), **{key: str(node[key]) for key in _WHY}} for node in facts["refused"]]
    return BenchedDelegate.model_validate({**facts, "refused": refused}).model_dump()


_WHY = ("op", "reason")


def _summary(event: Event) -> dict[str, Any]:
    """A process that tells no single runs, as ``statistics.of_summaries`` reads it; all in ms but the count."""
    numbers = {name: _number(event[name]) for name in ("min", "max", "avg", "std")}
    told = {name: None if event.get(name) is None else _number(event[name]) for name in ("median", "p95")}
    return {"count": int(_number(event["count"], least=1)), **numbers, **told}


def _operator(op: Mapping[str, Any]) -> dict[str, Any]:
    """One of a runner's ``ops``, as ``profiling.op_times`` reads them."""
    index = op.get("index")
    return {
        "index": None if index is None else int(index),
        "name": str(op.get("name") or ""),
        "type": str(op["type"]),
        "mean_ms": _number(op["mean_ms"]),
        "delegated": bool(op["delegated"]),
        "nodes": [int(node) for node in op.get("nodes") or ()],
    }


def _close(events: Iterable[Event]) -> None:
    """End the process behind them: a device's ``run`` is a generator that cleans up when it is closed."""
    if isinstance(events, Generator):
        events.close()
