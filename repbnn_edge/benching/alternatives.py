"""What a user would pick instead: ``python -m repbnn_edge.benching.alternatives mobilenet-v2-int8 OUT.tflite``."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

from repbnn_edge import stack
from repbnn_edge.errors import RepbnnError
from repbnn_edge.files import write_whole

_CALIBRATION_SAMPLES = 8


def mobilenet_v2_int8() -> bytes:
    """MobileNetV2 1.0 at 224 x 224, quantised whole: int8 in, int8 inside, int8 out.

    Weights are fresh: how long an int8 network takes does not depend on their values.
    Source: tf.keras.applications, TFLite's full-integer quantisation.
    """
    tf = stack.tensorflow()
    tf.keras.utils.set_random_seed(0)
    model = tf.keras.applications.MobileNetV2(weights=None)
    generator = np.random.default_rng(0)
    converter = tf.lite.TFLiteConverter.from_keras_model(model)
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = lambda: (
        [generator.normal(size=(1, 224, 224, 3)).astype(np.float32)] for _ in range(_CALIBRATION_SAMPLES)
    )
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    converter.inference_input_type = converter.inference_output_type = tf.int8
    return bytes(converter.convert())


_MAKERS = {"mobilenet-v2-int8": mobilenet_v2_int8}


def main(name: str, path: Path) -> int:
    """Make one and write it; an error is one line."""
    try:
        write_whole(path, _MAKERS[name]())
    except RepbnnError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], Path(sys.argv[2])))
