"""The built-in front end: names, options, provenance."""

from __future__ import annotations

import numpy as np
import pytest
from repbnn_converters.builtin import FrontEnd

from repbnn_edge.conversion.source import LoadOptions
from repbnn_edge.errors import BadInputError, UnsupportedError, UsageError
from repbnn_edge.models import build, describe
from repbnn_edge.models.weights import save_weights

NAME = "rep-irnet-resnet20"


def _load(name=NAME, **options):
    return FrontEnd().load(name, LoadOptions(**options))


@pytest.mark.parametrize(
    ("source", "takes"),
    [(NAME, True), (f"builtin:{NAME}", True), ("builtin:xyz", True), ("resnet50", False), ("net.keras", False)],
)
def test_accepts(source, takes):
    assert FrontEnd().accepts(source) is takes


def test_a_network_is_loaded_with_its_facts():
    loaded = _load(f"builtin:{NAME}")
    assert (loaded.kind, loaded.name, loaded.beta) == ("builtin", NAME, 2)
    assert loaded.labels[0] == "airplane" and len(loaded.labels) == 10
    assert loaded.preprocessing is not None and loaded.preprocessing.mean == (125.307, 122.961, 113.8575)
    assert "seeded" in loaded.warnings[0]
    assert len(loaded.reference.binary_layers) == 18
    binary, real = describe(NAME, 2).macs()
    counts = loaded.reference.counts()
    assert counts["macs"] == {"binary": binary, "float": real}
    binary, real = describe(NAME, 2).parameters()
    assert counts["parameters"] == {"binary": binary, "float": real}


def test_the_hash_follows_the_definition_and_the_weights(tmp_path):
    path = tmp_path / "net.safetensors"
    save_weights(build(NAME, 1), NAME, describe(NAME, 1), path)
    hashes = [
        _load().sha256,
        _load(beta=1).sha256,
        _load(input_shape=(1, 64, 64, 3)).sha256,
        _load("rep-recu-resnet20").sha256,
        _load(beta=1, weights=path).sha256,
    ]
    assert len(set(hashes)) == len(hashes) and _load().sha256 == hashes[0]
    assert not _load(beta=1, weights=path).warnings


def test_options_win_over_the_data_sets_numbers():
    loaded = _load(mean=(127.5,), labels=tuple("abcdefghij"))
    assert loaded.preprocessing is not None
    assert loaded.preprocessing.mean == (127.5,) * 3 and loaded.preprocessing.std == (62.985, 62.0925, 66.708)
    assert loaded.labels == tuple("abcdefghij")


def test_two_loads_give_the_same_network():
    first, second = _load().network, _load().network
    x = np.random.default_rng(0).normal(size=(1, 32, 32, 3)).astype(np.float32)
    np.testing.assert_array_equal(first(x).numpy(), second(x).numpy())


@pytest.mark.parametrize(
    ("name", "options", "error", "match"),
    [
        ("rep-irnet-resnet", {}, BadInputError, "did you mean rep-irnet-resnet20"),
        ("builtin:irnet", {}, BadInputError, "did you mean rep-irnet-resnet20"),
        (NAME, {"beta": 0}, UsageError, "--beta"),
        (NAME, {"beta": 3}, UnsupportedError, "stage1_block1_conv1"),
        (NAME, {"input_shape": (32, 32)}, UsageError, "--input-shape"),
        (NAME, {"std": (0.0,)}, UsageError, "--std"),
    ],
)
def test_faults(name, options, error, match):
    with pytest.raises(error, match=match):
        _load(name, **options)
