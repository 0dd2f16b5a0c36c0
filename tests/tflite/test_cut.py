"""Pieces of a model: they run, they carry only what they need, and the model stays as it is."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from repbnn_edge.errors import UsageError
from repbnn_edge.tflite import lce, schema
from repbnn_edge.tflite.cut import cut
from repbnn_edge.tflite.schema import Model

Opened = Callable[[str], Model]


def _run(data: bytes, *images: np.ndarray) -> list[np.ndarray]:
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(model_content=data)
    interpreter.allocate_tensors()
    for detail, image in zip(interpreter.get_input_details(), images, strict=True):
        interpreter.set_tensor(detail["index"], image)
    interpreter.invoke()
    return [interpreter.get_tensor(detail["index"]) for detail in interpreter.get_output_details()]


def test_two_pieces_one_after_the_other_are_the_whole(opened: Opened, corpus: Callable[[str], bytes]) -> None:
    model = opened("float_small")
    conv, mean, dense = model.operators
    image = np.random.default_rng(1).normal(size=(1, 16, 16, 3)).astype(np.float32)
    first = cut(model, [conv.index], [conv.inputs[0]], conv.outputs)
    rest = cut(model, [dense.index, mean.index], [mean.inputs[0]], dense.outputs)
    (middle,) = _run(first, image)
    np.testing.assert_array_equal(_run(rest, middle)[0], _run(corpus("float_small"), image)[0])


def test_a_binary_layer_alone_carries_its_own_constants_and_no_more(opened: Opened) -> None:
    model = opened("rep_small")
    before = schema.pack(model)
    for operator in model.operators:
        if operator.op != lce.BCONV:
            continue
        layer = lce.read_bconv2d(model, operator)
        piece = schema.load(cut(model, [operator.index], [layer.input], [layer.output]))
        (only,) = piece.operators
        again = lce.read_bconv2d(piece, only)
        assert (again.kernel, again.strides, again.channels_in) == (layer.kernel, layer.strides, layer.channels_in)
        np.testing.assert_array_equal(lce.binary_weights(piece, again), lce.binary_weights(model, layer))
        assert piece.tensors[piece.inputs[0]].name == model.tensors[layer.input].name
        assert len(piece.tensors) == 5 and len(piece.raw.buffers) == 4
        assert not piece.raw.signatureDefs and not piece.raw.metadata
    assert schema.pack(model) == before


def test_a_constant_can_become_an_input(opened: Opened) -> None:
    model = opened("float_small")
    dense = model.operators[-1]
    weights = model.constant(dense.inputs[1])
    assert weights is not None
    piece = cut(model, [dense.index], dense.inputs[:2], dense.outputs)
    row = np.ones((1, 8), np.float32)
    assert model.tensors[dense.inputs[0]].shape == (1, 8)
    np.testing.assert_allclose(_run(piece, row, np.array(weights))[0], row @ weights.T, rtol=1e-5)


def test_several_outputs_in_the_order_asked_for(opened: Opened) -> None:
    model = opened("float_small")
    conv, _mean, dense = model.operators
    outputs = [dense.outputs[0], conv.outputs[0]]
    piece = schema.load(cut(model, range(3), model.inputs, outputs))
    assert [piece.tensors[i].shape for i in piece.outputs] == [(1, 10), (1, 14, 14, 8)]


def test_what_cannot_run_is_refused(opened: Opened) -> None:
    model = opened("float_small")
    conv, mean, dense = model.operators
    with pytest.raises(UsageError, match="nobody gives it"):
        cut(model, [dense.index], [], dense.outputs)
    with pytest.raises(UsageError, match="no operator of the piece computes"):
        cut(model, [conv.index], conv.inputs[:1], dense.outputs)
    with pytest.raises(UsageError, match="computes this input itself"):
        cut(model, [conv.index, mean.index], [conv.outputs[0], conv.inputs[0]], mean.outputs)
