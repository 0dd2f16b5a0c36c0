"""Keras files: good ones load, hostile and broken ones are one sentence, and nothing of theirs is executed."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from repbnn_converters.keras_file import FrontEnd, load_keras

from repbnn_edge import stack
from repbnn_edge.errors import BadInputError

from . import hostile


@pytest.fixture(scope="module")
def network() -> Any:
    tf, lq = stack.tensorflow(), stack.larq()
    inputs = tf.keras.Input((8, 8, 3))
    x = tf.keras.layers.Conv2D(32, 3, use_bias=False, name="stem")(inputs)
    x = tf.concat([x, x], -1)
    x = lq.layers.QuantConv2D(
        32, 3, input_quantizer="ste_sign", kernel_quantizer="ste_sign", kernel_constraint="weight_clip", name="binary"
    )(x)
    x = tf.keras.layers.Flatten()(x)
    return tf.keras.Model(inputs, tf.keras.layers.Dense(10, activation="relu", name="head")(x))


@pytest.fixture
def keras_path(network: Any, tmp_path: Path) -> Path:
    path = tmp_path / "network.keras"
    network.save(path)
    return path


@pytest.fixture
def h5_path(network: Any, tmp_path: Path) -> Path:
    path = tmp_path / "network.h5"
    network.save(path)
    return path


def load(path: Path) -> Any:
    return load_keras(path.read_bytes(), str(path))


def refusal(path: Path) -> str:
    with pytest.raises(BadInputError) as caught:
        load(path)
    return str(caught.value)


def test_a_keras_file_loads_with_its_weights(network: Any, keras_path: Path) -> None:
    loaded = load(keras_path)
    for expected, got in zip(network.get_weights(), loaded.get_weights(), strict=True):
        np.testing.assert_array_equal(got, expected)


def test_an_h5_file_loads_with_its_weights(network: Any, h5_path: Path) -> None:
    for expected, got in zip(network.get_weights(), load(h5_path).get_weights(), strict=True):
        np.testing.assert_array_equal(got, expected)


def test_a_quantiser_given_as_a_function_is_looked_up_by_its_name(tmp_path: Path) -> None:
    tf, lq = stack.tensorflow(), stack.larq()
    layer = lq.layers.QuantDense(4, input_quantizer=lq.quantizers.ste_sign, kernel_quantizer="ste_sign")
    model = tf.keras.Sequential([tf.keras.Input((8,)), layer])
    model.save(tmp_path / "function.keras")
    assert type(load(tmp_path / "function.keras").layers[0].input_quantizer).__name__ == "SteSign"
    model.save(tmp_path / "function.h5")
    assert "save it as .keras" in refusal(tmp_path / "function.h5")


@pytest.mark.parametrize("suffix", [".keras", ".h5"])
def test_a_lambda_is_refused_and_never_executed(tmp_path: Path, suffix: str) -> None:
    tf = stack.tensorflow()
    marker = tmp_path / "executed"
    layer = tf.keras.layers.Lambda(hostile.lambda_that_writes(marker), name="trojan")
    model = tf.keras.Sequential([tf.keras.Input((4, 4, 1)), layer])
    model.save(tmp_path / f"lambda{suffix}")
    marker.unlink()  # building it ran it here, in the attacker's process
    assert "trojan" in refusal(tmp_path / f"lambda{suffix}")
    assert not marker.exists()


@pytest.mark.parametrize(
    "function", ["io.write_file", "io.read_file", "py_function", "numpy_function", "load_op_library"]
)
def test_a_tensorflow_function_that_is_no_arithmetic_is_refused(keras_path: Path, function: str) -> None:
    def change(config: dict[str, Any]) -> None:
        target = next(item for item in config["config"]["layers"] if item["class_name"] == "TFOpLambda")
        target["config"]["function"] = function

    hostile.rewrite_config(keras_path, change)
    assert function in refusal(keras_path)


@pytest.mark.parametrize(
    "change",
    [
        {"class_name": "StringLookup"},
        {"class_name": "Popen", "module": "subprocess"},
        {"module": "os"},
        {"module": "larq_evil"},
        {"registered_name": "evil>System"},
        {"class_name": "__typespec__", "spec_name": "Popen", "registered_name": None},
    ],
)
def test_a_class_or_module_off_the_list_is_refused(keras_path: Path, change: dict[str, Any]) -> None:
    hostile.rewrite_config(keras_path, lambda config: hostile.layer(config, 1).update(change))
    refusal(keras_path)


@pytest.mark.parametrize(
    "value",
    [
        "keras.utils.get_file",
        {"class_name": "function", "module": "keras.utils", "config": "get_file", "registered_name": "get_file"},
        {"class_name": "function", "module": "os", "config": "relu", "registered_name": "relu"},
        {"class_name": "__lambda__", "config": {"value": "YQ=="}},
    ],
)
def test_an_activation_off_the_list_is_refused(keras_path: Path, value: Any) -> None:
    hostile.rewrite_config(keras_path, lambda config: hostile.layer(config, -1)["config"].update(activation=value))
    refusal(keras_path)


def test_a_foreign_initialiser_is_not_needed_for_weights_that_the_file_brings(network: Any, keras_path: Path) -> None:
    def change(config: dict[str, Any]) -> None:
        foreign = {"module": "os", "class_name": "system", "config": {"command": "true"}, "registered_name": "system"}
        hostile.layer(config, 1)["config"]["kernel_initializer"] = foreign

    hostile.rewrite_config(keras_path, change)
    for expected, got in zip(network.get_weights(), load(keras_path).get_weights(), strict=True):
        np.testing.assert_array_equal(got, expected)


def test_a_layer_of_an_absurd_size_is_refused(keras_path: Path) -> None:
    hostile.rewrite_config(keras_path, lambda config: hostile.layer(config, 1)["config"].update(filters=10**9))
    assert "filters" in refusal(keras_path)


def test_an_input_of_a_billion_pixels_is_refused(keras_path: Path) -> None:
    shape = [None, 32000, 32000, 3]
    hostile.rewrite_config(
        keras_path, lambda config: hostile.layer(config, 0)["config"].update(batch_input_shape=shape)
    )
    assert "input shape" in refusal(keras_path)


def test_a_configuration_nested_without_end_is_refused(keras_path: Path) -> None:
    with zipfile.ZipFile(keras_path) as archive:
        contents = {name: archive.read(name) for name in archive.namelist()}
    for depth in (300, 200_000):
        hostile.write_archive(keras_path, {**contents, "config.json": b'{"a":' * depth + b"1" + b"}" * depth})
        refusal(keras_path)


def test_an_archive_with_other_members_is_refused(keras_path: Path) -> None:
    with zipfile.ZipFile(keras_path) as archive:
        contents = {name: archive.read(name) for name in archive.namelist()}
    hostile.write_archive(keras_path, {**contents, "../../evil.py": b"1"})
    assert "evil" in refusal(keras_path)


def test_a_file_of_keras_3_is_named_so(keras_path: Path) -> None:
    with zipfile.ZipFile(keras_path) as archive:
        contents = {name: archive.read(name) for name in archive.namelist()}
    hostile.write_archive(keras_path, {**contents, "metadata.json": json.dumps({"keras_version": "3.4.1"}).encode()})
    assert "Keras 3" in refusal(keras_path)


@pytest.mark.parametrize("kind", ["external link", "soft link", "external storage"])
def test_hdf5_that_reaches_into_other_files_is_refused(h5_path: Path, tmp_path: Path, kind: str) -> None:
    import h5py

    secret = tmp_path / "secret"
    secret.write_bytes(b"\0" * 64)
    with h5py.File(h5_path, "a") as file:
        if kind == "external link":
            file["evil"] = h5py.ExternalLink("/etc/passwd", "/")
        elif kind == "soft link":
            file["evil"] = h5py.SoftLink("/model_weights")
        else:
            file.create_dataset("evil", (16,), "f4", external=[(str(secret), 0, 64)])
    assert "evil" in refusal(h5_path)


def test_weights_without_a_network_are_explained(network: Any, tmp_path: Path) -> None:
    network.save_weights(tmp_path / "only.weights.h5")
    assert "--weights" in refusal(tmp_path / "only.weights.h5")


def test_random_damage_never_escapes_as_another_error(keras_path: Path, h5_path: Path) -> None:
    random = np.random.default_rng(3)
    for path in (keras_path, h5_path):
        data = path.read_bytes()
        for _ in range(15):
            damaged = bytearray(data[: random.integers(1, len(data))] if random.random() < 0.5 else data)
            for position in random.integers(0, len(damaged), 8):
                damaged[position] ^= int(random.integers(1, 256))
            try:
                load_keras(bytes(damaged), "damaged")
            except BadInputError as error:
                assert "\n" not in str(error)


def test_the_front_end_takes_existing_files_only(keras_path: Path) -> None:
    assert FrontEnd().accepts(str(keras_path))
    assert not FrontEnd().accepts(str(keras_path) + ".missing.keras")
