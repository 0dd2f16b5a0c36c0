"""The door: what comes in is checked, what goes out is the same again."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from repbnn_edge.errors import BadInputError, UnsupportedError
from repbnn_edge.tflite import schema
from repbnn_edge.tflite.schema import Model

Corpus = Callable[[str], bytes]
Opened = Callable[[str], Model]
NAMES = ["rep_small", "plain_small", "mixed_small", "groups_small", "float_small"]


@pytest.mark.parametrize("name", NAMES)
def test_packing_keeps_everything_and_is_deterministic(name: str, corpus: Corpus) -> None:
    first = schema.load(corpus(name))
    packed = schema.pack(first)
    again = schema.load(packed)
    assert schema.pack(again) == schema.pack(first.copy()) == packed
    assert again.tensors == first.tensors
    assert [(o.op, o.inputs, o.outputs, o.custom_options) for o in again.operators] == [
        (o.op, o.inputs, o.outputs, o.custom_options) for o in first.operators
    ]
    assert [vars(o.options) for o in again.operators if o.options] == [
        vars(o.options) for o in first.operators if o.options
    ]
    assert again.custom_metadata() == first.custom_metadata()
    for tensor in first.tensors:
        np.testing.assert_array_equal(again.constant(tensor.index), first.constant(tensor.index))  # type: ignore[arg-type]


def test_buffers_are_aligned_as_flatc_aligns_them(opened: Opened) -> None:
    packed = schema.pack(opened("rep_small"))
    model = schema.load(packed)
    start = np.frombuffer(packed, np.uint8).__array_interface__["data"][0]
    offsets = [b.data.__array_interface__["data"][0] - start for b in model.raw.buffers if b.data is not None]
    assert len(offsets) > 40
    assert all(offset % 16 == 0 for offset in offsets)


def test_a_packed_file_runs_in_the_stock_runtime_as_before(corpus: Corpus, opened: Opened) -> None:
    image = np.random.default_rng(0).normal(size=(1, 16, 16, 3)).astype(np.float32)
    before, after = (_run(data, image) for data in (corpus("float_small"), schema.pack(opened("float_small"))))
    np.testing.assert_array_equal(before, after)


def _run(data: bytes, image: np.ndarray) -> np.ndarray:
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(model_content=data)
    interpreter.allocate_tensors()
    interpreter.set_tensor(interpreter.get_input_details()[0]["index"], image)
    interpreter.invoke()
    return interpreter.get_tensor(interpreter.get_output_details()[0]["index"])


def test_words_shapes_and_neighbours(opened: Opened) -> None:
    model = opened("float_small")
    assert [o.op for o in model.operators] == ["CONV_2D", "MEAN", "FULLY_CONNECTED"]
    conv, mean, dense = model.operators
    assert model.tensors[model.inputs[0]].shape == (1, 16, 16, 3)
    assert model.tensors[model.outputs[0]].shape == (1, 10)
    assert model.producers[mean.inputs[0]] == conv.index
    assert model.consumers[mean.outputs[0]] == (dense.index,)
    assert model.inputs[0] not in model.producers
    kernel = model.constant(conv.inputs[1])
    assert kernel is not None
    assert (kernel.shape, kernel.dtype, kernel.flags.writeable) == ((8, 3, 3, 3), np.float32, False)
    assert model.constant(model.inputs[0]) is None


def test_a_copy_changes_alone(opened: Opened) -> None:
    model = opened("rep_small")
    before = schema.pack(model)
    twin = model.copy()
    twin.raw.buffers[1].data = None
    twin.graph.tensors[0].name = b"other"
    twin.graph.operators.pop()
    twin.raw.operatorCodes[0].customCode = b"Other"
    assert schema.pack(model) == before


@pytest.mark.parametrize(
    ("spoil", "why"),
    [
        (lambda m: setattr(m.graph.operators[0], "opcodeIndex", 99), "operator code 99"),
        (lambda m: setattr(m.graph.operators[0], "inputs", [10_000]), "reads tensor 10000"),
        (lambda m: setattr(m.graph.operators[0], "outputs", [-1]), "writes tensor -1"),
        (lambda m: setattr(m.graph.tensors[0], "buffer", 1_000), "has buffer 1000"),
        (lambda m: setattr(m.graph.tensors[0], "type", 77), "unknown type 77"),
        (lambda m: setattr(m.graph.tensors[0], "shape", [1, -5]), "impossible shape"),
        (lambda m: setattr(m.graph.tensors[m.operators[0].inputs[1]], "shape", [9, 3, 3, 3]), "bytes where its shape"),
        (lambda m: setattr(m.graph, "inputs", [1_000]), "an input or output is tensor 1000"),
        (lambda m: m.graph.operators.reverse(), "before it is written"),
        (lambda m: m.graph.operators.append(m.graph.operators[0]), "another one writes too"),
        (lambda m: setattr(m.raw.metadata[0], "buffer", 1_000), "metadata entry names buffer 1000"),
        (lambda m: setattr(m.raw.signatureDefs[0], "subgraphIndex", 3), "signature names subgraph 3"),
        (lambda m: setattr(m.raw.signatureDefs[0].inputs[0], "tensorIndex", 999), "signature names tensor 999"),
        (lambda m: setattr(m.raw, "subgraphs", []), "no subgraph"),
        (lambda m: setattr(m.raw, "version", 2), "schema version 2"),
    ],
)
def test_numbers_that_contradict_each_other(spoil: Callable[[Model], None], why: str, opened: Opened) -> None:
    model = opened("float_small").copy()
    spoil(model)
    with pytest.raises(BadInputError, match=why):
        schema.load(schema.pack(model))


def test_weights_outside_the_flatbuffer_are_unsupported(opened: Opened) -> None:
    model = opened("float_small").copy()
    model.raw.buffers[1].offset, model.raw.buffers[1].size = 4096, 64
    with pytest.raises(UnsupportedError, match="outside the flatbuffer"):
        schema.load(schema.pack(model))


@pytest.mark.parametrize("data", [b"", b"TFL3", b"\0" * 100, b"PK\3\4TFL3" + b"\0" * 20, b"\x1c\0\0\0TFL3"])
def test_what_is_no_file_at_all(data: bytes) -> None:
    with pytest.raises(BadInputError):
        schema.load(data, "x.tflite")


def test_every_truncation_is_refused_or_whole(corpus: Corpus) -> None:
    data = corpus("float_small")
    for length in range(0, len(data), 7):
        _open_or_refuse(data[:length])


def _open_or_refuse(data: bytes) -> None:
    """Either a sentence, or a model whose every view can be had."""
    try:
        model = schema.load(data)
    except (BadInputError, UnsupportedError):
        return
    assert all(isinstance(operator.op, str) for operator in model.operators)
    for tensor in model.tensors:
        model.constant(tensor.index)
    assert isinstance(model.producers, dict) and isinstance(model.consumers, dict)
    model.custom_metadata()


_skeletons: dict[str, bytes] = {}


def _skeleton(name: str, corpus: Corpus) -> bytes:
    """A file without its weights, so that nearly every byte is structure."""
    if name not in _skeletons:
        model = schema.load(corpus(name)).copy()
        for buffer in model.raw.buffers:
            buffer.data = None
        _skeletons[name] = schema.pack(model)
    return _skeletons[name]


_edits = st.lists(
    st.tuples(
        st.floats(0, 1, exclude_max=True),
        st.one_of(
            st.binary(min_size=1, max_size=8), st.sampled_from([b"\xff" * 4, b"\0" * 4, b"\xff\xff\xff\x7f", b"\1\0"])
        ),
    ),
    min_size=1,
    max_size=6,
)


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(name=st.sampled_from(NAMES), edits=_edits, end=st.floats(0.5, 1.5))
def test_random_damage_gives_a_sentence_or_a_model(
    name: str, edits: list[tuple[float, bytes]], end: float, corpus: Corpus
) -> None:
    data = bytearray(_skeleton(name, corpus))
    for place, new in edits:
        position = int(place * len(data))
        data[position : position + len(new)] = new
    _open_or_refuse(bytes(data[: int(end * len(data))]))


def test_the_door_imports_no_framework() -> None:
    code = (
        "import sys; from repbnn_edge.tflite import schema; schema.generated();"
        "print([m for m in ('tensorflow', 'larq', 'ai_edge_litert.interpreter', 'onnx', 'torch') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_without_ai_edge_litert_there_is_a_sentence(monkeypatch: pytest.MonkeyPatch, corpus: Corpus) -> None:
    schema.generated.cache_clear()
    monkeypatch.setitem(sys.modules, "ai_edge_litert", None)
    monkeypatch.setitem(sys.modules, "ai_edge_litert.schema_py_generated", None)
    try:
        with pytest.raises(UnsupportedError, match="install ai-edge-litert"):
            schema.load(corpus("float_small"))
    finally:
        schema.generated.cache_clear()


def test_control_characters_of_a_hostile_file_stay_in_it(opened: Opened) -> None:
    model = opened("float_small").copy()
    model.graph.tensors[0].name = b"a\x1b[2Jb\nc"
    assert schema.load(schema.pack(model)).tensors[0].name == "a�[2Jb�c"


def test_narrow_types_are_widened() -> None:
    classes = schema.generated()
    data = np.array([0x21, 0x8F], np.uint8)
    tensors = [classes.TensorT(shape=[n], type=t, buffer=1) for n, t in ((4, 17), (8, 19), (1, 18))]
    model = Model(
        classes.ModelT(
            version=3,
            subgraphs=[classes.SubGraphT(tensors=tensors)],
            buffers=[classes.BufferT(), classes.BufferT(data=data)],
            operatorCodes=[],
        )
    )
    model = schema.load(schema.pack(model))
    constants = [model.constant(index) for index in range(3)]
    assert [None if c is None else c.tolist() for c in constants[:2]] == [[1, 2, -1, -8], [1, 0, -2, 0, -1, -1, 0, -2]]
    assert constants[2] is not None and constants[2].dtype == np.float32
