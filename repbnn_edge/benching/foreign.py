"""TFLite's own ``benchmark_model``, or LCE's ``lce_benchmark_model``, as what measures: its words become our events.

The tool tells no single runs: each process gives a count, a mean, a deviation and, from TFLite 2.15 on, a median.
"""

from __future__ import annotations

import json
import math
import re
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from repbnn_edge.devices.cores import mask
from repbnn_edge.devices.host import HostDevice, exit_event
from repbnn_edge.devices.interface import Event
from repbnn_edge.devices.streaming import LineProcess
from repbnn_edge.errors import DeadlineError, UnsupportedError
from repbnn_edge.files import check_input_file, sha256_of
from repbnn_edge.runtime.delegate import find_library

_NUMBER = r"([0-9.]+(?:e[+-]?[0-9]+)?)"
_STATISTICS = re.compile(rf"count=(\d+) .*?min={_NUMBER} max={_NUMBER} avg={_NUMBER} std={_NUMBER}(.*)")
_TIMINGS = re.compile(rf"Inference timings in us: Init: {_NUMBER}, First inference: {_NUMBER},")
_MEMORY = (
    re.compile(rf"Overall peak memory footprint \(MB\) via periodic monitoring: {_NUMBER}"),
    re.compile(rf"(?:Memory footprint delta|Peak memory footprint).*overall={_NUMBER}"),
)
_REGULAR = "Operator-wise Profiling Info for Regular Benchmark Runs"
_OPERATOR = re.compile(r"^(?:\[?(?P<name>.*?)\]?)(?::(?P<index>\d+))?$")


class ForeignRunner(HostDevice):
    """This machine, measured by somebody else's program; see ``devices.interface.Device``."""

    def __init__(self, program: Path) -> None:
        super().__init__()
        check_input_file(program)
        self._program = program.resolve()
        self._version = f"sha256 {sha256_of(self._program)[:12]}"

    def run(self, request: dict[str, Any], limit: float) -> Iterator[Event]:
        """Run the tool once, and give what it printed as events."""
        with tempfile.TemporaryDirectory(prefix="repbnn-") as folder:
            explain = Path(folder) / "explain.json"
            if request["cores"] and not shutil.which("taskset"):
                yield {"event": "affinity", "refused": "there is no taskset here"}
            words = _pinned([str(self._program), *_flags(request, explain)], request["cores"])
            process = LineProcess(["/bin/sh", "-c", 'exec "$@" 2>&1', "sh", *words])
            self._running = process
            if self._stopped:
                process.kill()
            lines = []
            try:
                process.send(b"", close=True)
                lines += [line.decode("utf-8", "replace") for line in process.lines(limit)]
            except DeadlineError:
                process.finish()
                raise
            except BaseException:
                process.kill()
                process.finish()
                raise
            finally:
                self._running = None
            code, _, seconds = process.finish()
            delegate = _delegate(explain)
        if code == 0:
            yield from events("\n".join(lines), (self._program.name, self._version), delegate)
        yield exit_event(code, "\n".join(lines[-5:]), seconds)


def _flags(request: dict[str, Any], explain: Path) -> list[str]:
    effort = request["effort"]
    flags = {
        "graph": request["file"],
        "num_threads": request["num_threads"],
        "num_runs": effort["num_runs"],
        "min_secs": effort["min_secs"],
        "max_secs": effort["max_secs"],
        "warmup_runs": request["warmup_runs"],
        "report_peak_memory_footprint": "true",
        "enable_op_profiling": "true" if request.get("profile") else "false",
    }
    library, options = _library(request), dict(request["delegate_options"])
    if library is not None:
        if request["delegate"] == "auto":
            options |= {"num_threads": str(request["num_threads"]), "explain": str(explain)}
        flags["external_delegate_path"] = library
        flags["external_delegate_options"] = ";".join(f"{key}:{value}" for key, value in options.items())
    return [f"--{name}={value}" for name, value in flags.items()]


def _pinned(words: list[str], cores: Sequence[int]) -> list[str]:
    """The tool has no flag for cores; taskset has."""
    return ["taskset", mask(cores), *words] if cores and shutil.which("taskset") else words


def _library(request: dict[str, Any]) -> Path | None:
    """The delegate that the tool is to load; LCE's own tool knows LCE's operators without."""
    if request["delegate"] == "none" or request["runtime"] == "lce":
        return None
    if request["delegate"] != "auto":
        return Path(request["delegate"]).resolve()
    if b"LceBconv2d" not in Path(request["file"]).read_bytes():
        return None
    library = find_library()
    if library is None:
        raise UnsupportedError(
            "the delegate", "this installation was built without it", "build it with `make native`, or --delegate none"
        )
    return library


def _delegate(explain: Path) -> dict[str, Any] | None:
    if not explain.is_file():
        return None
    body = json.loads(explain.read_text(encoding="utf-8"))
    left = [node for node in body["nodes"] if not node["claimed"]]
    return {
        "version": body["version"],
        "implementation": body["implementation"],
        "nodes_total": len(body["nodes"]),
        "nodes_delegated": len(body["nodes"]) - len(left),
        "partitions": body["partitions"],
        "refused": [{key: node[key] for key in ("node", "op", "reason")} for node in left],
    }


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
    if not math.isfinite(low + high + mean + deviation):
        raise ValueError("a number that is none")
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
