"""Work is done again only when what it is made from has changed, by content."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path

TOOLS = Path(__file__).parent


def files(*roots: Path) -> list[Path]:
    """Files below the given ones, sorted."""
    found: list[Path] = []
    for root in roots:
        found += [path for path in root.rglob("*") if path.is_file()] if root.is_dir() else [root]
    return sorted(found)


def digest(inputs: Iterable[Path], *words: str) -> str:
    """A hash of the names and contents of the inputs, and of the words."""
    total = hashlib.sha256("\0".join(words).encode())
    for path in inputs:
        total.update(f"\0{path.name}\0".encode())
        total.update(path.read_bytes())
    return total.hexdigest()


def is_fresh(output: Path, key: str) -> bool:
    """Whether ``output`` was made from what ``key`` stands for."""
    stamp = _stamp(output)
    return output.exists() and stamp.is_file() and stamp.read_text() == key


def mark(output: Path, key: str) -> None:
    """Remember what ``output`` was made from."""
    _stamp(output).write_text(key)


def _stamp(output: Path) -> Path:
    return output.with_name(f".{output.name}.stamp")
