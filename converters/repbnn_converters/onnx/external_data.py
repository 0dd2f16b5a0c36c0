"""Tensors kept in files beside the model: read only from the model's own folder, by no trick from elsewhere.

Known attacks: ``..``, an absolute path, a symbolic link anywhere on the way, a hard link to a secret file
(CVE-2022-25882, CVE-2024-27318, CVE-2024-5187). Each component is opened relative to the one before, without
following links, and what is checked is the open file, not its name.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Any

from repbnn_edge.errors import BadInputError

_EXPORT_WHOLE = "export the model as one file, or put its data file beside it"


def read(model: Path, tensor: str, fields: dict[str, str], expected: int) -> bytes:
    """The bytes of one external tensor.

    Args:
        model: the ONNX file; its folder is the only place read from.
        tensor: the tensor's name, for messages.
        fields: ``location``, ``offset`` and ``length`` as the file states them.
        expected: how many bytes the tensor's shape and type need.

    Raises:
        BadInputError: outside the folder, a link, missing, or too short.
    """
    location = fields.get("location", "")
    what = f"tensor '{tensor}' of {model}"
    parts = _safe_parts(what, location)
    offset, length = _integer(what, fields, "offset", 0), _integer(what, fields, "length", expected)
    if length != expected:
        raise BadInputError(what, f"its data has {length} bytes where its shape needs {expected}", "export it again")
    with _opened(what, model.parent, parts) as descriptor:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise BadInputError(what, f"its data file '{location}' is not a regular file", _EXPORT_WHOLE)
        if status.st_nlink > 1:
            raise BadInputError(what, f"its data file '{location}' is a hard link", f"copy '{location}' into its place")
        if offset + length > status.st_size:
            raise BadInputError(what, f"its data file '{location}' ends before the tensor does", "copy it again, whole")
        with os.fdopen(os.dup(descriptor), "rb") as stream:
            stream.seek(offset)
            data = stream.read(length)
    if len(data) != expected:
        raise BadInputError(what, f"its data file '{location}' ends before the tensor does", "copy it again, whole")
    return data


def _safe_parts(what: str, location: str) -> tuple[str, ...]:
    path = PurePosixPath(location)
    suspicious = "\\" in location or "\0" in location or (len(location) > 1 and location[1] == ":")
    if not location or suspicious or path.is_absolute() or ".." in path.parts:
        why = f"its data lies at '{location}', which is not inside the model's folder"
        raise BadInputError(what, why, _EXPORT_WHOLE)
    return path.parts


@contextmanager
def _opened(what: str, folder: Path, parts: tuple[str, ...]) -> Iterator[int]:
    """Open ``parts`` below ``folder``, refusing a link at every step."""
    no_follow = getattr(os, "O_NOFOLLOW", 0)
    relative = os.open in os.supports_dir_fd
    held: list[int] = []
    try:
        here: Any = folder
        if relative:
            held.append(os.open(folder, os.O_RDONLY | getattr(os, "O_DIRECTORY", 0)))
            here = held[-1]
        for part in parts[:-1]:
            if not relative:
                here = _not_a_link(what, here / part)
                continue
            held.append(os.open(part, os.O_RDONLY | os.O_DIRECTORY | no_follow, dir_fd=here))
            here = held[-1]
        # Without O_NONBLOCK a named pipe would wait here for a writer, for ever.
        flags = os.O_RDONLY | no_follow | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
        if relative:
            held.append(os.open(parts[-1], flags, dir_fd=here))
        else:
            held.append(os.open(_not_a_link(what, here / parts[-1]), flags))
        yield held[-1]
    except OSError as error:
        reason = "is missing" if isinstance(error, FileNotFoundError) else "cannot be opened, or is a symbolic link"
        raise BadInputError(what, f"its data file '{'/'.join(parts)}' {reason}", _EXPORT_WHOLE) from error
    finally:
        for descriptor in reversed(held):
            os.close(descriptor)


def _not_a_link(what: str, path: Path) -> Path:
    if path.is_symlink():
        raise BadInputError(what, f"its data file '{path.name}' is a symbolic link", _EXPORT_WHOLE)
    return path


def _integer(what: str, fields: dict[str, str], name: str, default: int) -> int:
    text = fields.get(name, "")
    if not text:
        return default
    if not text.isascii() or not text.isdigit() or len(text) > 18:
        raise BadInputError(what, f"its {name} '{text[:20]}' is no number", "export it again")
    return int(text)
