"""Folders of pictures: ``class/picture.jpg``, or pictures alone where no label is needed."""

from __future__ import annotations

import stat
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from repbnn_edge.datasets.dataset import Dataset
from repbnn_edge.datasets.pixels import decode
from repbnn_edge.errors import BadInputError

SUFFIXES = {".jpg", ".jpeg", ".png", ".bmp", ".gif", ".webp"}


def read(path: Path) -> Dataset:
    """Open a folder; classes are its subfolders in sorted order.

    Raises:
        BadInputError: no picture in it, a link that leads nowhere, a folder that cannot be read.
    """
    try:
        classes = sorted(item for item in path.iterdir() if item.is_dir() and not item.name.startswith("."))
        files = [(file, index) for index, folder in enumerate(classes) for file in _pictures(folder)]
        if not files:
            return _unlabelled(path)
    except OSError as error:
        raise BadInputError(str(error.filename or path), (error.strerror or str(error)).lower(), "remove it") from error
    labels = np.array([index for _, index in files], np.int64)
    paths = [file for file, _ in files]
    return Dataset(path, len(paths), _decoder(paths), labels, tuple(folder.name for folder in classes), _stems(paths))


def _unlabelled(path: Path) -> Dataset:
    paths = _pictures(path)
    if not paths:
        known = ", ".join(sorted(SUFFIXES))
        raise BadInputError(str(path), f"no picture is in it ({known})", "give a folder class/picture.jpg")
    return Dataset(path, len(paths), _decoder(paths), file_names=_stems(paths))


def _stems(paths: list[Path]) -> tuple[str, ...]:
    return tuple(path.stem for path in paths)


def _pictures(folder: Path) -> list[Path]:
    """The pictures right inside a folder; deeper ones have no class, so links cannot lead in circles."""
    found = []
    for item in sorted(folder.iterdir()):
        if item.suffix.lower() in SUFFIXES:
            # A link that leads nowhere or in a circle is an error, not a picture less, and a pipe would block.
            if not stat.S_ISREG(item.stat().st_mode):
                raise BadInputError(str(item), "it is no regular file", "remove it")
            found.append(item)
    return found


def _decoder(paths: list[Path]) -> Callable[[int], NDArray[np.uint8]]:
    return lambda index: decode(paths[index], str(paths[index]))
