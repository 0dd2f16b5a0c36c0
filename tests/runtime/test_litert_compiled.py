"""LiteRT's CompiledModel with the delegate in it: the interpreter's bits, one partition, sentences for faults."""

from __future__ import annotations

import gc
import json
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import repbnn_edge
from repbnn_edge.errors import BadInputError, UnsupportedError, UsageError
from repbnn_edge.runtime import delegate as delegate_module
from repbnn_edge.runtime.litert_library import LiteRtLibrary
from tests.runtime.delegate_operators import TAKEN, alone, between, sample

litert = pytest.importorskip("ai_edge_litert.interpreter")
pytestmark = pytest.mark.skipif(delegate_module.find_library() is None, reason="no delegate was built here")
CASE = TAKEN["MUL of [1, C]"]
QUIET = {"log_level": "error"}


def _sample(seed: int = 0) -> Any:
    return np.random.default_rng(seed).normal(size=CASE.shape).astype(np.float32)


def _interpreter(value: Any) -> list[Any]:
    interpreter = repbnn_edge.Interpreter(model_content=between(CASE), delegate_options=QUIET)
    interpreter.allocate_tensors()
    interpreter.set_tensor(interpreter.get_input_details()[0]["index"], value)
    interpreter.invoke()
    return [interpreter.get_tensor(detail["index"]) for detail in interpreter.get_output_details()]


def _same(a: list[Any], b: list[Any]) -> bool:
    return all(np.array_equal(x.view(np.int32), y.view(np.int32)) for x, y in zip(a, b, strict=True))


def test_it_gives_the_interpreters_bits_in_one_partition(tmp_path: Path) -> None:
    path, explain = tmp_path / "network.tflite", tmp_path / "explain.json"
    path.write_bytes(between(CASE))
    for threads in (1, 2):
        model = repbnn_edge.CompiledModel(path, num_threads=threads, delegate_options={**QUIET, "explain": explain})
        assert (model.input_shapes, model.input_types) == ([CASE.shape], [np.float32])
        for seed in (1, 2):
            assert _same(model.run([_sample(seed)]), _interpreter(_sample(seed)))
        report = json.loads(explain.read_text())
        assert (report["partitions"], report["num_threads"]) == (1, threads)
        assert all(node["claimed"] for node in report["nodes"])


def test_models_that_live_at_once_in_two_threads() -> None:
    models = [repbnn_edge.CompiledModel(model_content=between(CASE), delegate_options=QUIET) for _ in range(2)]
    expected = [_interpreter(_sample(seed)) for seed in (0, 1)]
    wrong: list[int] = []

    def repeat(number: int) -> None:
        for _ in range(50):
            if not _same(models[number].run([_sample(number)]), expected[number]):
                wrong.append(number)

    thread = threading.Thread(target=repeat, args=(1,))
    thread.start()
    repeat(0)
    thread.join()
    assert wrong == []
    del models[0]
    gc.collect()
    assert _same(models[0].run([_sample(1)]), expected[1])


def test_a_file_without_binary_layers_runs_too() -> None:
    case = TAKEN["PRELU"]
    model = repbnn_edge.CompiledModel(model_content=alone(case), delegate_options=QUIET)
    without = repbnn_edge.CompiledModel(model_content=alone(case), use_delegate=False)
    np.testing.assert_array_equal(model.run([sample(case)])[0], without.run([sample(case)])[0])


def test_without_the_delegate_lces_operators_are_refused() -> None:
    with pytest.raises(UnsupportedError, match="fails with status"):
        repbnn_edge.CompiledModel(model_content=between(CASE), use_delegate=False).run([_sample()])


def test_wrong_words_are_sentences(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"the options are.*fusion"):
        repbnn_edge.CompiledModel(model_content=between(CASE), delegate_options={"colour": "red"})
    with pytest.raises(UsageError, match="a path or the file's bytes"):
        repbnn_edge.CompiledModel()
    with pytest.raises(BadInputError, match="No such file"):
        repbnn_edge.CompiledModel(tmp_path / "missing.tflite")
    with pytest.raises(UnsupportedError, match="fails with status"):
        repbnn_edge.CompiledModel(model_content=b"no flatbuffer at all, but long enough")
    model = repbnn_edge.CompiledModel(model_content=between(CASE), delegate_options=QUIET)
    with pytest.raises(UsageError, match="the file takes"):
        model.run([_sample()[:, 1:]])
    with pytest.raises(UsageError, match="float64"):
        model.run([_sample().astype(np.float64)])


def test_a_closed_model_says_so() -> None:
    model = repbnn_edge.CompiledModel(model_content=between(CASE), delegate_options=QUIET)
    model.run([_sample()])
    model.close()
    model.close()
    for call in (lambda: model.run([_sample()]), model.invoke, model.outputs):
        with pytest.raises(UsageError, match="it was closed"):
            call()


def test_an_environment_takes_the_accelerator_once() -> None:
    library = LiteRtLibrary()
    environment = library.make("LiteRtCreateEnvironment", 0, None)
    path = delegate_module.require_library()
    assert library.register(path, environment, QUIET) == ""
    assert "has the accelerator already" in library.register(path, environment, QUIET)
    library.destroy("Environment", environment)
    again = library.make("LiteRtCreateEnvironment", 0, None)  # often at the same address
    assert library.register(path, again, QUIET) == ""
    library.destroy("Environment", again)


def test_a_process_without_litert_is_told() -> None:
    code = (
        "import ctypes, sys\n"
        "library = ctypes.CDLL(sys.argv[1])\n"
        "print(library.repbnn_register_accelerator(ctypes.c_void_p(64), None, None, ctypes.c_size_t(0), None))\n"
    )
    command = [sys.executable, "-c", code, str(delegate_module.require_library())]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout == "1\n"
    assert "load libLiteRt.so" in done.stderr
