"""Noise in the form of CIFAR-10's files."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
from PIL import Image


def write_images(path: Path, count: int = 256) -> None:
    """An npz of ``count`` JPEGs with labels, the same at every call."""
    random, parts = np.random.default_rng(0), []
    for _ in range(count):
        buffer = io.BytesIO()
        Image.fromarray(random.integers(0, 256, (32, 32, 3), np.uint8)).save(buffer, "JPEG")
        parts.append(buffer.getvalue())
    jpeg = np.frombuffer(b"".join(parts), np.uint8)
    np.savez(path, jpeg=jpeg, offsets=np.cumsum([0, *map(len, parts)]), labels=random.integers(0, 10, count))
