"""Builds the wheels that are given to others into ``dist/``: ``python tools/wheels.py``, or ``make wheels``.

One for manylinux x86-64 and one for manylinux aarch64, each cross-compiled by the pinned ziglang for the same old
glibc, and each with ``build/device`` inside, so that its ``bench`` finds what phones and boards need. Each is checked
before it is left there: docs/binaries.md.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tools")]

import device  # noqa: E402

from repbnn_edge.elf import Elf  # noqa: E402
from repbnn_edge.errors import RepbnnError, UnsupportedError  # noqa: E402

MACHINES = ("x86_64", "aarch64")
GLIBC = (2, 27)
# What the manylinux tag promises to be on every system: of its list, the C library's parts.
LIBRARIES = frozenset({"libc.so.6", "libm.so.6", "libpthread.so.0", "libdl.so.2", "librt.so.1"})
LIBRARY = "repbnn_edge/runtime/librepbnn_delegate.so"
FUNCTIONS = {"tflite_plugin_create_delegate", "tflite_plugin_destroy_delegate", "repbnn_register_accelerator"}


def main() -> int:
    """Build and check both."""
    try:
        for abi in device.ABIS:
            device.build(abi)
        for machine in MACHINES:
            wheel = build(machine)
            faults = list(faults_of(wheel, machine))
            if faults:
                wheel.unlink()
                raise UnsupportedError(wheel.name, "; ".join(faults), "compare docs/binaries.md")
            print(f"{wheel.relative_to(ROOT)}  {wheel.stat().st_size:,} bytes")
    except RepbnnError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    return 0


def tag(machine: str) -> str:
    """The wheel's tag: the library knows no Python."""
    return f"py3-none-manylinux_{GLIBC[0]}_{GLIBC[1]}_{machine}"


def build(machine: str) -> Path:
    """Build one wheel; gives its path.

    Raises:
        UnsupportedError: it cannot be built here.
    """
    settings = {
        "cmake.define.CMAKE_TOOLCHAIN_FILE": str(ROOT / "native" / "toolchains" / f"linux-{machine}.cmake"),
        "cmake.define.REPBNN_PYTHON": sys.executable,
        "build-dir": str(ROOT / "build" / "cross" / f"wheel-{machine}"),
        "wheel.tags": tag(machine),
    }
    words = [word for key, value in settings.items() for word in ("-C", f"{key}={value}")]
    tools = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"
    with tempfile.TemporaryDirectory() as folder:
        pip = [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "--no-build-isolation", "-w", folder]
        done = subprocess.run(
            [*pip, *words, ROOT], capture_output=True, text=True, env={**os.environ, "PATH": tools}, check=False
        )
        if done.returncode != 0:
            sys.stderr.write(done.stdout[-4000:] + done.stderr[-4000:])
            raise UnsupportedError(f"the wheel for {machine}", "it cannot be built here", "see the message above")
        (wheel,) = Path(folder).glob("*.whl")
        (ROOT / "dist").mkdir(exist_ok=True)
        return Path(shutil.move(wheel, ROOT / "dist" / wheel.name))


def faults_of(wheel: Path, machine: str) -> Iterator[str]:
    """What is wrong with a wheel: each promise of its tag, and what it has to carry."""
    if not wheel.name.endswith(f"-{tag(machine)}.whl"):
        yield f"it is not tagged {tag(machine)}"
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
        yield from (f"it lacks {name}" for name in sorted(_wanted() - names))
        if LIBRARY in names:
            yield from _library_faults(Elf(archive.read(LIBRARY)), machine)
        for abi, rules in device.ABIS.items():
            for name in (device.RUNNER, device.DELEGATE):
                place = f"repbnn_edge/device/{abi}/{name}"
                if place in names and Elf(archive.read(place)).machine != rules.machine:
                    yield f"{place} is for another processor"


def _wanted() -> set[str]:
    carried = {f"repbnn_edge/device/{abi}/{name}" for abi in device.ABIS for name in (device.RUNNER, device.DELEGATE)}
    android = {f"repbnn_edge/device/android-arm64/{device.RUNTIME}{end}" for end in ("", ".NOTICE")}
    return {LIBRARY} | carried | android


def _library_faults(elf: Elf, machine: str) -> Iterator[str]:
    if elf.machine != machine:
        yield f"{LIBRARY} is for {elf.machine}"
    if elf.newest_glibc() > GLIBC:
        yield f"{LIBRARY} needs glibc {'.'.join(map(str, elf.newest_glibc()))}"
    strange = sorted(name for name in elf.needed if name not in LIBRARIES and not name.startswith("ld-linux"))
    if strange:
        yield f"{LIBRARY} needs {', '.join(strange)}"
    missing = sorted(FUNCTIONS - {symbol.name for symbol in elf.exports()})
    if missing:
        yield f"{LIBRARY} does not export {', '.join(missing)}"


if __name__ == "__main__":
    sys.exit(main())
