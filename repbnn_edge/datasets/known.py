"""What the networks look at: sizes, classes and the pixels' moments. Needs nothing but Python."""

from __future__ import annotations

from dataclasses import dataclass

_CIFAR10 = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")


@dataclass(frozen=True)
class Images:
    """A data set, as a network sees it.

    Attributes:
        name: the data set.
        size: height and width.
        classes: how many.
        labels: their names, where they are short enough to ship.
        mean: per channel (RGB), in pixel units 0..255.
        std: likewise.
    """

    name: str
    size: int
    classes: int
    labels: tuple[str, ...]
    mean: tuple[float, float, float]
    std: tuple[float, float, float]

    @property
    def shape(self) -> tuple[int, int, int]:
        """(height, width, channels) of a picture."""
        return self.size, self.size, 3


IMAGENET = Images("ImageNet", 224, 1000, (), (123.675, 116.28, 103.53), (58.395, 57.12, 57.375))
CIFAR10 = Images("CIFAR-10", 32, 10, _CIFAR10, (125.307, 122.961, 113.8575), (62.985, 62.0925, 66.708))
