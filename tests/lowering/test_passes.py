"""Each rewrite fires where it should, leaves alone what it should, and changes no number."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from repbnn_edge.errors import UnsupportedError
from repbnn_edge.layers import RepConv2D
from repbnn_edge.lowering.emitting import run
from repbnn_edge.lowering.passes import PASSES, run_passes
from repbnn_edge.lowering.passes.dense import dense_as_convolution
from repbnn_edge.lowering.passes.groups import split_groups
from repbnn_edge.lowering.passes.guards import guard
from repbnn_edge.lowering.passes.pads import absorb_pads
from repbnn_edge.lowering.passes.signs import sign_last
from repbnn_edge.lowering.passes.trimming import trim_float_pads
from repbnn_edge.lowering.passes.weights import fold_weight_quantizers
from repbnn_edge.lowering.passes.zeros import pad_with_zeros
from repbnn_edge.lowering.plan import Pad, Plan
from repbnn_edge.lowering.recognition import recognise
from tests.lowering.networks import K, binary_conv, expected, images, kinds, lq, model, seeded, tf


def before(network: Any, target: Callable[[Plan], Plan]) -> Plan:
    """The plan as ``target`` finds it."""
    plan = recognise(network)
    for rewrite in PASSES[: PASSES.index(target)]:
        plan = rewrite(plan)
    return plan


def same_numbers(network: Any, plan: Plan) -> None:
    x = images(network)
    np.testing.assert_array_equal(run(plan, x), expected(network, x))


def unchanged(network: Any, target: Callable[[Plan], Plan]) -> None:
    plan = before(network, target)
    assert target(plan) is plan


def test_a_weight_quantiser_of_a_float_layer_is_folded() -> None:
    network = model(
        (8, 8, 3),
        binary_conv(4, input_quantizer=None, use_bias=True, name="stem"),
        lq.layers.QuantDepthwiseConv2D(3, depthwise_quantizer="ste_sign"),
        lq.layers.QuantSeparableConv2D(4, 3, depthwise_quantizer="ste_sign", pointwise_quantizer="ste_sign"),
    )
    plan = fold_weight_quantizers(recognise(network))
    for step in plan.steps:
        assert not any(getattr(step.layer, f"{part}_quantizer", None) for part in ("kernel", "depthwise", "pointwise"))
    same_numbers(network, plan)
    assert network.get_layer("stem").kernel_quantizer is not None


def test_layers_without_weight_quantisers_are_left() -> None:
    unchanged(model((8, 8, 3), K.Conv2D(4, 3), binary_conv(4)), fold_weight_quantizers)


def binary_dense(units: int = 5, **changes: Any) -> Any:
    return lq.layers.QuantDense(
        units, **{"input_quantizer": "ste_sign", "kernel_quantizer": "ste_sign", "use_bias": False, **changes}
    )


@pytest.mark.parametrize("head", [[K.Flatten()], []])
def test_a_binary_dense_layer_becomes_a_1x1_convolution(head: list[Any]) -> None:
    network = model((3, 3, 4), *head, binary_dense(), K.Flatten())
    plan = dense_as_convolution(before(network, dense_as_convolution))
    assert [k for k in kinds(plan) if k != "Flatten"] == ["Sign", "Reshape", "Convolution", "Reshape"]
    assert not plan.convolutions[0].dense
    same_numbers(network, plan)


def test_a_float_dense_layer_stays() -> None:
    unchanged(model((3, 3, 4), K.Flatten(), K.Dense(5), binary_dense(input_quantizer=None)), dense_as_convolution)


def test_zeros_around_a_binary_map_go_into_the_convolution() -> None:
    network = model(
        (6, 6, 4), lq.quantizers.SteSign(), K.ZeroPadding2D(1), binary_conv(4, input_quantizer=None, padding="valid")
    )
    plan = absorb_pads(before(network, absorb_pads))
    assert kinds(plan) == ["Sign", "Convolution"]
    assert plan.convolutions[0].padding == ((1, 1), (1, 1))
    same_numbers(network, plan)


def test_paddings_add_up() -> None:
    network = model((6, 6, 4), lq.quantizers.SteSign(), K.ZeroPadding2D(1), binary_conv(4, input_quantizer=None))
    plan = absorb_pads(before(network, absorb_pads))
    assert plan.convolutions[0].padding == ((2, 2), (2, 2))
    same_numbers(network, plan)


def test_zeros_before_the_sign_are_ones_and_stay() -> None:
    network = model((6, 6, 4), K.ZeroPadding2D(1), binary_conv(4, padding="valid"))
    unchanged(network, absorb_pads)
    same_numbers(network, run_passes(recognise(network)))


def test_two_paddings_of_different_values_are_refused_by_name() -> None:
    conv = binary_conv(4, input_quantizer=None, pad_values=1.0, name="c")
    with pytest.raises(UnsupportedError, match=r"c: .*padded twice"):
        recognise(model((6, 6, 4), lq.quantizers.SteSign(), K.ZeroPadding2D(1), conv))


MOVING: dict[str, list[Any]] = {
    "max pool": [K.MaxPool2D(2)],
    "max pool, same": [K.MaxPool2D(3, strides=2, padding="same")],
    "crop": [K.Cropping2D(1)],
    "reshape": [K.Reshape((3, 12, 4))],
    "transpose": [K.Permute((2, 1, 3))],
    "nearest": [K.UpSampling2D(2)],
    "two of them": [K.Dropout(0.5), K.MaxPool2D(2), K.Reshape((9, 1, 4))],
}


@pytest.mark.parametrize("name", MOVING)
def test_the_sign_moves_behind_what_only_moves_values(name: str) -> None:
    network = model((6, 6, 4), lq.quantizers.SteSign(), *MOVING[name], binary_conv(4, 1, input_quantizer=None))
    plan = sign_last(before(network, sign_last))
    assert kinds(plan)[-2:] == ["Sign", "Convolution"]
    assert kinds(plan).count("Sign") == 1
    same_numbers(network, plan)


def test_other_readers_of_the_sign_keep_it() -> None:
    inputs = tf.keras.Input((6, 6, 4))
    signed = lq.quantizers.SteSign()(inputs)
    pooled = K.MaxPool2D(2)(signed)
    a = binary_conv(4, 1, input_quantizer=None)(pooled)
    network = seeded(tf.keras.Model(inputs, K.Concatenate()([a, pooled, K.AveragePooling2D(2)(signed)])))
    plan = sign_last(before(network, sign_last))
    assert kinds(plan).count("Sign") == 2
    same_numbers(network, plan)


def test_signs_of_several_maps_move_behind_their_concat() -> None:
    inputs = tf.keras.Input((6, 6, 4))
    x = K.Concatenate()([lq.quantizers.SteSign()(inputs), lq.quantizers.SteSign()(K.ReLU()(inputs))])
    x = tf.pad(x[..., 2:7], [[0, 0], [1, 1], [1, 1], [0, 0]], constant_values=-1.0)
    network = seeded(tf.keras.Model(inputs, binary_conv(4, 3, input_quantizer=None, padding="valid")(x)))
    plan = sign_last(before(network, sign_last))
    assert len(plan.convolutions) == 1
    assert kinds(plan)[-2:] == ["Sign", "Convolution"]
    same_numbers(network, plan)


@pytest.mark.parametrize(
    "between", [[K.AveragePooling2D(2)], [K.UpSampling2D(2, interpolation="bilinear")], [K.ReLU()]]
)
def test_the_sign_does_not_move_behind_sums_and_other_functions(between: list[Any]) -> None:
    network = model((6, 6, 4), lq.quantizers.SteSign(), *between, binary_conv(4, input_quantizer=None))
    plan = before(network, sign_last)
    assert not plan.convolutions  # its input is not binary, in the source already
    assert sign_last(plan) is plan


def test_a_sign_right_before_the_convolution_stays() -> None:
    unchanged(model((6, 6, 4), K.MaxPool2D(2), binary_conv(4)), sign_last)


def test_a_maximum_of_padding_with_zeros_is_not_binary() -> None:
    network = model(
        (6, 6, 4), lq.quantizers.SteSign(), K.ZeroPadding2D(1), K.MaxPool2D(2), binary_conv(4, input_quantizer=None)
    )
    plan = run_passes(recognise(network))
    assert not plan.convolutions
    same_numbers(network, plan)


@pytest.mark.parametrize("groups", [2, 4])
def test_groups_are_split(groups: int) -> None:
    network = model((6, 6, 8), binary_conv(4, 3, groups=groups))
    plan = split_groups(before(network, split_groups))
    assert len(plan.convolutions) == groups
    assert {step.groups for step in plan.convolutions} == {1}
    assert {step.layer for step in plan.convolutions} == {network.layers[0].name}
    same_numbers(network, plan)


def test_one_group_stays_and_too_many_are_refused_by_name() -> None:
    unchanged(model((6, 6, 8), binary_conv(4, 3)), split_groups)
    with pytest.raises(UnsupportedError, match=r"culprit.*128 groups"):
        run_passes(recognise(model((4, 4, 128), binary_conv(128, 3, groups=128, name="culprit"))))


def forms(plan: Plan) -> str:
    """Which of the forms of padding a plan of one layer has."""
    found = kinds(plan)
    if "Concat" in found:
        return "doubled"
    if "Crop" in found:
        return "grown"
    return "padded" if "Pad" in found else "native"


PADDINGS = [
    # rows x columns, kernel, stride, dilation, pads, pad value, the form
    ((8, 8), 3, 1, 1, "same", 0.0, "native"),
    ((8, 8), 3, 2, 1, "same", 0.0, "native"),
    ((8, 8), 3, 1, 1, "same", 1.0, "native"),
    ((8, 8), 3, 1, 1, "valid", 0.0, "native"),
    ((8, 8), 3, 1, 1, ((1, 1), (1, 1)), 0.0, "native"),
    ((7, 7), 3, 2, 1, ((1, 1), (1, 1)), 0.0, "native"),
    ((8, 8), 3, 1, 1, "same", -1.0, "padded"),
    ((8, 8), 3, 2, 1, ((1, 1), (1, 1)), 1.0, "padded"),
    ((8, 8), 3, 1, 1, ((2, 0), (1, 3)), -1.0, "padded"),
    ((8, 8), 3, 2, 1, ((1, 1), (1, 1)), 0.0, "grown"),
    ((8, 7), 3, 2, 1, ((1, 1), (1, 1)), 0.0, "grown"),
    ((8, 8), 5, 2, 1, ((2, 2), (2, 2)), 0.0, "doubled"),
    ((12, 12), 7, 2, 1, ((3, 3), (3, 3)), 0.0, "doubled"),
    ((8, 8), 3, 1, 1, ((1, 0), (1, 0)), 0.0, "grown"),
    ((8, 8), 3, 1, 1, ((2, 2), (2, 2)), 0.0, "doubled"),
    ((8, 8), 3, 1, 1, ((0, 2), (1, 1)), 0.0, "doubled"),
    ((1, 1), 3, 1, 1, "same", 0.0, "doubled"),
    ((2, 2), 3, 1, 1, "same", 0.0, "doubled"),
    ((4, 4), 5, 1, 1, "same", 0.0, "doubled"),
    ((6, 2), 3, 1, 1, "same", 0.0, "doubled"),
    ((7, 7), 3, 1, 4, "same", 0.0, "doubled"),
    ((9, 9), 3, 1, 4, "same", 0.0, "native"),
    ((6, 6), 1, 2, 1, ((1, 1), (1, 1)), 0.0, "doubled"),
]


@pytest.mark.parametrize(("size", "kernel", "stride", "dilation", "padding", "value", "form"), PADDINGS)
def test_each_padding_has_its_exact_form(
    size: tuple[int, int], kernel: int, stride: int, dilation: int, padding: Any, value: float, form: str
) -> None:
    layer = RepConv2D(
        6,
        kernel,
        strides=stride,
        dilation_rate=dilation,
        padding=padding,
        pad_values=value,
        input_quantizer="ste_sign",
        kernel_quantizer="ste_sign",
    )
    network = model((*size, 4), layer)
    plan = before(network, pad_with_zeros)
    padded = pad_with_zeros(plan)
    assert forms(padded) == form
    assert (padded is plan) == (form == "native")
    same_numbers(network, padded)


@pytest.mark.parametrize("depthwise", [False, True])
@pytest.mark.parametrize(("size", "kernel", "pad", "trimmed"), [(8, 3, 1, 0), (8, 5, 2, 1), (12, 7, 3, 2)])
def test_padding_in_front_of_a_float_convolution_is_trimmed(
    depthwise: bool, size: int, kernel: int, pad: int, trimmed: int
) -> None:
    layer = K.DepthwiseConv2D(kernel, strides=2) if depthwise else K.Conv2D(4, kernel, strides=2)
    network = model((size, size, 3), K.ZeroPadding2D(pad), layer)
    plan = trim_float_pads(recognise(network))
    (step,) = (step for step in plan.steps if isinstance(step, Pad))
    assert step.padding == ((pad, trimmed), (pad, trimmed))
    same_numbers(network, plan)


def test_a_rep_layer_in_full_precision_is_trimmed_too() -> None:
    network = model((8, 8, 3), RepConv2D(4, 3, beta=2, strides=2, padding=((1, 1), (1, 1)), use_bias=True))
    plan = trim_float_pads(recognise(network))
    (step,) = (step for step in plan.steps if isinstance(step, Pad))
    assert step.padding == ((1, 0), (1, 0))
    same_numbers(network, plan)


def test_each_reader_has_a_padding_of_its_own() -> None:
    inputs = tf.keras.Input((8, 8, 3))
    padded = K.ZeroPadding2D(1)(inputs)
    readers = [K.Conv2D(4, 3, strides=2)(padded), K.Conv2D(4, 1, strides=2)(K.Cropping2D(((0, 2), (0, 2)))(padded))]
    network = seeded(tf.keras.Model(inputs, K.Add()(readers)))
    plan = trim_float_pads(recognise(network))
    assert [step.padding for step in plan.steps if isinstance(step, Pad)] == [((1, 1), (1, 1)), ((1, 0), (1, 0))]
    same_numbers(network, plan)


@pytest.mark.parametrize(
    "layers",
    [
        [K.ZeroPadding2D(1), K.Conv2D(4, 3)],  # all of it is read
        [K.ZeroPadding2D(1), K.MaxPool2D(3, strides=2)],  # no convolution
        [K.ZeroPadding2D(1), K.Conv2D(4, 3, strides=2, padding="same")],  # pads by itself
        [K.ZeroPadding2D(((1, 0), (1, 0))), K.Conv2D(4, 3, strides=2)],
    ],
)
def test_padding_that_is_read_or_has_other_readers_stays(layers: list[Any]) -> None:
    unchanged(model((8, 8, 3), *layers), trim_float_pads)


def test_a_guard_stands_behind_the_named_layers_alone() -> None:
    network = model((6, 6, 4), binary_conv(4, name="a"), binary_conv(4, name="b"))
    plan = guard(run_passes(recognise(network)), {"b"})
    assert kinds(plan) == ["Sign", "Convolution", "Sign", "Convolution", "Apply"]
    same_numbers(network, plan)
    assert guard(plan, set()) is plan
