"""The built networks: counts of the Keras models, an independent evaluation, calibration."""

from __future__ import annotations

import math

import numpy as np
import pytest

from repbnn_edge.layers import RepConv2D, binary_view
from repbnn_edge.layers.framework import tf
from repbnn_edge.models import CATALOG, SEEDED, build, describe, entry_of
from repbnn_edge.models.arithmetic import apply_node, evaluate
from repbnn_edge.models.calibration import calibrated_weights


def _small(name):
    return (64, 64, 3) if entry_of(name).images.size == 224 else (32, 32, 3)


def _images(shape, count=2):
    return np.random.default_rng(7).normal(size=(count, *shape)).astype(np.float32)


def _maps_of_keras(model, description, x):
    names = [node.name for node in description.nodes[1:]]
    outputs = tf.keras.Model(model.inputs, [model.get_layer(name).output for name in names])(x)
    return {"image": x, **{name: np.asarray(map_) for name, map_ in zip(names, outputs, strict=True)}}


@pytest.mark.parametrize("beta", [1, 2])
@pytest.mark.parametrize("name", CATALOG)
def test_keras_and_the_description_compute_the_same_layer_by_layer(name, beta):
    """Each node is given Keras' own inputs, so that a flipped bit upstream blurs nothing."""
    shape = _small(name)
    description = describe(name, beta, shape)
    model = build(name, beta, shape, weights=SEEDED)
    weights = calibrated_weights(name, description)
    maps = _maps_of_keras(model, description, _images(shape))
    for node in description.nodes[1:]:
        got = maps[node.name]
        assert got.shape[1:] == node.shape, node.name
        expected = apply_node(node, description.family, weights.get(node.name, {}), [maps[i] for i in node.inputs])
        assert np.abs(got - expected).max() <= 1e-5 * np.abs(expected).max(), node.name
        if node.binary:
            view = binary_view(model.get_layer(node.name))
            assert view is not None and view.quantizes_input, node.name
            share = np.mean(maps[node.inputs[0]] < 0)
            assert 0.1 <= share <= 0.9, f"{node.name}: {share:.0%} of its input is -1"
    assert sum(math.prod(w.shape) for w in model.weights) == sum(description.parameters())
    assert model.input_shape == (None, *shape) and model.output_shape == (None, entry_of(name).images.classes)


def test_beta_one_is_the_original_network():
    """No repeat is left, and a Rep network whose copies share their constants computes what the original does."""
    model = build("rep-irnet-resnet20", 1)
    assert all(layer.beta == 1 for layer in model.layers if isinstance(layer, RepConv2D))
    assert not [layer.name for layer in model.layers if "repeat" in layer.name]


def test_calibration_is_repeatable_and_differs_between_layers():
    description = describe("rep-recu-resnet20", 2)
    first, second = (calibrated_weights("rep-recu-resnet20", description) for _ in range(2))
    seen = set()
    for layer, variables in first.items():
        for variable, values in variables.items():
            np.testing.assert_array_equal(values, second[layer][variable])
            assert np.isfinite(values).all() and np.all(values != 0), (layer, variable)
            seen.add(values.tobytes())
    assert len(seen) == sum(len(variables) for variables in first.values())
    other = calibrated_weights("rep-recu-resnet20", description, seed=1)
    assert np.any(other["stem_conv"]["kernel"] != first["stem_conv"]["kernel"])


def test_calibrated_weights_do_not_depend_on_the_image_size():
    sizes = [calibrated_weights("rep-reactnet18", describe("rep-reactnet18", 2, (n, n, 3))) for n in (64, 224)]
    for layer, variables in sizes[0].items():
        for variable, values in variables.items():
            np.testing.assert_array_equal(values, sizes[1][layer][variable])


def test_batch_norms_are_neither_fresh_nor_flat():
    weights = calibrated_weights("rep-birealnet18", describe("rep-birealnet18", 2))
    norms = [v for layer, v in weights.items() if "moving_mean" in v]
    assert len(norms) == 1 + 16 + 3
    for v in norms:
        assert np.all((v["gamma"] >= 0.5) & (v["gamma"] <= 1.5)) and np.all(v["beta"] != 0)
        assert np.all(v["moving_variance"] > 0)


def test_repeats_differ_by_their_own_constants():
    """The copies of a RepConv are equal until the batch norm gives each its own scale and shift."""
    name = "rep-recu-resnet20"
    maps = evaluate(describe(name, 2), calibrated_weights(name, describe(name, 2)), _images((32, 32, 3)))
    copies = np.split(maps["stage1_block1_conv1"], 4, axis=-1)
    assert all(np.array_equal(copy, copies[0]) for copy in copies)
    normed = np.split(maps["stage1_block1_bn1"], 4, axis=-1)
    assert not any(np.array_equal(copy, normed[0]) for copy in normed[1:])


@pytest.mark.parametrize("name", ["rep-recu-resnet20", "rep-irnet-resnet20", "rep-reactnet18"])
def test_gradients_reach_every_weight(name):
    model = build(name, 2, (32, 32, 3), weights=SEEDED)
    with tf.GradientTape() as tape:
        logits = model(_images((32, 32, 3), count=4), training=True)
        loss = tf.reduce_mean(tf.keras.losses.sparse_categorical_crossentropy([0, 1, 2, 3], logits, from_logits=True))
    for weight, gradient in zip(model.trainable_weights, tape.gradient(loss, model.trainable_weights), strict=True):
        assert gradient is not None and np.isfinite(gradient).all() and np.any(gradient != 0), weight.name
