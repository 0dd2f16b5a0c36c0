"""Each float operator that the delegate takes gives the bits of TFLite's builtin kernel; the others it leaves alone."""

from __future__ import annotations

import json
import platform
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import repbnn_edge
from repbnn_edge.runtime import delegate as delegate_module
from tests.runtime.delegate_operators import REFUSED, TAKEN, Case, alone, between, sample

litert = pytest.importorskip("ai_edge_litert.interpreter")
pytestmark = pytest.mark.skipif(delegate_module.find_library() is None, reason="no delegate was built here")


def _run(data: bytes, value: Any, **options: Any) -> list[Any]:
    interpreter = litert.Interpreter(model_content=data, **options)
    interpreter.allocate_tensors()
    interpreter.set_tensor(interpreter.get_input_details()[0]["index"], value)
    interpreter.invoke()
    return [interpreter.get_tensor(detail["index"]) for detail in interpreter.get_output_details()]


def _builtin(case: Case, value: Any) -> Any:
    kernels = litert.OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
    return _run(alone(case), value, experimental_op_resolver_type=kernels)[0]


def _with_delegate(case: Case, explain: Path, **options: object) -> tuple[list[Any], dict[str, Any]]:
    delegate = repbnn_edge.load_delegate(explain=explain, log_level="error", **options)
    outputs = _run(between(case), sample(case), experimental_delegates=[delegate])
    return outputs, json.loads(explain.read_text())


@pytest.mark.parametrize("name", TAKEN)
def test_every_bit_is_the_builtin_kernels(name: str, tmp_path: Path) -> None:
    case = TAKEN[name]
    for options in ({}, {"fusion": "none"}, {"implementation": "scalar"}, {"num_threads": 2}):
        (read, given, signs), report = _with_delegate(case, tmp_path / "explain.json", **options)
        assert [node for node in report["nodes"] if not node["claimed"]] == []
        assert report["partitions"] == 1
        expected = _builtin(case, read)
        np.testing.assert_array_equal(given.view(np.int32), expected.view(np.int32), err_msg=str(options))
        np.testing.assert_array_equal(signs, np.where(expected < 0, -1, 1))


@pytest.mark.parametrize("name", REFUSED)
def test_what_no_other_kernel_can_equal_is_left_with_a_reason(name: str, tmp_path: Path) -> None:
    case = REFUSED[name]
    (read, given, signs), report = _with_delegate(case, tmp_path / "explain.json")
    left = [node for node in report["nodes"] if not node["claimed"]]
    assert [node["op"] for node in left] == [name]
    assert "runtime to runtime" in left[0]["reason"]
    np.testing.assert_allclose(given, _builtin(case, read), rtol=1e-3, atol=1e-3)
    np.testing.assert_array_equal(signs, np.where(given < 0, -1, 1))


def test_a_mean_of_channels_is_left_to_the_runtime(tmp_path: Path) -> None:
    from tests.runtime.delegate_operators import mean

    case = Case((1, 6, 5, 40), mean((3,), True))
    _, report = _with_delegate(case, tmp_path / "explain.json")
    reasons = {node["op"]: node["reason"] for node in report["nodes"] if not node["claimed"]}
    assert reasons == {"MEAN": "it is no mean of rows and columns"}


@pytest.mark.skipif(platform.machine() != "x86_64", reason="measured on x86-64 alone")
@pytest.mark.parametrize("name", ["LOGISTIC", "FULLY_CONNECTED"])
def test_the_runtimes_own_kernels_do_not_agree_on_them(name: str) -> None:
    """Why they are left: the default kernels, the builtin and the reference ones are three results."""
    case = REFUSED[name]
    kinds = litert.OpResolverType
    results = [
        _run(alone(case), sample(case), experimental_op_resolver_type=kind)[0].tobytes()
        for kind in (kinds.AUTO, kinds.BUILTIN_WITHOUT_DEFAULT_DELEGATES, kinds.BUILTIN_REF)
    ]
    assert len(set(results)) == 3
