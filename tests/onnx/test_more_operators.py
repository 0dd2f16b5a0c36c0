"""Operators around the binary layers: reductions, norms, other sizes, and layers that need another form."""

from __future__ import annotations

import numpy as np
import pytest
from repbnn_converters.onnx import network as ir

import repbnn_edge
from repbnn_edge.errors import UnsupportedError
from tests.onnx import checking
from tests.onnx.building import integers, model, normal, number, save, signs
from tests.onnx.test_recognition import exact, imported, layers

BINARY = [("Sign", "x", "b"), ("Conv", "b w", "c", {"pads": [1, 1, 1, 1]})]
WEIGHTS = {"w": signs(8, 4, 3, 3) * np.float32(0.25)}
POSITIVE = {"eps": number(1e-5), "zero": number(0), "one": number(1), "two": number(2)}

REDUCTIONS = {
    "all": [("ReduceMean", "c", "m", {"axes": [1, 2, 3]}), ("Sub", "c m", "y")],
    "channels": [("Abs", "c", "a"), ("ReduceMean", "a", "m", {"axes": [1]}), ("Mul", "c m", "y")],
    "rows, then columns": [
        ("ReduceMean", "c", "r", {"axes": [2], "keepdims": 0}),
        ("ReduceMean", "r", "y", {"axes": [2], "keepdims": 0}),
    ],
    "a view of the map": [("Reshape", "c flat", "v"), ("ReduceMax", "v", "y", {"axes": [2], "keepdims": 0})],
    "the whole sample": [
        ("Reshape", "c sample", "v"),
        ("ReduceMean", "v", "m", {"axes": [1], "keepdims": 1}),
        ("Reshape", "m ones", "n"),
        ("Div", "c n", "y"),
    ],
    "sum": [("ReduceSum", "c axes", "y", {"keepdims": 1})],
    "smallest": [("ReduceMin", "c", "y", {"axes": [1], "keepdims": 1})],
    "length": [("ReduceL2", "c", "n", {"axes": [1]}), ("Add", "n eps", "d"), ("Div", "c d", "y")],
    "L1": [("ReduceL1", "c", "y", {"axes": [2, 3]})],
}


@pytest.mark.parametrize("name", list(REDUCTIONS))
def test_reductions_over_any_axes(name, tmp_path):
    constants = {
        **WEIGHTS,
        **POSITIVE,
        "flat": integers(1, 8, -1),
        "sample": integers(1, -1),
        "ones": integers(1, 1, 1, 1),
    }
    exact(tmp_path, [*BINARY, *REDUCTIONS[name]], {**constants, "axes": integers(1, 3)})


def test_a_reduction_of_half_an_axis_is_refused(tmp_path):
    steps = [("Reshape", "x half", "v"), ("ReduceMean", "v", "y", {"axes": [2]})]
    with pytest.raises(UnsupportedError, match=r"ReduceMean_y.*\(ReduceMean\).*axes \[2\]"):
        imported(tmp_path, steps, {"half": integers(1, 8, 3, 6)}, shape=(1, 4, 6, 6))


STANDARDISED = {
    "deviation alone": [
        ("Mul", "x x", "q"),
        ("ReduceMean", "q", "v", {"axes": [1, 2, 3]}),
        ("Add", "v eps", "e"),
        ("Sqrt", "e", "d"),
        ("Div", "x d", "s"),
    ],
    "centred too": [
        *(("ReduceMean", "x", "m", {"axes": [1, 2, 3]}), ("Sub", "x m", "z"), ("Mul", "z z", "q")),
        *(
            ("ReduceMean", "q", "v", {"axes": [1, 2, 3]}),
            ("Add", "v eps", "e"),
            ("Sqrt", "e", "d"),
            ("Div", "z d", "s"),
        ),
    ],
}


@pytest.mark.parametrize("name", list(STANDARDISED))
def test_a_sample_divided_by_its_own_deviation_keeps_its_signs(name, tmp_path):
    steps = [*STANDARDISED[name], ("Sign", "s", "b"), ("Conv", "b w", "y", {"pads": [1, 1, 1, 1]})]
    network = exact(tmp_path, steps, {**WEIGHTS, **POSITIVE})
    assert not layers(network, ir.Function)  # no root is computed
    assert len(layers(network, ir.Reduce)) == (name == "centred too")


NEVER_NEGATIVE = {
    "pooled relu": [("Relu", "x", "r"), ("MaxPool", "r", "v", {"kernel_shape": [3, 3], "pads": [1, 1, 1, 1]})],
    "sum of relus": [("Relu", "x", "r"), ("Abs", "x", "a"), ("Add", "r a", "v")],
    "square": [("Clip", "x zero two", "k"), ("Mul", "k k", "v")],
}


@pytest.mark.parametrize("name", list(NEVER_NEGATIVE))
def test_the_sign_of_what_is_never_negative_is_0_or_1(name, tmp_path):
    steps = [*NEVER_NEGATIVE[name], ("Sign", "v", "b"), ("Conv", "b w", "y", {"pads": [1, 1, 1, 1]})]
    network = exact(tmp_path, steps, {**WEIGHTS, **POSITIVE})
    (binary,) = layers(network, ir.BinaryConv)
    assert binary.exact_at_zero
    assert abs(binary.pad_value) == 1  # a zero of the padding is the same 0 that the map has
    assert binary.added == 0


