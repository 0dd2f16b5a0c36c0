"""``file.py:function``: the user's own code, run because the user asked for it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from repbnn_converters.python_file import FrontEnd

from repbnn_edge.conversion.source import LoadOptions
from repbnn_edge.errors import BadInputError, UnsupportedError, UsageError

NETWORK = """
import tensorflow as tf, larq as lq
from neighbour import FILTERS

def build():
    return tf.keras.Sequential([
        tf.keras.Input((8, 8, 3)),
        tf.keras.layers.Conv2D(32, 3),
        lq.layers.QuantConv2D(FILTERS, 3, input_quantizer="ste_sign", kernel_quantizer="ste_sign"),
        tf.keras.layers.GlobalAveragePooling2D(),
    ])

def open_shape():
    return tf.keras.Sequential([tf.keras.Input((None, None, 3)), tf.keras.layers.Conv2D(4, 3)])

def subclassed():
    class Hidden(tf.keras.Model):
        def call(self, x):
            return x
    return Hidden()

def wrong():
    return 3

def fails():
    raise ValueError("no data\\nhere")
"""


@pytest.fixture
def code(tmp_path: Path) -> str:
    (tmp_path / "neighbour.py").write_text("FILTERS = 16\n")
    (tmp_path / "net.py").write_text(NETWORK)
    return str(tmp_path / "net.py")


def test_the_function_gives_the_network(code: str) -> None:
    source = FrontEnd().load(f"{code}:build", LoadOptions(mean=(127.5,), std=(50.0,)))
    assert source.kind == "python"
    assert source.name == "net.py:build"
    assert source.network.output_shape == (None, 16)
    assert source.preprocessing is not None
    assert source.preprocessing.mean == (127.5,) * 3
    assert len(source.reference.binary_layers) == 1


def test_an_open_input_shape_is_filled_by_the_option(code: str) -> None:
    source = FrontEnd().load(f"{code}:open_shape", LoadOptions(input_shape=(1, 12, 10, 3)))
    assert source.network.input_shape == (1, 12, 10, 3)
    with pytest.raises(BadInputError, match="--input-shape"):
        FrontEnd().load(f"{code}:open_shape", LoadOptions())


@pytest.mark.parametrize("shape", [(224, 224), (2, 8, 8, 3), (1, -1, 8, 3), (1, 32000, 32000, 3), (1, 0, 8, 3)])
def test_an_impossible_input_shape_is_a_usage_error(code: str, shape: tuple[int, ...]) -> None:
    with pytest.raises(UsageError):
        FrontEnd().load(f"{code}:open_shape", LoadOptions(input_shape=shape))


def test_a_shape_that_the_network_was_not_built_for_is_refused(code: str) -> None:
    with pytest.raises(BadInputError, match="was built for"):
        FrontEnd().load(f"{code}:build", LoadOptions(input_shape=(1, 9, 9, 3)))


@pytest.mark.parametrize(
    ("function", "words"),
    [("missing", "no function"), ("wrong", "not a Keras model"), ("fails", "ValueError: no data here")],
)
def test_what_the_code_does_wrong_is_said_in_one_line(code: str, function: str, words: str) -> None:
    with pytest.raises(BadInputError) as caught:
        FrontEnd().load(f"{code}:{function}", LoadOptions())
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_subclassed_model_is_refused_by_name(code: str) -> None:
    with pytest.raises(UnsupportedError, match="subclassed"):
        FrontEnd().load(f"{code}:subclassed", LoadOptions())


def test_a_file_without_a_function_says_what_is_missing(code: str) -> None:
    assert FrontEnd().accepts(code)
    with pytest.raises(BadInputError, match=":function"):
        FrontEnd().load(code, LoadOptions())


def test_beta_belongs_to_transform(code: str) -> None:
    with pytest.raises(UsageError, match="transform"):
        FrontEnd().load(f"{code}:build", LoadOptions(beta=2))


def test_weights_come_from_a_keras_weights_file_of_the_same_network(code: str, tmp_path: Path) -> None:
    model = FrontEnd().load(f"{code}:build", LoadOptions()).network
    path = tmp_path / "trained.weights.h5"
    model.set_weights([weights + 1 for weights in model.get_weights()])
    model.save_weights(path)
    loaded = FrontEnd().load(f"{code}:build", LoadOptions(weights=path)).network
    for expected, got in zip(model.get_weights(), loaded.get_weights(), strict=True):
        np.testing.assert_array_equal(got, expected)
    with pytest.raises(BadInputError, match="do not fit"):
        FrontEnd().load(f"{code}:open_shape", LoadOptions(weights=path, input_shape=(1, 8, 8, 3)))


def test_a_pickle_is_never_read_as_weights(code: str, tmp_path: Path) -> None:
    (tmp_path / "model.pth").write_bytes(b"PK\x03\x04 not weights")
    with pytest.raises(BadInputError, match="no Keras weights file"):
        FrontEnd().load(f"{code}:build", LoadOptions(weights=tmp_path / "model.pth"))
