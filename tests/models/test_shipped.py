"""Trained weights of the package: what their cards say is so, and ``build`` uses them where they belong."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from repbnn_edge import samples
from repbnn_edge.cli import main
from repbnn_edge.datasets import open_dataset
from repbnn_edge.models import CATALOG, SEEDED, build, describe, list_models, shipped, weights_file
from repbnn_edge.models.weights import save_weights
from repbnn_edge.reports import ModelCard

NAME = "rep-recu-resnet20"
CARDS = list(shipped.cards().values())
SHAPE = (32, 32, 3)


@pytest.fixture
def own_folder(tmp_path, monkeypatch):
    """A package without trained weights, to put some into."""
    monkeypatch.setattr(shipped, "FOLDER", tmp_path)
    shipped.cards.cache_clear()
    yield tmp_path
    monkeypatch.undo()
    shipped.cards.cache_clear()


def _ship(folder, beta, top1):
    description = describe(NAME, beta)
    model = build(NAME, beta, weights=SEEDED)
    kernel = model.get_layer("head_dense").kernel
    kernel.assign(-kernel)
    file = folder / f"{NAME}-beta{beta}.safetensors"
    save_weights(model, NAME, description, file)
    card = ModelCard(
        network=NAME,
        beta=beta,
        input_shape=(1, *SHAPE),
        weights=file.name,
        bytes=file.stat().st_size,
        data="noise",
        test_images=8,
        top1=top1,
        top5=1.0,
        source_top1=top1,
        agreement={"litert": 1.0},
        recipe={"name": "none"},
        seed=1,
        epochs=0.0,
        hours=0.0,
        machine="none",
        finished=True,
    )
    file.with_suffix(".json").write_text(json.dumps(card.to_json()))
    shipped.cards.cache_clear()


@pytest.mark.parametrize("card", CARDS, ids=[f"{card.network}-{card.beta}" for card in CARDS])
def test_a_card_is_of_its_weights(card):
    file = shipped.weights_of(card)
    assert card.bytes == file.stat().st_size < 1_000_000
    assert file.with_suffix(".md").exists() and file.with_suffix(".csv").exists()
    assert card.input_shape == (1, *CATALOG[card.network].images.shape)
    assert all(share >= 0.995 for share in card.agreement.values())
    assert abs(card.top1 - card.source_top1) <= 0.001
    assert f"{card.top1:.2%}" in file.with_suffix(".md").read_text("utf-8")


@pytest.mark.skipif(not CARDS, reason="no trained weights in this package")
def test_the_trained_network_knows_the_pictures_that_come_with_the_package():
    """50 test images; a network of the card's accuracy is that far from chance on them."""
    for card in CARDS:
        model = build(card.network, card.beta)
        images = CATALOG[card.network].images
        pictures = open_dataset(samples.FOLDER)
        truth = [images.labels.index(Path(name).stem.split("-", 1)[1]) for name in pictures.file_names]
        answers = model(samples.load(SHAPE, len(truth), images)).numpy().argmax(1)
        assert np.mean(answers == truth) >= card.top1 - 0.2


def test_weights_are_used_where_they_were_trained_and_nowhere_else(own_folder):
    assert weights_file(NAME, 2, SHAPE, None) is None
    _ship(own_folder, 2, 0.75)
    assert weights_file(NAME, 2, SHAPE, None) == own_folder / f"{NAME}-beta2.safetensors"
    assert weights_file(NAME, 1, SHAPE, None) is None
    assert weights_file(NAME, 2, (64, 64, 3), None) is None
    assert weights_file(NAME, 2, SHAPE, SEEDED) is None
    assert weights_file(NAME, 2, SHAPE, "mine.safetensors") == Path("mine.safetensors")
    trained, seeded = (
        build(NAME, weights=weights).get_layer("head_dense").kernel.numpy() for weights in (None, SEEDED)
    )
    np.testing.assert_array_equal(trained, -seeded)


def test_the_list_says_what_is_trained_and_how_well(own_folder, capsys):
    assert all(model.trained is None for model in list_models().models)
    _ship(own_folder, 2, 0.75)
    shutil.copy(own_folder / f"{NAME}-beta2.safetensors", own_folder / f"{NAME}-beta1.safetensors")
    card = json.loads((own_folder / f"{NAME}-beta2.json").read_text())
    twin = {**card, "beta": 1, "top1": 0.625, "weights": f"{NAME}-beta1.safetensors"}
    (own_folder / f"{NAME}-beta1.json").write_text(json.dumps(twin))
    shipped.cards.cache_clear()
    entry = next(model for model in list_models().models if model.name == NAME)
    assert entry.trained == {**card, "other_betas": {"1": 0.625}}
    assert main.run(["models"]) == 0
    printed = capsys.readouterr().out
    assert "75.00%" in printed and "62.50%" in printed and "noise" in printed


def test_the_source_of_a_trained_network_warns_of_nothing(own_folder):
    from repbnn_edge.conversion import front_ends

    seeded = front_ends.load(NAME)
    _ship(own_folder, 2, 0.75)
    trained = front_ends.load(NAME)
    assert "seeded" in seeded.warnings[0] and not trained.warnings
    assert seeded.sha256 != trained.sha256
