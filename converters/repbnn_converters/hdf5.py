"""HDF5 files from outside: looked through before anything trusts them."""

from __future__ import annotations

import io
from typing import Any

from repbnn_edge.errors import BadInputError


def check_hdf5(data: bytes, where: str) -> None:
    """Refuse HDF5 files that reach outside themselves: external links, external storage, virtual datasets."""
    import h5py

    def visit(group: Any, depth: int) -> None:
        if depth > 64:
            raise BadInputError(where, "its HDF5 groups are nested too deep", "save it again")
        for name in group:
            link = group.get(name, getlink=True)
            if not isinstance(link, h5py.HardLink):
                raise BadInputError(where, f"the HDF5 link {name!r} points elsewhere", "save it again")
            item = group[name]
            if isinstance(item, h5py.Group):
                visit(item, depth + 1)
            elif isinstance(item, h5py.Dataset) and (item.external or item.is_virtual):
                raise BadInputError(where, f"the HDF5 dataset {name!r} lies in another file", "save it again")

    try:
        with h5py.File(io.BytesIO(data), "r") as file:
            visit(file, 0)
    except (OSError, KeyError, RuntimeError, ValueError) as error:
        raise BadInputError(where, f"it is a broken HDF5 file ({first_line(error)})", "save it again") from error


def first_line(error: BaseException) -> str:
    """The first line of a library's message, short enough for one of ours."""
    lines = [line for line in str(error).splitlines() if line.strip()]
    return lines[0][:200] if lines else type(error).__name__
