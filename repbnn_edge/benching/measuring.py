"""The loop over processes: rows of one device in turn, A B C A B C, devices side by side."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import asdict, dataclass, field
from typing import Any

from repbnn_edge.benching import progress
from repbnn_edge.benching.expected import Answers
from repbnn_edge.benching.outcome import Outcome
from repbnn_edge.benching.presets import Effort
from repbnn_edge.benching.rows import Row, Schedule
from repbnn_edge.devices.interface import Event
from repbnn_edge.errors import DeviceError

Pair = tuple[Row, Outcome]
_ONE_RUN = Effort(1, 0.0, 1.0)


@dataclass
class Session:
    """What the threads of one measurement share.

    Attributes:
        schedule: how each row is measured.
        answers: what rows are fed, and must answer.
        shown: where they report to.
        stopping: set when no further process may start.
        seconds: of all processes, their start and end included.
    """

    schedule: Schedule
    answers: Answers
    shown: progress.Progress
    stopping: threading.Event = field(default_factory=threading.Event)
    seconds: float = 0.0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def timed(self, events: Iterator[Event]) -> Iterator[Event]:
        """The events of a process; its time is added to ``seconds``."""
        began = time.perf_counter()
        try:
            yield from events  # which is closed with us
        finally:
            with self._lock:
                self.seconds += time.perf_counter() - began


def measure_all(pairs: list[Pair], schedule: Schedule, answers: Answers) -> tuple[bool, float]:
    """Run everything.

    Returns:
        whether Ctrl-C ended it early, with what was finished kept; the seconds that processes took.
    """
    by_device: dict[int, list[Pair]] = {}
    for row, outcome in pairs:
        by_device.setdefault(id(row.device), []).append((row, outcome))
    processes = len(pairs) * (schedule.repeats + schedule.profile)
    with (
        progress.shown(schedule.effort, processes) as shown,
        ThreadPoolExecutor(max_workers=len(by_device), thread_name_prefix="device") as pool,
    ):
        session = Session(schedule, answers, shown)
        work = [pool.submit(_measure_device, one, session) for one in by_device.values()]
        try:
            _wait_for(work)
        except BaseException as problem:
            session.stopping.set()
            for one in by_device.values():
                one[0][0].device.stop()
            wait(work)
            if isinstance(problem, KeyboardInterrupt):
                return True, session.seconds
            raise
    return False, session.seconds


def _wait_for(work: list[Future[None]]) -> None:
    """Wait in short steps: on Windows Ctrl-C does not interrupt a long one."""
    unfinished = set(work)
    while unfinished:
        finished, unfinished = wait(unfinished, timeout=0.5, return_when=FIRST_COMPLETED)
        for future in finished:
            future.result()


def _measure_device(pairs: list[Pair], session: Session) -> None:
    """The rows of one device, each once, then each again; then, where asked for, each with its operators timed."""
    schedule = session.schedule
    rounds = schedule.repeats + schedule.profile
    for number in range(rounds):
        for position, (row, outcome) in enumerate(pairs):
            if (number or position) and schedule.cooldown:
                session.stopping.wait(schedule.cooldown)
            if session.stopping.is_set():
                return
            with session.shown.process(row, number + 1, rounds) as watch:
                if outcome.failed:
                    continue
                if number < schedule.repeats:
                    _run_process(row, outcome, session, watch)
                else:
                    _profile(row, outcome, session)


def _run_process(row: Row, outcome: Outcome, session: Session, watch: progress.Watch) -> None:
    cores = list(row.cores) or row.device.usable_cores()
    request = {**_request(row, session), "cores": list(row.cores)}
    try:
        before = row.device.state(cores)
        began = Outcome()
        events = session.timed(row.device.run(request, session.schedule.limit))
        own = began.add_process(events, session.answers.expected(row), watch.see)
        if session.stopping.is_set():  # half a process is no sample
            return
        outcome.merge(began)
        after = row.device.state(cores)
    except DeviceError as error:
        outcome.lost(error)
        return
    share = _other_share(before, after, own)
    if share is not None:
        outcome.shares.append(share)
    outcome.before = outcome.before or before
    outcome.after = after


def _profile(row: Row, outcome: Outcome, session: Session) -> None:
    """One more process that times operators; what it says of anything else is not taken."""
    timed = Outcome()
    request = {
        **_request(row, session),
        "cores": list(row.cores),
        "profile": True,
        "roofline": True,
        "effort": asdict(_ONE_RUN),  # a runner measures before it profiles
    }
    with contextlib.suppress(DeviceError):
        timed.add_process(session.timed(row.device.run(request, session.schedule.limit)))
    outcome.ops, outcome.roofline = timed.ops, timed.roofline


def _request(row: Row, session: Session) -> dict[str, Any]:
    return {
        "file": str(row.file.resolve()),
        "runtime": row.runtime,
        "num_threads": row.num_threads,
        "delegate": row.delegate,
        "delegate_options": row.delegate_options,
        "effort": asdict(session.schedule.effort),
        "warmup_runs": session.schedule.warmup_runs,
        "input": str(session.answers.input_of(row.file)),
    }


def _other_share(before: dict[str, Any], after: dict[str, Any], own_seconds: float | None) -> float | None:
    """What part of the cores' time others took between two states; None where the kernel does not tell."""
    if own_seconds is None or before.get("busy_ticks") is None or after.get("busy_ticks") is None:
        return None
    total = after["total_ticks"] - before["total_ticks"]
    if total <= 0:
        return None
    busy = after["busy_ticks"] - before["busy_ticks"] - own_seconds * after["ticks_per_second"]
    return float(min(max(busy / total, 0.0), 1.0))
