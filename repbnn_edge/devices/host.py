"""This machine as a device: Python's own runtimes, a fresh process for each measurement."""

from __future__ import annotations

import json
import signal
import sys
from collections.abc import Iterator, Sequence
from typing import Any

from repbnn_edge.devices import host_facts
from repbnn_edge.devices.interface import Event
from repbnn_edge.devices.streaming import LineProcess, parse_event
from repbnn_edge.errors import DeadlineError

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
        worker = LineProcess([sys.executable, "-m", _WORKER])
        self._running = worker
        if self._stopped:  # between two rows
            worker.kill()
        try:
            worker.send(json.dumps(request).encode(), close=True)
            for line in worker.lines(limit):
                event = parse_event(line)
                if event:
                    yield event
        except DeadlineError:
            worker.finish()
            raise
        except BaseException:  # Ctrl-C among them: no worker outlives us
            worker.kill()
            worker.finish()
            raise
        finally:
            self._running = None
        yield exit_event(*worker.finish())

    def stop(self) -> None:
        """End the worker that runs, and any that starts later."""
        self._stopped = True
        worker = self._running
        if worker is not None:
            worker.kill()

    def close(self) -> None:
        """End the worker that runs."""
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
