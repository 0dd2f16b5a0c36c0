"""``bench``: rows run in turn, A B C A B C, each time in a fresh process; then statistics and verdicts."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from repbnn_edge import console
from repbnn_edge.benching import report, statistics, verdicts
from repbnn_edge.benching.outcome import Outcome
from repbnn_edge.benching.presets import Effort
from repbnn_edge.benching.verdicts import Reason
from repbnn_edge.devices.cores import choose
from repbnn_edge.devices.interface import Device
from repbnn_edge.devices.resolving import open_devices
from repbnn_edge.errors import DeviceError, UsageError
from repbnn_edge.files import read_input, sha256_of

_GRACE_SECONDS = 60.0
_BETWEEN_SECONDS = 15.0  # for what happens between two processes


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

    @property
    def name(self) -> str:
        """What messages and references call it."""
        threads = "" if self.num_threads == 1 else f", {self.num_threads} threads"
        where = "" if self.device.name == "host" else f" on {self.device.name}"
        return f"{self.file.name} in {self.runtime}{where}{threads}"


def bench(
    files: Sequence[str | Path],
    *,
    devices: Sequence[str] = ("host",),
    runtime_library: Path | None = None,
    runtimes: Sequence[str] = ("litert",),
    num_threads: Sequence[int] = (1,),
    delegate: str = "auto",
    delegate_options: dict[str, str] | None = None,
    effort: Effort,
    warmup_runs: int = 1,
    repeats: int = 3,
    cores: str = "all",
    timeout: float | None = None,
) -> report.BenchReport:
    """Measure files on devices, which run side by side.

    Args:
        files: ``.tflite`` files; on each device the first row is what the others are compared with.
        devices: where, as ``devices.resolving`` reads the words.
        runtime_library: the TFLite library for devices that are not this machine.
        runtimes: of ``repbnn_edge.runtime.sessions.RUNTIMES``.
        num_threads: each gives rows of its own.
        delegate: ``auto``, ``none`` or a library's path.
        delegate_options: ``key=value`` for it.
        effort: how long each process measures.
        warmup_runs: least runs before the first counted one.
        repeats: processes for each row.
        cores: pin to ``prime``, ``big`` or ``little`` cores, or to a hex mask; ``all`` leaves it to the kernel.
        timeout: seconds for one process; by default the effort's limit and a minute.

    Raises:
        UsageError, BadInputError, DeviceError: before anything runs.
    """
    if repeats < 1 or any(threads < 1 for threads in num_threads):
        raise UsageError("bench", "repeats and threads start at 1", "give positive numbers")
    for file in files:
        read_input(Path(file))
    places = open_devices(devices, runtime_library)
    limit = timeout if timeout is not None else effort.max_secs + _GRACE_SECONDS
    seconds = (limit + _BETWEEN_SECONDS) * repeats * len(runtimes) * len(num_threads) * len(files)
    with contextlib.ExitStack() as cleaning:
        for device in places:
            cleaning.callback(device.close)
        for device in places:
            device.prepare(seconds)
        facts = {id(device): device.facts() for device in places}
        pinned = {
            id(device): tuple(choose(cores, facts[id(device)]["cores"], device.usable_cores(), device.name))
            for device in places
        }
        rows = [
            Row(Path(file), runtime, threads, delegate, dict(delegate_options or {}), device, pinned[id(device)])
            for device in places
            for runtime in runtimes
            for threads in num_threads
            for file in files
        ]
        outcomes = [Outcome() for _ in rows]
        interrupted = _measure_all(rows, outcomes, effort, warmup_runs, repeats, limit)
    results = [
        _result(row, outcome, facts[id(row.device)], effort, warmup_runs, repeats)
        for row, outcome in zip(rows, outcomes, strict=True)
    ]
    return report.BenchReport(results=_with_references(rows, outcomes, results), interrupted=interrupted)


def _measure_all(
    rows: list[Row], outcomes: list[Outcome], effort: Effort, warmup_runs: int, repeats: int, limit: float
) -> bool:
    """Run everything, devices side by side; True when Ctrl-C ended it early, with what was finished kept."""
    by_device: dict[int, list[tuple[Row, Outcome]]] = {}
    for row, outcome in zip(rows, outcomes, strict=True):
        by_device.setdefault(id(row.device), []).append((row, outcome))
    longest = max(map(len, by_device.values())) * repeats * effort.min_secs
    console.note(f"{len(rows)} rows, {repeats} processes each, at least {longest:.0f} s")
    stopping = threading.Event()
    with (
        console.progress("measuring", len(rows) * repeats) as advance,
        ThreadPoolExecutor(max_workers=len(by_device), thread_name_prefix="device") as pool,
    ):
        work = [
            pool.submit(_measure_device, pairs, effort, warmup_runs, repeats, limit, stopping, advance)
            for pairs in by_device.values()
        ]
        try:
            return _wait_for(work)
        except BaseException as problem:
            stopping.set()
            for pairs in by_device.values():
                pairs[0][0].device.stop()
            wait(work)
            if isinstance(problem, KeyboardInterrupt):
                return True
            raise


def _wait_for(work: list[Future[None]]) -> bool:
    """Wait in short steps: on Windows Ctrl-C does not interrupt a long one."""
    unfinished = set(work)
    while unfinished:
        finished, unfinished = wait(unfinished, timeout=0.5, return_when=FIRST_COMPLETED)
        for future in finished:
            future.result()
    return False


def _measure_device(
    pairs: list[tuple[Row, Outcome]],
    effort: Effort,
    warmup_runs: int,
    repeats: int,
    limit: float,
    stopping: threading.Event,
    advance: Callable[[int], None],
) -> None:
    """The rows of one device in turn: A B C A B C."""
    for _ in range(repeats):
        for row, outcome in pairs:
            if stopping.is_set():
                return
            if not outcome.failed:
                _run_process(row, outcome, effort, warmup_runs, limit, stopping)
            advance(1)


def _run_process(
    row: Row, outcome: Outcome, effort: Effort, warmup_runs: int, limit: float, stopping: threading.Event
) -> None:
    request = {
        "file": str(row.file.resolve()),
        "runtime": row.runtime,
        "num_threads": row.num_threads,
        "delegate": row.delegate,
        "delegate_options": row.delegate_options,
        "effort": asdict(effort),
        "warmup_runs": warmup_runs,
        "cores": list(row.cores),
    }
    cores = list(row.cores) or row.device.usable_cores()
    try:
        before = row.device.state(cores)
        began = Outcome()
        own = began.add_process(row.device.run(request, limit))
        if stopping.is_set():  # half a process is no sample
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


def _other_share(before: dict[str, Any], after: dict[str, Any], own_seconds: float | None) -> float | None:
    """What part of the cores' time others took between two states; None where the kernel does not tell."""
    if own_seconds is None or before.get("busy_ticks") is None or after.get("busy_ticks") is None:
        return None
    total = after["total_ticks"] - before["total_ticks"]
    if total <= 0:
        return None
    busy = after["busy_ticks"] - before["busy_ticks"] - own_seconds * after["ticks_per_second"]
    return float(min(max(busy / total, 0.0), 1.0))