def test_the_sign_of_what_can_be_negative_is_left_as_it_is(tmp_path):
    steps = [("Relu", "x", "r"), ("Sub", "r one", "v"), ("Sign", "v", "b"), ("Conv", "b w", "y")]
    (binary,) = layers(exact(tmp_path, steps, {**WEIGHTS, **POSITIVE}), ir.BinaryConv)
    assert not binary.exact_at_zero


@pytest.mark.parametrize("pads", [[1, 1, 1, 1], [2, 2, 2, 2], [0, 0, 0, 0], [3, 1, 2, 4]])
@pytest.mark.parametrize("binary", [True, False])
@pytest.mark.parametrize("size", [9, 10])
def test_stride_and_dilation_together_are_a_layer_on_every_second_number(pads, binary, size, tmp_path):
    attributes = {"pads": pads, "strides": [2, 2], "dilations": [2, 2]}
    w = WEIGHTS["w"] if binary else normal(8, 4, 3, 3)
    steps = [("Sign", "x", "b"), ("Conv", "b w", "y", attributes)] if binary else [("Conv", "x w", "y", attributes)]
    network = exact(tmp_path, steps, {"w": w}, binary=int(binary), shape=(1, 4, size, size))
    (layer,) = layers(network, ir.BinaryConv if binary else ir.Conv)
    assert layer.strides == layer.dilations == (1, 1)


def test_stride_and_dilation_without_a_common_divisor_are_refused(tmp_path):
    steps = [("Conv", "x w", "y", {"strides": [2, 2], "dilations": [3, 3]})]
    with pytest.raises(UnsupportedError, match=r"strides \[2, 2\] and dilations \[3, 3\]"):
        imported(tmp_path, steps, {"w": normal(8, 4, 3, 3)}, shape=(1, 4, 12, 12))


def with_zeros(*shape, zeros):
    weights = signs(*shape) * np.linspace(0.2, 0.6, shape[0]).astype(np.float32).reshape(-1, 1, 1, 1)
    weights.reshape(-1)[np.random.default_rng(3).choice(weights.size, zeros, replace=False)] = 0
    return weights


@pytest.mark.parametrize("padded", [False, True])
def test_a_few_weights_of_exactly_0_count_nothing(padded, tmp_path):
    w, pads = with_zeros(32, 16, 3, 3, zeros=4), [int(padded)] * 4
    path = save(
        model([("Sign", "x", "b"), ("Conv", "b w", "y", {"pads": pads})], {"w": w}, shape=(1, 16, 6, 6)), tmp_path
    )
    source = checking.load(path)
    (layer,) = source.reference.binary_layers
    assert layer.weights.shape[-1] == 32 + 4
    assert "4 of its 4608 weights are exactly 0" in source.warnings[0]
    assert checking.relative_error(source, checking.random_inputs(source)) < 1e-5


def test_many_weights_of_exactly_0_are_no_binary_layer(tmp_path):
    steps = [("Sign", "x", "b"), ("Conv", "b w", "y")]
    with pytest.raises(UnsupportedError, match="exactly 0"):
        imported(tmp_path, steps, {"w": with_zeros(32, 16, 3, 3, zeros=6)}, shape=(1, 16, 6, 6))


HALF_PIXEL, CORNERS, FLOOR = (
    {"coordinate_transformation_mode": "pytorch_half_pixel"},
    {"coordinate_transformation_mode": "align_corners"},
    {"coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"},
)
TWICE = {"strides": [2, 2], "pads": [1, 1, 1, 1]}
CRD = {"blocksize": 2, "mode": "CRD"}

SIZES = {
    "pixel shuffle": ([("DepthToSpace", "c", "y", CRD)], ir.DepthToSpace),
    "pixel shuffle, depth first": ([("DepthToSpace", "c", "y", {"blocksize": 2})], ir.DepthToSpace),
    "pixel shuffle spelled out": (
        [
            *(("Reshape", "c squares", "s"), ("Transpose", "s", "t", {"perm": [0, 1, 4, 2, 5, 3]})),
            ("Reshape", "t large", "y"),
        ],
        ir.DepthToSpace,
    ),
    "pixel unshuffle": ([("SpaceToDepth", "c", "y", {"blocksize": 2})], ir.SpaceToDepth),
    "there and back": ([("DepthToSpace", "c", "d", CRD), ("SpaceToDepth", "d", "y", {"blocksize": 2})], None),
    "nearest": ([("Resize", "c - scales", "y", {"mode": "nearest", **FLOOR})], ir.Enlarge),
    "nearest, half pixel": ([("Resize", "c - scales", "y", {"mode": "nearest"})], ir.Enlarge),
    "bilinear": ([("Resize", "c - - sizes", "y", {"mode": "linear", **HALF_PIXEL})], ir.ResizeBilinear),
    "bilinear, corners": ([("Resize", "c - - sizes", "y", {"mode": "linear", **CORNERS})], ir.ResizeBilinear),
    "transposed": ([("ConvTranspose", "c k", "y", {**TWICE, "output_padding": [1, 1]})], ir.ConvTranspose),
    "transposed, small": ([("ConvTranspose", "c k2 bias", "y", {"strides": [2, 2]})], ir.ConvTranspose),
    "transposed, grouped": ([("ConvTranspose", "c k4", "y", {**TWICE, "group": 4})], ir.ConvTranspose),
}


