"""The one form of a data set, and the choice of its reader."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from repbnn_edge.errors import BadInputError
from repbnn_edge.files import check_input_file


@dataclass(frozen=True)
class Dataset:
    """Pictures with or without labels.

    Attributes:
        path: where it came from.
        size: number of pictures.
        picture: gives picture i as uint8 (height, width, 3); raises BadInputError for a broken one.
        labels: int64 (size,), or None.
        names: class names in label order; empty where the data says none.
        file_names: of the pictures, without ending, where each has a file of its own.
    """

    path: Path
    size: int
    picture: Callable[[int], NDArray[np.uint8]]
    labels: NDArray[np.int64] | None = None
    names: tuple[str, ...] = ()
    file_names: tuple[str, ...] = ()

    def __len__(self) -> int:
        return self.size


def open_dataset(path: Path) -> Dataset:
    """Open a folder ``class/picture.jpg``, a ``.npz``, or CIFAR's binary file or folder.

    Raises:
        BadInputError: missing, empty, broken, or of no known form.
    """
    from repbnn_edge.datasets import arrays, cifar, folder

    if path.is_dir():
        binary = cifar.batches(path)
        return cifar.read(path, binary) if binary else folder.read(path)
    check_input_file(path, limit=64 << 30)
    if path.suffix == ".npz":
        return arrays.read(path)
    if path.suffix == ".bin":
        return cifar.read(path, [path])
    raise BadInputError(
        str(path), "it is no data set that is known here", "give a folder class/picture.jpg, a .npz, or CIFAR's .bin"
    )
