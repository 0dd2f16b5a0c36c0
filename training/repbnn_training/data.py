"""CIFAR-10 from ``train.npz`` and ``test.npz``: decoded once, kept on the device, augmented there."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from repbnn_edge.datasets import open_dataset
from repbnn_edge.datasets.known import CIFAR10
from repbnn_edge.errors import BadInputError

MEAN, STD = CIFAR10.mean, CIFAR10.std
"""Of CIFAR-10's training pixels, 0..255: those that the converted file carries."""


@dataclass
class Images:
    """A data set on a device: uint8 pixels (N, 3, 32, 32) and int64 labels (N)."""

    pixels: Tensor
    labels: Tensor

    def __len__(self) -> int:
        return len(self.labels)


def load(path: Path, device: torch.device, limit: int | None = None) -> Images:
    """Decode a data set that ``repbnn_edge.datasets`` opens, an npz for instance.

    Raises:
        BadInputError: it is broken, has no labels or others than CIFAR-10's, or an image is not 32 x 32.
    """
    source = open_dataset(path)
    if source.labels is None:
        raise BadInputError(str(path), "it has no labels", "add an array labels")
    count = len(source) if limit is None else min(limit, len(source))
    labels = source.labels[:count]
    if labels.min() < 0 or labels.max() >= CIFAR10.classes:
        raise BadInputError(str(path), f"its labels are not all in 0..{CIFAR10.classes - 1}", "give CIFAR-10")
    pixels = np.empty((count, 32, 32, 3), np.uint8)
    for index in range(count):
        picture = source.picture(index)
        if picture.shape != pixels.shape[1:]:
            size = f"{picture.shape[0]} x {picture.shape[1]}"
            raise BadInputError(str(path), f"picture {index} is {size}", "give pictures of 32 x 32")
        pixels[index] = picture
    channels_first = torch.from_numpy(pixels.transpose(0, 3, 1, 2).copy())
    return Images(channels_first.to(device), torch.from_numpy(labels).to(device))


def standardise(pixels: Tensor) -> Tensor:
    """uint8 pixels to float32 of mean 0 and deviation 1 per channel."""
    mean = torch.tensor(MEAN, device=pixels.device).view(1, 3, 1, 1)
    std = torch.tensor(STD, device=pixels.device).view(1, 3, 1, 1)
    return (pixels.float() - mean) / std


def augment(pixels: Tensor, draws: Tensor) -> Tensor:
    """Random crop out of 4 pixels of padding and random flip, for the whole batch at once, on its device.

    Args:
        pixels: (N, 3, H, W).
        draws: (3, N) uniform in [0, 1), on the same device: row, column and flip.
    """
    count, _, height, width = pixels.shape
    device = pixels.device
    padded = torch.nn.functional.pad(pixels, (4, 4, 4, 4))
    top, left = (draws[0] * 9).long(), (draws[1] * 9).long()
    flip = draws[2] < 0.5
    columns = torch.arange(width, device=device).expand(count, width)
    columns = torch.where(flip[:, None], width - 1 - columns, columns) + left[:, None]
    rows = torch.arange(height, device=device).expand(count, height) + top[:, None]
    index = torch.arange(count, device=device)[:, None, None]
    return padded.permute(0, 2, 3, 1)[index, rows[:, :, None], columns[:, None, :]].permute(0, 3, 1, 2)
