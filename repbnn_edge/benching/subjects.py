"""What is measured, as a file: a path as it is; a built-in name or an alternative is made once, into the cache.

Both are made in a process of their own, so that ``bench`` itself never imports tensorflow.
"""

from __future__ import annotations

import difflib
import functools
import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

from repbnn_edge import __version__, console, settings
from repbnn_edge.errors import BadInputError, RepbnnError, StorageError, UnsupportedError
from repbnn_edge.files import check_input_file, storage_error
from repbnn_edge.inspection import InspectReport, inspect_file

ALTERNATIVES = ("mobilenet-v2-int8",)
"""What a user would pick instead of a binary network; docs/bench.md says how each is made."""

_FORCED = "builtin:"


def resolve(source: str | Path) -> Path:
    """The file to measure.

    Args:
        source: a path (which wins where it exists), a built-in network's name, ``builtin:NAME``, or an alternative.

    Raises:
        BadInputError: neither a file nor a known name.
        UnsupportedError: it cannot be converted on this machine.
        StorageError: the cache cannot be written.
    """
    text = os.fspath(source)
    if not text.startswith(_FORCED) and (Path(text).exists() or _looks_like_path(text)):
        return Path(text)
    name = text.removeprefix(_FORCED)
    if name in ALTERNATIVES:
        return _cached(name, f"{name}-{__version__}", ["-m", "repbnn_edge.benching.alternatives", name])
    from repbnn_edge.models import list_models

    entries = {entry.name: entry for entry in list_models().models}
    if name not in entries:
        near = difflib.get_close_matches(name, [*entries, *ALTERNATIVES], n=1)
        do = f"did you mean {near[0]}?" if near else "name a .tflite file, or see `repbnn-edge models`"
        raise BadInputError(text, "there is no such file and no built-in network of this name", do)
    # What a name stands for changes with the version and with the weights that are shipped.
    about = json.dumps(entries[name].to_json(), sort_keys=True)
    key = hashlib.sha256(f"{__version__} {about}".encode()).hexdigest()[:12]
    return _cached(name, f"{name}-{key}", ["-m", "repbnn_edge.cli.main", "convert", f"{_FORCED}{name}", "-o"])


def inspected(file: Path) -> InspectReport:
    """What is in a file, read once however often it is asked for.

    Raises:
        BadInputError: it is no TFLite file, or is broken.
    """
    check_input_file(file)
    stat = file.stat()
    return _inspected(file, stat.st_mtime_ns, stat.st_size)


@functools.lru_cache(maxsize=64)
def _inspected(file: Path, time: int, size: int) -> InspectReport:
    return inspect_file(file)


def _looks_like_path(text: str) -> bool:
    return Path(text).suffix in (".tflite", ".lite") or os.sep in text


def _cached(name: str, stem: str, command: list[str]) -> Path:
    folder = settings.cache_folder() / "networks" / stem
    path = folder / f"{name}.tflite"
    if path.is_file():
        return path
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise storage_error(folder, error) from error
    with console.step(f"making {name}, once"):
        # Its output is written whole or not at all; of two at once the second finds the first one's.
        done = subprocess.run([sys.executable, *command, str(path)], capture_output=True, text=True, errors="replace")
    if not path.is_file():
        raise _failure(name, done)
    return path


def _failure(name: str, done: subprocess.CompletedProcess[str]) -> RepbnnError:
    lines = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    why = lines[-1].removeprefix("error: ") if lines else f"exit code {done.returncode}"
    kind = StorageError if done.returncode == StorageError.exit_code else UnsupportedError
    return kind(name, f"it could not be made here ({why})", "name a .tflite file instead")
