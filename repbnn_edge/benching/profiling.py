"""Where the time of one run goes: a process of its own, since clocks between steps cost what they measure.

The delegate times its steps itself (docs/delegate.md, ``profiling``). What the runtime keeps is one row, the rest of
the whole: Python's TFLite has no profiler to ask. The runner for devices asks the runtime's own.
"""

from __future__ import annotations

import gc
import json
import time
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from repbnn_edge.benching.ceilings import roofline
from repbnn_edge.benching.report import OpTime
from repbnn_edge.devices.interface import Event
from repbnn_edge.files import scratch_folder
from repbnn_edge.inspection.report import OperatorRow
from repbnn_edge.runtime.sessions import open_session
from repbnn_edge.tflite import lce

_WARMUPS, _LEAST_RUNS, _SECONDS = 3, 10, 1.5


def profile(request: dict[str, Any], data: bytes) -> Iterator[Event]:
    """Run a file with the delegate's clocks on; gives an ``ops`` event, and a ``roofline`` where it can be measured.

    ``ops`` is None where nothing tells them.
    """
    yield _operators(request, data)
    if request.get("roofline") and (ceilings := roofline(request["num_threads"], request["cores"])):
        yield ceilings


def _operators(request: dict[str, Any], data: bytes) -> Event:
    with scratch_folder() as folder:
        path = folder / "profile.json"
        ours = request["delegate"] == "auto" and request["runtime"] != "lce" and lce.named_in(data)
        options = {**request["delegate_options"], **({"profiling": str(path)} if ours else {})}
        if not ours:
            return {"event": "ops", "ops": None}
        session = open_session(
            request["runtime"], data, num_threads=request["num_threads"], delegate="auto", delegate_options=options
        )
        session.set_input(np.random.default_rng(0).standard_normal(session.input_shape))
        for _ in range(_WARMUPS):
            session.invoke()
        times: list[float] = []
        until = time.perf_counter() + _SECONDS
        while len(times) < _LEAST_RUNS or time.perf_counter() < until:
            began = time.perf_counter()
            session.invoke()
            times.append((time.perf_counter() - began) * 1e3)
        assert session.delegate is not None
        kept = ", ".join(str(node["op"]) for node in session.delegate.refused)
        runtime = session.runtime[0]
        del session
        gc.collect()  # the delegate writes its times when the interpreter ends
        steps = delegate_steps(json.loads(path.read_text(encoding="utf-8")))
    rest = max(float(np.mean(times)) - sum(step["mean_ms"] for step in steps), 0.0)
    left = {"index": None, "name": kept, "type": runtime, "mean_ms": rest, "delegated": False}
    return {"event": "ops", "ops": [*steps, left]}


def joined(event: Event) -> list[dict[str, Any]] | None:
    """The operators of an ``ops`` event; where the runner brings ``delegate_steps``, these instead of their node."""
    ops, own = event["ops"], event.get("delegate_steps")
    if not ops or not own:
        return list(ops) if ops else None
    steps, rows = delegate_steps(own), []
    for op in ops:
        if not op["delegated"]:
            rows.append(op)
        else:
            rows += steps
            steps = []
    return rows


def delegate_steps(profile: dict[str, Any]) -> list[dict[str, Any]]:
    """The steps of the delegate's profile; the wall time of steps that run together is shared by their CPU time."""
    steps = []
    for partition in profile["partitions"]:
        for segment in partition:
            parts = segment.get("steps") or [segment]
            total = sum(part.get("cpu_ms", 0.0) for part in parts)
            for part in parts:
                share = part.get("cpu_ms", 0.0) / total if total > 0 else 1 / len(parts)
                steps.append(_step(part, segment.get("mean_ms", 0.0) * share))
    return steps


def _step(part: dict[str, Any], mean_ms: float) -> dict[str, Any]:
    nodes = [int(node) for node in part.get("nodes") or []]
    kernel = f" {part['kernel']}" if part.get("kernel") else ""
    name = f"{part.get('form') or part.get('kernel') or 'step'}{kernel if part.get('form') else ''}"
    return {"index": nodes[0] if nodes else None, "type": name, "mean_ms": mean_ms, "nodes": nodes, "delegated": True}


def op_times(ops: Sequence[dict[str, Any]], operators: Sequence[OperatorRow]) -> list[OpTime]:
    """A runner's ``ops`` with what the file says of their operators: names, MACs and the bytes that must be moved.

    Several steps can lead into the same nodes (two convolutions into one concatenation): each node's MACs count once,
    for the step that names it first.
    """
    rows = {row.index: row for row in operators}
    total = sum(float(op["mean_ms"]) for op in ops) or 1.0
    counted: set[int] = set()
    times = []
    for op in ops:
        index = op.get("index")
        nodes = [rows[node] for node in op.get("nodes") or ([] if index is None else [index]) if node in rows]
        fresh = [row for row in nodes if row.index not in counted]
        counted |= {row.index for row in nodes}
        times.append(
            OpTime(
                index=index,
                name=str(op.get("name") or _name(nodes)),
                type=str(op["type"]),
                mean_ms=float(op["mean_ms"]),
                share=float(op["mean_ms"]) / total,
                macs=sum(row.macs for row in fresh),
                delegated=bool(op["delegated"]),
                nodes=[row.index for row in nodes],
                bytes=_moved(nodes),
                binary=any(row.op == "LceBconv2d" for row in nodes),
            )
        )
    return times


def _name(nodes: Sequence[OperatorRow]) -> str:
    """The first convolution's name, as the source called it; else the first operator's."""
    chosen = next((row for row in nodes if row.macs), None) or next(iter(nodes), None)
    return chosen.name.partition(";")[0] if chosen else ""


def _moved(nodes: Sequence[OperatorRow]) -> int:
    """Bytes of the first operator's inputs, of all constants and of the last one's outputs: the least to be moved."""
    if not nodes:
        return 0
    first, last = nodes[0], nodes[-1]
    weights = sum(row.weight_bytes for row in nodes)
    return _map_bytes(first, first.input_shapes[:1]) + weights + _map_bytes(last, last.output_shapes)


def _map_bytes(row: OperatorRow, shapes: Sequence[Sequence[int]]) -> int:
    elements = sum(int(np.prod(shape)) for shape in (*row.input_shapes, *row.output_shapes))
    each = row.activation_bytes / elements if elements else 0.0
    return round(sum(int(np.prod(shape)) for shape in shapes) * each)
