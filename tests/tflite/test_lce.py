"""LCE's operators: their options are checked, and their weights are the source's."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from flatbuffers import flexbuffers
from hypothesis import given
from hypothesis import strategies as st

from repbnn_edge.errors import BadInputError
from repbnn_edge.tflite import lce, schema
from repbnn_edge.tflite.flexbuffer import read_numbers
from repbnn_edge.tflite.schema import Model

Opened = Callable[[str], Model]


def _layers(model: Model) -> list[lce.Bconv2d]:
    return [lce.read_bconv2d(model, operator) for operator in model.operators if operator.op == lce.BCONV]


def test_the_layers_of_a_rep_block(opened: Opened) -> None:
    layers = _layers(opened("rep_small"))
    assert [(x.channels_in, x.channels_out, x.kernel, x.strides) for x in layers] == [
        (64, 16, (3, 3), (1, 1)),
        (64, 16, (1, 1), (1, 1)),
        (64, 16, (1, 1), (1, 1)),
        (128, 32, (3, 3), (2, 2)),
        (128, 32, (1, 1), (1, 1)),
        (128, 32, (1, 1), (1, 1)),
    ]
    assert {(x.padding, x.pad_value, x.activation, x.groups, x.threshold) for x in layers} == {
        ("SAME", 0, "NONE", 1, -1)
    }


def test_bitpacked_output_valid_padding_and_a_fused_activation(opened: Opened) -> None:
    layers = _layers(opened("mixed_small"))
    assert [(x.padding, x.pad_value, x.activation, x.threshold >= 0) for x in layers] == [
        ("SAME", 1, "NONE", True),
        ("VALID", 0, "NONE", False),
        ("SAME", 1, "RELU", False),
    ]


def test_groups_follow_from_the_filter(opened: Opened) -> None:
    (layer,) = _layers(opened("groups_small"))
    assert (layer.groups, layer.channels_in) == (2, 64)
    assert lce.binary_weights(opened("groups_small"), layer).shape == (64, 3, 3, 32)


@pytest.mark.parametrize("name", ["rep_small", "mixed_small", "groups_small"])
def test_weights_pack_to_the_bytes_they_came_from(name: str, opened: Opened) -> None:
    model = opened(name)
    for layer in _layers(model):
        weights = lce.binary_weights(model, layer)
        assert set(np.unique(weights)) == {-1, 1}
        np.testing.assert_array_equal(lce.pack(weights), model.constant(layer.filter))  # type: ignore[arg-type]


@given(st.integers(1, 100), st.integers(0, 2**32 - 1))
def test_packing_is_its_own_inverse(channels: int, seed: int) -> None:
    signs = np.random.default_rng(seed).choice(np.array([-1, 1], np.int8), (2, 3, channels))
    words = lce.pack(signs)
    assert (words.shape, words.dtype) == ((2, 3, -(-channels // 32)), np.int32)
    np.testing.assert_array_equal(lce.unpack(words, channels), signs)


def test_a_set_bit_is_minus_one_and_channel_zero_is_the_lowest() -> None:
    assert lce.pack(np.array([[-1, 1, 1]], np.int8)).tolist() == [[1]]
    assert lce.pack(np.array([[1] * 31 + [-1]], np.int8)).tolist() == [[-(2**31)]]


@pytest.mark.parametrize(
    ("size", "kernel", "stride", "dilation"), [(7, 3, 1, 1), (8, 3, 2, 1), (7, 3, 2, 1), (5, 5, 3, 1), (9, 3, 1, 4)]
)
def test_padding_taps_are_tensorflows(size: int, kernel: int, stride: int, dilation: int, opened: Opened) -> None:
    layer = lce.Bconv2d(
        **{
            **vars(_layers(opened("plain_small"))[0]),
            "kernel": (kernel, kernel),
            "strides": (stride, stride),
            "dilations": (dilation, dilation),
        }
    )
    (top, bottom), columns = lce.padding_taps(layer, size, size)
    assert (top, bottom) == columns
    assert (size + top + bottom - (kernel - 1) * dilation - 1) // stride + 1 == -(-size // stride)
    assert 0 <= bottom - top <= 1


def _with_options(model: Model, index: int, **changes: Any) -> Model:
    numbers = {**read_numbers(model.operators[index].custom_options), **changes}
    builder = flexbuffers.Builder()
    builder.MapFromElements({key: value for key, value in numbers.items() if value is not None})
    twin = model.copy()
    twin.graph.operators[index].customOptions = np.frombuffer(bytes(builder.Finish()), np.uint8)
    return schema.load(schema.pack(twin))


@pytest.mark.parametrize(
    "changes",
    [
        {"stride_height": 0},
        {"stride_width": -1},
        {"stride_width": 40_000},
        {"dilation_height_factor": 0},
        {"channels_in": 0},
        {"channels_in": 65},
        {"channels_in": 32},
        {"channels_in": None},
        {"pad_values": -1},
        {"padding": 2},
        {"fused_activation_function": 9},
        {"stride_height": 2},
        {"dilation_width_factor": 40_000},
    ],
)
def test_options_that_cannot_be(changes: dict[str, Any], opened: Opened) -> None:
    model = opened("rep_small")
    index = _layers(model)[0].index
    spoilt = _with_options(model, index, **changes)
    with pytest.raises(BadInputError, match=rf"operator {index} \(LceBconv2d\)"):
        lce.read_bconv2d(spoilt, spoilt.operators[index])


@pytest.mark.parametrize(
    ("slot", "tensor"), [(0, "none"), (1, "none"), (2, "none"), (3, "none"), (3, "filter"), (1, "bias"), (4, "bias")]
)
def test_inputs_that_are_missing_or_of_another_kind(slot: int, tensor: str, opened: Opened) -> None:
    model = opened("rep_small").copy()
    layer = _layers(model)[0]
    inputs = list(model.operators[layer.index].inputs)
    inputs[slot] = {"none": -1, "filter": layer.filter, "bias": layer.bias}[tensor]
    model.graph.operators[layer.index].inputs = inputs
    spoilt = schema.load(schema.pack(model))
    with pytest.raises(BadInputError, match="LceBconv2d"):
        lce.read_bconv2d(spoilt, spoilt.operators[layer.index])


def test_a_multiplier_that_is_not_finite(opened: Opened) -> None:
    model = opened("rep_small").copy()
    layer = _layers(model)[0]
    numbers = np.array(model.constant(layer.multiplier))
    numbers[3] = np.inf
    model.raw.buffers[model.tensors[layer.multiplier].buffer].data = numbers.view(np.uint8)
    spoilt = schema.load(schema.pack(model))
    with pytest.raises(BadInputError, match="not finite"):
        lce.read_bconv2d(spoilt, spoilt.operators[layer.index])
