"""What is installed, what is missing and the command that mends it; which settings are in effect and from where.

Versions are read from the packages' own records: nothing heavy is imported.
"""

from __future__ import annotations

import os
import platform
import shlex
import shutil
import sys
from collections.abc import Iterator, Mapping
from importlib import metadata
from pathlib import Path
from typing import Any, Literal

from repbnn_edge import settings
from repbnn_edge.errors import BadInputError, RepbnnError
from repbnn_edge.reports import Report

_DISTRIBUTION = "repbnn-edge"
_OLDEST, _NEWEST = (3, 10), (3, 12)

# Programs outside Python: what they are for, and how Debian and macOS install them.
_PROGRAMS = {
    "adb": ("measuring on Android devices", "sudo apt-get install adb, or brew install android-platform-tools"),
    "ssh": ("measuring on boards", "sudo apt-get install openssh-client"),
    "c++": ("building the delegate from source", "sudo apt-get install g++, or xcode-select --install"),
}
# Variables that are no option of a command, and what holds without them.
_ENVIRONMENT: Mapping[str, Any] = {
    "ANDROID_SERIAL": None,
    "ANDROID_ADB_SERVER_PORT": 5037,
    "NO_COLOR": None,
    "REPBNN_DELEGATE_LIBRARY": None,
    "REPBNN_DEVICE_BINARIES": None,
}
_DEVICES = {"android-arm64": "phones", "linux-aarch64": "boards"}

Origin = Literal["environment", "config.toml", "default"]


class Check(Report):
    """One thing that was looked at.

    Attributes:
        name: of the thing.
        ok: false only where something that is needed here is missing or wrong.
        found: what was found, and what it is for where it was not.
        do: the command that mends it; empty where nothing is to be done.
    """

    name: str
    ok: bool
    found: str
    do: str = ""


class Setting(Report):
    """The value of a setting, and where it comes from."""

    value: Any
    origin: Origin


class DoctorReport(Report):
    """The result of ``doctor``; ``mend`` is the one command that installs all that is missing, or empty."""

    checks: list[Check]
    settings: dict[str, Setting]
    mend: str


class Option(Report):
    """An option of a command, as the command line knows it."""

    default: Any
    environment: str


def doctor(options: Mapping[str, Mapping[str, Option]] | None = None) -> DoctorReport:
    """Look at this installation.

    Args:
        options: command -> option -> its default and environment variable; without it only settings that somebody
            set are listed.
    """
    packages = list(_packages())
    wanted = [requirement for check, requirement in packages if not check.ok and requirement]
    config, config_check = _config()
    own = [_delegate(), _runner(), *_devices(), _devices_toml()]
    checks = [_python(), _keras(), *(check for check, _ in packages), *_programs(), *own, config_check, _cache()]
    return DoctorReport(
        checks=checks, settings=_settings(config, options or {}), mend=_install(wanted) if wanted else ""
    )


def _python() -> Check:
    version = platform.python_version()
    found = f"{version} on {platform.system()} {platform.machine()}, {os.cpu_count()} cores"
    if _OLDEST <= sys.version_info[:2] <= _NEWEST:
        return Check(name="python", ok=True, found=found)
    return Check(name="python", ok=False, found=found, do="use Python 3.10, 3.11 or 3.12: uv venv --python 3.11")


def _keras() -> Check:
    chosen = os.environ.get("TF_USE_LEGACY_KERAS", "1")
    if chosen.lower() in ("1", "true"):
        return Check(name="keras", ok=True, found="Keras 2 (TF_USE_LEGACY_KERAS=1)")
    return Check(
        name="keras",
        ok=False,
        found=f"TF_USE_LEGACY_KERAS={chosen} asks for Keras 3, which larq cannot work with",
        do="unset TF_USE_LEGACY_KERAS",
    )


