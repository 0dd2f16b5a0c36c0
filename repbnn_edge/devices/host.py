"""This machine as a device: Python's own runtimes, a fresh process for each measurement."""

from __future__ import annotations

import json
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from repbnn_edge.devices import host_facts
from repbnn_edge.devices.interface import Event
from repbnn_edge.devices.streaming import LineProcess, parse_event
from repbnn_edge.errors import DeadlineError, RepbnnError

_WORKER = "repbnn_edge.benching.worker"


class HostDevice:
    """See ``interface.Device``."""

    name = "host"

    def __init__(self) -> None:
        self._running: LineProcess | None = None
        self._stopped = False

    def prepare(self, seconds: float) -> None:
        """Nothing to do: a worker is its own."""

    def facts(self) -> dict[str, Any]:
        """This machine."""
        return host_facts.facts()

    def usable_cores(self) -> list[int]:
        """The cores that this process may run on."""
        return host_facts.usable_cores()

    def state(self, cores: Sequence[int]) -> dict[str, Any]:
        """The state of ``cores`` now."""
        return host_facts.state(cores)

    def run(self, request: dict[str, Any], limit: float) -> Iterator[Event]:
        """Run one worker, which reads ``request`` from its stdin."""
        yield from self.spawn([sys.executable, "-m", _WORKER], limit, json.dumps(request).encode())

    def spawn(
        self,
        command: Sequence[str],
        limit: float,
        data: bytes = b"",
        read: Callable[[bytes], Event | None] = parse_event,
    ) -> Iterator[Event]:
        """Run a program once: its events, then ``exit`` as ``interface.Device.run`` has it.

        Args:
            command: the program and its arguments.
            limit: seconds.
            data: for its stdin.
            read: what makes an event of a line.

        Raises:
            DeadlineError: ``limit`` passed; the program is ended.
        """
        process = LineProcess(command)
        self._running = process
        if self._stopped:  # between two rows
            process.kill()
        try:
            process.send(data, close=True)
            for line in process.lines(limit):
                event = read(line)
                if event:
                    yield event
        except DeadlineError:
            process.finish()
            raise
        except BaseException:  # Ctrl-C among them: no program outlives us
            process.kill()
            process.finish()
            raise
        finally:
            self._running = None
        yield exit_event(*process.finish())

    def stop(self) -> None:
        """End what runs, and what starts later."""
        self._stopped = True
        process = self._running
        if process is not None:
            process.kill()

    def close(self) -> None:
        """End what runs."""
        self.stop()


def exit_event(code: int, errors: str, cpu_seconds: float | None) -> Event:
    """The last event of a run."""
    name = None
    if code < 0:
        try:
            name = signal.Signals(-code).name
        except ValueError:
            name = f"signal {-code}"
    return {"event": "exit", "code": code, "signal": name, "stderr": errors, "cpu_seconds": cpu_seconds}


def refusal(error: RepbnnError) -> Iterator[Event]:
    """The events of a row that cannot run on a device: others may."""
    yield {"event": "error", "code": error.exit_code, "what": error.what, "why": error.why, "do": error.do}
    yield exit_event(error.exit_code, "", None)
