"""``.npz`` files: ``jpeg`` bytes with ``offsets``, or an array of pictures; labels beside them."""

from __future__ import annotations

import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from repbnn_edge.datasets.dataset import Dataset
from repbnn_edge.datasets.pixels import decode
from repbnn_edge.errors import BadInputError

_MAX_BYTES = 16 << 30
_BOMB = 1 << 30, 100
"""More bytes than this, and so many times those of the archive: photographs do not pack like that."""
_PICTURES = ("images", "x_test", "x", "data", "pictures")
_LABELS = ("labels", "y_test", "y", "label")


def read(path: Path) -> Dataset:
    """Open a ``.npz``.

    Raises:
        BadInputError: broken, pickled, absurdly large when unpacked, or without the arrays that are needed.
    """
    where = str(path)
    arrays = _load(path)
    labels = _labels(arrays, where)
    names = _names(arrays)
    if "jpeg" in arrays:
        return _encoded(path, arrays, labels, names)
    key = next((name for name in _PICTURES if name in arrays), None)
    if key is None:
        raise BadInputError(where, f"it has no array {' or '.join(_PICTURES[:2])}", "name the arrays images and labels")
    pictures = arrays[key]
    if pictures.ndim != 4 or pictures.shape[-1] != 3 or pictures.dtype != np.uint8 or not len(pictures):
        raise BadInputError(where, f"{key} is {pictures.dtype} {pictures.shape}", "give uint8 (N, height, width, 3)")
    _check_count(labels, len(pictures), where)
    return Dataset(path, len(pictures), lambda index: np.asarray(pictures[index]), labels, names)


def _encoded(
    path: Path, arrays: dict[str, NDArray[np.generic]], labels: NDArray[np.int64] | None, names: tuple[str, ...]
) -> Dataset:
    where = str(path)
    if "offsets" not in arrays:
        raise BadInputError(where, "it has jpeg bytes but no offsets", "add where each picture starts")
    for name, kinds in (("jpeg", "u"), ("offsets", "iu")):
        if arrays[name].dtype.kind not in kinds:
            raise BadInputError(where, f"{name} is {arrays[name].dtype}", "give jpeg as uint8 and offsets as integers")
    offsets = arrays["offsets"].astype(np.int64).reshape(-1)
    data = arrays["jpeg"].astype(np.uint8, copy=False).tobytes()
    if len(offsets) < 2 or offsets[0] < 0 or offsets[-1] > len(data) or np.any(np.diff(offsets) <= 0):
        raise BadInputError(where, "its offsets do not divide its jpeg bytes", "write it again")
    _check_count(labels, len(offsets) - 1, where)

    def picture(index: int) -> NDArray[np.uint8]:
        return decode(data[offsets[index] : offsets[index + 1]], f"{where}: picture {index}")

    return Dataset(path, len(offsets) - 1, picture, labels, names)


def _load(path: Path) -> dict[str, NDArray[np.generic]]:
    """Read every array, after its header said that it fits; numpy's own reader trusts the archive."""
    where = str(path)
    arrays: dict[str, NDArray[np.generic]] = {}
    try:
        with zipfile.ZipFile(path) as archive:
            _check_size(path, sum(info.file_size for info in archive.infolist()))
            for info in archive.infolist():
                with archive.open(info) as stream:
                    arrays[info.filename.removesuffix(".npy")] = _array(stream, info.file_size, where)
    except BadInputError:
        raise
    except (zipfile.BadZipFile, OSError, EOFError, ValueError, NotImplementedError, RuntimeError, zlib.error) as error:
        raise BadInputError(where, f"it is a broken .npz ({error})", "write it again") from error
    return arrays


def _check_size(path: Path, unpacked: int) -> None:
    if unpacked > _MAX_BYTES:
        raise BadInputError(str(path), "it unpacks to more than 16 GiB", "split it")
    least, times = _BOMB
    if unpacked > least and unpacked > times * path.stat().st_size:
        why = f"it unpacks to {unpacked:,} bytes, more than {times} times its size, as a zip bomb does"
        raise BadInputError(str(path), why, "save it without compression if it is none")


def _array(stream: Any, size: int, where: str) -> NDArray[np.generic]:
    npy: Any = np.lib.format
    version = npy.read_magic(stream)
    reader = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
    shape, fortran, dtype = reader(stream)
    if dtype.hasobject:
        raise BadInputError(where, "it holds pickled objects, which can execute code", "save plain arrays")
    count = 1
    for length in shape:
        count *= int(length)
    if count * dtype.itemsize > size:
        raise BadInputError(where, f"an array says {shape} and has fewer bytes", "write it again")
    data = stream.read(count * dtype.itemsize)
    values: NDArray[np.generic] = np.frombuffer(data, dtype=dtype, count=count)
    return values.reshape(shape, order="F" if fortran else "C")


def _labels(arrays: dict[str, NDArray[np.generic]], where: str) -> NDArray[np.int64] | None:
    key = next((name for name in _LABELS if name in arrays), None)
    if key is None:
        return None
    labels = arrays[key].reshape(-1)
    if labels.dtype.kind not in "iu":
        raise BadInputError(where, f"{key} is {labels.dtype}", "give whole numbers")
    return labels.astype(np.int64)


def _names(arrays: dict[str, NDArray[np.generic]]) -> tuple[str, ...]:
    names = arrays.get("label_names")
    if names is None or names.dtype.kind not in "US":
        return ()
    return tuple(n.decode("utf-8", "replace") if isinstance(n, bytes) else str(n) for n in names.reshape(-1).tolist())


def _check_count(labels: NDArray[np.int64] | None, count: int, where: str) -> None:
    if labels is not None and len(labels) != count:
        raise BadInputError(where, f"it has {count} pictures and {len(labels)} labels", "give one label a picture")
