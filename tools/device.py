"""Builds what a device needs into ``build/device/<abi>/``: ``python tools/device.py [ABI ...]``, or ``make device``.

========================  ==================================================================================
repbnn-runner             measures a network there
librepbnn_delegate.so     our delegate
libtensorflowlite_jni.so  TensorFlow Lite for Android, as Maven's archive has it, with its NOTICE (Android only)
========================  ==================================================================================

Without a name it builds for phones and boards; ``android-x86_64``, for emulators, is built where it is named.
Each file is held against what its ABI promises before it is left there: docs/binaries.md.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

import maven  # noqa: E402

from repbnn_edge.elf import Elf  # noqa: E402
from repbnn_edge.errors import RepbnnError, UnsupportedError  # noqa: E402

RUNNER, DELEGATE, RUNTIME = "repbnn-runner", "librepbnn_delegate.so", "libtensorflowlite_jni.so"


@dataclass(frozen=True)
class Abi:
    """What a binary of an ABI may ask of its system."""

    toolchain: str
    machine: str
    libraries: frozenset[str]
    glibc: tuple[int, ...] = ()
    page: int = 4096
    tls: bool = True
    android: str = ""
    """Android's own name of it."""


_LINUX = frozenset({"libc.so.6", "libm.so.6", "libpthread.so.0", "libdl.so.2", "librt.so.1", "ld-linux-aarch64.so.1"})
_ANDROID = frozenset({"libc.so", "libm.so", "libdl.so", "liblog.so"})
ABIS = {
    "android-arm64": Abi("android/toolchain.cmake", "aarch64", _ANDROID, (), 16384, False, "arm64-v8a"),
    "linux-aarch64": Abi("linux-aarch64.cmake", "aarch64", _LINUX, (2, 27), 65536),
}
EMULATORS = {"android-x86_64": Abi("android/toolchain.cmake", "x86_64", _ANDROID, (), 16384, False, "x86_64")}
_ALL = {**ABIS, **EMULATORS}

TFLITE = "org.tensorflow:tensorflow-lite:2.16.1:aar"
TFLITE_SHA256 = "34b065817e294e7dd3569504e8b9454938ceae453b6a459da54d5f6e45d3c94e"
NOTICE = f"""\
{RUNTIME} is a library of {TFLITE}, unchanged.
Copyright The TensorFlow Authors. Licensed under the Apache License, Version 2.0, which follows as the archive has it.

"""


def main(abis: Sequence[str]) -> int:
    """Build for the ABIs that are named, or for all."""
    try:
        unknown = [abi for abi in abis if abi not in _ALL]
        if unknown:
            raise UnsupportedError(unknown[0], "there is no such ABI", f"give {' or '.join(_ALL)}")
        for abi in abis or ABIS:
            for path in build(abi):
                print(f"{path.relative_to(ROOT)}  {path.stat().st_size:,} bytes")
    except RepbnnError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    return 0


def build(abi: str) -> list[Path]:
    """Build, check and place everything of an ABI; gives the paths.

    Raises:
        UnsupportedError: a tool is missing, or what it made is not what the ABI promises.
    """
    rules, folder = _ALL[abi], ROOT / "build" / "device" / abi
    tree = compile_targets(abi, "repbnn_delegate", "repbnn-runner")
    made = [tree / "native" / "runner" / RUNNER, tree / "native" / DELEGATE]
    for path in made:
        _check(path, rules)
    folder.mkdir(parents=True, exist_ok=True)
    placed = [_place(path, folder / path.name) for path in made]
    return placed + (_android_runtime(folder, rules.android) if rules.android else [])


def compile_targets(abi: str, *targets: str, settings: Sequence[str] = ()) -> Path:
    """Build targets of native/ for an ABI; gives the build folder. ``settings`` are CMake's and win over our own.

    Raises:
        UnsupportedError: as ``build``.
    """
    tree = ROOT / "build" / "cross" / abi
    tools = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"
    cmake, ninja = (shutil.which(name, path=tools) for name in ("cmake", "ninja"))
    if cmake is None or ninja is None:
        raise UnsupportedError(abi, "cmake or ninja is not installed", "run `make setup`, which brings both")
    rules = _ALL[abi]
    toolchain = ROOT / "native" / "toolchains" / rules.toolchain
    forget_other_toolchain(tree)
    own = [f"-DCMAKE_TOOLCHAIN_FILE={toolchain}", f"-DCMAKE_MAKE_PROGRAM={ninja}"]
    own += ["-DREPBNN_TESTS=OFF", "-DREPBNN_BENCHMARKS=ON"]  # the benchmarks where a target names one
    own += [f"-DANDROID_ABI={rules.android}"] if rules.android else []
    _run(abi, [cmake, "-S", ROOT, "-B", tree, "-G", "Ninja", f"-DREPBNN_PYTHON={sys.executable}", *own, *settings])
    jobs = os.environ.get("JOBS", str(os.cpu_count() or 1))
    _run(abi, [cmake, "--build", tree, "-j", jobs, "--target", *targets])
    return tree


