"""TFLite's own ``benchmark_model``, or LCE's ``lce_benchmark_model``, as what measures, here or on a device."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from repbnn_edge.benching.foreign_output import events
from repbnn_edge.devices.cores import mask
from repbnn_edge.devices.host import HostDevice, exit_event
from repbnn_edge.devices.interface import Device, Event
from repbnn_edge.devices.remote import RemoteDevice
from repbnn_edge.devices.streaming import LineProcess
from repbnn_edge.errors import DeadlineError, UnsupportedError
from repbnn_edge.files import check_input_file, sha256_of
from repbnn_edge.runtime.delegate import find_library

_EXPLAIN = "explain.json"


def measured_by(program: Path, device: Device) -> Device:
    """``device``, measured by ``program`` in place of our own runner.

    Raises:
        BadInputError: there is no such program.
    """
    check_input_file(program)
    program = program.resolve()
    return FarForeignRunner(program, device) if isinstance(device, RemoteDevice) else ForeignRunner(program)


class ForeignRunner(HostDevice):
    """This machine, measured by somebody else's program; see ``devices.interface.Device``."""

    def __init__(self, program: Path) -> None:
        super().__init__()
        self._program = program

    def run(self, request: dict[str, Any], limit: float) -> Iterator[Event]:
        """Run the tool once, and give what it printed as events."""
        with tempfile.TemporaryDirectory(prefix="repbnn-") as folder:
            explain = Path(folder) / _EXPLAIN
            if request["cores"] and not shutil.which("taskset"):
                yield {"event": "affinity", "refused": "there is no taskset here"}
            delegate = _delegate_here(request)
            flags = _flags(request, request["file"], str(delegate) if delegate else None, str(explain))
            lines, code, seconds = self._lines(_pinned([str(self._program), *flags], request["cores"]), limit)
            explained = explain.read_text(encoding="utf-8") if explain.is_file() else None
        yield from _told(self._program, lines, code, seconds, explained)

    def _lines(self, words: list[str], limit: float) -> tuple[list[str], int, float | None]:
        process = LineProcess(["/bin/sh", "-c", 'exec "$@" 2>&1', "sh", *words])
        self._running = process
        if self._stopped:
            process.kill()
        try:
            process.send(b"", close=True)
            lines = [line.decode("utf-8", "replace") for line in process.lines(limit)]
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
        return lines, code, seconds


class FarForeignRunner:
    """A phone or board, measured by somebody else's program; see ``devices.interface.Device``.

    Args:
        program: built for the device.
        device: brings the program there, and keeps its deadline.
    """

    def __init__(self, program: Path, device: RemoteDevice) -> None:
        self.name = device.name
        self._program, self._device = program, device
        self.prepare, self.state, self.usable_cores = device.prepare, device.state, device.usable_cores
        self.stop, self.close = device.stop, device.close

    def facts(self) -> dict[str, Any]:
        """What it is, and who measures."""
        return self._device.facts() | {"runner": self._program.name}

    def run(self, request: dict[str, Any], limit: float) -> Iterator[Event]:
        """Run the tool there once, and give what it printed as events."""
        device, model = self._device, Path(request["file"])
        delegate = None if request["runtime"] == "lce" else device.delegate_for(request)

        def flags(places: Mapping[Path, str]) -> list[str]:
            return _flags(request, places[model], places[delegate] if delegate else None, _EXPLAIN)

        files = [model, *([delegate] if delegate else [])]
        lines: list[str] = []
        for event in device.run_program(self._program, files, flags, request["cores"], limit):
            if event["event"] == "line":
                lines.append(event["text"])
            elif event["event"] == "exit":
                explained = device.left(_EXPLAIN)
                yield from _told(self._program, lines, event["code"], event["cpu_seconds"], explained)
            else:
                yield event


def _told(program: Path, lines: list[str], code: int, seconds: float | None, explained: str | None) -> Iterator[Event]:
    """The events of one run of the tool, out of what it and the delegate wrote."""
    version = f"sha256 {sha256_of(program)[:12]}"
    if code == 0:
        yield from events("\n".join(lines), (program.name, version), _delegate(explained))
    yield exit_event(code, "\n".join(lines[-5:]), seconds)


def _flags(request: dict[str, Any], graph: str, delegate: str | None, explain: str) -> list[str]:
    """The tool's arguments.

    Args:
        request: see ``devices.interface.Device.run``.
        graph: where the file lies for the tool; ``delegate`` and ``explain`` likewise.
        delegate: that it is to load.
        explain: where our delegate is to say what it took.
    """
    effort = request["effort"]
    flags = {
        "graph": graph,
        "num_threads": request["num_threads"],
        "num_runs": effort["num_runs"],
        "min_secs": effort["min_secs"],
        "max_secs": effort["max_secs"],
        "warmup_runs": request["warmup_runs"],
        "report_peak_memory_footprint": "true",
        "enable_op_profiling": "true" if request.get("profile") else "false",
    }
    options = dict(request["delegate_options"])
    if delegate is not None:
        if request["delegate"] == "auto":
            options |= {"num_threads": str(request["num_threads"]), "explain": explain}
        flags["external_delegate_path"] = delegate
        flags["external_delegate_options"] = ";".join(f"{key}:{value}" for key, value in options.items())
    return [f"--{name}={value}" for name, value in flags.items()]


def _pinned(words: list[str], cores: Sequence[int]) -> list[str]:
    """The tool has no flag for cores; taskset has."""
    return ["taskset", mask(cores), *words] if cores and shutil.which("taskset") else words


def _delegate_here(request: dict[str, Any]) -> Path | None:
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


def _delegate(explained: str | None) -> dict[str, Any] | None:
    """The ``delegate`` of a bench report, out of what it wrote."""
    if explained is None:
        return None
    body = json.loads(explained)
    left = [node for node in body["nodes"] if not node["claimed"]]
    return {
        "version": body["version"],
        "implementation": body["implementation"],
        "nodes_total": len(body["nodes"]),
        "nodes_delegated": len(body["nodes"]) - len(left),
        "partitions": body["partitions"],
        "refused": [{key: node[key] for key in ("node", "op", "reason")} for node in left],
    }
