"""The runner and its helpers, built for this machine."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.devices_support.emulation import alone

ROOT = Path(__file__).resolve().parents[2]
BUILD = ROOT / "build" / "runner"


@pytest.fixture(scope="session")
def built() -> Path:
    """The folder of repbnn-runner; its helpers lie in ``tests`` below it."""
    missing = [tool for tool in ("cmake", "ninja", "c++") if shutil.which(tool) is None]
    if missing:
        pytest.skip(f"{', '.join(missing)} not installed")
    configure = ["cmake", "-S", ROOT, "-B", BUILD, "-G", "Ninja", "-DREPBNN_TESTS=OFF", "-DREPBNN_RUNNER_TESTS=ON"]
    with alone("runner"):
        for command in (configure, ["cmake", "--build", BUILD, "--target", "runner_tests"]):
            done = subprocess.run(command, capture_output=True, text=True)
            assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
    return BUILD / "native" / "runner"
