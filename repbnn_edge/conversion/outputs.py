"""Where the results go, decided and checked before any work is done."""

from __future__ import annotations

import os
import tempfile
from dataclasses import dataclass
from pathlib import Path

from repbnn_edge.errors import StorageError, UsageError
from repbnn_edge.files import output_exists, storage_error, sweep


@dataclass(frozen=True)
class Outputs:
    """The files that a conversion writes."""

    flatbuffer: Path
    keras: Path | None = None
    report: Path | None = None

    @property
    def all(self) -> tuple[Path, ...]:
        """Those that were asked for."""
        return tuple(path for path in (self.flatbuffer, self.keras, self.report) if path is not None)


def check_outputs(source: str, outputs: Outputs, *, force: bool) -> None:
    """Refuse what cannot or must not be written.

    Raises:
        UsageError: an output exists and ``force`` is not given, is the source or lies in it, is a folder, or is named
            twice.
        StorageError: its folder is missing or cannot be written.
    """
    if len({os.path.realpath(path) for path in outputs.all}) != len(outputs.all):
        raise UsageError(str(outputs.flatbuffer), "two outputs have the same name", "give each a name of its own")
    if outputs.keras is not None and outputs.keras.suffix != ".keras":
        raise UsageError(str(outputs.keras), "Keras writes .keras files", "name it OUT.keras")
    for path in outputs.all:
        _check_source(source, path)
        if path.is_dir():
            raise UsageError(str(path), "it is a folder", "name a file")
        if os.path.lexists(path) and not force:
            raise output_exists(path)
        _check_folder(path)
        sweep(path)


def default_output(source: str) -> Path:
    """SOURCE's stem and ``.tflite``, in the current folder; a function's name for ``file.py:function``."""
    name = source.removeprefix("builtin:")
    file, colon, function = name.rpartition(":")
    if colon and file.endswith(".py"):
        return Path(f"{function}.tflite")
    path = Path(name)
    if not path.exists():  # a built-in name: what follows a dot in it is no suffix
        return Path(f"{path.name}.tflite")
    path = path.resolve()
    return Path(f"{path.name if path.is_dir() else path.stem}.tflite")


def _check_source(source: str, path: Path) -> None:
    file, colon, _ = source.rpartition(":")
    origin = Path(file if colon and file.endswith(".py") else source)
    try:
        if not source or not origin.exists():
            return
        real, target = origin.resolve(), path.resolve()
        same = real == target or (path.exists() and path.samefile(origin))
    except (OSError, ValueError):
        return
    if same:
        raise UsageError(str(path), "it is the source", "give another name with -o")
    if real.is_dir() and real in target.parents:
        raise UsageError(str(path), "it lies inside the source", "give a place outside with -o")


def _check_folder(path: Path) -> None:
    folder = path.parent
    try:
        if not folder.is_dir():
            raise StorageError(str(path), f"there is no folder {folder}", "create the folder first")
        # The only reliable answer to "may I write here" on every file system; the file has no name on Linux.
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise storage_error(path, error) from error
