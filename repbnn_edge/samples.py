"""Pictures to run a network on: a few dozen of CIFAR-10's test set that come with the package, or the user's own."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from repbnn_edge.datasets import open_dataset, to_input
from repbnn_edge.errors import UsageError

FOLDER = Path(__file__).parent / "assets" / "samples"
_MIDDLE = 127.5  # without a word on preprocessing, pixels 0..255 become -1..1


class Normalisation(Protocol):
    """An input is ``(pixel - mean) / std`` per channel, pixels 0..255."""

    @property
    def mean(self) -> tuple[float, ...]:
        """One number a channel."""

    @property
    def std(self) -> tuple[float, ...]:
        """One number a channel."""


def load(
    shape: Sequence[int], n: int, preprocessing: Normalisation | None = None, data: Path | None = None
) -> NDArray[np.float32]:
    """The first pictures of a data set as inputs of a network.

    Args:
        shape: (height, width, channels) of the input. One channel is the mean of red, green and blue; more than three
            repeat them.
        n: how many, at least 1. Of a data set of the user with fewer pictures all are given.
        preprocessing: mean and std; without them pixels 0..255 become -1..1.
        data: a folder of pictures, or any other file that ``eval`` takes; None: the pictures of this package.

    Returns:
        float32 (n, height, width, channels).

    Raises:
        UsageError: n is below 1, or larger than what the package has.
        BadInputError: ``data`` is missing, broken or empty.
    """
    if n < 1:
        raise UsageError("--samples", f"it is {n}", "give at least 1")
    pictures = open_dataset(FOLDER if data is None else data)
    if data is None and n > len(pictures):
        raise UsageError("--samples", f"it is {n}, and {len(pictures)} come with the package", "give --data as well")
    height, width, channels = shape
    inputs = [to_input(pictures.picture(i), height, width, None, None) for i in range(min(n, len(pictures)))]
    pixels = _with_channels(np.stack(inputs), channels)
    mean, std = (_MIDDLE, _MIDDLE) if preprocessing is None else (preprocessing.mean, preprocessing.std)
    return (pixels - np.asarray(mean, np.float32)) / np.asarray(std, np.float32)


def _with_channels(pixels: NDArray[np.float32], channels: int) -> NDArray[np.float32]:
    if channels == 1:
        return pixels.mean(axis=-1, keepdims=True, dtype=np.float32)
    return pixels[..., np.arange(channels) % pixels.shape[-1]]
