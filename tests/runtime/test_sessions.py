"""One way to run a file: the same numbers from every runtime, and sentences where one cannot."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from repbnn_edge.errors import BadInputError, UnsupportedError, UsageError
from repbnn_edge.runtime.sessions import open_session
from tests.runtime.flatbuffer_writer import Writer

SAMPLE = np.random.default_rng(0).standard_normal((1, 32, 32, 3)).astype(np.float32)


@pytest.mark.parametrize("runtime", ["litert", "tflite", "litert-compiled"])
def test_a_stock_runtime_with_our_delegate_gives_lces_answer(resnet20: Path, runtime: str) -> None:
    outputs = []
    for name in (runtime, "lce"):
        session = open_session(name, resnet20.read_bytes())
        assert session.input_shape == (1, 32, 32, 3)
        session.set_input(SAMPLE)
        session.invoke()
        outputs.append(session.output())
    np.testing.assert_allclose(outputs[0], outputs[1], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("runtime", ["litert", "litert-compiled"])
def test_what_the_delegate_took_is_told(resnet20: Path, runtime: str) -> None:
    session = open_session(runtime, resnet20.read_bytes())
    assert session.delegate is not None
    assert session.delegate.partitions >= 1
    assert session.delegate.binary_refused == []
    assert session.delegate.nodes_delegated + len(session.delegate.refused) == session.delegate.nodes_total


def test_a_stock_runtime_without_it_cannot_run_lces_operators(resnet20: Path) -> None:
    for runtime in ("litert", "litert-compiled"):
        with pytest.raises(UnsupportedError, match="without a delegate"):
            open_session(runtime, resnet20.read_bytes(), delegate="none")


def test_wrong_words_are_usage_errors(resnet20: Path) -> None:
    data = resnet20.read_bytes()
    with pytest.raises(UsageError, match="litert, tflite, lce"):
        open_session("onnx", data)
    with pytest.raises(UsageError, match="at least 1"):
        open_session("litert", data, num_threads=0)
    with pytest.raises(UsageError, match="the options are"):
        open_session("litert", data, delegate_options={"colour": "red"})
    with pytest.raises(BadInputError, match="no such file"):
        open_session("litert", data, delegate="/missing/library.so")
    with pytest.raises(UsageError, match="no delegate but ours"):
        open_session("litert-compiled", data, delegate="/missing/library.so")


def test_a_library_that_is_no_delegate_is_bad_input(resnet20: Path, tmp_path: Path) -> None:
    (tmp_path / "text.so").write_text("no library")
    other = next(Path(np.__file__).parent.glob("**/*.so"))
    for library, says in ((tmp_path / "text.so", "cannot be loaded"), (other, "lacks tflite_plugin_create_delegate")):
        with pytest.raises(BadInputError, match=says):
            open_session("litert", resnet20.read_bytes(), delegate=str(library))


@pytest.mark.parametrize("runtime", ["litert", "litert-compiled"])
def test_the_delegate_explains_itself_where_the_user_says(
    resnet20: Path, runtime: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    named, by_environment = tmp_path / "named.json", tmp_path / "environment.json"
    monkeypatch.setenv("REPBNN_EXPLAIN", str(by_environment))
    open_session(runtime, resnet20.read_bytes())
    session = open_session(runtime, resnet20.read_bytes(), delegate_options={"explain": str(named)})
    for path in (named, by_environment):
        assert session.delegate is not None
        assert len(json.loads(path.read_text())["nodes"]) == session.delegate.nodes_total


def test_any_of_lces_operators_calls_for_the_delegate() -> None:
    writer = Writer()
    value = np.float32([[[[-1, 2, -3]]]])
    data = writer.write(writer.dequantize(writer.quantize(writer.input(value.shape)), 3))
    session = open_session("litert", data)
    session.set_input(value)
    session.invoke()
    np.testing.assert_array_equal(session.output(), np.sign(value))
