"""larq-zoo's networks, built without weights: calibrated signs, and RepTran's counts by hand."""

from __future__ import annotations

import importlib.util

import numpy as np
import pytest

from repbnn_edge import stack
from repbnn_edge.errors import BadInputError, UnsupportedError
from repbnn_edge.keras_graph import binary_nodes, totals, walk
from repbnn_edge.layers import RepConv2D, RepeatChannels
from repbnn_edge.reptran import widen
from repbnn_edge.zoo import NETWORKS, build, calibrate, noise, sign_shares

if importlib.util.find_spec("larq_zoo") is None:
    pytest.skip("larq-zoo is not installed", allow_module_level=True)

tf = stack.tensorflow()
layers = tf.keras.layers

SMALL = ("BiRealNet", "MeliusNet22", "QuickNetSmall")
"""What CI runs: a pool before a sign; Lambdas, splits and a grouped stem; TFOpLambda and blur pools."""
LARGE = tuple(name for name in NETWORKS if name not in (*SMALL, "DoReFaNet"))
PARAMETERS = {  # larq-zoo's documentation, 224 x 224, 1000 classes
    "BinaryAlexNet": 61_859_192,
    "BiRealNet": 11_699_112,
    "BinaryResNetE18": 11_699_368,
    "BinaryDenseNet28": 5_150_504,
    "BinaryDenseNet37": 8_734_120,
    "BinaryDenseNet45": 13_939_240,
    "RealToBinaryNet": 11_995_624,
    "MeliusNet22": 6_944_584,
    "XNORNet": 62_396_768,
    "QuickNetSmall": 12_655_688,
    "QuickNet": 13_234_088,
    "QuickNetLarge": 23_342_248,
}
BINARY_LAYERS = {
    "BinaryAlexNet": 7,
    "BiRealNet": 16,
    "BinaryResNetE18": 16,
    "BinaryDenseNet28": 23,
    "BinaryDenseNet37": 32,
    "BinaryDenseNet45": 40,
    "RealToBinaryNet": 16,
    "MeliusNet22": 34,
    "XNORNet": 6,
    "QuickNetSmall": 16,
    "QuickNet": 16,
    "QuickNetLarge": 32,
}


def check_signs(model: tf.keras.Model, count: int) -> None:
    shares = sign_shares(model, noise(model, 4, seed=1))
    assert len(shares) == count
    assert all(0.1 <= share <= 0.9 for share in shares.values()), shares


def check(name: str, size: int, betas: tuple[int, ...] = (2, 4)) -> None:
    model = build(name, (size, size, 3))
    assert len(binary_nodes(walk(model))) == BINARY_LAYERS[name]
    check_signs(model, BINARY_LAYERS[name])
    before = totals(model)
    last_is_binary = name == "BinaryAlexNet"
    for beta in betas:
        widened = widen(model, beta)
        new, after = widened.model, totals(widened.model)
        assert len(widened.repeated) == len(widened.regions.last) == 1
        assert sum(isinstance(layer, RepeatChannels) for layer in new.layers) == 1
        rep_convs = [layer for layer in new.layers if isinstance(layer, RepConv2D) and layer.beta == beta]
        assert len(rep_convs) >= BINARY_LAYERS[name] - last_is_binary
        # The last layer of BinaryAlexNet is binary and reads 4096 channels; those of the others are float.
        growth = (beta - 1) * 4096 * 1000 if last_is_binary else 0
        assert after["macs"]["binary"] == before["macs"]["binary"] + growth
        assert after["parameters"]["binary"] == before["parameters"]["binary"] + growth
        assert new.output_shape == model.output_shape
        assert {layer.name for layer in model.layers} - {layer.name for layer in new.layers} == set()
        calibrate(new)
        check_signs(new, BINARY_LAYERS[name])


@pytest.mark.parametrize("name", SMALL)
def test_signs_and_counts_before_and_after_reptran(name: str) -> None:
    check(name, 32, (2,))


@pytest.mark.slow
@pytest.mark.parametrize("name", [*SMALL, *LARGE])
def test_signs_and_counts_at_the_networks_own_size(name: str) -> None:
    check(name, 224)


@pytest.mark.slow
@pytest.mark.parametrize("name", [*SMALL, *LARGE])
def test_parameters_are_those_of_larq_zoos_documentation(name: str) -> None:
    model = build(name, seed=None)
    # Of these the documentation leaves out the statistics of batch norms that have a scale.
    without = name == "MeliusNet22" or name.startswith("QuickNet")
    norms = [layer for layer in model.layers if isinstance(layer, layers.BatchNormalization) and layer.scale]
    statistics = sum(2 * layer.moving_mean.shape[0] for layer in norms) if without else 0
    assert model.count_params() - statistics == PARAMETERS[name]


def test_a_build_is_the_same_twice() -> None:
    first, second = (build("quick-net_small", (32, 32, 3), 10) for _ in range(2))
    for a, b in zip(first.get_weights(), second.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_lambdas_become_operations_and_change_nothing() -> None:
    model = build("MeliusNet22", (32, 32, 3), 10)
    assert not any(isinstance(layer, tf.keras.layers.Lambda) for layer in model.layers)
    operations = [node.operation for node in walk(model).nodes if node.is_operation]
    assert {"split", "concat", "pad"} <= set(operations)


def test_a_two_bit_network_is_refused_with_that_sentence() -> None:
    with pytest.raises(UnsupportedError, match="DoReFaNet: its activations have 2 bits"):
        build("DoReFaNet")


def test_an_unknown_name_is_bad_input() -> None:
    with pytest.raises(BadInputError, match="QuickNetLarge"):
        build("quicknet-huge")
