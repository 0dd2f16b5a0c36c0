"""CIFAR's binary files: a label byte (CIFAR-100: two) and 3,072 bytes of pixels, channel by channel, per picture."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from repbnn_edge.datasets.dataset import Dataset
from repbnn_edge.errors import BadInputError
from repbnn_edge.files import check_input_file, read_input

_PIXELS = 3 * 32 * 32


def batches(folder: Path) -> list[Path]:
    """The test files of CIFAR's binary release inside a folder; empty where it is something else."""
    for name in ("test_batch.bin", "test.bin"):
        if (folder / name).is_file():
            return [folder / name]
    return []


def read(path: Path, files: list[Path]) -> Dataset:
    """Open CIFAR-10's or CIFAR-100's binary files (the fine labels of the latter).

    Raises:
        BadInputError: a size that is no whole number of pictures.
    """
    pixels, labels = [], []
    for file in files:
        check_input_file(file, limit=1 << 30)
        size = file.stat().st_size
        header = next((n for n in (1, 2) if size % (_PIXELS + n) == 0), None)
        if header is None:
            raise BadInputError(str(file), f"{size} bytes are no whole number of CIFAR pictures", "download it again")
        rows = np.fromfile(file, np.uint8).reshape(-1, _PIXELS + header)
        labels.append(rows[:, header - 1].astype(np.int64))
        pixels.append(rows[:, header:].reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1))
    pictures, names = np.concatenate(pixels), _names(files[0].parent)
    return Dataset(
        path, len(pictures), lambda index: np.ascontiguousarray(pictures[index]), np.concatenate(labels), names
    )


def _names(folder: Path) -> tuple[str, ...]:
    """The class names that the releases of CIFAR-10 and CIFAR-100 have beside their pictures."""
    for name in ("batches.meta.txt", "fine_label_names.txt"):
        if (folder / name).is_file():
            text = read_input(folder / name, limit=1 << 16).decode("utf-8", "replace")
            return tuple(line.strip() for line in text.splitlines() if line.strip())
    return ()
