"""Reads ELF files, the format of Linux's and Android's programs and libraries: what one needs of its system.

Nothing is run or loaded, so a library of any processor can be looked at anywhere, and a broken one is an error.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from repbnn_edge.errors import BadInputError

_MACHINES = {3: "x86", 40: "arm", 62: "x86_64", 183: "aarch64", 243: "riscv64"}
_LOAD, _TLS = 1, 7
_DYNAMIC, _DYNSYM, _VERNEED, _VERSYM = 6, 11, 0x6FFFFFFE, 0x6FFFFFFF
_NEEDED, _SONAME = 1, 14
_OBJECT, _FUNCTION, _WEAK, _LOCAL = 1, 2, 2, 0


@dataclass(frozen=True)
class Symbol:
    """One entry of the dynamic symbol table.

    Attributes:
        name: without its version.
        kind: "object", "function" or "other".
        weak: whether it may stay undefined.
        library: for an import with a version, the library that is asked for it; None otherwise.
        version: for an import, the version asked for ("GLIBC_2.17"); None otherwise.
    """

    name: str
    kind: str
    weak: bool
    library: str | None = None
    version: str | None = None


@dataclass(frozen=True)
class _Section:
    kind: int
    start: int
    size: int
    link: int
    info: int


class Elf:
    """A 64-bit little-endian ELF file's facts.

    Args:
        data: the whole file.

    Raises:
        BadInputError: it is none, or it is cut off. The facts raise it too, where their part is broken.
    """

    def __init__(self, data: bytes) -> None:
        if len(data) < 64 or data[:6] != b"\x7fELF\x02\x01":
            raise BadInputError("the library", "it is no 64-bit little-endian ELF file", "give a program or .so file")
        self._data = data
        self.machine = _MACHINES.get(self._unpack("<H", 18)[0], "unknown")
        """ "x86_64", "aarch64", ..., or "unknown"."""

    @cached_property
    def load_alignment(self) -> int:
        """The smallest alignment of the loaded segments, in bytes: a system with larger pages cannot load the file."""
        return min((fields[7] for fields in self._segments() if fields[0] == _LOAD), default=0)

    @cached_property
    def has_tls(self) -> bool:
        """Whether it has a segment of thread-local variables."""
        return any(fields[0] == _TLS for fields in self._segments())

    @cached_property
    def needed(self) -> list[str]:
        """The names of the libraries that are loaded with it."""
        return [self._text(strings, value) for tag, value, strings in self._dynamic() if tag == _NEEDED]

    @cached_property
    def soname(self) -> str | None:
        """The library's own name."""
        return next((self._text(strings, value) for tag, value, strings in self._dynamic() if tag == _SONAME), None)

    def imports(self) -> list[Symbol]:
        """What other libraries must define."""
        return [symbol for defined, symbol in self._symbols() if not defined]

    def exports(self) -> list[Symbol]:
        """What it defines for others."""
        return [symbol for defined, symbol in self._symbols() if defined]

    def newest_glibc(self) -> tuple[int, ...]:
        """The newest version of glibc that any import asks for: (2, 27); () when none does."""
        matches = (re.fullmatch(r"GLIBC_(\d+(?:\.\d+)*)", symbol.version or "") for symbol in self.imports())
        return max((tuple(int(part) for part in match[1].split(".")) for match in matches if match), default=())

    def _segments(self) -> Iterator[tuple[int, ...]]:
        (start,), (size, count) = self._unpack("<Q", 32), self._unpack("<HH", 54)
        for index in range(count):
            yield self._unpack("<IIQQQQQQ", start + index * size)

    @cached_property
    def _sections(self) -> list[_Section]:
        (start,), (size, count) = self._unpack("<Q", 40), self._unpack("<HH", 58)
        rows = (self._unpack("<IIQQQQIIQQ", start + index * size) for index in range(count))
        return [_Section(row[1], row[4], row[5], row[6], row[7]) for row in rows]

    def _dynamic(self) -> Iterator[tuple[int, int, _Section]]:
        for section in self._sections:
            if section.kind == _DYNAMIC:
                strings = self._linked(section)
                for at in range(section.start, section.start + section.size, 16):
                    tag, value = self._unpack("<QQ", at)
                    yield tag, value, strings

    def _symbols(self) -> Iterator[tuple[bool, Symbol]]:
        versions = self._versions()
        versym = next((section for section in self._sections if section.kind == _VERSYM), None)
        for section in self._sections:
            if section.kind != _DYNSYM:
                continue
            strings = self._linked(section)
            for index in range(1, section.size // 24):
                name, info, _, where = self._unpack("<IBBH", section.start + index * 24)
                bind, kind = info >> 4, {_OBJECT: "object", _FUNCTION: "function"}.get(info & 15, "other")
                if bind == _LOCAL:
                    continue
                number = self._unpack("<H", versym.start + index * 2)[0] & 0x7FFF if versym else 0
                library, version = versions.get(number, (None, None)) if where == 0 else (None, None)
                yield where != 0, Symbol(self._text(strings, name), kind, bind == _WEAK, library, version)

    def _versions(self) -> dict[int, tuple[str, str]]:
        versions = {}
        for section in self._sections:
            if section.kind != _VERNEED:
                continue
            strings, at = self._linked(section), section.start
            for _ in range(section.info):
                _, count, file, aux, following = self._unpack("<HHIII", at)
                entry = at + aux
                for _ in range(count):
                    _, _, number, name, after = self._unpack("<IHHII", entry)
                    versions[number] = (self._text(strings, file), self._text(strings, name))
                    entry += after
                if following == 0:
                    break
                at += following
        return versions

    def _linked(self, section: _Section) -> _Section:
        if section.link >= len(self._sections):
            raise self._broken()
        return self._sections[section.link]

    def _text(self, strings: _Section, offset: int) -> str:
        end = self._data.find(b"\0", strings.start + offset, strings.start + strings.size)
        if end < 0:
            raise self._broken()
        return self._data[strings.start + offset : end].decode("utf-8", "replace")

    def _unpack(self, layout: str, at: int) -> tuple[int, ...]:
        try:
            return struct.unpack_from(layout, self._data, at)
        except (struct.error, OverflowError):
            raise self._broken() from None

    @staticmethod
    def _broken() -> BadInputError:
        return BadInputError("the library", "its ELF tables point outside of the file", "get the file again")
