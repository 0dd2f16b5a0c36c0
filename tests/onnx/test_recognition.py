"""What recognition makes of each way to write a thing: the right network, or an error that names the node."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from repbnn_converters.onnx import network as ir
from repbnn_converters.onnx.importing import import_network

from repbnn_edge.errors import UnsupportedError
from tests.onnx import checking
from tests.onnx.building import integers, model, normal, number, save, signs

CONV = ("Conv", "b w", "y", {"pads": [1, 1, 1, 1]})
WEIGHTS = {"w": signs(8, 4, 3, 3) * np.float32(0.25)}


def imported(folder, steps, constants=None, **options):
    return import_network(save(model(steps, constants, **options), folder)).network


def exact(folder, steps, constants=None, *, binary=1, nonzero=True, **options):
    """Import, and compare with onnxruntime; gives the network."""
    path = save(model(steps, constants, **options), folder)
    source = checking.load(path)
    inputs = checking.random_inputs(source, count=3)
    assert len(source.reference.binary_layers) == binary
    assert checking.relative_error(source, inputs) < 1e-5
    if binary:
        assert checking.check_tie(path, inputs) == binary
    return import_network(path).network


def layers(network, kind):
    return [layer for layer in network.layers if isinstance(layer, kind)]


ONE, MINUS, HALF, TWO, ZERO = number(1), number(-1), number(0.5), number(2), number(0)
NUMBERS = {"one": ONE, "minus": MINUS, "half": HALF, "two": TWO, "zero": ZERO}
SHIFT = normal(1, 4, 1, 1) * np.float32(0.3)

SIGNS = {
    "sign": [("Sign", "x", "b")],
    "where greater": [("Greater", "x zero", "c"), ("Where", "c one minus", "b")],
    "where less": [("Less", "x zero", "c"), ("Where", "c minus one", "b")],
    "where at least": [("GreaterOrEqual", "x zero", "c"), ("Where", "c one minus", "b")],
    "not less": [("Less", "x zero", "c"), ("Not", "c", "n"), ("Where", "n one minus", "b")],
    "zero on the left": [("Less", "zero x", "c"), ("Where", "c one minus", "b")],
    "cast": [("Greater", "x zero", "c"), ("Cast", "c", "f", {"to": 1}), ("Mul", "f two", "d"), ("Sub", "d one", "b")],
    "hard sigmoid": [
        *(("HardSigmoid", "x", "h", {"alpha": 0.5}), ("Round", "h", "r")),
        *(("Mul", "r two", "d"), ("Sub", "d one", "b")),
    ],
    "clipped line": [
        *(("Add", "x one", "l"), ("Div", "l two", "m"), ("Clip", "m zero one", "h"), ("Round", "h", "r")),
        *(("Mul", "r two", "d"), ("Sub", "d one", "b")),
    ],
    "clip and temperature": [("Clip", "x minus one", "c"), ("Div", "c half", "d"), ("Sign", "d", "b")],
    "tanh": [("Tanh", "x", "t"), ("Sign", "t", "b")],
    "learned shift": [("Add", "x shift", "m"), ("Sign", "m", "b")],
    "threshold": [("Greater", "x threshold", "c"), ("Where", "c one minus", "b")],
    "affine after": [("Sign", "x", "s"), ("Mul", "s half", "b")],
    "negated": [("Sign", "x", "s"), ("Neg", "s", "b")],
    "twice": [("Sign", "x", "s"), ("Add", "s half", "t"), ("Sign", "t", "b")],
    "sign of relu": [("Relu", "x", "r"), ("Sign", "r", "f"), ("Mul", "f two", "d"), ("Sub", "d one", "b")],
    "where a full map": [("Greater", "x zero", "c"), ("Where", "c ones minuses", "b")],
    "zero made one": [("Sign", "x", "s"), ("Equal", "s zero", "z"), ("Where", "z one s", "b")],
    "zero made minus one": [("Sign", "x", "s"), ("Equal", "s zero", "z"), ("Where", "z minus s", "b")],
    "zero of the map made one": [("Sign", "x", "s"), ("Equal", "x zero", "z"), ("Where", "z ones s", "b")],
    "zero added": [("Sign", "x", "s"), ("Equal", "x zero", "z"), ("Cast", "z", "f", {"to": 1}), ("Add", "s f", "b")],
    "sign equal to one": [*(("Sign", "x", "s"), ("Equal", "s one", "c")), ("Where", "c one minus", "b")],
    "over its magnitude": [("Abs", "x", "a"), ("Div", "x a", "b")],
    "greater of relu": [("Relu", "x", "r"), ("Greater", "r zero", "c"), ("Where", "c one minus", "b")],
}


@pytest.mark.parametrize("name", list(SIGNS))
def test_every_way_to_write_a_sign_is_the_sign(name, tmp_path):
    full = np.ones((1, 4, 6, 6), np.float32)
    constants = {**WEIGHTS, **NUMBERS, "shift": SHIFT, "threshold": number(0.3), "ones": full, "minuses": -full}
    network = exact(tmp_path, [*SIGNS[name], CONV], constants)
    kinds = Counter(type(layer).__name__ for layer in network.layers)
    assert set(kinds) <= {"BinaryConv", "Affine"}


@pytest.mark.parametrize(
    "steps",
    [
        [("Add", "x one", "x2"), ("Abs", "x2", "a"), ("Div", "x a", "b")],
        [("Abs", "x", "a"), ("Add", "a one", "a2"), ("Div", "x a2", "b")],
        [("Abs", "x", "a"), ("Div", "a x", "b")],
    ],
)
def test_over_another_magnitude_is_no_sign(steps, tmp_path):
    network = imported(tmp_path, [*steps, CONV], {**WEIGHTS, **NUMBERS})
    assert not layers(network, ir.BinaryConv)
    assert "its input is no sign, so it stays" in network.notes[0]


def test_a_sign_times_a_map_before_the_layer_is_named(tmp_path):
    steps = [
        *(("Abs", "x", "a"), ("ReduceMean", "a", "k", {"axes": [1], "keepdims": 1})),
        *(("Sign", "x", "s"), ("Mul", "s k", "b")),
    ]
    network = imported(tmp_path, [*steps, CONV], {**WEIGHTS, **NUMBERS}, opset=13)
    assert not layers(network, ir.BinaryConv)
    assert "(Mul) multiplies one by a map: multiply what the layer gives instead" in network.notes[0]


@pytest.mark.parametrize(
    "steps, zero_counts_as",
    [
        ([("Greater", "x zero", "c"), ("Where", "c one minus", "b")], -1),
        ([("GreaterOrEqual", "x zero", "c"), ("Where", "c one minus", "b")], 1),
        (SIGNS["zero made one"], 1),
        (SIGNS["zero made minus one"], -1),
        (SIGNS["zero added"], 1),
        (SIGNS["sign equal to one"], -1),
    ],
)
def test_equality_falls_on_the_side_of_the_comparison(steps, zero_counts_as, tmp_path):
    steps = [*steps, CONV]
    source = checking.load(save(model(steps, {**WEIGHTS, **NUMBERS}), tmp_path))
    zeros = np.zeros((1, 6, 6, 4), np.float32)
    np.testing.assert_allclose(source.network(zeros).numpy(), source.reference.run(zeros)["output"], atol=1e-6)
    (layer,) = source.reference.binary_layers
    bit = np.where(source.reference.run(zeros)[layer.sign_input] < 0, -1, 1)
    scale = np.sign(source.network.layers[-1].get_weights()[-1])
    assert (bit.flat[0] * scale == zero_counts_as).all()


@pytest.mark.parametrize("zeros, counted_as", [(1, 1), (60, 0)])
def test_a_handful_of_exact_zeros_count_as_bits_and_many_do_not(zeros, counted_as, tmp_path):
    """torch.sign(0) is 0: one such number must not make what is behind it look wrong, sixty are another network."""
    steps = [
        ("Sign", "x", "s"),
        ("Add", "s shift", "t"),
        ("Conv", "t w", "c"),
        ("Sign", "c", "u"),
        ("Mul", "u two", "y"),
    ]
    weights = {"w": signs(1, 4, 1, 1), "shift": number(0.25), "two": TWO}
    source = checking.load(save(model(steps, weights), tmp_path))
    inputs = np.ones((1, 6, 6, 4), np.float32)
    inputs.reshape(-1)[:zeros] = 0
    values = source.reference.run(inputs)
    (layer,) = source.reference.binary_layers
    assert np.count_nonzero(values[layer.sign_input] == 0) == zeros
    taken = np.where(inputs == 0, counted_as, inputs) + 0.25
    expected = np.sign(taken @ weights["w"].reshape(4, 1)) * 2
    np.testing.assert_array_equal(values["output"], expected)


def binary_weights(name):
    w = normal(8, 4, 3, 3)
    sign = np.where(w < 0, -1, 1).astype(np.float32)
    scale = np.abs(w).mean((1, 2, 3), keepdims=True)
    flip = np.where(np.arange(8) % 3 == 0, -1, 1).astype(np.float32).reshape(8, 1, 1, 1)
    return {
        "plain": sign,
        "scaled": sign * scale,
        "negated filters": sign * scale * flip,
        "residue folded": (sign * scale - np.clip(w, -1, 1)) + np.clip(w, -1, 1),
        "power of two": sign * np.exp2(np.round(np.log2(scale))),
        "one-valued filter": np.concatenate([sign[:7], np.full((1, 4, 3, 3), -0.5, np.float32)]),
        "tiny": sign * np.float32(1e-6),
        "rounded": (sign * scale * (1 + 4e-7 * np.sign(normal(8, 4, 3, 3, seed=1)))).astype(np.float32),
    }[name]


@pytest.mark.parametrize(
    "name",
    ["plain", "scaled", "negated filters", "residue folded", "power of two", "one-valued filter", "tiny", "rounded"],
)
def test_two_valued_weights_of_every_style_are_binary(name, tmp_path):
    exact(tmp_path, [("Sign", "x", "b"), CONV], {"w": binary_weights(name)})


WEIGHT_CHAINS = {
    "sin": [("Sin", "v", "s"), ("Sign", "s", "w")],
    "centred": [("ReduceMean", "v", "m", {"axes": [1, 2, 3]}), ("Sub", "v m", "c"), ("Sign", "c", "w")],
    "two free values": [
        *(("ReduceMean", "v", "m", {"axes": [1, 2, 3]}), ("Sub", "v m", "c"), ("Sign", "c", "s")),
        *(("Mul", "s half", "a"), ("Add", "a m", "w")),
    ],
    "residue": [("Sign", "v", "s"), ("Tanh", "v", "f"), ("Sub", "s f", "d"), ("Add", "d f", "w")],
    "where": [("Greater", "v zero", "g"), ("Where", "g one minus", "w")],
}


@pytest.mark.parametrize("name", list(WEIGHT_CHAINS))
def test_unfolded_weights_of_every_style_are_binary(name, tmp_path):
    exact(tmp_path, [*WEIGHT_CHAINS[name], ("Sign", "x", "b"), CONV], {"v": normal(8, 4, 3, 3), **NUMBERS})


@pytest.mark.parametrize("pads", [[0, 0, 0, 0], [1, 1, 1, 1], [0, 1, 1, 0]])
@pytest.mark.parametrize("weights", ["opposite", "free"])
def test_activations_off_centre_are_exact_at_the_border_too(pads, weights, tmp_path):
    steps = [("Sign", "x", "s"), ("Add", "s shift", "t"), ("Mul", "t half", "b"), ("Conv", "b w", "y", {"pads": pads})]
    w = signs(8, 4, 3, 3) * np.float32(0.5) + (0 if weights == "opposite" else normal(8, 1, 1, 1) * np.float32(0.2))
    exact(tmp_path, steps, {"w": w.astype(np.float32), "shift": number(0.3), "half": HALF})


def test_explicit_padding_before_the_convolution_is_its_own(tmp_path):
    pads = {"p": integers(0, 0, 1, 1, 0, 0, 1, 1), "v": number(-1)}
    zero = exact(tmp_path, [("Sign", "x", "s"), ("Pad", "s p", "b"), ("Conv", "b w", "y")], {**WEIGHTS, **pads})
    assert (zero.binary[0].pads, zero.binary[0].pad_value) == (((1, 1), (1, 1)), 0)
    minus = exact(tmp_path, [("Sign", "x", "s"), ("Pad", "s p v", "b"), ("Conv", "b w", "y")], {**WEIGHTS, **pads})
    assert minus.binary[0].pad_value == -1


def test_grouped_strided_and_dilated_binary_convolutions_are_exact(tmp_path):
    for attributes, depth in (
        ({"group": 2, "pads": [1, 1, 1, 1]}, 2),
        ({"strides": [2, 2], "pads": [1, 1, 1, 1]}, 4),
        ({"dilations": [2, 2], "pads": [2, 2, 2, 2]}, 4),
        ({"strides": [2, 1], "pads": [0, 1, 2, 0]}, 4),
        ({"auto_pad": "SAME_LOWER", "strides": [2, 2]}, 4),
    ):
        exact(tmp_path, [("Sign", "x", "b"), ("Conv", "b w", "y", attributes)], {"w": signs(8, depth, 3, 3)})


def test_a_map_smaller_than_the_kernel_is_exact(tmp_path):
    exact(tmp_path, [("Sign", "x", "b"), CONV], WEIGHTS, shape=(1, 4, 1, 1))
    exact(tmp_path, [("Sign", "x", "b"), CONV], WEIGHTS, shape=(1, 4, 2, 2))


@pytest.mark.parametrize("kernel", [3, 5, 7])
def test_symmetric_padding_and_stride_two_on_an_even_map(kernel, tmp_path):
    attributes = {"pads": [kernel // 2] * 4, "strides": [2, 2]}
    steps = [
        ("Conv", "x v", "f", attributes),
        ("Conv", "f d", "g", {**attributes, "group": 4}),
        ("Sign", "g", "b"),
        CONV,
    ]
    constants = {"v": normal(4, 4, kernel, kernel), "d": normal(4, 1, kernel, kernel), **WEIGHTS}
    network = exact(tmp_path, steps, constants, shape=(1, 4, 32, 32))
    assert [layer.pads for layer in layers(network, ir.Conv)] == [((kernel // 2,) * 2,) * 2] * 2


@pytest.mark.parametrize(
    "dense",
    [
        [("Gemm", "b w", "y", {"transB": 1})],
        [("MatMul", "b t", "y")],
        [("Gemm", "b t bias", "y", {"alpha": 0.5, "beta": 2.0})],
    ],
)
def test_binary_dense_layers(dense, tmp_path):
    w = signs(6, 32) * np.float32(0.2)
    constants = {"w": w, "t": np.ascontiguousarray(w.T), "bias": normal(6)}
    network = exact(tmp_path, [("Sign", "x", "b"), *dense], constants, shape=(1, 32))
    assert network.binary[0].dense


def test_a_sign_before_flatten_keeps_the_order_of_channels_rows_columns(tmp_path):
    exact(tmp_path, [("Sign", "x", "s"), ("Flatten", "s", "b"), ("MatMul", "b w", "y")], {"w": signs(144, 5)})
    exact(tmp_path, [("Flatten", "x", "b"), ("MatMul", "b w", "y")], {"w": normal(144, 5)}, binary=0)


TILES = {
    "tile": [("Tile", "x r", "t")],
    "concat": [("Concat", "x x", "t", {"axis": 1})],
    "gather": [("Gather", "x tiled", "t", {"axis": 1})],
    "expand": [("Unsqueeze", "x one", "u"), ("Expand", "u five", "e"), ("Reshape", "e eight", "t")],
    "slices": [
        *(("Split", "x", "a b1", {"axis": 1}), ("Concat", "a b1 a b1", "t", {"axis": 1})),
    ],
}
INTERLEAVED = {
    "gather": [("Gather", "x interleaved", "t", {"axis": 1})],
    "expand": [("Unsqueeze", "x two", "u"), ("Expand", "u inner", "e"), ("Reshape", "e eight", "t")],
}
SHAPES = {
    "r": integers(1, 2, 1, 1),
    "one": integers(1),
    "two": integers(2),
    "five": integers(1, 2, 4, 6, 6),
    "inner": integers(1, 4, 2, 6, 6),
    "eight": integers(1, 8, 6, 6),
    "tiled": integers(0, 1, 2, 3, 0, 1, 2, 3),
    "interleaved": integers(0, 0, 1, 1, 2, 2, 3, 3),
}
WIDE = {"w": signs(8, 8, 3, 3), **SHAPES}


@pytest.mark.parametrize("name", list(TILES))
def test_every_spelling_of_a_repeat_is_a_repeat(name, tmp_path):
    network = exact(tmp_path, [*TILES[name], ("Sign", "t", "b"), CONV], WIDE)
    assert isinstance(network.layers[0], ir.Repeat)


@pytest.mark.parametrize("name", list(INTERLEAVED))
def test_interleaving_is_no_repeat(name, tmp_path):
    network = exact(tmp_path, [*INTERLEAVED[name], ("Sign", "t", "b"), CONV], WIDE)
    assert layers(network, ir.TakeChannels)[0].indices == (0, 0, 1, 1, 2, 2, 3, 3)
    assert not layers(network, ir.Repeat)


def test_signs_move_behind_what_only_moves_them(tmp_path):
    tail = ("Conv", "t w", "y", {"pads": [1, 1, 1, 1]})
    exact(tmp_path, [("Sign", "x", "s"), ("Tile", "s r", "t"), tail], WIDE)
    exact(tmp_path, [("Sign", "x", "s"), ("Gather", "s interleaved", "t", {"axis": 1}), tail], WIDE)
    both = [("Sign", "x", "s"), ("Tanh", "x", "h"), ("Add", "h c", "i"), ("Sign", "i", "u")]
    exact(tmp_path, [*both, ("Concat", "s u", "t", {"axis": 1}), tail], {**WIDE, "c": SHIFT})
    pooled = ("MaxPool", "s", "b", {"kernel_shape": [3, 3], "strides": [2, 2], "pads": [1, 1, 1, 1]})
    exact(tmp_path, [("Sign", "x", "s"), pooled, CONV], WEIGHTS)


def test_a_channel_shuffle_is_a_choice_of_channels(tmp_path):
    steps = [
        ("Reshape", "x split", "a"),
        ("Transpose", "a", "t", {"perm": [0, 2, 1, 3, 4]}),
        ("Reshape", "t whole", "u"),
    ]
    constants = {"split": integers(1, 2, 4, 6, 6), "whole": integers(1, 8, 6, 6), "w": signs(8, 8, 3, 3)}
    network = exact(tmp_path, [*steps, ("Sign", "u", "b"), CONV], constants, shape=(1, 8, 6, 6))
    assert layers(network, ir.TakeChannels)[0].indices == (0, 4, 1, 5, 2, 6, 3, 7)


def test_a_repeat_behind_a_binary_convolution_is_the_layers_own(tmp_path):
    steps = [("Sign", "x", "b"), ("Conv", "b w", "c"), ("Tile", "c r", "t"), ("Mul", "t g", "y")]
    constants = {**WEIGHTS, "r": integers(1, 4, 1, 1), "g": normal(1, 32, 1, 1)}
    exact(tmp_path, steps, constants)
    source = checking.load(save(model(steps, constants), tmp_path))
    assert source.beta == 2
    assert [type(layer).__name__ for layer in source.network.layers] == ["InputLayer", "RepConv2D", "ChannelAffine"]


POOLS = {
    "max": ("MaxPool", {"kernel_shape": [2, 2], "strides": [2, 2]}),
    "max padded": ("MaxPool", {"kernel_shape": [3, 3], "strides": [2, 2], "pads": [1, 1, 1, 1]}),
    "max ceil": ("MaxPool", {"kernel_shape": [2, 2], "strides": [2, 2], "ceil_mode": 1}),
    "average": ("AveragePool", {"kernel_shape": [2, 2], "strides": [2, 2]}),
    "average ceil": ("AveragePool", {"kernel_shape": [2, 2], "strides": [2, 2], "ceil_mode": 1}),
    "average padded": ("AveragePool", {"kernel_shape": [3, 3], "strides": [2, 2], "pads": [1, 1, 1, 1]}),
    "average padding counts": (
        "AveragePool",
        {"kernel_shape": [3, 3], "strides": [2, 2], "pads": [1, 1, 1, 1], "count_include_pad": 1},
    ),
    "average all of it": (
        "AveragePool",
        {"kernel_shape": [3, 3], "strides": [2, 2], "pads": [1, 1, 1, 1], "count_include_pad": 1, "ceil_mode": 1},
    ),
}


@pytest.mark.parametrize("size", [7, 8])
@pytest.mark.parametrize("name", list(POOLS))
def test_pooling(name, size, tmp_path):
    op, attributes = POOLS[name]
    exact(
        tmp_path,
        [("Sub", "x c", "n"), (op, "n", "y", attributes)],
        {"c": number(5)},
        binary=0,
        shape=(1, 4, size, size),
    )


FLOATS = {
    "prelu": [("PRelu", "x slope", "y")],
    "leaky relu": [("LeakyRelu", "x", "y", {"alpha": 0.2})],
    "hardtanh": [("Clip", "x minus one", "y")],
    "relu6": [("Clip", "x zero six", "y")],
    "odd clip": [("Clip", "x low six", "y")],
    "one-sided clip": [("Clip", "x low", "y")],
    "hard swish": [("HardSwish", "x", "y")],
    "hard sigmoid": [("HardSigmoid", "x", "y", {"alpha": 1 / 6})],
    "softplus": [("Softplus", "x", "y")],
    "where": [("Greater", "x zero", "c"), ("Mul", "x slope", "s"), ("Where", "c x s", "y")],
    "maxout": [
        *(("Relu", "x", "p"), ("Mul", "p slope", "q"), ("Neg", "x", "n"), ("Relu", "n", "o")),
        *(("Mul", "o half", "k"), ("Sub", "q k", "y")),
    ],
    "squeeze-excite": [
        ("GlobalAveragePool", "x", "g"),
        ("Conv", "g v", "c"),
        ("Sigmoid", "c", "s"),
        ("Mul", "x s", "y"),
    ],
    "square": [("Pow", "x two", "y")],
    "quotient": [("Exp", "x", "e"), ("Add", "e one", "f"), ("Div", "x f", "y")],
    "batch norm": [("BatchNormalization", "x a b m v1", "y")],
    "option a": [("Slice", "x s0 s1 s2 s3", "h"), ("Pad", "h channels", "y")],
    "zeros joined": [("Concat", "z x z", "y", {"axis": 1})],
    "mean": [("ReduceMean", "x", "g", {"axes": [2, 3], "keepdims": 0}), ("Softmax", "g", "y", {"axis": 1})],
    "padding": [("Pad", "x around six", "y")],
    "reversed difference": [("Sub", "one x", "y")],
    "shift per position": [("Add", "x map", "y")],
}


@pytest.mark.parametrize("name", list(FLOATS))
def test_full_precision_parts(name, tmp_path):
    constants = {
        **NUMBERS,
        **{"slope": np.abs(normal(4, 1, 1)), "six": number(6), "low": number(-0.7), "v": normal(4, 4, 1, 1)},
        **{"a": normal(4), "b": normal(4, seed=1), "m": normal(4, seed=2), "v1": np.abs(normal(4, seed=3))},
        **{"s0": integers(0, 0), "s1": integers(99, 99), "s2": integers(2, 3), "s3": integers(2, 2)},
        **{"channels": integers(0, 2, 0, 0, 0, 2, 0, 0), "around": integers(0, 0, 1, 0, 0, 0, 2, 1)},
        **{"z": np.zeros((1, 2, 6, 6), np.float32), "map": normal(1, 4, 6, 6)},
    }
    exact(tmp_path, FLOATS[name], constants, binary=0)


def test_a_sign_that_something_else_reads_too_is_a_map_of_its_own(tmp_path):
    binary = [("Sign", "x", "b"), ("Conv", "b w", "c")]
    constants = {"w": signs(4, 4, 1, 1), "h": number(1)}
    exact(tmp_path, [*binary, ("GlobalAveragePool", "b", "g"), ("Add", "c g", "y")], constants)
    exact(tmp_path, [*binary, ("Add", "c b", "y")], constants)


PUNCHED = signs(8, 4, 3, 3) * (np.arange(288) != 77).reshape(8, 4, 3, 3)
PER_INPUT = signs(8, 4, 3, 3) * np.abs(normal(1, 4, 1, 1))
BINARY = [("Sign", "x", "b"), CONV]
REFUSED = {
    "zero made two": (
        [("Sign", "x", "s"), ("Equal", "s zero", "z"), ("Where", "z two s", "b"), CONV],
        {**WEIGHTS, **NUMBERS},
        r"Where_b.*makes 2.0 of a sign's 0",
    ),
    "zeros of another map": (
        [("Sign", "x", "s"), ("Neg", "x", "n"), ("Equal", "n zero", "z"), ("Where", "z one s", "b"), CONV],
        {**WEIGHTS, **NUMBERS},
        r"Where_b.*zeros of another map",
    ),
    "one weight is 0": (BINARY, {"w": PUNCHED}, r"Conv_y.*one weight is exactly 0"),
    "scale per input channel": (BINARY, {"w": PER_INPUT}, r"Conv_y.*per input channel"),
    "weights from the input": ([("Sign", "x", "b"), ("Conv", "b x", "y")], {}, r"Conv_y.*depend on the input"),
    "two binary maps": ([("Sign", "x", "b"), ("MatMul", "b b", "y")], {}, r"MatMul_y.*two binary maps"),
    "unknown operator": ([("Sign", "x", "b"), ("Floor", "x", "y")], {}, r"Floor_y.*know"),
    "rounding of anything": ([("Round", "x", "b"), CONV], dict(WEIGHTS), r"Round_b.*hard sigmoid"),
    "3-d reshape": ([("Reshape", "x s", "r"), ("Relu", "r", "y")], {"s": integers(1, 12, 12)}, r"Re.*rule"),
}


@pytest.mark.parametrize("name", list(REFUSED))
def test_what_has_no_exact_form_is_refused_by_the_nodes_name(name, tmp_path):
    steps, constants, message = REFUSED[name]
    constants = {key: np.asarray(value, np.float32) if key == "w" else value for key, value in constants.items()}
    with pytest.raises(UnsupportedError, match=message):
        imported(tmp_path, steps, constants)


def test_near_misses_stay_in_full_precision_and_are_named(tmp_path):
    residue = [("Sign", "x", "s"), ("Tanh", "x", "f"), ("Mul", "f half", "h"), ("Add", "s h", "b"), CONV]
    network = imported(tmp_path, residue, {**WEIGHTS, **NUMBERS})
    assert not network.binary
    assert "Conv_y" in network.notes[0]
    assert "no sign" in network.notes[0]
    real = imported(tmp_path, [("Sign", "x", "b"), CONV], {"w": normal(8, 4, 3, 3)})
    assert not real.binary
    assert "real numbers" in real.notes[0]
    per_channel = [("Sign", "x", "s"), ("Mul", "s c", "b"), CONV]
    assert not imported(tmp_path, per_channel, {**WEIGHTS, "c": np.abs(normal(1, 4, 1, 1))}).binary


def test_affines_in_a_row_become_one_unless_something_stands_between(tmp_path):
    head = [("Sign", "x", "b"), ("Conv", "b w", "c"), ("Mul", "c g", "d")]
    constants = {**WEIGHTS, "g": normal(1, 8, 1, 1), "h": normal(1, 8, 1, 1)}
    assert len(layers(exact(tmp_path, [*head, ("Add", "d h", "y")], constants), ir.Affine)) == 1
    between = [("Relu", "d", "e"), ("Add", "e h", "y")]
    assert len(layers(exact(tmp_path, [*head, *between], constants), ir.Affine)) == 2
    shared = [("Add", "d h", "e"), ("Mul", "d e", "y")]
    assert len(layers(exact(tmp_path, [*head, *shared], constants), ir.Affine)) == 2
