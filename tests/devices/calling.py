"""Calls of the command line that the device tests share."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from repbnn_edge.cli import main

QUICK = ["--num-runs", "25", "--min-secs", "0", "--max-secs", "20", "--repeats", "1", "--delegate", "none"]
CLEAN = ["cache", "runs"]
"""What may stay on a device: an empty folder for runs, and the cache."""


def bench(capsys: pytest.CaptureFixture[str], model: Path, device: str, *flags: str) -> tuple[int, dict[str, Any], str]:
    """``bench --json``: the exit code, what was printed, and stderr."""
    code = main.run(["bench", str(model), "--device", device, "--json", *QUICK, *flags])
    printed = capsys.readouterr()
    return code, json.loads(printed.out) if printed.out.strip() else {}, printed.err


def start_bench(model: Path, device: str, *flags: str) -> subprocess.Popen[str]:
    """``bench --json`` as a process of its own."""
    command = [sys.executable, "-m", "repbnn_edge.cli.main", "bench", str(model), "--device", device, "--json"]
    return subprocess.Popen(
        [*command, *QUICK, *flags],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=dict(os.environ),
        start_new_session=True,
    )


def codes(body: dict[str, Any]) -> list[str]:
    """The verdict codes of all rows."""
    return [reason["code"] for row in body["results"] for reason in row["verdict"]["reasons"]]
