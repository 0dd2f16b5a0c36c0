"""Float weights in a smaller type: where it is done, where it is refused, and what it may not touch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from repbnn_edge.errors import RepbnnError
from repbnn_edge.tflite import lce, schema, signs
from repbnn_edge.tflite.cut import cut
from repbnn_edge.tflite.passes import float16, int8, pipeline, unname, widen
from repbnn_edge.tflite.passes.pipeline import shrink
from repbnn_edge.tflite.schema import Model

Corpus = Callable[[str], bytes]
RNG = np.random.default_rng(0)
WEIGHTS = (RNG.normal(size=(40, 64)) * 10.0 ** np.linspace(-3, 3, 40)[:, None]).astype(np.float32)
BIAS = RNG.normal(size=40).astype(np.float32)


def _dense(builder: Any, weights: np.ndarray = WEIGHTS, *, bias: bool = True, **options: int) -> Model:
    x, y = builder.tensor(1, weights.shape[1]), builder.tensor(1, weights.shape[0])
    inputs = [x, builder.tensor(values=weights)]
    inputs.append(builder.tensor(values=BIAS[: len(weights)]) if bias else -1)
    builder.operator("FULLY_CONNECTED", inputs, [y], **options)
    return builder.finish([x], [y])


def _run(model: Model, x: np.ndarray) -> np.ndarray:
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

    resolver = OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
    interpreter = Interpreter(model_content=schema.pack(model), experimental_op_resolver_type=resolver)
    interpreter.allocate_tensors()
    interpreter.set_tensor(interpreter.get_input_details()[0]["index"], x)
    interpreter.invoke()
    return interpreter.get_tensor(interpreter.get_output_details()[0]["index"])


def _ops(model: Model) -> list[str]:
    return [operator.op for operator in model.operators]


ALL = frozenset(range(100))


def test_a_dense_layer_becomes_int8_with_its_scales_behind_it(builder: Any) -> None:
    model = int8.run(_dense(builder, fusedActivationFunction=1), ALL)
    assert _ops(model) == ["FULLY_CONNECTED", "MUL", "ADD"]
    dense, mul, add = model.operators
    assert model.tensors[dense.inputs[1]].type == "int8"
    assert dense.options.fusedActivationFunction == mul.options.fusedActivationFunction == 0
    assert add.options.fusedActivationFunction == 1
    assert add.outputs == model.outputs
    x = np.random.default_rng(1).normal(size=(1, 64)).astype(np.float32)
    exact = np.maximum(WEIGHTS.astype(np.float64) @ x[0] + BIAS, 0)
    scale = np.abs(WEIGHTS).max(axis=1) * np.sqrt(64)
    assert np.abs(_run(model, x)[0] - exact).max() > 0
    assert (np.abs(_run(model, x)[0] - exact) / scale).max() < 0.02


def test_a_dense_layer_without_bias_needs_no_addition(builder: Any) -> None:
    model = int8.run(_dense(builder, bias=False, fusedActivationFunction=3), ALL)
    assert _ops(model) == ["FULLY_CONNECTED", "MUL"]
    assert model.operators[1].options.fusedActivationFunction == 3


def test_a_convolution_becomes_int8_with_one_scale_a_filter(builder: Any) -> None:
    kernel = WEIGHTS.reshape(40, 1, 1, 64)
    x, y = builder.tensor(1, 5, 5, 64), builder.tensor(1, 5, 5, 40)
    builder.operator(
        "CONV_2D",
        [x, builder.tensor(values=kernel), builder.tensor(values=BIAS)],
        [y],
        strideH=1,
        strideW=1,
        dilationHFactor=1,
        dilationWFactor=1,
    )
    before = builder.finish([x], [y])
    model = schema.load(schema.pack(int8.run(before, ALL)))
    assert _ops(model) == ["CONV_2D"]
    quantization = model.graph.tensors[model.operators[0].inputs[1]].quantization
    assert (len(quantization.scale), quantization.quantizedDimension) == (40, 0)
    image = np.random.default_rng(1).normal(size=(1, 5, 5, 64)).astype(np.float32)
    scale = np.abs(WEIGHTS).max(axis=1) * np.sqrt(64)
    assert (np.abs(_run(model, image) - _run(before, image)) / scale).max() < 0.05


def test_a_dense_layer_becomes_float16_behind_a_dequantize(builder: Any) -> None:
    before = _dense(builder)
    model = schema.load(schema.pack(float16.run(before, ALL)))
    assert _ops(model) == ["DEQUANTIZE", "FULLY_CONNECTED"]
    narrow = model.constant(model.operators[0].inputs[0])
    np.testing.assert_array_equal(narrow, WEIGHTS.astype(np.float16))  # type: ignore[arg-type]
    x = np.random.default_rng(1).normal(size=(1, 64)).astype(np.float32)
    np.testing.assert_array_equal(_run(model, x), _run(widen.run(model), x))


@pytest.mark.parametrize("store", [int8.run, float16.run])
def test_widening_gives_the_dequantised_weights_back(store: Callable[..., Model], builder: Any) -> None:
    model = schema.load(schema.pack(widen.run(store(_dense(builder), ALL))))
    dense = next(operator for operator in model.operators if operator.op == "FULLY_CONNECTED")
    values = model.constant(dense.inputs[1])
    assert values is not None and values.dtype == np.float32 and "DEQUANTIZE" not in _ops(model)
    if store is int8.run:
        narrow, scales = int8.quantize(WEIGHTS)
        np.testing.assert_array_equal(values, narrow.astype(np.float32))
        np.testing.assert_array_equal(model.constant(model.operators[1].inputs[1]), scales)  # type: ignore[arg-type]
    else:
        np.testing.assert_array_equal(values, WEIGHTS.astype(np.float16).astype(np.float32))


def test_widening_leaves_other_files_alone(builder: Any) -> None:
    model = _dense(builder)
    assert schema.pack(widen.run(model)) == schema.pack(model)


@pytest.mark.parametrize("store", [int8.run, float16.run])
@pytest.mark.parametrize(
    "weights",
    [
        WEIGHTS[:5],  # small: the scales and tables would take what it saves
        np.where(np.arange(40)[:, None] == 3, np.float32("nan"), WEIGHTS),
        np.where(np.arange(40)[:, None] == 3, np.float32("inf"), WEIGHTS),
    ],
)
def test_weights_that_are_left_as_they_are(store: Callable[..., Model], weights: np.ndarray, builder: Any) -> None:
    model = _dense(builder, weights.astype(np.float32))
    assert schema.pack(store(model, ALL)) == schema.pack(model)


@pytest.mark.parametrize("store", [int8.run, float16.run])
def test_a_weight_with_another_reader_is_left_as_it_is(store: Callable[..., Model], builder: Any) -> None:
    x, y, z = builder.tensor(1, 64), builder.tensor(1, 40), builder.tensor(40, 64)
    weights = builder.tensor(values=WEIGHTS)
    builder.operator("FULLY_CONNECTED", [x, weights, -1], [y])
    builder.operator("ADD", [weights, weights], [z])
    model = builder.finish([x], [y, z])
    assert schema.pack(store(model, ALL)) == schema.pack(model)


@pytest.mark.parametrize("store", [int8.run, float16.run])
def test_two_layers_may_share_a_weight_if_both_are_chosen(store: Callable[..., Model], builder: Any) -> None:
    x, y, z = builder.tensor(1, 64), builder.tensor(1, 40), builder.tensor(1, 40)
    weights = builder.tensor(values=WEIGHTS)
    builder.operator("FULLY_CONNECTED", [x, weights, -1], [y])
    builder.operator("FULLY_CONNECTED", [x, weights, -1], [z])
    model = builder.finish([x], [y, z])
    assert schema.pack(store(model, frozenset({1}))) == schema.pack(model)
    both = schema.load(schema.pack(store(model, ALL)))
    assert [_ops(both).count(op) for op in ("FULLY_CONNECTED", "MUL", "DEQUANTIZE")] == (
        [2, 2, 0] if store is int8.run else [2, 0, 1]
    )


def test_float16_leaves_what_it_cannot_hold(builder: Any) -> None:
    model = _dense(builder, WEIGHTS * np.float32(1e6))
    assert schema.pack(float16.run(model, ALL)) == schema.pack(model)


@settings(max_examples=200)
@given(st.integers(0, 2**32 - 1), st.floats(-30, 30))
def test_int8_rounds_to_the_nearest(seed: int, magnitude: float) -> None:
    values = (np.random.default_rng(seed).normal(size=(4, 3, 2)) * 10**magnitude).astype(np.float32)
    values[1] = 0
    narrow, scales = int8.quantize(values)
    assert (narrow.dtype, scales.dtype, narrow.shape) == (np.int8, np.float32, values.shape)
    assert narrow.min() >= -127 and (narrow[1] == 0).all() and (scales > 0).all()
    error = np.abs(narrow * scales.astype(np.float64)[:, None, None] - values)
    assert (error <= 0.5001 * scales.astype(np.float64)[:, None, None]).all()
    assert (np.abs(narrow[0]).max(), np.abs(narrow[2]).max()) == (127, 127)


def test_denormal_weights_become_zero_and_not_infinite() -> None:
    narrow, scales = int8.quantize(np.full((2, 3), 1e-45, np.float32))
    assert (narrow == 0).all() and (scales == 1).all()


def test_names_of_constants_go_and_all_others_stay(builder: Any) -> None:
    model = _dense(builder)
    after = schema.load(schema.pack(unname.run(model)))
    assert [tensor.name for tensor in after.tensors] == ["t0", "t1", "", ""]
    builder_names = [tensor.name for tensor in model.tensors]
    assert builder_names == ["t0", "t1", "t2", "t3"]


def test_before_a_sign(builder: Any) -> None:
    x, a, b, bits = (
        builder.tensor(1, 64),
        builder.tensor(1, 64),
        builder.tensor(1, 64),
        builder.tensor(1, 2, type="int32"),
    )
    weights = builder.tensor(values=np.eye(64, dtype=np.float32))
    builder.operator("FULLY_CONNECTED", [x, weights, -1], [a])
    builder.operator("LceQuantize", [a], [bits])
    builder.operator("FULLY_CONNECTED", [a, weights, -1], [b])
    model = builder.finish([x], [b, bits])
    assert signs.before_a_sign(model) == {0, 1}


@pytest.mark.parametrize("float_weights", ["float32", "float16", "int8"])
@pytest.mark.parametrize("name", ["rep_small", "plain_small", "mixed_small"])
def test_the_binary_body_of_real_files_is_the_same(name: str, float_weights: Any, corpus: Corpus) -> None:
    before, after = schema.load(corpus(name)), schema.load(shrink(corpus(name), float_weights))
    body = signs.before_a_sign(before)
    last = max(body)
    assert _ops(after)[: last + 1] == _ops(before)[: last + 1]
    for index in range(last + 1):
        one, two = before.operators[index], after.operators[index]
        if one.op == lce.BCONV:
            layers = [lce.read_bconv2d(before, one), lce.read_bconv2d(after, two)]
            np.testing.assert_array_equal(lce.binary_weights(before, layers[0]), lce.binary_weights(after, layers[1]))
        for left, right in zip(one.inputs, two.inputs, strict=True):
            if left >= 0:
                np.testing.assert_array_equal(before.constant(left), after.constant(right))  # type: ignore[arg-type]
    assert len(shrink(corpus(name), float_weights)) < len(corpus(name))
    if float_weights != "float32" and name == "rep_small":
        assert any(tensor.type == float_weights for tensor in after.tensors)


def test_a_stem_is_changed_only_on_request(builder: Any) -> None:
    kernel = WEIGHTS.reshape(40, 1, 1, 64)
    x, y, bits = builder.tensor(1, 5, 5, 64), builder.tensor(1, 5, 5, 40), builder.tensor(1, 5, 5, 2, type="int32")
    builder.operator("CONV_2D", [x, builder.tensor(values=kernel), builder.tensor(values=BIAS)], [y])
    builder.operator("LceQuantize", [y], [bits])
    data = schema.pack(builder.finish([x], [bits]))
    for float_weights in ("float16", "int8"):
        kept = schema.load(shrink(data, float_weights))  # type: ignore[arg-type]
        assert kept.constant(kept.operators[0].inputs[1]).dtype == np.float32  # type: ignore[union-attr]
        changed = schema.load(shrink(data, float_weights, everywhere=True))  # type: ignore[arg-type]
        assert any(tensor.type == float_weights for tensor in changed.tensors)
        assert len(schema.pack(changed)) < len(schema.pack(kept))


def test_the_same_file_twice_is_the_same_bytes(corpus: Corpus) -> None:
    assert shrink(corpus("rep_small"), "int8") == shrink(corpus("rep_small"), "int8")


def test_a_pass_that_touched_the_body_would_be_caught(corpus: Corpus, monkeypatch: pytest.MonkeyPatch) -> None:
    def flip_a_weight(model: Model, operators: frozenset[int]) -> Model:
        twin = model.copy()
        layer = next(operator for operator in model.operators if operator.op == lce.BCONV)
        buffer = twin.raw.buffers[model.tensors[layer.inputs[1]].buffer]
        buffer.data = buffer.data ^ np.uint8(1)
        return Model(twin.raw)

    monkeypatch.setitem(pipeline._STORE, "int8", flip_a_weight)
    with pytest.raises(RepbnnError, match="shrinking changed it"):
        shrink(corpus("rep_small"), "int8")


def test_lce_runs_the_shrunk_file_with_a_small_error(corpus: Corpus) -> None:
    from repbnn_edge import stack

    stack.larq_compute_engine()
    from larq_compute_engine.tflite.python.interpreter import Interpreter

    from repbnn_edge.tflite.metadata import Metadata, write_metadata

    image = np.random.default_rng(0).normal(size=(1, 32, 32, 3)).astype(np.float32)
    exact = Interpreter(corpus("rep_small"), num_threads=1).predict(image)
    for float_weights, bound in (("float32", 0.0), ("float16", 1e-3), ("int8", 2e-2)):
        data = shrink(corpus("rep_small"), float_weights)  # type: ignore[arg-type]
        data = write_metadata(data, Metadata(mean=(0.0,) * 3, std=(255.0,) * 3, labels=tuple("abcdefghij")))
        found = Interpreter(data, num_threads=1).predict(image)
        assert np.abs(found - exact).max() <= bound * np.abs(exact).max()


def test_a_dense_layer_alone_after_the_cut_has_its_scales(corpus: Corpus) -> None:
    model = schema.load(shrink(corpus("rep_small"), "int8"))
    dense = next(operator for operator in model.operators if operator.op == "FULLY_CONNECTED")
    piece = schema.load(cut(model, range(dense.index, len(model.operators)), dense.inputs[:1], model.outputs))
    assert _ops(piece) == ["FULLY_CONNECTED", "MUL"]
