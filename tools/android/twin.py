"""The network that the sample app's own is timed against: ``python tools/android/twin.py MODEL OUTPUT``.

ResNet-20 in float32 (He et al., 2015; 16, 32 and 64 channels, option-A shortcuts, batch norms folded), on the inputs of
MODEL. It is not trained: the app shows its time alone, which hangs on its shapes and not on its weights. Runs in the
project's environment.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from repbnn_edge import stack  # noqa: E402
from repbnn_edge.tflite.metadata import Metadata, read_metadata, write_metadata  # noqa: E402

_NAME = "ResNet-20 in float32"
_WIDTHS = (16, 32, 64)
_BLOCKS = 3


def main() -> None:
    """Write the twin."""
    model, output = map(Path, sys.argv[1:])
    metadata = read_metadata(model.read_bytes())
    described = Metadata(_NAME, "Untrained, for its time alone.", metadata.mean, metadata.std, metadata.labels)
    output.write_bytes(write_metadata(_converted(len(metadata.labels)), described))


def _converted(classes: int) -> bytes:
    tf = stack.tensorflow()
    tf.keras.utils.set_random_seed(1)
    converter = tf.lite.TFLiteConverter.from_keras_model(_network(tf.keras, classes))
    return bytes(converter.convert())


def _network(keras: Any, classes: int) -> Any:
    picture = keras.Input((32, 32, 3), 1)
    x = _convolution(keras, _WIDTHS[0], 1, "relu")(picture)
    for stage, width in enumerate(_WIDTHS):
        for block in range(_BLOCKS):
            x = _block(keras, x, width, 2 if stage > 0 and block == 0 else 1)
    scores = keras.layers.Dense(classes, activation="softmax")(keras.layers.GlobalAveragePooling2D()(x))
    return keras.Model(picture, scores)


def _block(keras: Any, x: Any, width: int, stride: int) -> Any:
    shortcut = x
    if stride > 1:  # every second pixel, and channels of zeros beside the old ones
        more = (width - x.shape[-1]) // 2
        shortcut = keras.layers.Lambda(lambda map: stack.tensorflow().pad(map[:, ::2, ::2], _beside(more)))(x)
    x = _convolution(keras, width, stride, "relu")(x)
    x = _convolution(keras, width, 1, None)(x)
    return keras.layers.ReLU()(x + shortcut)


def _beside(channels: int) -> list[list[int]]:
    return [[0, 0], [0, 0], [0, 0], [channels, channels]]


def _convolution(keras: Any, width: int, stride: int, activation: str | None) -> Any:
    return keras.layers.Conv2D(width, 3, stride, "same", activation=activation, kernel_initializer="he_normal")


if __name__ == "__main__":
    main()
