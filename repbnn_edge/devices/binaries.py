"""What a device needs of us: the runner, the delegate and a TFLite library for its ABI.

In this order: the folder that ``REPBNN_DEVICE_BINARIES`` names, a checkout's ``build/device`` (``make device``), the
installed package's ``repbnn_edge/device``. A board's runtime is fetched by the user's own pip, once.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from repbnn_edge import console
from repbnn_edge.errors import BadInputError, DeviceError, RepbnnError
from repbnn_edge.files import check_input_file, scratch_folder, storage_error, write_whole
from repbnn_edge.settings import cache_folder

RUNNER, DELEGATE = "repbnn-runner", "librepbnn_delegate.so"
ABIS = ("android-arm64", "linux-aarch64", "linux-x86_64")
RUNNER_GLIBC = (2, 27)
LITERT_GLIBC = (2, 30)
_LITERT = "2.1.0"
_ANDROID_LIBRARIES = ("libtensorflowlite_jni.so", "libtensorflowlite_c.so", "libLiteRt.so")
_PLATFORMS = {"linux-aarch64": "aarch64", "linux-x86_64": "x86_64"}


@dataclass(frozen=True)
class Binaries:
    """Files for one ABI."""

    runner: Path
    delegate: Path | None
    runtime: Path | None


def find(abi: str, device: str) -> Binaries:
    """The files for an ABI; a runtime only where one lies beside them (Android).

    Raises:
        DeviceError: nothing here runs on such a device, or it was not built.
    """
    if abi not in ABIS:
        raise DeviceError(
            device,
            f"its programs are {abi}, and there is a runner for {', '.join(ABIS[:2])} only",
            "use a device with a 64-bit Arm system",
        )
    for folder in folders(abi):
        if (folder / RUNNER).is_file():
            delegate = folder / DELEGATE
            runtime = next((folder / name for name in _ANDROID_LIBRARIES if (folder / name).is_file()), None)
            return Binaries(folder / RUNNER, delegate if delegate.is_file() else None, runtime)
    raise DeviceError(
        device,
        f"this installation has no {RUNNER} for {abi}",
        "build it with `make device` in a checkout, or install a wheel that has it",
    )


def folders(abi: str) -> list[Path]:
    """Where binaries for an ABI may lie."""
    package = Path(__file__).resolve().parents[1]
    named = os.environ.get("REPBNN_DEVICE_BINARIES")
    places = [Path(named)] if named else []
    places += [package.parent / "build" / "device", package / "device"]
    spec = importlib.util.find_spec("repbnn_edge")
    places += [Path(place) / "device" for place in (spec.submodule_search_locations or [])] if spec else []
    return [place / abi for place in places]


def board_runtime(abi: str, libc: tuple[str, tuple[int, ...]], device: str) -> Path:
    """LiteRT's library for a Linux board, out of its wheel; fetched once.

    Raises:
        DeviceError: the board's C library is too old, or the wheel could not be fetched.
    """
    check_libc(libc, LITERT_GLIBC, f"ai-edge-litert {_LITERT}", device)
    kept = cache_folder() / "runtimes" / f"ai-edge-litert-{_LITERT}-{abi}" / "libLiteRt.so"
    if kept.is_file():
        return kept
    with console.step(f"fetching ai-edge-litert {_LITERT} for {abi}"), scratch_folder() as folder:
        library = _fetch(abi, folder, device)
        try:
            kept.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise storage_error(kept, error) from error
        write_whole(kept, library.read_bytes())
    return kept


def check_libc(libc: tuple[str, tuple[int, ...]], least: tuple[int, int], what: str, device: str) -> None:
    """Raise DeviceError where a board's C library is none that ``what`` runs with; an unknown one is tried."""
    name, version = libc
    need = ".".join(map(str, least))
    if name == "musl":
        raise DeviceError(device, f"its C library is musl, and {what} needs glibc {need}", "use a glibc system there")
    if name == "glibc" and version < least:
        have = ".".join(map(str, version))
        raise DeviceError(
            device,
            f"its glibc is {have}, and {what} needs {need}",
            "update the board's system, or give an older TFLite with --runtime-library",
        )


def given_library(path: Path) -> Path:
    """A library that the user named.

    Raises:
        BadInputError: it is no shared library.
    """
    try:
        with path.open("rb") as stream:
            magic = stream.read(4)
    except OSError as error:
        raise BadInputError(str(path), (error.strerror or str(error)).lower(), "check --runtime-library") from error
    if magic != b"\x7fELF":
        raise BadInputError(str(path), "it is no shared library of Linux or Android", "check --runtime-library")
    return path


def delegate_for(request: Mapping[str, Any], own: Path | None, missing: RepbnnError) -> Path | None:
    """The delegate that a row is to load, as it lies here; None where there is none to load.

    Args:
        request: see ``interface.Device.run``.
        own: ours, for where the row runs; None where it was not built.
        missing: raised where it is needed and was not built.

    Raises:
        BadInputError: the user named a file that is none.
    """
    wanted = request["delegate"]
    if wanted == "none":
        return None
    if wanted != "auto":
        check_input_file(Path(wanted))
        return Path(wanted)
    from repbnn_edge.tflite import lce  # with numpy, which `devices` and `doctor` do without

    if not lce.named_in(Path(request["file"]).read_bytes()):
        return None
    if own is None:
        raise missing
    return own


def _fetch(abi: str, folder: Path, device: str) -> Path:
    processor = _PLATFORMS[abi]
    tags = [f"manylinux_2_{minor}_{processor}" for minor in (27, 28, 31, 35)] + [f"manylinux2014_{processor}"]
    wanted = f"ai-edge-litert=={_LITERT}"
    if importlib.util.find_spec("pip"):
        command = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary=:all:", "--python-version"]
        command += ["3.11", "-d", str(folder), wanted]
        command += [word for tag in tags for word in ("--platform", tag)]
    elif uv := shutil.which("uv"):
        command = [uv, "pip", "install", "--no-deps", "--python-version", "3.11", "--only-binary", ":all:"]
        command += ["--python-platform", f"{processor}-manylinux_2_35", "--target", str(folder), wanted]
    else:
        raise DeviceError(device, f"{wanted} is needed and there is neither pip nor uv", "give it by --runtime-library")
    done = subprocess.run(command, capture_output=True, stdin=subprocess.DEVNULL, check=False)
    if done.returncode == 0:
        for wheel in folder.glob("*.whl"):
            with zipfile.ZipFile(wheel) as archive:
                member = next(name for name in archive.namelist() if name.endswith("/libLiteRt.so"))
                (folder / "libLiteRt.so").write_bytes(archive.read(member))
        library = next(folder.rglob("libLiteRt.so"), None)
        if library is not None:
            return library
    said = done.stderr.decode("utf-8", "replace").strip().splitlines()
    raise DeviceError(
        device,
        f"{wanted} for {abi} could not be fetched ({said[-1][:200] if said else 'it has no libLiteRt.so'})",
        "give the library by --runtime-library",
    )
