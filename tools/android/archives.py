"""ZIP files without a clock, whose stored entries stand where a loader can map them."""

from __future__ import annotations

import struct
import zipfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

_EPOCH = (1980, 1, 1, 0, 0, 0)
_HEADER = 30
_ALIGNMENT_FIELD = 0xD935  # where apksigner reads the alignment that it must keep
_PAGE = 16384


@dataclass(frozen=True)
class Entry:
    """One file of an archive."""

    name: str
    data: bytes
    stored: bool = False

    @property
    def alignment(self) -> int:
        """Libraries are mapped by pages, of 16 KB on new phones; what else is stored, by words."""
        if not self.stored:
            return 1
        return _PAGE if self.name.endswith(".so") else 4


def write(path: Path, entries: Iterable[Entry]) -> None:
    """Write an archive; the same entries give the same bytes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w") as archive:
        for entry in entries:
            info = zipfile.ZipInfo(entry.name, _EPOCH)
            info.compress_type = zipfile.ZIP_STORED if entry.stored else zipfile.ZIP_DEFLATED
            info.external_attr = 0o644 << 16
            info.create_system = 3
            assert archive.fp is not None
            info.extra = _padding(archive.fp.tell() + _HEADER + len(entry.name.encode()), entry.alignment)
            archive.writestr(info, entry.data)


def read(path: Path, stored: str = "") -> list[Entry]:
    """The entries of an archive, in order; those whose names end with ``stored`` are to be stored."""
    with zipfile.ZipFile(path) as archive:
        return [
            Entry(info.filename, archive.read(info), _is_stored(info, stored))
            for info in archive.infolist()
            if not info.is_dir()
        ]


def _is_stored(info: zipfile.ZipInfo, stored: str) -> bool:
    return info.compress_type == zipfile.ZIP_STORED or (bool(stored) and info.filename.endswith(stored))


def _padding(position: int, alignment: int) -> bytes:
    """An extra field after which data at ``position`` stands at a multiple of ``alignment``."""
    if alignment == 1:
        return b""
    least = 6
    size = least + -(position + least) % alignment
    return struct.pack("<HHH", _ALIGNMENT_FIELD, size - 4, alignment).ljust(size, b"\0")
