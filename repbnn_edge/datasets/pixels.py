"""From encoded pictures to pixels, and from pixels to a network's input."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from repbnn_edge.errors import BadInputError

_MAX_PIXELS = 100_000_000
_CROP = 0.875  # of the short side: the field's way to evaluate on ImageNet (224 out of 256)


def decode(source: bytes | Path, what: str) -> NDArray[np.uint8]:
    """Decode a JPEG, PNG, BMP, GIF or WebP picture to uint8 (height, width, 3).

    Raises:
        BadInputError: broken, truncated, no picture, or larger than 10^8 pixels.
    """
    from PIL import Image

    try:
        with Image.open(io.BytesIO(source) if isinstance(source, bytes) else source) as image:
            if image.width * image.height > _MAX_PIXELS:
                raise BadInputError(what, f"it has {image.width} x {image.height} pixels", "give a smaller picture")
            return np.asarray(image.convert("RGB"))
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise BadInputError(what, f"it is no readable picture ({error})", "remove or replace it") from error


def to_input(
    picture: NDArray[np.uint8],
    height: int,
    width: int,
    mean: tuple[float, ...] | None,
    std: tuple[float, ...] | None,
) -> NDArray[np.float32]:
    """Pixels (H, W, 3) to a network's input (height, width, 3): ``(pixel - mean) / std``, in float32.

    A picture of the input's size is taken as it is. Any other is scaled so that the centre crop of the input's size
    is 0.875 of its short side, bilinear with antialiasing, as ImageNet is evaluated.
    """
    if picture.shape[:2] != (height, width):
        picture = _scaled_crop(picture, height, width)
    pixels = picture.astype(np.float32)
    if mean is None or std is None:
        return pixels
    return (pixels - np.asarray(mean, np.float32)) / np.asarray(std, np.float32)


def _scaled_crop(picture: NDArray[np.uint8], height: int, width: int) -> NDArray[np.uint8]:
    from PIL import Image

    rows, columns = picture.shape[:2]
    scale = max(height / _CROP / rows, width / _CROP / columns)
    size = (max(round(columns * scale), width), max(round(rows * scale), height))
    resized = np.asarray(Image.fromarray(picture).resize(size, Image.Resampling.BILINEAR))
    top, left = (resized.shape[0] - height) // 2, (resized.shape[1] - width) // 2
    return resized[top : top + height, left : left + width]
