"""The delegate in a stock runtime: LCE's operators run there, and every bit is LCE's."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest

import repbnn_edge
from repbnn_edge.errors import UnsupportedError, UsageError
from repbnn_edge.runtime import delegate as delegate_module

litert = pytest.importorskip("ai_edge_litert.interpreter")

pytestmark = pytest.mark.skipif(delegate_module.find_library() is None, reason="no delegate was built here")


def test_unknown_option_names_the_valid_ones() -> None:
    with pytest.raises(UsageError, match=r"num_threads.*implementation.*fusion"):
        repbnn_edge.load_delegate(nonsense=1)


@pytest.mark.parametrize(
    ("option", "value", "says"),
    [
        ("num_threads", "many", "-1 to 256"),
        ("fusion", "some", "full, none"),
        ("implementation", "mmx", "this machine runs"),
        ("log_level", "loud", "error, warning, info, debug"),
        ("require_all", "perhaps", "true, false"),
    ],
)
def test_invalid_value_names_the_valid_ones(option: str, value: str, says: str) -> None:
    with pytest.raises(UsageError, match=says):
        repbnn_edge.load_delegate(**{option: value})


def test_environment_is_read_and_its_errors_name_the_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REPBNN_FUSION", "some")
    with pytest.raises(UsageError, match="REPBNN_FUSION"):
        repbnn_edge.load_delegate()


def test_an_option_wins_over_the_environment(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("REPBNN_LOG_LEVEL", "error")
    model = _float_model()
    delegate = repbnn_edge.load_delegate(log_level="info")
    litert.Interpreter(model_content=model, experimental_delegates=[delegate]).allocate_tensors()
    assert "repbnn 0.1.0: 0/1 nodes, 0 partitions, " in capfd.readouterr().err


def test_a_missing_library_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delegate_module, "find_library", lambda: None)
    with pytest.raises(UnsupportedError, match="make native"):
        repbnn_edge.load_delegate()


def test_a_library_that_is_none_is_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "x.so").write_bytes(b"not a library")
    monkeypatch.setenv("REPBNN_DELEGATE_LIBRARY", str(tmp_path / "x.so"))
    with pytest.raises(UnsupportedError, match="cannot be loaded"):
        repbnn_edge.load_delegate()


def test_a_library_of_something_else_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    other = next(Path(np.__file__).parent.glob("**/*.so"))
    monkeypatch.setenv("REPBNN_DELEGATE_LIBRARY", str(other))
    with pytest.raises(UnsupportedError, match="lacks tflite_plugin_create_delegate"):
        repbnn_edge.load_delegate()


def test_the_threads_of_a_call_win_over_the_environment(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("REPBNN_NUM_THREADS", "3")
    for threads, said in ((None, ", 3 threads"), (2, ", 2 threads")):
        repbnn_edge.Interpreter(model_content=_float_model(), num_threads=threads).allocate_tensors()
        assert said in capfd.readouterr().err


def test_loading_imports_no_tensorflow() -> None:
    import subprocess

    code = "import sys, repbnn_edge as r; r.load_delegate(); r.Interpreter; print('tensorflow' in sys.modules)"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "False"


def test_explain_names_every_node(tmp_path: Path) -> None:
    path = tmp_path / "explain.json"
    delegate = repbnn_edge.load_delegate(explain=path)
    litert.Interpreter(model_content=_float_model(), experimental_delegates=[delegate]).allocate_tensors()
    report = json.loads(path.read_text())
    assert report["partitions"] == 0
    assert [node["claimed"] for node in report["nodes"]] == [False]
    assert "does not stand between binary layers" in report["nodes"][0]["reason"]


def _float_model() -> bytes:
    """One RELU, nothing binary."""
    import flatbuffers
    from ai_edge_litert import schema_py_generated as schema

    model, graph = schema.ModelT(), schema.SubGraphT()
    model.version, model.description = 3, "one RELU"
    code = schema.OperatorCodeT()
    code.builtinCode = code.deprecatedBuiltinCode = schema.BuiltinOperator.RELU
    code.version = 1
    model.operatorCodes, model.buffers, model.subgraphs = [code], [schema.BufferT()], [graph]
    graph.tensors = []
    for name in ("in", "out"):
        tensor = schema.TensorT()
        tensor.name, tensor.shape, tensor.type, tensor.buffer = name, [1, 2, 2, 4], schema.TensorType.FLOAT32, 0
        graph.tensors.append(tensor)
    operator = schema.OperatorT()
    operator.inputs, operator.outputs, operator.opcodeIndex = [0], [1], 0
    graph.operators, graph.inputs, graph.outputs = [operator], [0], [1]
    builder = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def test_the_interpreter_runs_a_file_without_binary_layers() -> None:
    interpreter = repbnn_edge.Interpreter(model_content=_float_model())
    interpreter.allocate_tensors()
    interpreter.set_tensor(0, np.full((1, 2, 2, 4), -1, np.float32))
    interpreter.invoke()
    assert not interpreter.get_tensor(1).any()
