"""What this machine could do at most: popcounts and copies, measured by our own runner where it was built."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from repbnn_edge.devices.binaries import RUNNER, folders
from repbnn_edge.devices.cores import mask
from repbnn_edge.devices.interface import Event
from repbnn_edge.devices.streaming import parse_event

_SECONDS = 30.0


def find_runner() -> Path | None:
    """The runner for this very machine: a checkout's own build (``make native``), or an installed one."""
    checkout = Path(__file__).resolve().parents[2] / "build" / "native" / "native" / "runner"
    places = [*folders(f"{sys.platform}-{platform.machine()}"), checkout]
    return next((place / RUNNER for place in places if os.access(place / RUNNER, os.X_OK)), None)


def roofline(num_threads: int, cores: Sequence[int]) -> Event | None:
    """The ``roofline`` event of the runner; None where there is no runner, or it fails."""
    runner = find_runner()
    if runner is None:
        return None
    command = [str(runner), "--roofline", "--num-threads", str(num_threads)]
    if cores:
        command += ["--cores", mask(cores)]
    try:
        done = subprocess.run(command, capture_output=True, timeout=_SECONDS)
    except (OSError, subprocess.TimeoutExpired):
        return None
    events = (parse_event(line) for line in done.stdout.splitlines())
    return next((event for event in events if event and event["event"] == "roofline"), None)
