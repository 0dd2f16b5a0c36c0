"""The short form of ``fuzzing``, in a process of its own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("atheris")


@pytest.mark.parametrize("runs", [1500, pytest.param(200_000, marks=pytest.mark.slow)])
def test_no_bytes_break_the_importer(runs, tmp_path):
    command = [sys.executable, "-m", "tests.onnx.fuzzing", f"-runs={runs}", "-seed=1", f"-artifact_prefix={tmp_path}/"]
    root = Path(__file__).resolve().parents[2]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, timeout=3600, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    assert f"Done {runs}" in done.stderr
    assert "cov:" in done.stderr  # blind fuzzing would pass too
