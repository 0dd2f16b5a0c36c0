"""A proof must be able to fail: every corruption is found and the layer named; right files raise no alarm."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import pytest

from repbnn_edge import stack
from repbnn_edge.lowering import lower_model
from repbnn_edge.reports import VerificationReport
from repbnn_edge.tflite import schema
from repbnn_edge.tflite.schema import Model
from repbnn_edge.verification.checking import check_file
from repbnn_edge.verification.keras_reference import KerasReference
from repbnn_edge.verification.matching import Match, match
from tests.verification import corruption, networks
from tests.verification.corruption import Corruption

tf = stack.tensorflow()


@dataclass(frozen=True, eq=False)
class Converted:
    """A right file and its reference."""

    reference: KerasReference
    data: bytes

    def matches(self) -> list[Match]:
        model = schema.load(self.data)
        matches, problems = match(model, corruption.bconvs(self.data), self.reference.binary_layers)
        assert not problems
        return matches

    def operators(self) -> list[tuple[str, Any]]:
        """The file's binary convolutions, and the name of the source's layer of each."""
        return [(m.layer.name, m.operator) for m in self.matches()]


@cache
def converted(kind: str) -> Converted:
    network = networks.KINDS[kind]()
    return Converted(KerasReference(network), lower_model(network).data)


def judged(kind: str, data: bytes) -> VerificationReport:
    return check_file(converted(kind).reference, data, networks.images(2))


def refuted(kind: str, data: bytes, layer: str) -> None:
    report = judged(kind, data)
    assert not report.passed
    assert any(layer in row.name for row in report.layers if not row.passed), (layer, report.failures)
    assert any(layer in failure for failure in report.failures)


@pytest.mark.parametrize("kind", networks.KINDS)
def test_a_right_file_is_proven(kind: str) -> None:
    report = judged(kind, converted(kind).data)
    assert report.failures == []
    assert report.passed
    assert report.exact_binary_layers == report.binary_layers == len(converted(kind).reference.binary_layers)
    assert report.max_float_error < 1e-5
    assert all(row.elements > 0 for row in report.layers)


@pytest.mark.parametrize("kind", networks.KINDS)
def test_the_networks_of_these_tests_have_both_signs_everywhere(kind: str) -> None:
    reference = converted(kind).reference
    taps = reference.run(networks.images(4))
    for layer in reference.binary_layers:
        assert 0.1 < (taps[layer.sign_input] < 0).mean() < 0.9


def test_the_networks_of_these_tests_are_of_the_kind_that_they_say() -> None:
    thresholds = {kind: [o.threshold >= 0 for _, o in converted(kind).operators()] for kind in networks.KINDS}
    assert thresholds["bitpacked"][:2] == [True, True]
    forms = [(m.layer.name, m.doubled) for m in converted("padded").matches()]
    assert forms == [("first", False), *[("second", False)] * 4, ("third", True), ("fourth", False), ("fifth", True)]
    assert not any(thresholds["float output"] + thresholds["SAME-zero"])


def faults(kind: str) -> Iterator[tuple[str, Corruption]]:
    yield from (("one weight", corruption.one_weight), ("two channels", corruption.two_channels))
    yield "two constants", corruption.two_constants
    if kind == "bitpacked":
        yield "one threshold", corruption.one_threshold
    else:
        yield from (("one multiplier", corruption.one_multiplier), ("one bias", corruption.one_bias))
    if kind in ("SAME-zero", "float output"):
        yield "pad value", corruption.pad_value
    if kind == "padded":
        yield "pad constant", corruption.pad_constant


FAULTS = [(kind, name, fault) for kind in networks.KINDS for name, fault in faults(kind)]


def break_one(kind: str, fault: Corruption, seed: int) -> None:
    rng = np.random.default_rng(seed)
    model = schema.load(converted(kind).data)
    usable = [(name, o) for name, o in converted(kind).operators() if applies(fault, model, o)]
    name, operator = usable[int(rng.integers(len(usable)))]
    refuted(kind, corruption.corrupt(converted(kind).data, operator.output, fault, rng), name)


def applies(fault: Corruption, model: Model, operator: Any) -> bool:
    if fault is corruption.pad_constant:
        return bool(corruption.paddings(model, operator))
    if fault is corruption.one_threshold:
        return bool(operator.threshold >= 0)
    if fault in (corruption.one_multiplier, corruption.one_bias):
        return bool(operator.multiplier >= 0)
    return fault is not corruption.pad_value or (operator.padding == "SAME" and operator.kernel != (1, 1))


@pytest.mark.parametrize(("kind", "name", "fault"), FAULTS)
@pytest.mark.parametrize("seed", range(2))
def test_a_fault_is_found_and_its_layer_named(kind: str, name: str, fault: Corruption, seed: int) -> None:
    break_one(kind, fault, seed)


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "name", "fault"), FAULTS)
@pytest.mark.parametrize("seed", range(2, 20))
def test_a_fault_is_found_and_its_layer_named_for_all_seeds(kind: str, name: str, fault: Corruption, seed: int) -> None:
    break_one(kind, fault, seed)


def _interleaved(x: Any) -> Any:
    return tf.repeat(x, 4, axis=-1)


def _tiled(x: Any) -> Any:
    return tf.concat([x] * 4, axis=-1)


def copied(source: Any, target: Any) -> Any:
    """``target`` with the weights of ``source``, layer by layer."""
    for old, new in zip(
        [layer for layer in source.layers if layer.weights],
        [layer for layer in target.layers if layer.weights],
        strict=True,
    ):
        new.set_weights(old.get_weights())
    return target


@pytest.mark.parametrize(("tile", "right"), [(_tiled, True), (_interleaved, False)])
def test_interleaving_in_place_of_tiling_is_found(tile: Callable[[Any], Any], right: bool) -> None:
    network = networks.rep()
    twin = copied(network, networks.rep(tile=tile))
    report = check_file(KerasReference(network), lower_model(twin).data, networks.images(2))
    assert report.passed is right
    assert right or any("first" in failure for failure in report.failures)


@pytest.mark.parametrize("kind", ["float output", "SAME-zero"])
def test_a_file_of_plain_lce_is_proven(kind: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        data = stack.larq_compute_engine().convert_keras_model(networks.KINDS[kind]())
    assert judged(kind, data).passed


def test_a_stem_that_reads_other_pixels_is_found() -> None:
    """LCE's own fault: a symmetric padding before a stride-2 convolution of an even map becomes another SAME."""
    keras = tf.keras.layers
    x = image = tf.keras.Input((16, 16, 3))
    x = keras.Conv2D(32, 3, strides=2, padding="valid")(keras.ZeroPadding2D(1)(x))
    x = networks.conv(32, name="first")(x)
    network = networks.calibrated(tf.keras.Model(image, networks._head(x)), 0)
    batch = np.random.default_rng(0).normal(size=(2, 16, 16, 3)).astype(np.float32)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        data = stack.larq_compute_engine().convert_keras_model(network)
    report = check_file(KerasReference(network), data, batch)
    assert report.exact_binary_layers == 1
    assert not report.passed
    assert report.failures[0].startswith("input of first: ")
    assert check_file(KerasReference(network), lower_model(network).data, batch).passed


def test_the_file_of_another_network_is_refuted() -> None:
    report = judged("float output", converted("SAME-zero").data)
    assert not report.passed
    assert report.exact_binary_layers < report.binary_layers


def test_a_file_of_another_input_is_refuted_with_a_sentence() -> None:
    model = schema.load(converted("float output").data).copy()
    model.graph.tensors[model.inputs[0]].shape = np.array([1, 9, 8, 3], np.int32)
    report = judged("float output", schema.pack(model))
    assert report.failures == ["input: the file takes float32 [1, 9, 8, 3], the source float32 [1, 8, 8, 3]"]


def no_alarm(seed: int) -> None:
    network = networks.random_network(seed)
    reference = KerasReference(network)
    report = check_file(reference, lower_model(network).data, networks.images(3, seed, network.input_shape[1:]))
    assert report.failures == []
    assert report.passed
    assert report.binary_layers == len(reference.binary_layers) >= 2


@pytest.mark.parametrize("seed", range(6))
def test_a_right_file_raises_no_alarm(seed: int) -> None:
    no_alarm(seed)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(6, 56))
def test_fifty_right_files_raise_no_alarm(seed: int) -> None:
    no_alarm(seed)