def _packages() -> Iterator[tuple[Check, str]]:
    """Each requirement of ours, checked, with what a failing one needs to have installed."""
    from packaging.requirements import Requirement

    try:
        lines = metadata.requires(_DISTRIBUTION) or []
        yield Check(name=_DISTRIBUTION, ok=True, found=metadata.version(_DISTRIBUTION)), ""
    except metadata.PackageNotFoundError:
        yield Check(name=_DISTRIBUTION, ok=False, found="not installed", do=_install(["-e ."])), ""
        return
    extras: dict[str, set[str]] = {}
    for line in lines:
        requirement = Requirement(line)
        extra = _extra_of(requirement)
        if extra == "dev" or _for_another_python(requirement):  # who works on this project has `make setup`
            continue
        if extra is not None:
            extras.setdefault(requirement.name, set()).add(extra)
        else:
            yield _package(requirement)
    for name, wanted_by in sorted(extras.items()):
        yield _optional(name, wanted_by), ""


def _for_another_python(requirement: Any) -> bool:
    marker = requirement.marker
    return marker is not None and "python_version" in str(marker) and not marker.evaluate({"extra": ""})


def _extra_of(requirement: Any) -> str | None:
    """The extra that a requirement belongs to; None for one that everybody has."""
    if requirement.marker is None or "extra" not in str(requirement.marker):
        return None
    return str(requirement.marker).rpartition("extra == ")[2].strip("\"'() ")


def _package(requirement: Any) -> tuple[Check, str]:
    name, wanted = requirement.name, str(requirement.specifier)
    if requirement.marker is not None and not requirement.marker.evaluate({"extra": ""}):
        where = f"{platform.system()} {platform.machine()}"
        note = {
            "larq-compute-engine": "convert and verify need x86-64, macOS or Windows; all else works",
            "ai-edge-litert": "commands that read .tflite files need Linux or macOS",
        }.get(name, "not needed here")
        return Check(name=name, ok=True, found=f"no wheel for {where}: {note}"), ""
    version = _version(name)
    if version is not None and requirement.specifier.contains(version, prereleases=True):
        return Check(name=name, ok=True, found=version), ""
    found = "not installed" if version is None else f"{version}, needs {wanted}"
    return Check(name=name, ok=False, found=found, do=_install([f"{name}{wanted}"])), f"{name}{wanted}"


def _optional(name: str, extras: set[str]) -> Check:
    version = _version(name)
    if version is not None:
        return Check(name=name, ok=True, found=f"{version} (optional)")
    extra = sorted(extras)[0]
    return Check(
        name=name,
        ok=True,
        found=f"not installed (optional: {', '.join(sorted(extras))})",
        do=_install([f"{_DISTRIBUTION}[{extra}]"]),
    )


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _install(requirements: list[str]) -> str:
    """A command line that installs into this very Python; uv's environments have no pip."""
    start = ["uv", "pip", "install", "--python"] if shutil.which("uv") else []
    tool = [*start, sys.executable] if start else [sys.executable, "-m", "pip", "install"]
    return shlex.join([*tool, *(word for requirement in requirements for word in requirement.split(" "))])


def _programs() -> Iterator[Check]:
    for name, (purpose, do) in _PROGRAMS.items():
        path = shutil.which(name)
        if path is None:
            yield Check(name=name, ok=True, found=f"not found (optional: {purpose})", do=do)
        elif name == "adb":
            yield _adb(path)
        else:
            yield Check(name=name, ok=True, found=path)


def _adb(path: str) -> Check:
    """The client, and whether it fits the server that runs; none is started for this."""
    from repbnn_edge.devices import adb_server

    own = adb_server.client_version(path)
    found = f"{path}, version 1.0.{own}" if own else path
    try:
        fitting = adb_server.client(start=False)
    except RepbnnError as error:
        return Check(name="adb", ok=False, found=f"{found}; {error.what}: {error.why}", do=error.do)
    if fitting is None:
        return Check(name="adb", ok=True, found=f"{found}; no server runs on port {adb_server.port()}")
    return Check(name="adb", ok=True, found=f"{found}; its server runs on port {adb_server.port()}")