def _result(
    row: Row, outcome: Outcome, device: dict[str, Any], effort: Effort, warmup_runs: int, repeats: int
) -> report.BenchResult:
    reasons = list(outcome.reasons)
    emulated = device.get("emulated")
    if emulated:
        reasons.append(Reason("emulated", str(emulated)))
    delegate = outcome.loaded.get("delegate")
    if outcome.samples:
        after = {**outcome.after, "other_cpu_share": max(outcome.shares, default=None)}
        outcome.after = after
        reasons += verdicts.of_samples(outcome.samples, effort, time.get_clock_info("perf_counter").resolution * 1e3)
        reasons += verdicts.of_environment(outcome.before, after)
        reasons += _delegation(delegate)
    runtime = outcome.loaded.get("runtime")
    return report.BenchResult(
        model=_model(row.file),
        runtime=report.BenchedRuntime(name=runtime[0], version=runtime[1]) if runtime else None,
        delegate=report.BenchedDelegate(**delegate) if delegate else None,
        device={"name": row.device.name, **device},
        config=report.Config(
            num_threads=row.num_threads,
            cpu_mask=f"{sum(1 << core for core in row.cores):x}" if row.cores else None,
            warmup_runs=warmup_runs,
            repeats=repeats,
            **asdict(effort),
        ),
        latency_ms=report.Latency(**asdict(statistics.summarise(outcome.samples)))
        if outcome.samples and not emulated
        else None,
        samples_ms=[process.round(6).tolist() for process in outcome.samples],
        runs=sum(map(len, outcome.samples)),
        init_ms=_middle(outcome.init_ms),
        first_ms=_middle(outcome.first_ms),
        peak_memory_bytes=max(outcome.peak_bytes, default=None),
        environment={"before": outcome.before, "after": outcome.after},
        references=[],
        verdict=_verdict(reasons),
    )


def _delegation(delegate: dict[str, Any] | None) -> list[Reason]:
    if not delegate:
        return []
    left = [node for node in delegate["refused"] if str(node["op"]).startswith("Lce")]
    return [Reason("not_delegated", f"operator {n['node']} {n['op']}: {n['reason']}") for n in left[:3]]


def _verdict(reasons: list[Reason]) -> report.Verdict:
    if not reasons:
        return report.Verdict(status="conclusive", reasons=[])
    shown = [report.VerdictReason(code=reason.code, detail=reason.detail) for reason in reasons]
    return report.Verdict(status=verdicts.status(reasons), reasons=shown)


def _with_references(
    rows: list[Row], outcomes: list[Outcome], results: list[report.BenchResult]
) -> list[report.BenchResult]:
    """Each row against the first of its device: the same machine, minute by minute."""
    firsts: dict[int, int] = {}
    compared = []
    for index, (row, outcome, result) in enumerate(zip(rows, outcomes, results, strict=True)):
        first = firsts.setdefault(id(row.device), index)
        references = []
        if outcomes[first].samples and outcome.samples:
            value, interval = statistics.ratio(outcome.samples, outcomes[first].samples)
            references = [report.ReferenceRatio(name=rows[first].name, ratio=value, ci95=interval)]
        compared.append(result.model_copy(update={"references": references}))
    return compared


def _model(file: Path) -> report.BenchedModel:
    from repbnn_edge.inspection import inspect_file

    inspected = inspect_file(file)
    return report.BenchedModel(path=str(file), sha256=sha256_of(file), bytes=file.stat().st_size, macs=inspected.macs)


def _middle(values: list[float]) -> float | None:
    return float(np.median(values)) if values else None
