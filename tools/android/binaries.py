"""The native libraries, by the project's own Android toolchain."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import needs
from layout import ABIS, BUILD, LIBRARY, ROOT

_SOURCE = LIBRARY / "src" / "main" / "cpp"
_TOOLCHAIN = ROOT / "native" / "toolchains" / "android" / "toolchain.cmake"
NAMES = ("librepbnn_delegate.so", "librepbnn_jni.so")


def for_android(abi: str) -> Path:
    """The folder of both libraries for an ABI; the delegate is the one that ``make device`` builds."""
    python = ROOT / ".venv" / "bin" / "python"
    if not python.is_file():
        raise needs.BuildError("the toolchain is not there yet, so run `make setup`, which brings it")
    needs.run([python, ROOT / "tools" / "device.py", ABIS[abi]], "building the delegate")
    delegate = ROOT / "build" / "device" / ABIS[abi] / NAMES[0]
    toolchain = (f"-DCMAKE_TOOLCHAIN_FILE={_TOOLCHAIN}", f"-DANDROID_ABI={abi}", f"-DREPBNN_PYTHON={python}")
    return _build(f"native-{abi}", *toolchain, f"-DREPBNN_DELEGATE={delegate}")


def java_home() -> Path:
    """The JDK that ``javac`` belongs to."""
    found = shutil.which("javac")
    assert found
    return Path(found).resolve().parents[1]


def _build(name: str, *settings: str) -> Path:
    folder = BUILD / name
    tools = f"{ROOT / '.venv' / 'bin'}{os.pathsep}{os.environ['PATH']}"
    cmake = shutil.which("cmake", path=tools)
    ninja = shutil.which("ninja", path=tools)
    if cmake is None or ninja is None:
        raise needs.BuildError("cmake or ninja is not installed, so run `make setup`, which brings both")
    common = ("-G", "Ninja", f"-DCMAKE_MAKE_PROGRAM={ninja}", f"-DREPBNN_JNI_INCLUDE={java_home() / 'include'}")
    needs.run([cmake, "-S", _SOURCE, "-B", folder, *common, *settings], "CMake")
    jobs = str(len(os.sched_getaffinity(0)))
    needs.run([cmake, "--build", folder, "--target", "repbnn_jni", "-j", jobs], "the native build")
    return folder / "libraries"
