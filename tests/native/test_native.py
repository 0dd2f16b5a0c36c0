"""Builds native/ with its tests and runs them: GoogleTest binaries, one Python test each."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from functools import lru_cache
from pathlib import Path

import pytest

from repbnn_edge.elf import Elf
from repbnn_edge.runtime.delegate import LIBRARY_NAME

ROOT = Path(__file__).resolve().parents[2]
BUILD = ROOT / "build" / "native"
TOOLS = ("cmake", "ctest", "ninja", "c++")

pytestmark = pytest.mark.xdist_group("native")


@lru_cache
def _build() -> str:
    """Configure and build; returns why that is impossible here, or an empty string."""
    missing = [tool for tool in TOOLS if shutil.which(tool) is None]
    if missing:
        return f"{', '.join(missing)} not installed"
    configured = subprocess.run(
        ["cmake", "-S", ROOT, "-B", BUILD, "-G", "Ninja", "-DREPBNN_TESTS=ON"], capture_output=True, text=True
    )
    if configured.returncode != 0 and "GTest" in configured.stderr:
        return "GoogleTest is not installed (Debian: libgtest-dev)"
    assert configured.returncode == 0, configured.stderr
    built = subprocess.run(["cmake", "--build", BUILD], capture_output=True, text=True)
    assert built.returncode == 0, built.stdout[-4000:]
    return ""


@lru_cache
def _commands() -> dict[str, list[str]]:
    listed = subprocess.run(["ctest", "--test-dir", BUILD, "--show-only=json-v1"], capture_output=True, check=True)
    return {test["name"]: test["command"] for test in json.loads(listed.stdout)["tests"]}


@pytest.mark.parametrize(
    "name",
    [
        "fusion_test",
        "schedule_test",
        "weights_test",
        "flexbuffer_test",
        "delegate_test",
        "accelerator_test",
        "accelerator_old_test",
        "allocation_test",
        "abi_test",
        "fuzz_delegate",
    ],
)
def test_plan_and_delegate(name: str) -> None:
    _run(name)


@pytest.mark.parametrize("name", ["pointwise_test", "bconv2d_test", "pool_test", "pool_threads_test", "depthwise_test"])
def test_kernels(name: str) -> None:
    _run(name)


def test_a_cmake_project_finds_and_runs_it(tmp_path: Path) -> None:
    if reason := _build():
        pytest.skip(reason)
    (tmp_path / "main.cc").write_text(
        '#include "repbnn_delegate.h"\n'
        "int main() {\n"
        '  const char *key = "num_threads", *value = "1";\n'
        "  TfLiteDelegate* delegate = tflite_plugin_create_delegate(&key, &value, 1, nullptr);\n"
        "  if (delegate == nullptr) return 1;\n"
        "  tflite_plugin_destroy_delegate(delegate);\n"
        "  return 0;\n}\n"
    )
    (tmp_path / "CMakeLists.txt").write_text(
        "cmake_minimum_required(VERSION 3.20)\nproject(user CXX)\nfind_package(repbnn 0.1 REQUIRED)\n"
        "add_executable(user main.cc)\ntarget_link_libraries(user PRIVATE repbnn::repbnn_delegate)\n"
    )
    for command in (
        ["cmake", "--install", BUILD, "--prefix", tmp_path / "installed", "--component", "cpp"],
        ["cmake", "-S", tmp_path, "-B", tmp_path / "build", "-G", "Ninja", f"-DCMAKE_PREFIX_PATH={tmp_path}/installed"],
        ["cmake", "--build", tmp_path / "build"],
        [tmp_path / "build" / "user"],
    ):
        result = subprocess.run(command, capture_output=True, text=True)
        assert result.returncode == 0, result.stdout + result.stderr


def test_the_library_has_its_doors_and_asks_for_the_c_library_alone() -> None:
    if reason := _build():
        pytest.skip(reason)
    library = (BUILD / "native" / LIBRARY_NAME).read_bytes()
    doors = {"tflite_plugin_create_delegate", "tflite_plugin_destroy_delegate", "repbnn_register_accelerator"}
    assert {symbol.name for symbol in Elf(library).exports()} == doors
    system = {"libc.so.6", "libm.so.6", "libpthread.so.0", "libdl.so.2"}
    assert [name for name in Elf(library).needed if name not in system and not name.startswith("ld-linux")] == []
    assert len(library) < 600_000


def test_every_native_test_is_listed_here() -> None:
    if reason := _build():
        pytest.skip(reason)
    here = Path(__file__).read_text()
    assert [name for name in _commands() if f'"{name}"' not in here] == []


def _run(name: str) -> None:
    if reason := _build():
        pytest.skip(reason)
    result = subprocess.run(
        _commands()[name],
        capture_output=True,
        text=True,
        errors="replace",
        timeout=900,
        env={**os.environ, "GTEST_BRIEF": "1"},
    )
    assert result.returncode == 0, (result.stdout + result.stderr)[-6000:]
