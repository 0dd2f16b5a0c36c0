"""``bench``: rows run in turn, A B C A B C, each time in a fresh process; then statistics and verdicts."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from repbnn_edge import console
from repbnn_edge.benching import host, report, statistics, verdicts
from repbnn_edge.benching.presets import Effort
from repbnn_edge.benching.verdicts import Reason
from repbnn_edge.errors import UsageError
from repbnn_edge.files import read_input, sha256_of

_GRACE_SECONDS = 60.0


@dataclass(frozen=True)
class Row:
    """One line of the table to come."""

    file: Path
    runtime: str
    num_threads: int
    delegate: str
    delegate_options: dict[str, str]
    cores: tuple[int, ...] = ()

    @property
    def name(self) -> str:
        """What messages and references call it."""
        threads = "" if self.num_threads == 1 else f", {self.num_threads} threads"
        return f"{self.file.name} in {self.runtime}{threads}"


@dataclass
class _Outcome:
    """What the processes of a row said."""

    samples: list[NDArray[np.float64]] = field(default_factory=list)
    loaded: dict[str, Any] = field(default_factory=dict)
    init_ms: list[float] = field(default_factory=list)
    first_ms: list[float] = field(default_factory=list)
    peak_bytes: list[int] = field(default_factory=list)
    reasons: list[Reason] = field(default_factory=list)
    before: dict[str, Any] = field(default_factory=dict)
    after: dict[str, Any] = field(default_factory=dict)
    shares: list[float] = field(default_factory=list)
    error: dict[str, Any] | None = None


def bench(
    files: Sequence[str | Path],
    *,
    runtimes: Sequence[str] = ("litert",),
    num_threads: Sequence[int] = (1,),
    delegate: str = "auto",
    delegate_options: dict[str, str] | None = None,
    effort: Effort,
    warmup_runs: int = 1,
    repeats: int = 3,
    cores: Sequence[int] = (),
    timeout: float | None = None,
) -> report.BenchReport:
    """Measure files on this machine.

    Args:
        files: ``.tflite`` files; the first is what the others are compared with.
        runtimes: of ``repbnn_edge.runtime.sessions.RUNTIMES``.
        num_threads: each gives rows of its own.
        delegate: ``auto``, ``none`` or a library's path.
        delegate_options: ``key=value`` for it.
        effort: how long each process measures.
        warmup_runs: least runs before the first counted one.
        repeats: processes for each row.
        cores: pin to these; empty leaves it to the kernel.
        timeout: seconds for one process; by default the effort's limit and a minute.

    Raises:
        UsageError, BadInputError: before anything runs.
    """
    if repeats < 1 or any(threads < 1 for threads in num_threads):
        raise UsageError("bench", "repeats and threads start at 1", "give positive numbers")
    missing = sorted(set(cores) - set(host.usable_cores()))
    if missing:
        raise UsageError("--cores", f"this process may not run on core {missing[0]}", "see `taskset -p $$`")
    for file in files:
        read_input(Path(file))
    rows = [
        Row(Path(file), runtime, threads, delegate, dict(delegate_options or {}), tuple(cores))
        for runtime in runtimes
        for threads in num_threads
        for file in files
    ]
    outcomes = [_Outcome() for _ in rows]
    interrupted = _measure_all(rows, outcomes, effort, warmup_runs, repeats, timeout)
    device = host.facts()
    results = [
        _result(row, outcome, device, effort, warmup_runs, repeats) for row, outcome in zip(rows, outcomes, strict=True)
    ]
    return report.BenchReport(results=_with_references(rows, outcomes, results), interrupted=interrupted)


def _measure_all(
    rows: list[Row], outcomes: list[_Outcome], effort: Effort, warmup_runs: int, repeats: int, timeout: float | None
) -> bool:
    """Run everything; True when Ctrl-C ended it early, with what was finished kept."""
    console.note(f"{len(rows)} rows, {repeats} processes each, at least {len(rows) * repeats * effort.min_secs:.0f} s")
    try:
        with console.progress("measuring", len(rows) * repeats) as advance:
            for _ in range(repeats):
                for row, outcome in zip(rows, outcomes, strict=True):
                    if not any(reason.code in verdicts.FAILED for reason in outcome.reasons):
                        _run_process(row, outcome, effort, warmup_runs, timeout)
                    advance(1)
    except KeyboardInterrupt:
        return True
    return False


def _run_process(row: Row, outcome: _Outcome, effort: Effort, warmup_runs: int, timeout: float | None) -> None:
    cores = list(row.cores) or host.usable_cores()
    before = host.state(cores)
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
    limit = timeout if timeout is not None else effort.max_secs + _GRACE_SECONDS
    own = _talk(request, outcome, limit)
    after = host.state(cores)
    share = host.other_share(before, after, own)
    if share is not None:
        outcome.shares.append(share)
    outcome.before = outcome.before or before
    outcome.after = after


def _talk(request: dict[str, Any], outcome: _Outcome, limit: float) -> float:
    """Run one worker; gives the CPU seconds that it took."""
    began_children = _children_seconds()
    command = [sys.executable, "-m", "repbnn_edge.benching.worker"]
    process = subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        out, err = process.communicate(json.dumps(request), timeout=limit)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
        outcome.reasons.append(Reason("timed_out", f"it did not end within {limit:g} s"))
        return _children_seconds() - began_children
    except BaseException:  # Ctrl-C among them: no worker outlives us
        process.kill()
        process.communicate()
        raise
    _read_events(out, outcome)
    if process.returncode != 0:
        outcome.reasons.append(Reason("runner_failed", _cause(process.returncode, err, outcome)))
    return _children_seconds() - began_children


def _read_events(text: str, outcome: _Outcome) -> None:
    nanoseconds: list[int] = []
    for line in text.splitlines():
        try:
            event = json.loads(line)
        except ValueError:
            continue  # a library that writes to the descriptor itself
        kind = event.get("event")
        if kind == "loaded":
            outcome.loaded.update(event)
            outcome.init_ms.append(event["init_ms"])
        elif kind == "first":
            _first(event, outcome)
        elif kind == "runs":
            nanoseconds.extend(event["ns"])
        elif kind == "end":
            outcome.peak_bytes.append(event["peak_memory_bytes"])
        elif kind == "error":
            outcome.error = event
    if nanoseconds:
        outcome.samples.append(np.asarray(nanoseconds, np.float64) / 1e6)


def _first(event: dict[str, Any], outcome: _Outcome) -> None:
    outcome.first_ms.append(event["first_ms"])
    if not event["repeatable"]:
        outcome.reasons.append(Reason("wrong_output", "two runs on the same input differ, or are not finite"))


def _cause(code: int, err: str, outcome: _Outcome) -> str:
    if outcome.error:
        return f"{outcome.error['what']}: {outcome.error['why']}"
    if code < 0:
        return f"ended by {signal.Signals(-code).name}"
    lines = [line for line in err.splitlines() if line.strip()]
    return lines[-1][:300] if lines else f"exit code {code}"


def _children_seconds() -> float:
    import resource

    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def _result(
    row: Row, outcome: _Outcome, device: dict[str, Any], effort: Effort, warmup_runs: int, repeats: int
) -> report.BenchResult:
    reasons = list(outcome.reasons)
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
        device=device,
        config=report.Config(
            num_threads=row.num_threads,
            cpu_mask=f"{sum(1 << core for core in row.cores):x}" if row.cores else None,
            warmup_runs=warmup_runs,
            repeats=repeats,
            **asdict(effort),
        ),
        latency_ms=report.Latency(**asdict(statistics.summarise(outcome.samples))) if outcome.samples else None,
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
    rows: list[Row], outcomes: list[_Outcome], results: list[report.BenchResult]
) -> list[report.BenchResult]:
    """Each row against the first: the same machine, minute by minute."""
    first = outcomes[0].samples
    compared = []
    for outcome, result in zip(outcomes, results, strict=True):
        references = []
        if first and outcome.samples:
            value, interval = statistics.ratio(outcome.samples, first)
            references = [report.ReferenceRatio(name=rows[0].name, ratio=value, ci95=interval)]
        compared.append(result.model_copy(update={"references": references}))
    return compared


def _model(file: Path) -> report.BenchedModel:
    from repbnn_edge.inspection import inspect_file

    inspected = inspect_file(file)
    return report.BenchedModel(path=str(file), sha256=sha256_of(file), bytes=file.stat().st_size, macs=inspected.macs)


def _middle(values: list[float]) -> float | None:
    return float(np.median(values)) if values else None
