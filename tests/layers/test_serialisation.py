"""Every layer survives `.keras` and SavedModel, in a fresh process that only imports repbnn_edge."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from repbnn_edge.layers import (
    ChannelAffine,
    ChannelShift,
    EDESign,
    LibraSign,
    PadChannels,
    ReCU,
    ReCUSign,
    RepConv2D,
    RepDense,
    RepeatChannels,
    RPReLU,
    RSign,
    TwoStepSign,
)
from repbnn_edge.layers.framework import tf

_LOAD = """
import sys
{first}
{second}
import numpy as np
x, expected = (np.load(sys.argv[1] + name) for name in ("/x.npy", "/y.npy"))
for name in ("/net.keras", "/net"):
    network = tf.keras.models.load_model(sys.argv[1] + name)
    assert type(network.get_layer("conv_a")).__name__ == "RepConv2D", type(network.get_layer("conv_a"))
    np.testing.assert_array_equal(network.predict(x, verbose=0), expected)
    assert abs(float(network.get_layer("conv_a").kernel_quantizer.tau.numpy()) - 0.875) < 1e-7
print("loaded")
"""


def _network():
    layers = tf.keras.layers
    x = inputs = tf.keras.Input((8, 8, 3))
    x = RepeatChannels(2)(layers.Conv2D(4, 3, padding="same", use_bias=False)(x))
    x = ChannelShift(name="shift")(x)
    x = RepConv2D(4, 3, 2, name="conv_a", input_quantizer=ReCUSign(), kernel_quantizer=ReCU(0.9), filter_scale="ones")(
        x
    )
    x = RPReLU()(layers.BatchNormalization()(x))
    x = RSign()(x)
    x = RepConv2D(4, 3, 2, padding=((1, 0), (1, 1)), pad_values=1.0, kernel_quantizer=TwoStepSign(), use_bias=True)(x)
    x = ChannelAffine()(PadChannels(1, 2)(x))
    x = RepConv2D(6, 1, 2, repeat="input", input_quantizer=EDESign(), kernel_quantizer=LibraSign(), groups=3)(
        ChannelAffine(scale=None)(PadChannels(1, 0)(x))
    )
    x = layers.GlobalAveragePooling2D()(layers.Activation("hard_tanh")(x))
    return tf.keras.Model(inputs, RepDense(4, 2, use_bias=True, kernel_regularizer="l2", name="fc")(x))


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    folder = tmp_path_factory.mktemp("saved")
    tf.keras.utils.set_random_seed(3)
    network = _network()
    rng = np.random.default_rng(0)
    for weight in network.weights:
        weight.assign(
            np.abs(rng.normal(size=weight.shape)) if "variance" in weight.name else rng.normal(size=weight.shape)
        )
    network.get_layer("conv_a").kernel_quantizer.tau.assign(0.875)
    x = rng.normal(size=(2, 8, 8, 3)).astype(np.float32)
    np.save(folder / "x.npy", x)
    np.save(folder / "y.npy", network.predict(x, verbose=0))
    network.save(folder / "net.keras")
    network.save(folder / "net", save_format="tf")
    return folder


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("import repbnn_edge", "import tensorflow as tf"),
        ("import os; os.environ['TF_USE_LEGACY_KERAS'] = '1'; import tensorflow as tf", "import repbnn_edge"),
    ],
    ids=["repbnn_edge first", "tensorflow first"],
)
def test_both_formats_load_after_only_importing_repbnn_edge(saved, first, second):
    script = _LOAD.format(first=first, second=second)
    done = subprocess.run([sys.executable, "-c", script, str(saved)], capture_output=True, text=True)
    assert done.stdout.strip().endswith("loaded"), done.stderr[-2000:]


def test_importing_repbnn_edge_imports_no_framework():
    script = "import sys, repbnn_edge; sys.exit(any(m in sys.modules for m in ('tensorflow', 'tf_keras', 'larq')))"
    assert subprocess.run([sys.executable, "-c", script]).returncode == 0


def test_a_process_with_keras_3_is_left_alone():
    script = (
        "import os; os.environ['TF_USE_LEGACY_KERAS'] = '0'; import repbnn_edge, tensorflow as tf, tf_keras, sys;"
        "assert tf.keras.__version__.startswith('3.'); sys.exit('repbnn_edge.layers' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]


def test_every_layer_is_equal_to_its_clone_from_config():
    network = _network()
    clone = tf.keras.Model.from_config(network.get_config())
    assert [type(layer) for layer in clone.layers] == [type(layer) for layer in network.layers]
    assert [layer.get_config() for layer in clone.layers] == [layer.get_config() for layer in network.layers]
    assert [w.shape for w in clone.weights] == [w.shape for w in network.weights]


def test_the_state_of_quantisers_is_no_weight():
    names = [weight.name for weight in _network().weights]
    assert not [name for name in names if "tau" in name or "/t:" in name or "/k:" in name]
