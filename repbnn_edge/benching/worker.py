"""The process that measures one row once: ``python -m repbnn_edge.benching.worker``, a request in, JSON lines out.

A fresh process for each repeat gives each its own memory layout. Nothing but the runtime is imported into it.
docs/bench.md lists the events; the runner for devices (native/runner) writes the same ones.
"""

from __future__ import annotations

import base64
import contextlib
import json
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TextIO

import numpy as np

from repbnn_edge.benching.presets import Effort
from repbnn_edge.benching.sampling import measure, warm_up
from repbnn_edge.errors import RepbnnError
from repbnn_edge.runtime.sessions import NotDelegatedError, Session, import_runtime, open_session

_CPU = Path("/sys/devices/system/cpu")
_USER, _SYSTEM, _CORE = 11, 12, 36  # of /proc/PID/stat behind the name (proc(5): fields 14, 15 and 39)


def main() -> int:
    """Read a request from stdin, measure, write events to stdout; what libraries print goes to stderr."""
    request = json.load(sys.stdin)
    events = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    try:
        _serve(request, events)
    except RepbnnError as error:
        left = {"delegate": vars(error.facts)} if isinstance(error, NotDelegatedError) else {}
        _emit(events, "error", code=error.exit_code, what=error.what, why=error.why, do=error.do, **left)
        return error.exit_code
    return 0


def _serve(request: dict[str, Any], events: TextIO) -> None:
    _emit(events, "started", pid=os.getpid())
    _pin(request.get("cores"), events)
    data = Path(request["file"]).read_bytes()
    import_runtime(request["runtime"])
    before = _resident_bytes()
    if request.get("profile"):
        from repbnn_edge.benching.profiling import profile

        for event in profile(request, data):
            _emit(events, **event)
        return
    began = time.perf_counter()
    session = open_session(
        request["runtime"],
        data,
        num_threads=request["num_threads"],
        delegate=request["delegate"],
        delegate_options=request["delegate_options"],
    )
    init_ms = (time.perf_counter() - began) * 1e3
    facts = vars(session.delegate) if session.delegate else None
    kernels = _float_kernels(session)
    _emit(events, "loaded", init_ms=init_ms, runtime=list(session.runtime), delegate=facts, float_kernels=kernels)
    _first(session, request["input"], events)
    if request.get("check_only"):
        return
    warmup = warm_up(session.invoke, least_runs=request["warmup_runs"])
    _emit(events, "warm", runs=warmup.runs, steady=warmup.steady)
    cpu, cores = time.process_time(), CoresUsed()
    for batch in measure(session.invoke, Effort(**request["effort"])):
        cores.look()
        _emit(events, "runs", ns=batch.tolist())
    _emit(events, "cores", ran_on=sorted(cores.used), khz=cores.speeds())
    peak = max(_peak_bytes() - before, 0)
    _emit(events, "end", cpu_seconds=time.process_time() - cpu, peak_memory_bytes=peak)


def _pin(cores: list[int] | None, events: TextIO) -> None:
    if not cores:
        return
    try:
        os.sched_setaffinity(0, cores)
    except (OSError, AttributeError) as error:
        _emit(events, "affinity", refused=getattr(error, "strerror", None) or "this system has no affinity")


def _first(session: Session, source: str, events: TextIO) -> None:
    """The first inference, its answer, and whether the second says the same: a wrong answer must not be timed."""
    session.set_input(np.frombuffer(Path(source).read_bytes(), session.input_type))
    began = time.perf_counter()
    session.invoke()
    first_ms = (time.perf_counter() - began) * 1e3
    output = session.output()
    session.invoke()
    same = output.tobytes() == session.output().tobytes() and bool(np.isfinite(output).all())
    _emit(events, "first", first_ms=first_ms, repeatable=same)
    _emit(events, "outputs", data=base64.b64encode(output.tobytes()).decode())


def _float_kernels(session: Session) -> str:
    """Whose kernels run what is no operator of LCE."""
    name, version = session.runtime
    if name == "lce":
        return f"TFLite's builtin kernels in larq-compute-engine {version}, without XNNPACK"
    package = {"litert": "ai-edge-litert", "litert-compiled": "ai-edge-litert"}.get(name, name)
    return f"XNNPACK of {package} {version}"


class CoresUsed:
    """The cores on which those threads of this process were seen that computed; none where the system does not tell.

    Threads that only wait, numpy's for one, stay where they once were and do not count.
    """

    def __init__(self, system: Path = _CPU) -> None:
        self.used: set[int] = set()
        self._system = system
        self._khz: list[int] = []
        self._before = {thread: ticks for thread, ticks, _ in self._threads()}

    def look(self) -> None:
        """Look where threads are now."""
        for thread, ticks, core in self._threads():
            if thread == os.getpid() or ticks > self._before.get(thread, 0):
                self.used.add(core)
            if thread == os.getpid():
                self._look_at_clock(core)

    def speeds(self) -> list[int] | None:
        """The clock in kHz under the first thread, in the first and in the last quarter of the looks; None if not told.

        Idle cores are clocked down: what they say before and after a measurement says little of what ran.
        """
        quarter = len(self._khz) // 4
        if quarter < 1:
            return None
        return [int(np.median(part)) for part in (self._khz[:quarter], self._khz[-quarter:])]

    def _look_at_clock(self, core: int) -> None:
        with contextlib.suppress(OSError, ValueError):
            self._khz.append(int((self._system / f"cpu{core}" / "cpufreq" / "scaling_cur_freq").read_text()))

    def _threads(self) -> Iterator[tuple[int, int, int]]:
        """Each thread's number, the ticks that it computed, and its core."""
        for thread in Path("/proc/self/task").glob("*/stat"):
            try:
                fields = thread.read_text().rpartition(")")[2].split()
                yield int(thread.parent.name), int(fields[_USER]) + int(fields[_SYSTEM]), int(fields[_CORE])
            except (OSError, IndexError, ValueError):
                continue


def _resident_bytes() -> int:
    with open("/proc/self/statm") if sys.platform == "linux" else open(os.devnull) as stream:  # noqa: PTH123
        fields = stream.read().split()
    return int(fields[1]) * os.sysconf("SC_PAGE_SIZE") if fields else 0


def _peak_bytes() -> int:
    """The most memory that this program had.

    Linux's ru_maxrss would not do: it starts at what the parent had when it started us.
    """
    if sys.platform == "linux":
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    import resource  # Windows has none

    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if sys.platform == "darwin" else most * 1024


def _emit(events: TextIO, event: str, **body: Any) -> None:
    events.write(json.dumps({"event": event, **body}) + "\n")


if __name__ == "__main__":
    sys.exit(main())
