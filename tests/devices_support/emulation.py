"""How programs for Android and for 64-bit Arm boards run on this machine: under qemu-user. For tests alone.

``run_prefix("android-arm64")`` and ``run_prefix("linux-aarch64")`` give the words in front of such a program's own, and
``run_prefix("android-x86_64")``, on a machine of that kind, those without qemu for what emulators of phones load::

    subprocess.run([*run_prefix("android-arm64"), *map(str, [folder / "repbnn-runner", "--version"])])

Android's libraries are the true ones (TensorFlow Lite's and ours), its loader and C library are Debian's musl with a
preloaded library in front that adds what musl lacks. What is proven so is our code and TensorFlow Lite's; not Android's
loader, nor its speed. Each function skips the test that calls it, with a word, where a tool is missing.
"""

from __future__ import annotations

import contextlib
import fcntl
import functools
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
BUILD = ROOT / "build" / "emulation"
ABIS = ("android-arm64", "linux-aarch64", "android-x86_64")
LITERT = "ai-edge-litert==2.1.0"
_QEMU = "qemu-aarch64"
_BOARD = Path("/usr/aarch64-linux-gnu")
_APT = """\
Dir::State "@/state";
Dir::State::status "/dev/null";
Dir::Cache "@/cache";
APT::Architecture "@architecture";
APT::Architectures {"@architecture";};
APT::Sandbox::User "root";
Acquire::Languages "none";
"""


@functools.cache
def run_prefix(abi: str) -> tuple[str, ...]:
    """What stands in front of the command line of a program for ``abi``."""
    if abi == "android-x86_64":
        if platform.machine() != "x86_64":
            pytest.skip(f"this machine is {platform.machine()}, and runs no x86_64 programs")
        root = _android_root("x86_64", "amd64")
        return (f"{root}/system/bin/linker64", "--preload", f"{root}/liblog.so", "--library-path", str(root))
    if shutil.which(_QEMU) is None:
        pytest.skip(f"{_QEMU} is not installed (Debian: qemu-user)")
    if abi == "linux-aarch64":
        if not (_BOARD / "lib" / "libstdc++.so.6").exists():
            pytest.skip("no C library of aarch64 is installed (Debian: g++-aarch64-linux-gnu)")
        return (_QEMU, "-L", str(_BOARD))
    root = _android_root("aarch64", "arm64")
    return (_QEMU, "-L", str(root), "-E", f"LD_PRELOAD={root}/liblog.so", "-E", f"LD_LIBRARY_PATH={root}")


@functools.cache
def device_folder(abi: str) -> Path:
    """``build/device/<abi>``, brought up to date: runner, delegate, and for Android TensorFlow Lite's library."""
    with alone("device"):
        made = subprocess.run([sys.executable, ROOT / "tools" / "device.py", abi], capture_output=True, text=True)
    if made.returncode != 0:
        reason = made.stderr.strip().splitlines()[-1]
        if "not installed" in reason or "Maven cannot reach its repositories" in reason:
            pytest.skip(reason)
        pytest.fail(made.stderr)
    return ROOT / "build" / "device" / abi


@functools.cache
def runtime_library(abi: str) -> Path:
    """A true TensorFlow Lite for ``abi``: Android's 2.16.1, or LiteRT's out of its aarch64 wheel."""
    if abi.startswith("android-"):
        return device_folder(abi) / "libtensorflowlite_jni.so"
    folder = BUILD / LITERT.replace("==", "-")
    library = folder / "libLiteRt.so"
    with alone("litert"):
        if not library.is_file():
            _fetch_wheel(folder)
    return library


def runner_command(abi: str) -> list[str]:
    """The runner with TensorFlow Lite's library, ready for ``--model`` and what follows."""
    runner = device_folder(abi) / "repbnn-runner"
    return [*run_prefix(abi), str(runner), "--runtime-library", str(runtime_library(abi))]


def _android_root(machine: str, debian: str) -> Path:
    """A folder with musl's loader where Android's would be, and the library that is preloaded."""
    root, source = BUILD / f"android-{machine}", Path(__file__).with_name("bionic.c")
    loader, shim = root / "system" / "bin" / "linker64", root / "liblog.so"
    with alone("android"):
        if not loader.exists():
            _unpack_musl(root, debian)
            loader.parent.mkdir(parents=True, exist_ok=True)
            loader.symlink_to(f"../../lib/ld-musl-{machine}.so.1")
        if not shim.is_file() or shim.stat().st_mtime < source.stat().st_mtime:
            target = [sys.executable, "-m", "ziglang", "cc", "-target", f"{machine}-linux-musl"]
            words = ["-O1", "-shared", "-fPIC", "-fno-sanitize=all", "-fno-stack-protector", "-Wl,-soname,liblog.so"]
            built = subprocess.run([*target, *words, source, "-o", shim], capture_output=True, text=True)
            if "No module named ziglang" in built.stderr:
                pytest.skip("ziglang is not installed")
            assert built.returncode == 0, built.stderr
    return root


def _unpack_musl(root: Path, debian: str) -> None:
    """Debian's musl for an architecture, beside the system's own packages and their lists."""
    if any(shutil.which(tool) is None for tool in ("apt-get", "dpkg")):
        pytest.skip(f"apt-get and dpkg are what musl for {debian} comes by")
    apt = root / "apt"
    for folder in ("state/lists/partial", "cache/archives/partial"):
        (apt / folder).mkdir(parents=True, exist_ok=True)
    (apt / "apt.conf").write_text(_APT.replace("@architecture", debian).replace("@", str(apt)))
    environment = {**os.environ, "APT_CONFIG": str(apt / "apt.conf")}
    for words in (("update", "-qq"), ("download", "-qq", "musl")):
        if subprocess.run(["apt-get", *words], cwd=apt, env=environment, capture_output=True).returncode != 0:
            pytest.skip(f"apt-get cannot fetch musl for {debian}")
    (package,) = apt.glob(f"musl_*_{debian}.deb")
    subprocess.run(["dpkg", "-x", package, root], check=True)
    shutil.rmtree(apt)


def _fetch_wheel(folder: Path) -> None:
    scratch = folder.with_name(f"{folder.name}.{os.getpid()}")
    words = ["install", "-q", "--no-deps", "--only-binary", ":all:", "--python-version", "3.11", "--target", scratch]
    if uv := shutil.which("uv"):
        command = [uv, "pip", *words, "--python-platform", "aarch64-manylinux_2_35", LITERT]
    else:
        tags = [word for tag in (27, 31, 35) for word in ("--platform", f"manylinux_2_{tag}_aarch64")]
        command = [sys.executable, "-m", "pip", *words, *tags, LITERT]
    if subprocess.run(command, capture_output=True).returncode != 0:
        pytest.skip(f"{LITERT} for aarch64 cannot be fetched")
    folder.mkdir(parents=True, exist_ok=True)
    (library,) = scratch.rglob("libLiteRt.so")
    library.replace(folder / library.name)
    shutil.rmtree(scratch)


@contextlib.contextmanager
def alone(name: str) -> Iterator[None]:
    """One process at a time: the tests run in several."""
    BUILD.mkdir(parents=True, exist_ok=True)
    with (BUILD / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
