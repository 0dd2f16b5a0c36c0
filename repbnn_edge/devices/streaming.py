"""A child process whose lines are read as they come, within a limit."""

from __future__ import annotations

import contextlib
import json
import os
import queue
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from typing import IO, Any

from repbnn_edge.devices.interface import Event
from repbnn_edge.errors import DeadlineError

LONGEST_LINE = 1 << 24
"""Bytes; a program that writes more without a line break writes no events."""

_STDERR_TAIL = 4096


class LineProcess:
    """A process with its stdin open, its stdout read line by line in a thread, its stderr in a file.

    The thread is what works on every system: pipes cannot be polled on Windows.
    """

    def __init__(self, command: Sequence[str], environment: dict[str, str] | None = None) -> None:
        self._stderr = tempfile.TemporaryFile()  # noqa: SIM115 - closed in finish
        self.process = subprocess.Popen(
            list(command),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._stderr,
            env=environment,
            start_new_session=True,
        )
        self._lines: queue.Queue[bytes | None] = queue.Queue()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def send(self, data: bytes, *, close: bool = False) -> None:
        """Write to its stdin; a process that is gone is no error here, its exit tells."""
        stdin = self.process.stdin
        assert stdin is not None
        try:
            stdin.write(data)
            stdin.flush()
            if close:
                stdin.close()
        except (OSError, ValueError):
            pass

    def lines(self, limit: float) -> Iterator[bytes]:
        """Its lines until it closes stdout.

        Raises:
            DeadlineError: ``limit`` seconds from now passed; the process is killed.
        """
        ends = time.monotonic() + limit
        while True:
            try:
                line = self._lines.get(timeout=max(ends - time.monotonic(), 0.001))
            except queue.Empty:
                self.kill()
                raise DeadlineError("the process", f"it did not end within {limit:g} s", "allow more") from None
            if line is None:
                return
            yield line

    def finish(self, limit: float = 10.0) -> tuple[int, str, float | None]:
        """Wait for its end; gives the exit code, the end of its stderr, and its CPU seconds where they are known."""
        code, seconds = _wait(self.process, limit)
        self._reader.join(limit)
        self._stderr.seek(0, 2)
        self._stderr.seek(max(self._stderr.tell() - _STDERR_TAIL, 0))
        errors = self._stderr.read().decode("utf-8", "replace")
        self._stderr.close()
        for stream in (self.process.stdin, self.process.stdout):
            _close(stream)
        return code, errors, seconds

    def kill(self) -> None:
        """End it at once."""
        self.process.kill()

    def _read(self) -> None:
        stdout = self.process.stdout
        assert stdout is not None
        try:
            while line := stdout.readline(LONGEST_LINE):
                self._lines.put(line)
        except (OSError, ValueError):
            pass
        self._lines.put(None)


def parse_event(line: bytes) -> Event | None:
    """A line as an event; None for what a library or a login script printed between them."""
    try:
        event = json.loads(line, parse_constant=no_constant)
    except (ValueError, RecursionError):
        return None
    return event if isinstance(event, dict) and isinstance(event.get("event"), str) else None


def no_constant(name: str) -> float:
    """For ``json``'s ``parse_constant``: NaN and Infinity are refused, by ValueError."""
    raise ValueError(f"{name} is no number of JSON")


def line_event(line: bytes) -> Event:
    """A line of a program that is no runner of ours."""
    return {"event": "line", "text": line.decode("utf-8", "replace").rstrip("\r\n")}


def _wait(process: subprocess.Popen[bytes], limit: float) -> tuple[int, float | None]:
    """Wait for a process; its own CPU seconds come with it where the system has wait4."""
    if not hasattr(os, "wait4") or process.returncode is not None:
        return _wait_plainly(process, limit), None
    ends = time.monotonic() + limit
    while True:
        try:
            pid, status, usage = os.wait4(process.pid, os.WNOHANG)
        except ChildProcessError:
            return _wait_plainly(process, limit), None
        if pid:
            process.returncode = os.waitstatus_to_exitcode(status)
            return process.returncode, usage.ru_utime + usage.ru_stime
        if time.monotonic() > ends:
            process.kill()
            ends = float("inf")
        time.sleep(0.002)


def _wait_plainly(process: subprocess.Popen[bytes], limit: float) -> int:
    try:
        return process.wait(limit)
    except subprocess.TimeoutExpired:
        process.kill()
        return process.wait()


def _close(stream: IO[Any] | None) -> None:
    if stream is not None:
        with contextlib.suppress(OSError):
            stream.close()
