"""SavedModels: imported node by node, never by Keras' loader, and hostile ones refused before they are loaded."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from repbnn_converters.saved_model import FrontEnd

from repbnn_edge import stack
from repbnn_edge.conversion.source import LoadOptions
from repbnn_edge.errors import BadInputError, UnsupportedError

from . import hostile


def binary(filters: int, size: int = 3, **options: Any) -> Any:
    options = {"input_quantizer": "ste_sign", "kernel_quantizer": "ste_sign", "use_bias": False, **options}
    return stack.larq().layers.QuantConv2D(filters, size, **options)


def save(folder: Path, layers: list[Any], shape: tuple[int | None, ...] = (16, 16, 3)) -> Any:
    tf = stack.tensorflow()
    tf.keras.utils.set_random_seed(7)
    model = tf.keras.Sequential([tf.keras.Input(shape), *layers])
    for layer in model.layers:
        if isinstance(layer, tf.keras.layers.BatchNormalization):
            random = np.random.default_rng(len(layer.name))
            size = layer.gamma.shape
            layer.set_weights(
                [random.uniform(0.5, 1.5, size), random.normal(0, 0.3, size), random.normal(0, 0.2, size),
                 random.uniform(0.5, 2, size)]
            )  # fmt: skip
    model.save(str(folder), save_format="tf")
    return model


def norm() -> Any:
    return stack.tensorflow().keras.layers.BatchNormalization()


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Any]:
    tf, lq = stack.tensorflow(), stack.larq()
    folder = tmp_path_factory.mktemp("saved") / "network"
    model = save(
        folder,
        [
            tf.keras.layers.Conv2D(32, 3),
            norm(),
            binary(32, padding="same", pad_values=1.0),
            norm(),
            tf.keras.layers.PReLU(shared_axes=[1, 2]),
            binary(32, padding="same", dilation_rate=2, kernel_quantizer="magnitude_aware_sign"),
            norm(),
            tf.keras.layers.MaxPooling2D(),
            binary(64, strides=2, padding="same"),
            norm(),
            tf.keras.layers.Flatten(),
            lq.layers.QuantDense(10, input_quantizer="ste_sign", kernel_quantizer="ste_sign"),
            tf.keras.layers.Softmax(),
        ],
    )
    return folder, model


def test_every_binary_layer_is_recovered(network: tuple[Path, Any]) -> None:
    folder, model = network
    source = FrontEnd().load(str(folder), LoadOptions())
    layers = source.reference.binary_layers
    assert [layer.weights.shape for layer in layers] == [
        (3, 3, 32, 32),
        (3, 3, 32, 32),
        (3, 3, 32, 64),
        (1, 1, 1024, 10),
    ]
    assert layers[0].pad_value == 1
    assert layers[1].dilations == (2, 2)
    assert layers[1].pad_value == 0
    originals = [layer for layer in model.layers if hasattr(layer, "kernel_quantizer")]
    for layer, original in zip(layers, originals, strict=True):
        kernel = np.asarray(original.get_weights()[0])
        np.testing.assert_array_equal(layer.weights.reshape(kernel.shape), np.where(kernel < 0, -1, 1))


def test_it_computes_what_the_saved_network_computes(network: tuple[Path, Any]) -> None:
    folder, model = network
    source = FrontEnd().load(str(folder), LoadOptions())
    batch = np.random.default_rng(0).standard_normal((1, 16, 16, 3)).astype(np.float32)
    np.testing.assert_allclose(source.network(batch).numpy(), model(batch).numpy(), atol=1e-4)


def test_an_open_shape_takes_the_option(tmp_path: Path) -> None:
    tf = stack.tensorflow()
    save(tmp_path / "open", [tf.keras.layers.Conv2D(32, 3), binary(8)], (None, None, 3))
    with pytest.raises(BadInputError, match="--input-shape"):
        FrontEnd().load(str(tmp_path / "open"), LoadOptions())
    assert FrontEnd().load(str(tmp_path / "open"), LoadOptions(input_shape=(1, 9, 9, 3))).network.input_shape[1] == 9


def test_a_lambda_is_imported_as_a_graph_and_its_code_never_runs(tmp_path: Path) -> None:
    tf = stack.tensorflow()
    marker = tmp_path / "executed"
    layer = tf.keras.layers.Lambda(hostile.lambda_that_writes(marker), name="trojan")
    save(tmp_path / "trojan", [tf.keras.layers.Conv2D(32, 3), layer, binary(8)])
    marker.unlink()
    source = FrontEnd().load(str(tmp_path / "trojan"), LoadOptions())
    assert len(source.reference.binary_layers) == 1
    assert not marker.exists()


@pytest.mark.parametrize("kind", ["WriteFile", "ReadFile", "EagerPyFunc"])
def test_a_node_that_touches_files_or_python_is_refused_before_loading(tmp_path: Path, kind: str) -> None:
    tf = stack.tensorflow()
    target = tmp_path / "touched"

    class Trojan(tf.Module):  # type: ignore[misc]
        @tf.function(input_signature=[tf.TensorSpec((1, 4, 4, 3), tf.float32)])
        def __call__(self, x: Any) -> Any:
            if kind == "WriteFile":
                tf.io.write_file(str(target), "evil")
            elif kind == "ReadFile":
                x = x + tf.cast(tf.strings.length(tf.io.read_file("/etc/hostname")), tf.float32)
            else:
                x = tf.py_function(lambda v: v, [x], tf.float32)
            return tf.reshape(x, (1, 4, 4, 3))

    module = Trojan()
    tf.saved_model.save(module, str(tmp_path / "trojan"), signatures={"serving_default": module.__call__})
    with pytest.raises(BadInputError, match=kind):
        FrontEnd().load(str(tmp_path / "trojan"), LoadOptions())
    assert not target.exists()


def test_a_folder_that_is_no_saved_model(tmp_path: Path) -> None:
    with pytest.raises(BadInputError, match=r"saved_model\.pb"):
        FrontEnd().load(str(tmp_path), LoadOptions())


def test_a_truncated_saved_model_is_one_sentence(network: tuple[Path, Any], tmp_path: Path) -> None:
    data = (network[0] / "saved_model.pb").read_bytes()
    for length in (1, 100, len(data) // 2, len(data) - 1):
        (tmp_path / "saved_model.pb").write_bytes(data[:length])
        with pytest.raises(BadInputError) as caught:
            FrontEnd().load(str(tmp_path), LoadOptions())
        assert "\n" not in str(caught.value)


def test_an_operation_without_a_lowering_is_named(tmp_path: Path) -> None:
    tf = stack.tensorflow()
    layers = [tf.keras.layers.Conv2D(32, 3), tf.keras.layers.UpSampling2D(), binary(8)]
    save(tmp_path / "upsampling", layers)
    with pytest.raises(UnsupportedError, match="ResizeNearestNeighbor"):
        FrontEnd().load(str(tmp_path / "upsampling"), LoadOptions())
