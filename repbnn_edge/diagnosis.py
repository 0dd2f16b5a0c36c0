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
from repbnn_edge.errors import BadInputError
from repbnn_edge.reports import Report

_DISTRIBUTION = "repbnn-edge"
_OLDEST, _NEWEST = (3, 10), (3, 12)

# Programs outside Python: what they are for, and how Debian and macOS install them.
_PROGRAMS = {
    "adb": ("measuring on Android devices", "sudo apt-get install adb, or brew install android-platform-tools"),
    "ssh": ("measuring on boards", "sudo apt-get install openssh-client"),
    "c++": ("building the delegate from source", "sudo apt-get install g++, or xcode-select --install"),
}
_ENVIRONMENT = ("ANDROID_SERIAL", "ANDROID_ADB_SERVER_PORT", "NO_COLOR", "REPBNN_DELEGATE_LIBRARY")

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
    checks = [_python(), _keras(), *(check for check, _ in packages), *_programs(), config_check, _cache()]
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
        if extra == "dev":  # who works on this project has `make setup`
            continue
        if extra is not None:
            extras.setdefault(requirement.name, set()).add(extra)
        else:
            yield _package(requirement)
    for name, wanted_by in sorted(extras.items()):
        yield _optional(name, wanted_by), ""


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
        if path:
            yield Check(name=name, ok=True, found=path)
        else:
            yield Check(name=name, ok=True, found=f"not found (optional: {purpose})", do=do)


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
    found |= {
        name: Setting(value=os.environ[name], origin="environment") for name in _ENVIRONMENT if name in os.environ
    }
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
