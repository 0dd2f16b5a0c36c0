"""Files made by an attacker: each would run code or touch a file if a loader trusted it."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path
from typing import Any


def rewrite_config(path: Path, change: Any) -> None:
    """Change the configuration inside a ``.keras`` archive in place; ``change`` gets the parsed JSON."""
    with zipfile.ZipFile(path) as archive:
        contents = {name: archive.read(name) for name in archive.namelist()}
    config = json.loads(contents["config.json"])
    change(config)
    contents["config.json"] = json.dumps(config).encode()
    write_archive(path, contents)


def write_archive(path: Path, contents: dict[str, bytes]) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in contents.items():
            archive.writestr(name, content)
    path.write_bytes(buffer.getvalue())


def layer(config: dict[str, Any], index: int) -> dict[str, Any]:
    found = config["config"]["layers"][index]
    assert isinstance(found, dict)
    return found


def lambda_that_writes(marker: Path) -> Any:
    """A Python function whose execution leaves a trace at ``marker``."""
    target = str(marker)

    def touch(x: Any) -> Any:
        with open(target, "w") as stream:  # noqa: PTH123  its bytecode must stand alone
            stream.write("executed")
        return x

    return touch
