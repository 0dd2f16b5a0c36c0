"""The process that measures one row once: ``python -m repbnn_edge.benching.worker``, a request in, JSON lines out.

A fresh process for each repeat gives each its own memory layout. Nothing but the runtime is imported into it.
"""

from __future__ import annotations

import json
import os
import resource
import sys
import time
from pathlib import Path
from typing import Any, TextIO

import numpy as np

from repbnn_edge.benching.presets import Effort
from repbnn_edge.benching.sampling import measure, warm_up
from repbnn_edge.errors import RepbnnError
from repbnn_edge.runtime.sessions import Session, open_session


def main() -> int:
    """Read a request from stdin, measure, write events to stdout; what libraries print goes to stderr."""
    request = json.load(sys.stdin)
    events = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    try:
        _serve(request, events)
    except RepbnnError as error:
        _emit(events, "error", code=error.exit_code, what=error.what, why=error.why, do=error.do)
        return error.exit_code
    return 0


def _serve(request: dict[str, Any], events: TextIO) -> None:
    if request.get("cores"):
        os.sched_setaffinity(0, request["cores"])
    data = Path(request["file"]).read_bytes()
    before, began = _resident_bytes(), time.perf_counter()
    session = open_session(
        request["runtime"],
        data,
        num_threads=request["num_threads"],
        delegate=request["delegate"],
        delegate_options=request["delegate_options"],
    )
    init_ms = (time.perf_counter() - began) * 1e3
    facts = vars(session.delegate) if session.delegate else None
    _emit(events, "loaded", init_ms=init_ms, runtime=list(session.runtime), delegate=facts)
    _first(session, events)
    warmup = warm_up(session.invoke, least_runs=request["warmup_runs"])
    _emit(events, "warm", runs=warmup.runs, steady=warmup.steady)
    cpu = time.process_time()
    for batch in measure(session.invoke, Effort(**request["effort"])):
        _emit(events, "runs", ns=batch.tolist())
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    _emit(events, "end", cpu_seconds=time.process_time() - cpu, peak_memory_bytes=max(peak - before, 0))


def _first(session: Session, events: TextIO) -> None:
    """The first inference, and whether the second says the same: a wrong answer must not be timed."""
    random = np.random.default_rng(0)
    session.set_input(random.standard_normal(session.input_shape).astype(np.float32))
    began = time.perf_counter()
    session.invoke()
    first_ms = (time.perf_counter() - began) * 1e3
    output = session.output()
    session.invoke()
    same = output.tobytes() == session.output().tobytes() and bool(np.isfinite(output).all())
    _emit(events, "first", first_ms=first_ms, repeatable=same)


def _resident_bytes() -> int:
    with open("/proc/self/statm") if sys.platform == "linux" else open(os.devnull) as stream:  # noqa: PTH123
        fields = stream.read().split()
    return int(fields[1]) * os.sysconf("SC_PAGE_SIZE") if fields else 0


def _emit(events: TextIO, event: str, **body: Any) -> None:
    events.write(json.dumps({"event": event, **body}) + "\n")


if __name__ == "__main__":
    sys.exit(main())
