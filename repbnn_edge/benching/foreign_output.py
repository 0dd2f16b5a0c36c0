"""What TFLite's ``benchmark_model`` and LCE's ``lce_benchmark_model`` print, as a runner's events.

They tell no single runs: each process gives a count, a mean, a deviation and, from TFLite 2.15 on, a median.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

from repbnn_edge.devices.interface import Event

_NUMBER = r"([0-9.]+(?:e[+-]?[0-9]+)?)"
_STATISTICS = re.compile(rf"count=(\d+) .*?min={_NUMBER} max={_NUMBER} avg={_NUMBER} std={_NUMBER}(.*)")
_TIMINGS = re.compile(rf"Inference timings in us: Init: {_NUMBER}, First inference: {_NUMBER},")
_MEMORY = (
    re.compile(rf"Overall peak memory footprint \(MB\) via periodic monitoring: {_NUMBER}"),
    re.compile(rf"(?:Memory footprint delta|Peak memory footprint).*overall={_NUMBER}"),
)
_REGULAR = "Operator-wise Profiling Info for Regular Benchmark Runs"
_OPERATOR = re.compile(r"^(?:\[?(?P<name>.*?)\]?)(?::(?P<index>\d+))?$")


def events(text: str, runtime: tuple[str, str], delegate: dict[str, Any] | None = None) -> Iterator[Event]:
    """What the tool printed, as a runner's events; nothing where its summary is missing."""
    timings = _TIMINGS.search(text)
    counted = [match for line in text.splitlines() if (match := _STATISTICS.search(line))]
    head, _, profiled = text.partition(_REGULAR)
    before_profile = [match for line in head.splitlines() if (match := _STATISTICS.search(line))]
    if timings is None or not counted:
        return
    kernels = f"whatever {runtime[0]} was built with"
    init = float(timings[1]) / 1e3
    yield {"event": "loaded", "init_ms": init, "runtime": list(runtime), "delegate": delegate, "float_kernels": kernels}
    yield {"event": "first", "first_ms": float(timings[2]) / 1e3, "repeatable": True}
    # The first line of this form is the warm-up's, where that had more than one run; the last before the profile, ours.
    yield {"event": "summary", **_summary((before_profile or counted)[-1])}
    memory = next((float(found[1]) for pattern in _MEMORY if (found := pattern.search(text))), None)
    if profiled:
        yield {"event": "ops", "ops": list(_operators(profiled))}
    yield {"event": "end", "peak_memory_bytes": None if memory is None else round(memory * 1e6)}


def _summary(match: re.Match[str]) -> dict[str, Any]:
    """Milliseconds; the tool tells microseconds."""
    low, high, mean, deviation = (float(match[n]) / 1e3 for n in range(2, 6))
    summary: dict[str, Any] = {"count": int(match[1]), "min": low, "max": high, "avg": mean, "std": deviation}
    for name in ("median", "p95"):
        found = re.search(rf"\b{name}={_NUMBER}", match[6])
        summary[name] = float(found[1]) / 1e3 if found else None
    return summary


def _operators(text: str) -> Iterator[dict[str, Any]]:
    """The rows of the first table (run order): columns by their titles, which differ between versions."""
    titles: Sequence[str] = ()
    position = -1
    for line in text.splitlines():
        cells = [cell.strip() for cell in line.split("\t") if cell.strip()]
        if "[node type]" in cells and "[avg ms]" in cells:
            if titles:  # the next table: the same rows by time
                return
            titles = cells
        elif titles and len(cells) == len(titles):
            position += 1
            row = dict(zip(titles, cells, strict=True))
            name = _OPERATOR.match(row.get("[Name]", ""))
            index = name["index"] if name and name["index"] else None
            kind = row["[node type]"]
            yield {
                "index": int(index) if index else position,
                "name": name["name"].strip("[]") if name else "",
                "type": kind,
                "mean_ms": float(row["[avg ms]"]),
                "delegated": kind.lower().startswith("repbnn"),
            }
