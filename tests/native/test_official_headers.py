"""Our declarations of TFLite's structs against TensorFlow Lite's own headers, as its Android archive brings them."""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest

from repbnn_edge.errors import UnsupportedError

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.xdist_group("native")


def _device_tool() -> Any:
    """tools/device.py, which gets the archive from Maven and proves it by its hash."""
    spec = importlib.util.spec_from_file_location("device_tool", ROOT / "tools" / "device.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # its dataclasses look themselves up there
    spec.loader.exec_module(module)
    return module


def test_our_declarations_are_tflites(tmp_path: Path) -> None:
    compiler = shutil.which("c++")
    if compiler is None or not Path("/usr/include/gtest/gtest.h").is_file():
        pytest.skip("a C++ compiler or GoogleTest is not installed (Debian: g++, libgtest-dev)")
    try:
        archive = _device_tool()._archive(tmp_path)
    except UnsupportedError as error:
        pytest.skip(str(error))
    with zipfile.ZipFile(archive) as files:
        files.extractall(tmp_path, [name for name in files.namelist() if name.startswith("headers/")])
    program, here = tmp_path / "abi_test", ROOT / "tests" / "native"
    sources = [here / "abi_test.cc", here / "abi_official.cc"]
    options = ["-std=c++17", "-DREPBNN_OFFICIAL_HEADERS", "-I", ROOT / "native", "-isystem", tmp_path / "headers"]
    command = [compiler, *options, *sources, "-lgtest", "-lgtest_main", "-lpthread", "-o", program]
    built = subprocess.run(command, capture_output=True, text=True)
    assert built.returncode == 0, built.stderr[-3000:]
    done = subprocess.run([program], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout
    assert "SKIPPED" not in done.stdout
