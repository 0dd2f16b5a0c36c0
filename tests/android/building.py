"""What the Android tests share: the build, made once, and a skip with a word where a tool is missing."""

from __future__ import annotations

import contextlib
import functools
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.devices_support.emulation import alone

ROOT = Path(__file__).resolve().parents[2]
TOOL = ROOT / "tools" / "android"
DEMO = ROOT / "android_demo"
OUTPUTS = DEMO / "build" / "outputs"
_NOT_OURS = ("error: not installed yet", "error: Maven cannot reach its repositories")


def run_tool(*words: str, environment: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """``tools/android WORDS``; skips where packages of the system are missing, or Maven reaches no repository."""
    # The build makes the delegate for phones, as other tests do.
    with alone("android-demo"), alone("device") if words[0] == "build" else contextlib.nullcontext():
        done = subprocess.run(
            [sys.executable, TOOL, *words], capture_output=True, text=True, env={**os.environ, **(environment or {})}
        )
    first = done.stderr.strip().splitlines()[:1]
    if done.returncode != 0 and first and any(reason in first[0] for reason in _NOT_OURS):
        pytest.skip(first[0])
    return done


@functools.cache
def outputs() -> Path:
    """The folder of the .aar, the .apk and the Maven repository, brought up to date."""
    done = run_tool("build")
    assert done.returncode == 0, done.stdout + done.stderr
    return OUTPUTS
