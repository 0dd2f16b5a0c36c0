"""From a source to a file: the report, the command, and what they refuse."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from repbnn_edge import stack
from repbnn_edge.cli.main import run
from repbnn_edge.errors import UnsupportedError, UsageError
from repbnn_edge.reptran import TransformReport, rep_tran, transform

tf = stack.tensorflow()
lq = stack.larq()
layers = tf.keras.layers


def small() -> tf.keras.Model:
    quantizers = {"input_quantizer": "ste_sign", "kernel_quantizer": "ste_sign", "kernel_constraint": "weight_clip"}
    x = entry = layers.Input((8, 8, 3), name="image")
    x = layers.Conv2D(8, 3, padding="same", name="stem")(x)
    y = lq.layers.QuantConv2D(8, 3, padding="same", use_bias=False, name="conv", **quantizers)(x)
    x = layers.BatchNormalization(name="norm")(y) + x
    return tf.keras.Model(entry, layers.Dense(10, name="logits")(layers.GlobalAveragePooling2D()(x)), name="small")


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("source") / "small.keras"
    small().save(path)
    return path


def row(report: TransformReport, name: str):
    return next(layer for layer in report.layers if layer.name == name)


def test_the_report_says_what_changed_layer_by_layer() -> None:
    report = transform(small(), 2)
    conv = row(report, "conv")
    assert (conv.before.outputs, conv.after.outputs) == ([[None, 8, 8, 8]], [[None, 8, 8, 16]])
    assert conv.before.weights == conv.after.weights
    assert (conv.after.weights.binary, conv.after.macs.binary) == (9 * 64, 64 * 9 * 64)
    assert (conv.input_bits, conv.weights, conv.note) == (1, "fresh", "RepConv2D, beta 2")
    assert (row(report, "stem").weights, row(report, "norm").weights) == ("kept", "fresh")
    assert (row(report, "norm").before.weights.float, row(report, "norm").after.weights.float) == (32, 64)
    repeat = row(report, "stem_repeat")
    assert (repeat.before, repeat.after.outputs) == (None, [[None, 8, 8, 16]])
    names = [layer.name for layer in report.layers]
    assert names.index("stem_repeat") == names.index("stem") + 1
    assert set(report.fresh_layers) == {"conv", "norm", "logits"}
    assert report.macs.before.binary == report.macs.after.binary == 64 * 9 * 64
    assert report.macs.after.float - report.macs.before.float == 80
    assert report.ops[0] == report.macs.before.float + 64 * 9
    assert any("fresh weights" in warning for warning in report.warnings)


def test_beta_one_keeps_everything_and_warns_of_nothing() -> None:
    report = transform(small(), 1)
    assert report.warnings == report.fresh_layers == report.repeated == []
    assert {layer.weights for layer in report.layers} == {"kept", "none"}


def test_the_command_writes_a_network_that_loads_again(
    source: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "rep.keras"
    assert run(["transform", str(source), "--beta", "2", "-o", str(out), "--json"]) == 0
    body = json.loads(capsys.readouterr().out)
    assert body["schema"] == "repbnn.transform/1"
    assert (body["beta"], body["output"], body["bytes"]) == (2, str(out), out.stat().st_size)
    assert body["source"]["kind"] == "keras"
    model = tf.keras.models.load_model(out)
    assert model.get_layer("conv").beta == 2
    old, new = tf.keras.models.load_model(source), model
    np.testing.assert_array_equal(old.get_layer("stem").kernel, new.get_layer("stem").kernel)
    assert model.count_params() == rep_tran(small(), 2).count_params()


def test_the_same_command_gives_the_same_weights(source: Path, tmp_path: Path) -> None:
    for name in ("a", "b"):
        assert run(["transform", str(source), "--beta", "2", "-o", str(tmp_path / f"{name}.keras")]) == 0
    a, b = (tf.keras.models.load_model(tmp_path / f"{name}.keras") for name in "ab")
    for first, second in zip(a.get_weights(), b.get_weights(), strict=True):
        np.testing.assert_array_equal(first, second)


def test_the_table_and_what_is_said_beside_it(source: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["transform", str(source), "--beta", "2"]) == 0
    said = capsys.readouterr()
    assert "stem_repeat" in said.out
    assert "1-bit MACs" in " ".join(said.out.split())
    assert "nothing was written" in said.out
    assert "train the network again" in " ".join(said.err.split())


def test_outputs_that_are_refused(source: Path, tmp_path: Path) -> None:
    existing = tmp_path / "there.keras"
    existing.write_bytes(b"mine")
    for output in (existing, tmp_path / "out.h5", source):
        with pytest.raises(UsageError):
            transform(str(source), 2, output)
    assert existing.read_bytes() == b"mine"
    with pytest.raises(UsageError, match="source"):
        transform(str(source), 2, source, force=True)
    transform(str(source), 2, existing, force=True)
    assert existing.read_bytes() != b"mine"


def test_exit_codes(source: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["transform", str(tmp_path / "none.keras"), "--beta", "2"]) == 3
    assert run(["transform", str(source), "--beta", "3"]) == 4
    assert "conv: its 8 filters cannot be divided by beta 3" in capsys.readouterr().err
    assert run(["transform", str(source), "--beta", "0"]) == 2
    assert run(["transform", str(source)]) == 2


def test_a_saved_model_has_no_layers(tmp_path: Path) -> None:
    folder = tmp_path / "saved"
    tf.saved_model.save(small(), str(folder))
    with pytest.raises(UnsupportedError, match="SavedModel"):
        transform(folder, 2)
    assert run(["transform", str(folder), "--beta", "2"]) == 4


def test_a_built_in_name_means_the_original_network() -> None:
    from repbnn_edge.keras_graph import totals
    from repbnn_edge.models import build

    report = transform("rep-recu-resnet20", 2)
    assert report.source is not None
    assert report.source.kind == "builtin"
    assert report.parameters.after.model_dump() == totals(build("rep-recu-resnet20", beta=2))["parameters"]
    assert not any("already" in warning for warning in report.warnings)


def test_a_rep_network_is_named_as_one() -> None:
    assert any(
        "beta 2 already: its layers now have 4" in warning for warning in transform(rep_tran(small(), 2), 2).warnings
    )
    assert not any("already" in warning for warning in transform(small(), 2).warnings)
