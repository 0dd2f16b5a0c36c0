"""devices.toml: the user's own names for devices, beside config.toml.

::

    [kitchen]
    target = "ssh:pi@192.168.1.5"
    folder = "/mnt/fast"        # optional: where our folder is made there
    model = "Raspberry Pi 5"    # optional: what it said when it was checked
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from repbnn_edge.errors import BadInputError, UsageError
from repbnn_edge.files import storage_error, write_whole
from repbnn_edge.settings import config_folder

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


@dataclass(frozen=True)
class NamedDevice:
    """One table of devices.toml."""

    name: str
    target: str
    folder: str | None = None
    model: str | None = None


def path() -> Path:
    """Where devices.toml lies."""
    return config_folder() / "devices.toml"


def load() -> dict[str, NamedDevice]:
    """All named devices; none where there is no file.

    Raises:
        BadInputError: the file is no TOML, or a table in it has no target.
    """
    file = path()
    try:
        text = file.read_text(encoding="utf-8")
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise BadInputError(str(file), f"it cannot be read ({error})", "correct or remove it") from error
    try:
        tables = _parse(text)
    except ValueError as error:
        raise BadInputError(str(file), f"it is not valid TOML ({error})", "correct or remove it") from error
    return {name: _named(file, name, table) for name, table in tables.items()}


def _named(file: Path, name: str, table: Any) -> NamedDevice:
    if not isinstance(table, dict) or not isinstance(table.get("target"), str):
        raise BadInputError(str(file), f"[{name}] has no target", 'give one: target = "ssh:user@host"')
    optional = {key: table[key] for key in ("folder", "model") if isinstance(table.get(key), str)}
    if "folder" in optional and not optional["folder"].startswith("/"):
        raise BadInputError(str(file), f"the folder of [{name}] does not begin with /", "give an absolute one")
    return NamedDevice(name, table["target"], **optional)


def add(device: NamedDevice, *, replace: bool = False) -> None:
    """Put a device in.

    Raises:
        UsageError: its name is none, or is taken.
    """
    if not _NAME.fullmatch(device.name) or device.name == "host":
        raise UsageError(device.name, "a device's name is letters, digits, '.', '_' and '-'", "choose another one")
    known = load()
    if device.name in known and not replace:
        raise UsageError(device.name, "there is a device of that name", "remove it first, or choose another one")
    _save({**known, device.name: device})


def remove(name: str) -> None:
    """Take a device out.

    Raises:
        UsageError: there is none of that name.
    """
    known = load()
    if name not in known:
        raise UsageError(name, "devices.toml has no such device", "see `repbnn-edge devices`")
    del known[name]
    _save(known)


def _save(devices: dict[str, NamedDevice]) -> None:
    lines = []
    for device in devices.values():
        key = device.name if _NAME.fullmatch(device.name) and "." not in device.name else _string(device.name)
        lines.append(f"[{key}]")
        lines += [
            f"{field} = {_string(value)}"
            for field, value in (("target", device.target), ("folder", device.folder), ("model", device.model))
            if value is not None
        ]
        lines.append("")
    file = path()
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise storage_error(file, error) from error
    write_whole(file, "\n".join(lines).encode())


def _string(text: str) -> str:
    """A basic string of TOML, which is JSON's but for the delete character."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def _parse(text: str) -> dict[str, Any]:
    try:
        import tomllib
    except ImportError:  # Python 3.10
        import tomli as tomllib  # type: ignore[import-not-found,no-redef,unused-ignore]
    return dict(tomllib.loads(text))
