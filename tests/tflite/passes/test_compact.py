"""Compaction: equal constants once, nobody's bytes gone, everything else as it was."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from repbnn_edge.tflite import schema
from repbnn_edge.tflite.passes import compact
from repbnn_edge.tflite.schema import Model

CORPUS = Path(__file__).parents[1] / "corpus"


def _model(*data: bytes | None, variable: int | None = None) -> Model:
    """Tensors of bytes, one a buffer, and one buffer more that nobody has."""
    classes = schema.generated()
    buffers = [classes.BufferT()] + [
        classes.BufferT(data=None if d is None else np.frombuffer(d, np.uint8)) for d in (*data, b"nobody's")
    ]
    tensors = [
        classes.TensorT(shape=[len(d or b"abc")], type=9, buffer=i + 1, isVariable=i == variable)
        for i, d in enumerate(data)
    ]
    codes = [classes.OperatorCodeT(builtinCode=code) for code in (0, 1, 2)]
    operators = [classes.OperatorT(opcodeIndex=2, inputs=[0], outputs=[])]
    graph = classes.SubGraphT(tensors=tensors, operators=operators)
    return schema.load(
        schema.pack(Model(classes.ModelT(version=3, subgraphs=[graph], buffers=buffers, operatorCodes=codes)))
    )


def test_equal_constants_are_kept_once_and_nobodys_not_at_all() -> None:
    model = compact.run(_model(b"abc", b"xyz", b"abc", None))
    assert [tensor.buffer for tensor in model.tensors] == [1, 2, 1, 0]
    assert [model.buffer(i).tobytes() for i in range(len(model.raw.buffers))] == [b"", b"abc", b"xyz"]
    assert len(model.raw.operatorCodes) == 1 and model.operators[0].op == "CONCATENATION"
    assert schema.load(schema.pack(model)).tensors == model.tensors


def test_what_the_runtime_writes_to_is_never_shared() -> None:
    model = compact.run(_model(b"abc", b"abc", b"abc", variable=1))
    assert [tensor.buffer for tensor in model.tensors] == [1, 2, 1]


def test_the_given_model_stays_as_it_was() -> None:
    model = _model(b"abc", b"abc")
    before = schema.pack(model)
    compact.run(model)
    assert schema.pack(model) == before


@pytest.mark.parametrize("name", ["rep_small", "mixed_small", "float_small"])
def test_constants_and_metadata_of_real_files(name: str) -> None:
    before = schema.load((CORPUS / f"{name}.tflite").read_bytes())
    after = schema.load(schema.pack(compact.run(before)))
    assert after.custom_metadata() == before.custom_metadata()
    assert schema.pack(compact.run(after)) == schema.pack(after)
    for tensor in before.tensors:
        np.testing.assert_array_equal(after.constant(tensor.index), before.constant(tensor.index))  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["while", "if", "lstm", "mha", "deconv"])
def test_files_of_the_stock_converter_compute_what_they_did(name: str) -> None:
    data = (CORPUS / f"stock_{name}.tflite").read_bytes()
    model = schema.load(data)
    versions = [data, schema.pack(model), schema.pack(compact.run(model))]
    first, *others = (_outputs(version) for version in versions)
    for other in others:
        for left, right in zip(first, other, strict=True):
            np.testing.assert_array_equal(left, right)
    assert len(versions[2]) < len(data)


def _outputs(data: bytes) -> list[np.ndarray]:
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(model_content=data)
    interpreter.allocate_tensors()
    rng = np.random.default_rng(1)
    for detail in interpreter.get_input_details():
        values = (rng.normal(size=detail["shape"]) * 5).astype(detail["dtype"])
        interpreter.set_tensor(detail["index"], values)
    interpreter.invoke()
    return [interpreter.get_tensor(detail["index"]) for detail in interpreter.get_output_details()]
