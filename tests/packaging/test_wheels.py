"""The wheels that are given to others: what is wrong with one is found, and the real ones install and run."""

from __future__ import annotations

import json
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tests.devices_support.emulation import ROOT, alone, device_folder, run_prefix, runtime_library

sys.path.insert(0, str(ROOT / "tools"))

import wheels

MakeWheel = Callable[..., Path]


@pytest.fixture
def make_wheel(tmp_path: Path) -> MakeWheel:
    """Makes a wheel of true files without building one; single members can be replaced or left out."""

    def make(tag: str = wheels.tag("aarch64"), **replaced: bytes | None) -> Path:
        phone, board = device_folder("android-arm64"), device_folder("linux-aarch64")
        members = {wheels.LIBRARY: (board / "librepbnn_delegate.so").read_bytes()}
        for folder in (phone, board):
            members |= {f"repbnn_edge/device/{folder.name}/{path.name}": path.read_bytes() for path in folder.iterdir()}
        for name, data in replaced.items():
            (member,) = (member for member in members if member.endswith(name.replace("__", "/")))
            if data is None:
                del members[member]
            else:
                members[member] = data
        path = tmp_path / f"repbnn_edge-0.1.0-{tag}.whl"
        with zipfile.ZipFile(path, "w") as archive:
            for member, data in members.items():
                archive.writestr(member, data)
        return path

    return make


def test_a_right_wheel_has_no_faults(make_wheel: MakeWheel) -> None:
    assert list(wheels.faults_of(make_wheel(), "aarch64")) == []


def test_each_fault_of_a_wheel_is_named(make_wheel: MakeWheel) -> None:
    host, android = Path(sys.executable).resolve().read_bytes(), device_folder("android-arm64")
    delegate = (android / "librepbnn_delegate.so").read_bytes()
    for words, arguments in (
        ("not tagged", {"tag": "py3-none-linux_aarch64"}),
        ("lacks repbnn_edge/device/android-arm64/repbnn-runner", {"android-arm64__repbnn-runner": None}),
        ("lacks repbnn_edge/device/android-arm64/libtensorflowlite_jni.so.NOTICE", {"jni.so.NOTICE": None}),
        ("is for x86_64", {"runtime__librepbnn_delegate.so": host}),
        ("does not export", {"runtime__librepbnn_delegate.so": host}),
        ("needs libc.so, ", {"runtime__librepbnn_delegate.so": delegate}),
        ("is for another processor", {"linux-aarch64__repbnn-runner": host}),
    ):
        faults = "; ".join(wheels.faults_of(make_wheel(**arguments), "aarch64"))  # type: ignore[arg-type]
        assert words in faults


@pytest.fixture(scope="module")
def built() -> dict[str, Path]:
    """Both wheels, as ``make wheels`` leaves them."""
    device_folder("android-arm64")
    with alone("wheels"):
        done = subprocess.run([sys.executable, ROOT / "tools" / "wheels.py"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return {machine: next((ROOT / "dist").glob(f"*{machine}.whl")) for machine in wheels.MACHINES}


@pytest.mark.slow
def test_the_wheel_installs_and_runs_in_an_empty_environment(
    built: dict[str, Path], resnet20: Path, tmp_path: Path
) -> None:
    """Its dependencies are those of this environment, which its own files must not come from."""
    environment = tmp_path / "environment"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", environment], check=True)
    python = environment / "bin" / "python"
    install = [sys.executable, "-m", "pip", "--python", python, "install", "-q", "--no-deps", built["x86_64"]]
    subprocess.run(install, check=True)
    (packages,) = environment.glob("lib/python*/site-packages")
    (packages / "dependencies.pth").write_text(f"{Path(np.__file__).parents[1]}\n")
    program = (
        "import sys, json, numpy, repbnn_edge\n"
        "from repbnn_edge.devices import binaries\n"
        "interpreter = repbnn_edge.Interpreter(sys.argv[1])\n"
        "interpreter.allocate_tensors()\n"
        "interpreter.invoke()\n"
        "found = binaries.find('android-arm64', 'phone')\n"
        "print(json.dumps([repbnn_edge.__file__, str(found.runner), str(found.runtime)]))\n"
    )
    done = subprocess.run([python, "-c", program, resnet20], capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert all(place.startswith(str(packages)) for place in json.loads(done.stdout.splitlines()[-1]))
    assert "nodes, 1 partition," in done.stderr


@pytest.mark.slow
def test_the_other_wheels_library_runs_under_emulation(built: dict[str, Path], resnet20: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(built["aarch64"]) as archive:
        library = Path(archive.extract(wheels.LIBRARY, tmp_path))
    runner = device_folder("linux-aarch64") / "repbnn-runner"
    words = ["--model", resnet20, "--delegate", library, "--num-runs", "1", "--min-secs", "0", "--deadline", "120"]
    command = [*run_prefix("linux-aarch64"), runner, "--runtime-library", runtime_library("linux-aarch64"), *words]
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    loaded = next(json.loads(line) for line in done.stdout.splitlines() if '"loaded"' in line)
    assert loaded["delegate"]["partitions"] == 1
    assert [node for node in loaded["delegate"]["refused"] if node["op"].startswith("Lce")] == []
