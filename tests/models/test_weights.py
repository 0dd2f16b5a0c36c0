"""Weights files: round trips, and every file that does not fit is refused with a sentence."""

from __future__ import annotations

import json

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from repbnn_edge.errors import BadInputError
from repbnn_edge.models import build, describe
from repbnn_edge.models.weights import save_weights

NAME = "rep-recu-resnet20"


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("weights")
    model = build(NAME, 2)
    random = np.random.default_rng(3)
    for weight in model.weights:
        weight.assign(weight.numpy() + random.uniform(0.001, 0.01, weight.shape))
    save_weights(model, NAME, describe(NAME, 2), folder / "net.safetensors")
    model.save_weights(folder / "net.weights.h5")
    return folder, model


def _kernel(model):
    return model.get_layer("stage2_block1_conv1").kernel.latent_variable.numpy()


@pytest.mark.parametrize("file", ["net.safetensors", "net.weights.h5"])
def test_round_trip(files, file):
    folder, model = files
    again = build(NAME, 2, weights=folder / file)
    x = np.random.default_rng(0).normal(size=(2, 32, 32, 3)).astype(np.float32)
    np.testing.assert_array_equal(_kernel(again), _kernel(model))
    np.testing.assert_array_equal(again(x).numpy(), model(x).numpy())


@pytest.mark.parametrize("file", ["net.safetensors", "net.weights.h5"])
def test_another_beta(files, file):
    with pytest.raises(BadInputError, match=f"give the weights of {NAME} with beta 1"):
        build(NAME, 1, weights=files[0] / file)


@pytest.mark.parametrize("file", ["net.safetensors", "net.weights.h5"])
@pytest.mark.parametrize("name", ["rep-irnet-resnet20", "rep-recu-vgg-small"])
def test_another_network(files, file, name):
    with pytest.raises(BadInputError, match=f"give the weights of {name} with beta 2"):
        build(name, 2, weights=files[0] / file)


def test_a_file_without_metadata_is_judged_by_its_shapes(files, tmp_path):
    tensors = load_file(files[0] / "net.safetensors")
    save_file(tensors, tmp_path / "plain.safetensors")
    assert build(NAME, 2, weights=tmp_path / "plain.safetensors")
    with pytest.raises(BadInputError, match="has the shape"):
        build(NAME, 1, weights=tmp_path / "plain.safetensors")
    save_file({**tensors, "more/kernel": np.zeros(3, np.float32)}, tmp_path / "more.safetensors")
    with pytest.raises(BadInputError, match="more/kernel"):
        build(NAME, 2, weights=tmp_path / "more.safetensors")
    del tensors["head_dense/bias"]
    save_file(tensors, tmp_path / "less.safetensors")
    with pytest.raises(BadInputError, match="it has no head_dense/bias"):
        build(NAME, 2, weights=tmp_path / "less.safetensors")


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_values_that_are_not_finite(files, tmp_path, value):
    tensors = load_file(files[0] / "net.safetensors")
    tensors["stage1_block1_bn1/gamma"][3] = value
    save_file(tensors, tmp_path / "bad.safetensors")
    with pytest.raises(BadInputError, match="stage1_block1_bn1/gamma holds NaN or infinity"):
        build(NAME, 2, weights=tmp_path / "bad.safetensors")


def test_integers_are_no_weights(files, tmp_path):
    tensors = load_file(files[0] / "net.safetensors")
    tensors["head_dense/bias"] = tensors["head_dense/bias"].astype(np.int32)
    save_file(tensors, tmp_path / "ints.safetensors")
    with pytest.raises(BadInputError, match="int32"):
        build(NAME, 2, weights=tmp_path / "ints.safetensors")


def test_nan_in_a_keras_file(files, tmp_path):
    import h5py

    copy = tmp_path / "bad.weights.h5"
    copy.write_bytes((files[0] / "net.weights.h5").read_bytes())
    with h5py.File(copy, "r+") as file:
        file["layers/dense/vars/1"][0] = np.nan
    with pytest.raises(BadInputError, match="layers/dense/vars/1 holds NaN"):
        build(NAME, 2, weights=copy)


def test_links_and_data_in_other_files_are_refused(files, tmp_path):
    import h5py

    original = (files[0] / "net.weights.h5").read_bytes()
    linked = tmp_path / "linked.weights.h5"
    linked.write_bytes(original)
    with h5py.File(linked, "r+") as file:
        del file["layers/dense/vars/1"]
        file["layers/dense/vars/1"] = h5py.ExternalLink("/etc/hostname", "/x")
    with pytest.raises(BadInputError, match="is a link"):
        build(NAME, 2, weights=linked)
    elsewhere = tmp_path / "elsewhere.weights.h5"
    elsewhere.write_bytes(original)
    with h5py.File(elsewhere, "r+") as file:
        del file["layers/dense/vars/1"]
        file["layers/dense/vars"].create_dataset("1", (10,), "f4", external=[("/etc/hostname", 0, 40)])
    with pytest.raises(BadInputError, match="kept in another file"):
        build(NAME, 2, weights=elsewhere)


@pytest.mark.parametrize("suffix", [".safetensors", ".weights.h5"])
@pytest.mark.parametrize("damage", ["truncated", "noise", "empty", "missing", "folder"])
def test_damaged_files(files, tmp_path, suffix, damage):
    path = tmp_path / f"net{suffix}"
    data = (files[0] / f"net{suffix}").read_bytes()
    if damage == "truncated":
        path.write_bytes(data[: len(data) // 2])
    elif damage == "noise":
        path.write_bytes(np.random.default_rng(0).bytes(5000))
    elif damage == "empty":
        path.touch()
    elif damage == "folder":
        path.mkdir()
    with pytest.raises(BadInputError, match=str(path)):
        build(NAME, 2, weights=path)


def test_a_header_that_lies_about_its_size(tmp_path):
    header = json.dumps({"a/b": {"dtype": "F32", "shape": [2**40], "data_offsets": [0, 2**42]}}).encode()
    path = tmp_path / "lie.safetensors"
    path.write_bytes(len(header).to_bytes(8, "little") + header)
    with pytest.raises(BadInputError, match="no readable safetensors"):
        build(NAME, 2, weights=path)


def test_a_pickle_is_not_opened(tmp_path):
    path = tmp_path / "net.pth"
    path.write_bytes(b"cos\nsystem\n(S'touch hacked'\ntR.")
    with pytest.raises(BadInputError, match="it is neither"):
        build(NAME, 2, weights=path)