@pytest.mark.parametrize("name", list(SIZES))
def test_maps_of_another_size(name, tmp_path):
    steps, kind = SIZES[name]
    constants = {
        **WEIGHTS,
        **{"squares": integers(1, 2, 2, 2, 6, 6), "large": integers(1, 2, 12, 12), "sizes": integers(1, 8, 15, 9)},
        **{"scales": np.array([1, 1, 2, 3], np.float32), "k": normal(8, 5, 3, 3), "k2": normal(8, 5, 2, 2)},
        **{"k4": normal(8, 3, 4, 4), "bias": normal(5)},
    }
    network = exact(tmp_path, [*BINARY, *steps], constants)
    assert kind is None or len(layers(network, kind)) == 1


@pytest.mark.parametrize(
    "attributes",
    [
        {"mode": "cubic"},
        {"mode": "linear", "coordinate_transformation_mode": "asymmetric"},
        {"mode": "nearest", "nearest_mode": "ceil"},
    ],
)
def test_other_interpolation_is_none_of_ours(attributes, tmp_path):
    steps = [("Resize", "x - scales", "y", attributes)]
    network = imported(tmp_path, steps, {"scales": np.array([1, 1, 2, 2], np.float32)})
    assert [layer.operator for layer in layers(network, ir.Foreign)] == ["Resize"]


NORMS = {
    "instance": [("InstanceNormalization", "c scale shift", "y", {"epsilon": 1e-3})],
    "group": [
        *(("Reshape", "c groups", "g"), ("InstanceNormalization", "g scale2 shift2", "n"), ("Reshape", "n back", "r")),
        *(("Mul", "r column", "a"), ("Add", "a column", "y")),
    ],
    "layer, whole sample": [("LayerNormalization", "c map map", "y", {"axis": 1})],
    "layer, on a vector": [
        *(("GlobalAveragePool", "c", "p"), ("Flatten", "p", "f")),
        ("LayerNormalization", "f scale shift", "y"),
    ],
}  # fmt: skip


@pytest.mark.parametrize("name", list(NORMS))
def test_norms_of_a_sample(name, tmp_path):
    constants = {
        **WEIGHTS,
        **{"scale": normal(8), "shift": normal(8, seed=1), "scale2": normal(2), "shift2": normal(2, seed=1)},
        **{
            "groups": integers(1, 2, -1),
            "back": integers(1, 8, 6, 6),
            "column": normal(8, 1, 1),
            "map": normal(8, 6, 6),
        },
    }
    exact(tmp_path, [*BINARY, *NORMS[name]], constants)


ELEMENTWISE = {
    "reciprocal": [("Abs", "c", "a"), ("Add", "a one", "b1"), ("Reciprocal", "b1", "y")],
    "constant over a map": [("Abs", "c", "a"), ("Add", "a one", "b1"), ("Div", "two b1", "y")],
    "power": [("Abs", "c", "a"), ("Pow", "a third", "y")],
    "log": [("Abs", "c", "a"), ("Add", "a one", "b1"), ("Log", "b1", "y")],
    "sine": [("Sin", "c", "s"), ("Cos", "c", "t"), ("Add", "s t", "y")],
}


@pytest.mark.parametrize("name", list(ELEMENTWISE))
def test_more_functions(name, tmp_path):
    exact(tmp_path, [*BINARY, *ELEMENTWISE[name]], {**WEIGHTS, **POSITIVE, "third": number(1 / 3)})


def test_a_network_of_other_sizes_is_written_and_read_back_as_keras(tmp_path):
    """Each new layer is one that a ``.keras`` file may hold."""
    steps = [
        *(*BINARY, ("DepthToSpace", "c", "d", CRD), ("Resize", "d - - sizes", "e", {"mode": "linear", **HALF_PIXEL})),
        *(("ConvTranspose", "e k", "f", {"strides": [2, 2]}), ("ReduceMin", "f", "m", {"axes": [1]})),
        *(("Sub", "f m", "g"), ("Reciprocal", "one", "o"), ("Mul", "g o", "y")),
    ]
    constants = {**WEIGHTS, "one": number(1), "sizes": integers(1, 2, 9, 7), "k": normal(2, 3, 2, 2)}
    path = save(model(steps, constants), tmp_path)
    report = repbnn_edge.convert(path, tmp_path / "a.tflite", keras=tmp_path / "net.keras", samples=2)
    again = repbnn_edge.convert(tmp_path / "net.keras", tmp_path / "b.tflite", samples=2)
    assert report.verification.passed
    assert again.verification.passed