def forget_other_toolchain(tree: Path) -> None:
    """Have CMake begin again where the toolchain's files are newer than what it remembers of them: it keeps flags."""
    cache = tree / "CMakeCache.txt"
    sources = [path for path in (ROOT / "native" / "toolchains").rglob("*") if path.suffix not in ("", ".pyc")]
    if cache.is_file() and cache.stat().st_mtime < max(path.stat().st_mtime for path in sources):
        cache.unlink()


def _run(what: str, command: Sequence[str | Path]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        sys.stderr.write(done.stdout[-4000:] + done.stderr[-4000:])
        raise UnsupportedError(what, "it cannot be built here", "see the message above")


def _check(path: Path, rules: Abi) -> None:
    elf = Elf(path.read_bytes())
    strange = sorted(set(elf.needed) - rules.libraries)
    faults = {
        f"it is for {elf.machine}": elf.machine != rules.machine,
        f"it needs {', '.join(strange)}": bool(strange),
        f"it needs glibc {'.'.join(map(str, elf.newest_glibc()))}": elf.newest_glibc() > rules.glibc,
        f"its segments are aligned to {elf.load_alignment}": elf.load_alignment < rules.page,
        "it has thread-local storage": elf.has_tls and not rules.tls,
    }
    for fault, found in faults.items():
        if found:
            raise UnsupportedError(path.name, fault, "compare docs/binaries.md and the toolchain files")


def _place(source: Path, target: Path) -> Path:
    """Copy under another name first: somebody may be running the old one."""
    partial = target.with_name(f".{target.name}-{os.getpid()}")
    shutil.copy2(source, partial)
    partial.replace(target)
    return target


def _android_runtime(folder: Path, abi: str) -> list[Path]:
    library, notice = folder / RUNTIME, folder / f"{RUNTIME}.NOTICE"
    if not (library.is_file() and notice.is_file()):
        with tempfile.TemporaryDirectory() as scratch, zipfile.ZipFile(_archive(Path(scratch))) as archive:
            (Path(scratch) / RUNTIME).write_bytes(archive.read(f"jni/{abi}/{RUNTIME}"))
            (Path(scratch) / "notice").write_bytes(NOTICE.encode() + archive.read("LICENSE"))
            _place(Path(scratch) / RUNTIME, library)
            _place(Path(scratch) / "notice", notice)
    return [library, notice]


def _archive(scratch: Path) -> Path:
    """TensorFlow Lite's archive, by Maven's own client, proven by its hash."""
    if shutil.which("mvn") is None:
        raise UnsupportedError(TFLITE, "mvn is not installed", "apt-get install maven")
    copy = "org.apache.maven.plugins:maven-dependency-plugin:3.6.1:copy"
    where = [f"-Dartifact={TFLITE}", f"-DoutputDirectory={scratch}", "-Dmdep.useBaseVersion=true"]
    for mode in (["-o"], []):  # what the local repository has needs no network
        done = subprocess.run(["mvn", *mode, "-q", "-B", copy, *where], capture_output=True, text=True, check=False)
        if done.returncode == 0:
            break
    else:
        if maven.unreachable(done.stdout + done.stderr):
            raise UnsupportedError(TFLITE, "Maven cannot reach its repositories", "see its network settings")
        sys.stderr.write(done.stdout[-4000:] + done.stderr[-4000:])
        raise UnsupportedError(TFLITE, "mvn cannot get it", "see the message above")
    (archive,) = scratch.glob("*.aar")
    if hashlib.sha256(archive.read_bytes()).hexdigest() != TFLITE_SHA256:
        raise UnsupportedError(TFLITE, "its bytes are not those that were pinned", "do not use it")
    return archive


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
