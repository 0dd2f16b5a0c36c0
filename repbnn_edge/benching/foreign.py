"""TFLite's own ``benchmark_model``, or LCE's ``lce_benchmark_model``, as what measures, here or on a device."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from repbnn_edge.benching.foreign_output import events
from repbnn_edge.devices.binaries import delegate_for
from repbnn_edge.devices.cores import mask
from repbnn_edge.devices.host import HostDevice, refusal
from repbnn_edge.devices.interface import Device, Event
from repbnn_edge.devices.remote import RemoteDevice
from repbnn_edge.devices.streaming import line_event
from repbnn_edge.errors import RepbnnError, UnsupportedError
from repbnn_edge.files import check_input_file, scratch_folder, sha256_of
from repbnn_edge.runtime.delegate import find_library
from repbnn_edge.runtime.sessions import read_facts

_EXPLAIN = "explain.json"
_NOT_BUILT = UnsupportedError(
    "the delegate", "this installation was built without it", "build it with `make native`, or --delegate none"
)


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

    def facts(self) -> dict[str, Any]:
        """This machine, and who measures."""
        return super().facts() | {"runner": self._program.name}

    def run(self, request: dict[str, Any], limit: float) -> Iterator[Event]:
        """Run the tool once, and give what it printed as events."""
        try:
            delegate = None if request["runtime"] == "lce" else delegate_for(request, find_library(), _NOT_BUILT)
        except RepbnnError as error:  # this row cannot run; others may
            yield from refusal(error)
            return
        if request["cores"] and not shutil.which("taskset"):
            yield {"event": "affinity", "refused": "there is no taskset here"}
        with scratch_folder() as folder:
            explain = folder / _EXPLAIN
            flags = _flags(request, request["file"], str(delegate.resolve()) if delegate else None, str(explain))
            words = _pinned([str(self._program), *flags], request["cores"])
            running = self.spawn(["/bin/sh", "-c", 'exec "$@" 2>&1', "sh", *words], limit, read=line_event)
            yield from _told(self._program, running, lambda: _text_of(explain))


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
        try:  # LCE's own tool knows LCE's operators without
            delegate = None if request["runtime"] == "lce" else device.delegate_for(request)
        except RepbnnError as error:
            yield from refusal(error)
            return

        def flags(places: Mapping[Path, str]) -> list[str]:
            return _flags(request, places[model], places[delegate] if delegate else None, _EXPLAIN)

        files = [model, *([delegate] if delegate else [])]
        running = device.run_program(self._program, files, flags, request["cores"], limit)
        yield from _told(self._program, running, lambda: device.left(_EXPLAIN))


def _told(program: Path, running: Iterator[Event], explained: Callable[[], str | None]) -> Iterator[Event]:
    """The events of one run of the tool, out of what it and the delegate wrote.

    Args:
        program: the tool.
        running: a ``line`` event for each line that it prints, then ``exit``.
        explained: gives what the delegate wrote, once the tool has ended.
    """
    lines: list[str] = []
    for event in running:
        if event["event"] == "line":
            lines.append(event["text"])
            continue
        if event["event"] == "exit":
            text = explained()
            if event["code"] == 0:
                delegate = None if text is None else vars(read_facts(text))
                yield from events("\n".join(lines), (program.name, f"sha256 {sha256_of(program)[:12]}"), delegate)
            event = {**event, "stderr": "\n".join(lines[-5:])}
        yield event


def _text_of(path: Path) -> str | None:
    return path.read_text(encoding="utf-8") if path.is_file() else None


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
