"""``bench``: rows run in turn, A B C A B C, each time in a fresh process; then statistics and verdicts."""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from repbnn_edge import console
from repbnn_edge.benching import report, results
from repbnn_edge.benching.expected import Answers
from repbnn_edge.benching.foreign import measured_by
from repbnn_edge.benching.measuring import measure_all
from repbnn_edge.benching.outcome import Outcome
from repbnn_edge.benching.presets import Effort
from repbnn_edge.benching.presets import effort as of_preset
from repbnn_edge.benching.rows import Row, Schedule, plan
from repbnn_edge.benching.subjects import inspected, resolve
from repbnn_edge.devices.cores import check as check_cores
from repbnn_edge.devices.cores import choose
from repbnn_edge.devices.interface import Device
from repbnn_edge.devices.resolving import open_devices
from repbnn_edge.errors import UsageError
from repbnn_edge.runtime.sessions import RUNTIMES

_GRACE_SECONDS = 60.0
_BETWEEN_SECONDS = 15.0  # for what happens between two processes


def bench(
    files: Sequence[str | Path] | str | Path,
    *,
    against: Sequence[str | Path] = (),
    devices: Sequence[str] = ("host",),
    runtime_library: Path | None = None,
    runtimes: Sequence[str] = ("litert",),
    num_threads: Sequence[int] = (1,),
    delegate: str = "auto",
    delegate_options: dict[str, str] | None = None,
    effort: Effort | str = "quick",
    warmup_runs: int = 1,
    repeats: int = 3,
    cores: str = "all",
    timeout: float | None = None,
    cooldown: float = 0.0,
    op_profiling: bool = False,
    runner: Path | None = None,
    check_outputs: bool = True,
) -> report.BenchReport:
    """Measure files on devices, which run side by side.

    Args:
        files: ``.tflite`` files or names of built-in networks; one may stand alone.
        against: what each is compared with, ``mobilenet-v2-int8`` among them, run in turn with the files; without any,
            rows are compared with the first of their device.
        devices: where, as ``devices.resolving`` reads the words; left clean.
        runtime_library: the TFLite library for devices that are not this machine.
        runtimes: of ``repbnn_edge.runtime.sessions.RUNTIMES``.
        num_threads: each gives rows of its own.
        delegate: ``auto``, ``none`` or a library's path.
        delegate_options: ``key=value`` for it.
        effort: how long each process measures, or a preset's name: ``quick``, ``standard``, ``mlperf``.
        warmup_runs: least runs before the first counted one.
        repeats: processes for each row.
        cores: pin to ``prime``, ``big`` or ``little`` cores, or to a hex mask; ``all`` leaves it to the kernel.
        timeout: seconds for one process; by default the effort's limit and a minute.
        cooldown: seconds of rest between two processes of a device.
        op_profiling: time single operators too, in one further process a row.
        runner: TFLite's ``benchmark_model`` or LCE's ``lce_benchmark_model``, built for the devices, which then
            measures in place of our own runner.
        check_outputs: compare answers with those of the host's other runtime before anything is timed.

    Raises:
        UsageError, BadInputError: before anything runs.
        DeviceError: a device is missing or refuses.
    """
    began = time.perf_counter()
    chosen = of_preset(effort) if isinstance(effort, str) else effort
    if repeats < 1 or any(threads < 1 for threads in num_threads) or cooldown < 0:
        raise UsageError("bench", "repeats and threads start at 1, cooldown at 0", "give such numbers")
    unknown = [runtime for runtime in runtimes if runtime not in RUNTIMES]
    if unknown:
        raise UsageError("--runtime", f"there is no {unknown[0]!r}", f"give one of {', '.join(RUNTIMES)}")
    check_cores(cores)
    if timeout is not None and not 0 < timeout < math.inf:
        raise UsageError("--timeout", f"{timeout:g} is no number of seconds", "give one above 0")
    limit = timeout if timeout is not None else chosen.max_secs + _GRACE_SECONDS
    schedule = Schedule(chosen, warmup_runs, repeats, limit, cooldown, op_profiling)
    subjects = _subjects([files] if isinstance(files, str | Path) else files, against)
    places = open_devices(devices, runtime_library)
    if runtime_library is not None and all(place.name == "host" for place in places):
        console.warn("--runtime-library is for phones and boards: Python's own runtimes measure on this machine")
    if runner is not None:
        places = [measured_by(runner, place) for place in places]
    count = len(runtimes) * len(num_threads) * len(subjects)
    processes = (repeats + op_profiling) * count
    with _ready(places, (limit + _BETWEEN_SECONDS + cooldown) * processes) as facts:
        pinned = [tuple(choose(cores, known["cores"], place.usable_cores(), place.name)) for place, known in facts]
        rows = [
            Row(file, runtime, threads, delegate, dict(delegate_options or {}), place, mask, is_reference)
            for (place, _), mask in zip(facts, pinned, strict=True)
            for runtime in runtimes
            for threads in num_threads
            for file, is_reference in subjects
        ]
        outcomes = [Outcome() for _ in rows]
        console.tell(plan(rows, schedule))
        interrupted, seconds = _measure(rows, outcomes, schedule, Answers(check=check_outputs))
    known = {id(place): known for place, known in facts}
    lines = [
        results.result(row, outcome, known[id(row.device)], schedule)
        for row, outcome in zip(rows, outcomes, strict=True)
    ]
    return report.BenchReport(
        results=results.with_references(rows, outcomes, lines),
        interrupted=interrupted,
        seconds=report.BenchSeconds(wall=time.perf_counter() - began, processes=seconds),
    )


def _subjects(files: Sequence[str | Path], against: Sequence[str | Path]) -> list[tuple[Path, bool]]:
    """Files that are what they say, and whether each is a reference; one that is both is measured once."""
    found: dict[Path, bool] = {}
    for source, is_reference in [*((f, False) for f in files), *((a, True) for a in against)]:
        path = resolve(source)
        inspected(path)
        found[path] = found.get(path, False) or is_reference
    return list(found.items())


@contextlib.contextmanager
def _ready(places: Sequence[Device], seconds: float) -> Iterator[list[tuple[Device, dict[str, Any]]]]:
    """Devices made ready, with what they are; left clean."""
    with contextlib.ExitStack() as cleaning:
        for place in places:
            cleaning.callback(place.close)
        for place in places:
            place.prepare(seconds)
            place.state(place.usable_cores())  # one whose state is not true is refused, rather than lost on the way
        yield [(place, place.facts()) for place in places]


def _measure(rows: list[Row], outcomes: list[Outcome], schedule: Schedule, answers: Answers) -> tuple[bool, float]:
    """Everything that runs; what was finished survives Ctrl-C."""
    with answers.open():
        try:
            answers.prepare(rows)
        except KeyboardInterrupt:
            return True, answers.seconds
        interrupted, seconds = measure_all(list(zip(rows, outcomes, strict=True)), schedule, answers)
    return interrupted, seconds + answers.seconds