def _delegate() -> Check:
    """Our library: without it everything works but running files of LCE in stock runtimes."""
    from repbnn_edge.runtime.delegate import find_library

    library = find_library()
    if library is not None and library.is_file():
        return Check(name="delegate", ok=True, found=str(library))
    if library is not None:
        do = "unset REPBNN_DELEGATE_LIBRARY, or name a file"
        return Check(name="delegate", ok=False, found=f"{library} is no file", do=do)
    if sys.platform != "linux":
        return Check(
            name="delegate", ok=True, found=f"not built on {platform.system()}: measure on a device, or in LCE"
        )
    do = "make native in a checkout, or install again where there is a C++17 compiler"
    return Check(name="delegate", ok=False, found="this installation was built without it", do=do)


def _runner() -> Check:
    from repbnn_edge.benching.ceilings import find_runner

    runner = find_runner()
    if runner is not None:
        return Check(name="runner", ok=True, found=str(runner))
    found = "not built for this machine (optional: the roofline of bench --report)"
    return Check(name="runner", ok=True, found=found, do="make native in a checkout")


def _devices() -> Iterator[Check]:
    """What a phone or a board needs of us."""
    from repbnn_edge.devices.binaries import DELEGATE, RUNNER, folders

    for abi, purpose in _DEVICES.items():
        name = f"for {purpose}"
        place = next((folder for folder in folders(abi) if (folder / RUNNER).is_file()), None)
        if place is None:
            found = f"no {abi} binaries (optional: bench --device)"
            yield Check(
                name=name, ok=True, found=found, do="make device in a checkout, or install a wheel that has them"
            )
        elif not (place / DELEGATE).is_file():
            yield Check(name=name, ok=False, found=f"{place} has no {DELEGATE}", do="make device")
        else:
            yield Check(name=name, ok=True, found=str(place))


def _devices_toml() -> Check:
    from repbnn_edge.devices import registry

    try:
        names = list(registry.load())
    except BadInputError as error:
        return Check(name="devices.toml", ok=False, found=f"{error.what}: {error.why}", do=error.do)
    found = ", ".join(names) if names else f"{registry.path()} (none: repbnn-edge devices add NAME TARGET)"
    return Check(name="devices.toml", ok=True, found=found)


def _config() -> tuple[Mapping[str, Any], Check]:
    path = settings.config_folder() / "config.toml"
    try:
        values = settings.load_config()
    except BadInputError as error:
        return {}, Check(name="config.toml", ok=False, found=f"{error.what}: {error.why}", do=error.do)
    found = str(path) if path.is_file() else f"{path} (none: defaults are used)"
    return values, Check(name="config.toml", ok=True, found=found)


def _cache() -> Check:
    folder = settings.cache_folder()
    existing = next(parent for parent in (folder, *folder.parents) if parent.exists())
    if existing.is_dir() and os.access(existing, os.W_OK):
        return Check(name="cache", ok=True, found=str(folder))
    return Check(
        name="cache",
        ok=False,
        found=f"{folder} cannot be written to",
        do=f"export REPBNN_CACHE_DIR={shlex.quote(str(Path.home() / 'repbnn-cache'))}",
    )


def _settings(config: Mapping[str, Any], options: Mapping[str, Mapping[str, Option]]) -> dict[str, Setting]:
    folders = {"config_dir": settings.config_folder(), "cache_dir": settings.cache_folder()}
    found: dict[str, Setting] = {
        name: Setting(
            value=str(folder), origin="environment" if os.environ.get(f"REPBNN_{name.upper()}") else "default"
        )
        for name, folder in folders.items()
    }
    for name, default in _ENVIRONMENT.items():
        given = os.environ.get(name)
        found[name] = Setting(value=given or default, origin="environment" if given else "default")
    for command, table in config.items():
        for name, value in table.items():
            found[f"{command}.{name}"] = Setting(value=value, origin="config.toml")
    for command, known in options.items():
        for name, option in known.items():
            if option.environment in os.environ:
                found[f"{command}.{name}"] = Setting(value=os.environ[option.environment], origin="environment")
            elif f"{command}.{name}" not in found:
                found[f"{command}.{name}"] = Setting(value=option.default, origin="default")
    return found
