from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from repbnn_edge.conversion import ConversionRefutedError, convert
from repbnn_edge.conversion.source import LoadedSource
from repbnn_edge.errors import BadInputError, UnsupportedError, UsageError
from repbnn_edge.tflite import schema
from repbnn_edge.tflite.metadata import read_metadata
from tests.lowering.networks import K, binary_conv, expected, images, lce_outputs, model, tf


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def network(classes: int = 4, **changes: Any) -> Any:
    return model(
        (8, 8, 3),
        K.Conv2D(32, 3, name="stem"),
        binary_conv(32, name="binary", **changes),
        K.BatchNormalization(name="bn"),
        K.GlobalAveragePooling2D(name="pool"),
        K.Dense(classes, name="head"),
    )


def test_a_model_in_memory_becomes_a_file_that_says_where_it_came_from() -> None:
    net = network()
    result = convert(net, "net.tflite", verify=False, mean=[127.5], std=[64.0], labels=["a", "b", "c", "d"])
    data = Path("net.tflite").read_bytes()
    assert result.output == "net.tflite"
    assert result.bytes == len(data)
    assert (result.binary_convolutions.found, result.binary_convolutions.binary) == (1, 1)
    assert result.macs.binary == 6 * 6 * 9 * 32 * 32
    assert result.verification is None
    facts = read_metadata(data)
    assert facts.mean == (127.5, 127.5, 127.5)
    assert facts.labels == ("a", "b", "c", "d")
    assert facts.provenance is not None and facts.provenance.source is not None
    assert facts.provenance.source.sha256 == result.source.sha256
    x = images(net)
    np.testing.assert_allclose(lce_outputs(data, x), expected(net, x), atol=1e-4)


def test_a_keras_file_is_a_source_and_stays_untouched() -> None:
    network().save("net.keras")
    before = hashlib.sha256(Path("net.keras").read_bytes()).hexdigest()
    result = convert("net.keras", verify=False)
    assert result.output == "net.tflite" and Path("net.tflite").is_file()
    assert result.source.sha256 == hashlib.sha256(Path("net.keras").read_bytes()).hexdigest() == before


def test_float_weights_change_the_head_alone() -> None:
    net = network(classes=400)
    for kind in ("float32", "float16", "int8"):
        convert(net, f"{kind}.tflite", verify=False, float_weights=kind)
        tensors = schema.load(Path(f"{kind}.tflite").read_bytes()).tensors
        types = {tensor.shape: tensor.type for tensor in tensors if tensor.constant}
        assert types[32, 3, 3, 3] == "float32"  # the stem
        assert types[400, 32] == kind
    assert Path("int8.tflite").stat().st_size < Path("float32.tflite").stat().st_size


@pytest.mark.slow
def test_two_processes_write_the_same_bytes() -> None:
    for seed in ("1", "2"):
        command = [sys.executable, "-m", "repbnn_edge.cli.main", "convert", "rep-recu-resnet20", "--no-verify"]
        subprocess.run([*command, "-o", f"{seed}.tflite"], check=True, env={**os.environ, "PYTHONHASHSEED": seed})
    assert Path("1.tflite").read_bytes() == Path("2.tflite").read_bytes()


def test_the_network_can_be_written_as_keras_too() -> None:
    net = network()
    convert(net, "net.tflite", verify=False, keras="copy.keras")
    x = images(net)
    np.testing.assert_array_equal(np.asarray(tf.keras.models.load_model("copy.keras")(x)), expected(net, x))
    assert sorted(path.name for path in Path().iterdir()) == ["copy.keras", "net.tflite"]


def test_a_page_about_the_result_can_be_written() -> None:
    convert(network(), "net.tflite", verify=False, report="net.html")
    page = Path("net.html").read_text()
    assert page.lower().startswith("<!doctype html>") and "net.tflite" in page


def test_a_file_is_proven_before_it_is_written_and_says_so() -> None:
    result = convert(network(), "net.tflite", samples=2)
    assert result.verification is not None and result.verification.passed
    assert result.verification.exact_binary_layers == result.verification.binary_layers == 1
    provenance = read_metadata(Path("net.tflite").read_bytes()).provenance
    assert provenance is not None and provenance.verification is not None and provenance.verification["passed"]
    assert result.bytes == Path("net.tflite").stat().st_size


def test_a_file_that_is_not_its_source_is_not_written(monkeypatch: pytest.MonkeyPatch) -> None:
    from repbnn_edge import lowering

    def broken(model_: Any) -> Any:
        twin = tf.keras.models.clone_model(model_)
        twin.set_weights(model_.get_weights())
        kernel = twin.get_layer("binary").get_weights()[0]
        kernel[0, 0, 0, 0] *= -1
        twin.get_layer("binary").set_weights([kernel])
        return original(twin)

    original = lowering.lower_model
    monkeypatch.setattr(lowering, "lower_model", broken)
    with pytest.raises(ConversionRefutedError, match="binary") as caught:
        convert(network(), "net.tflite", samples=2, report="net.html", keras="net.keras")
    assert caught.value.exit_code == 5
    assert caught.value.report.verification is not None and not caught.value.report.verification.passed
    assert not list(Path().iterdir())


def test_an_existing_output_is_refused_before_any_work(monkeypatch: pytest.MonkeyPatch) -> None:
    from repbnn_edge.conversion import front_ends

    monkeypatch.setattr(front_ends, "load", lambda *_: pytest.fail("it worked already"))
    Path("net.tflite").write_bytes(b"mine")
    with pytest.raises(UsageError, match="it exists"):
        convert("rep-recu-resnet20", "net.tflite")
    assert Path("net.tflite").read_bytes() == b"mine"


def test_nothing_is_left_when_a_layer_is_refused() -> None:
    with pytest.raises(UnsupportedError, match="binary: it would not become binary"):
        convert(network(kernel_quantizer="ste_tern"), "net.tflite", verify=False)
    net = network()
    net.get_layer("stem").bias.assign(np.full(32, np.nan, np.float32))
    with pytest.raises(BadInputError, match="stem: its bias holds NaN"):
        convert(net, "net.tflite", verify=False)
    assert not list(Path().iterdir())


def test_no_samples_prove_nothing() -> None:
    with pytest.raises(UsageError, match="--samples"):
        convert(network(), "net.tflite", samples=0)


def test_a_reference_and_a_lowering_that_disagree_are_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    from repbnn_edge.conversion import pipeline

    def with_one_more(model_: Any, options: Any) -> LoadedSource:
        loaded = original(model_, options)
        layers = loaded.reference.binary_layers
        extra = type(layers[0])(**{**vars(layers[0]), "name": "another"})
        monkeypatch.setattr(type(loaded.reference), "binary_layers", property(lambda self: [*layers, extra]))
        return loaded

    original = pipeline.source_of_model
    monkeypatch.setattr(pipeline, "source_of_model", with_one_more)
    with pytest.raises(UnsupportedError, match="another"):
        convert(network(), "net.tflite", verify=False)
    assert not Path("net.tflite").exists()
