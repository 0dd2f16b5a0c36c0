"""The catalogue without a framework: counts against numbers derived by hand, names, shapes and betas."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from repbnn_edge.errors import BadInputError, UnsupportedError, UsageError
from repbnn_edge.models import CATALOG, build, describe, entry_of, list_models
from repbnn_edge.models.catalog import input_shape_of

# (binary convolutions, binary MACs, binary weights), the same for every beta, and float MACs for beta 1 and 2.
_RESNET20 = (18, 6 * 32**2 * 9 * 16**2 + 2 * (16**2 * 9 * 16 * 32 + 5 * 16**2 * 9 * 32**2), 267_264)
_RESNET18 = 4 * 56**2 * 9 * 64**2 + 3 * (28**2 * 9 * 64 * 128 + 3 * 28**2 * 9 * 128**2)
_RESNET34 = 6 * 56**2 * 9 * 64**2 + (8 + 12 + 6 - 3) * 28**2 * 9 * 128**2 + 3 * 28**2 * 9 * 64 * 128
_STEM18 = 112**2 * 49 * 3 * 64 + 3 * 28**2 * 64 * 128
_BY_HAND = {
    "rep-adambnn-reactnet-a": (31, 4_816_896_000, 28_253_184, 11_862_016, 12_886_016),
    "rep-reactnet18": (16, _RESNET18, 10_985_472, _STEM18 + 512_000, _STEM18 + 1_024_000),
    "rep-birealnet18": (16, _RESNET18, 10_985_472, _STEM18 + 512_000, _STEM18 + 1_024_000),
    "rep-birealnet34": (32, _RESNET34, 21_086_208, _STEM18 + 512_000, _STEM18 + 1_024_000),
    "rep-recu-resnet20": (*_RESNET20, 32**2 * 27 * 16 + 640, 32**2 * 27 * 16 + 1280),
    "rep-irnet-resnet20": (*_RESNET20, 32**2 * 27 * 16 + 640, 32**2 * 27 * 16 + 1280),
    "rep-recu-resnet18": (
        16,
        4 * 32**2 * 9 * 64**2 + 3 * (16**2 * 9 * 64 * 128 + 3 * 16**2 * 9 * 128**2),
        10_985_472,
        32**2 * 27 * 64 + 5120,
        32**2 * 27 * 64 + 10240,
    ),
    "rep-recu-vgg-small": (
        5,
        32**2 * 9 * 128**2 + 16**2 * 9 * (128 * 256 + 256**2) + 8**2 * 9 * (256 * 512 + 512**2),
        9 * (128**2 + 128 * 256 + 256**2 + 256 * 512 + 512**2),
        32**2 * 27 * 128 + 81_920,
        32**2 * 27 * 128 + 163_840,
    ),
}


def test_every_network_of_the_paper_is_there():
    assert set(CATALOG) == set(_BY_HAND)


@pytest.mark.parametrize("name", _BY_HAND)
def test_counts_are_those_derived_by_hand(name):
    convolutions, macs, weights, float_macs_1, float_macs_2 = _BY_HAND[name]
    for beta in (1, 2, 4, 8):
        description = describe(name, beta)
        assert sum(node.binary for node in description.nodes) == convolutions
        assert description.macs()[0] == macs
        assert description.parameters()[0] == weights
    assert describe(name, 1).macs()[1] == float_macs_1
    assert describe(name, 2).macs()[1] == float_macs_2


def test_reactnet_a_has_the_papers_operations():
    for beta, operations in ((1, 0.871e8), (2, 0.882e8)):
        binary, real = describe("rep-adambnn-reactnet-a", beta).macs()
        assert round((real + binary / 64) / 1e5) == round(operations / 1e5)


def test_everything_behind_the_stem_is_beta_times_as_wide():
    for name in CATALOG:
        narrow = {node.name: node for node in describe(name, 1).nodes}
        for node in describe(name, 2).nodes:
            if node.name == "stem_repeat":
                continue
            twin = narrow[node.name]
            factor = 1 if node.name.startswith(("image", "stem")) or node.op == "dense" else 2
            assert node.shape[-1] == factor * twin.shape[-1] and node.shape[:-1] == twin.shape[:-1], node.name


def test_names_are_unique_and_do_not_depend_on_beta():
    for name in CATALOG:
        names = [[node.name for node in describe(name, beta).nodes] for beta in (1, 2)]
        assert len(set(names[0])) == len(names[0])
        assert set(names[1]) - set(names[0]) == {"stem_repeat"}


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("rep-recu-resnet2O", "rep-recu-resnet20"),
        ("reactnet-a", "rep-adambnn-reactnet-a"),
        ("REP-BIREALNET18", "rep-birealnet18"),
        ("birealnet34", "rep-birealnet34"),
        ("irnet", "rep-irnet-resnet20"),
    ],
)
def test_an_unknown_name_offers_the_nearest(typed, meant):
    with pytest.raises(BadInputError, match=f"did you mean {meant}"):
        entry_of(typed)


def test_a_name_that_is_near_none_points_to_the_list():
    with pytest.raises(BadInputError, match="repbnn-edge models"):
        build("xyzzy")


@pytest.mark.parametrize("beta", [0, -2, True, 1.5])
def test_a_beta_outside_its_range(beta):
    with pytest.raises(UsageError, match="--beta"):
        build("rep-recu-resnet20", beta)


def test_a_beta_that_does_not_divide_names_the_layer():
    with pytest.raises(UnsupportedError, match="stage1_block1_conv1: its 16 filters cannot be divided by beta 3"):
        build("rep-recu-resnet20", 3)


@pytest.mark.parametrize(
    "shape",
    [(32, 32), (1, 32, 32, 3, 1), (1, -1, 32, 3), (0, 32, 3), (2, 32, 32, 3), (32, 32, 1), (1, 31623, 31623, 3), ()],
)
def test_an_input_shape_outside_its_range(shape):
    with pytest.raises(UsageError, match="--input-shape"):
        build("rep-recu-resnet20", input_shape=shape)


@pytest.mark.parametrize(("name", "size"), [("rep-recu-resnet20", 33), ("rep-adambnn-reactnet-a", 225)])
def test_a_size_that_the_poolings_do_not_divide(name, size):
    with pytest.raises(UsageError, match="would add maps of"):
        build(name, input_shape=(size, size, 3))


def test_a_size_that_leaves_nothing():
    with pytest.raises(UsageError, match="empty map"):
        build("rep-recu-vgg-small", input_shape=(4, 4, 3))


def test_input_shapes_with_and_without_the_batch():
    entry = entry_of("rep-recu-resnet20")
    assert input_shape_of(entry, None) == input_shape_of(entry, (32, 32, 3)) == (32, 32, 3)
    assert input_shape_of(entry, (1, 64, 48, 3)) == (64, 48, 3)


def test_the_report_has_the_contracts_fields():
    first = list_models().to_json()["models"][0]
    assert first["name"] == "rep-adambnn-reactnet-a" and first["beta"] == 2 and first["trained"] is None
    assert first["input_shape"] == [1, 224, 224, 3]
    assert first["macs"] == {"binary": 4_816_896_000, "float": 12_886_016}
    assert first["parameters"]["binary"] == 28_253_184


def test_the_command_prints_json_and_imports_no_framework():
    script = (
        "import sys; from repbnn_edge.cli.main import run; code = run(['models', '--json']);"
        "sys.exit(code or any(m in sys.modules for m in ('tensorflow', 'larq', 'torch', 'onnx')))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    body = json.loads(done.stdout)
    assert body["schema"] == "repbnn.models/1" and len(body["models"]) == len(CATALOG)


def test_the_command_prints_a_table(capsys):
    from repbnn_edge.cli.main import run

    assert run(["models"]) == 0
    out = capsys.readouterr().out
    assert all(name in out for name in CATALOG) and "224x224x3" in out and "4.82 G" in out


def test_canonical_tells_networks_betas_and_shapes_apart():
    texts = [describe(name, beta).canonical() for name in CATALOG for beta in (1, 2)]
    texts.append(describe("rep-recu-resnet20", 2, (64, 64, 3)).canonical())
    assert len(set(texts)) == len(texts)
    assert describe.__wrapped__("rep-recu-resnet20", 2).canonical() == describe("rep-recu-resnet20", 2).canonical()
