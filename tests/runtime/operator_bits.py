"""Whose last bits a float operator has: the table of docs/delegate.md, ``python -m tests.runtime.operator_bits``.

For each operator by itself: how many results of other kernels differ from this ai-edge-litert's builtin kernel on one
thread. tflite-runtime 2.14.0 is asked in an environment of its own.
"""

from __future__ import annotations

import os
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from tests.runtime.delegate_operators import TAKEN, Body, Case, alone
from tests.runtime.flatbuffer_writer import Writer

KINDS = {
    "two threads": (2, "BUILTIN_WITHOUT_DEFAULT_DELEGATES"),
    "reference": (1, "BUILTIN_REF"),
    "XNNPACK": (1, "AUTO"),
}


def dense(filters: int) -> Body:
    def body(w: Writer, t: int) -> int:
        n, inputs = w.shape(t)
        operands = [t, w.floats(filters, inputs), w.floats(filters)]
        return int(w.add("FULLY_CONNECTED", operands, (n, filters), table="FullyConnectedOptions"))

    return body


def conv2d(filters: int) -> Body:
    def body(w: Writer, t: int) -> int:
        n, height, width, channels = w.shape(t)
        operands = [t, w.floats(filters, 1, 1, channels), w.floats(filters)]
        return int(w.add("CONV_2D", operands, (n, height, width, filters), table="Conv2DOptions", strideW=1, strideH=1,
                         dilationWFactor=1, dilationHFactor=1))  # fmt: skip

    return body


CASES = {
    **{name: TAKEN[name] for name in TAKEN if name.split(" ")[0] in ("MEAN", "AVERAGE_POOL_2D", "DEPTHWISE_CONV_2D")},
    "FULLY_CONNECTED 512 to 1000": Case((1, 512), dense(1000)),
    "FULLY_CONNECTED 64 to 8": Case((1, 64), dense(8)),
    "FULLY_CONNECTED 64 to 1": Case((1, 64), dense(1)),
    "LOGISTIC": Case((1, 60000), lambda w, t: int(w.add("LOGISTIC", [t], w.shape(t)))),
    "CONV_2D 1x1, 64 to 128": Case((1, 28, 28, 64), conv2d(128)),
    "CONV_2D 1x1, 480 to 256": Case((1, 7, 7, 480), conv2d(256)),
}


def values(case: Case) -> Any:
    return np.random.default_rng(1).normal(size=case.shape).astype(np.float32)


def run(data: bytes, value: Any, threads: int, kernels: str) -> Any:
    from ai_edge_litert import interpreter as runtime

    kind = getattr(runtime.OpResolverType, kernels)
    interpreter = runtime.Interpreter(model_content=data, experimental_op_resolver_type=kind, num_threads=threads)
    interpreter.allocate_tensors()
    interpreter.set_tensor(interpreter.get_input_details()[0]["index"], value)
    interpreter.invoke()
    return interpreter.get_tensor(interpreter.get_output_details()[0]["index"])


_PROBE = """
import sys, numpy as np
from pathlib import Path
from tflite_runtime.interpreter import Interpreter, OpResolverType
for path in Path(sys.argv[1]).glob("*.tflite"):
    kind = OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
    interpreter = Interpreter(str(path), experimental_op_resolver_type=kind, num_threads=1)
    interpreter.allocate_tensors()
    interpreter.set_tensor(interpreter.get_input_details()[0]["index"], np.load(path.with_suffix(".npy")))
    interpreter.invoke()
    np.save(path.with_suffix(".out.npy"), interpreter.get_tensor(interpreter.get_output_details()[0]["index"]))
"""


def _in_tflite_2_14() -> dict[str, Any]:
    from tests.runtime.test_runtime_versions import _python

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for number, case in enumerate(CASES.values()):
            (folder / f"{number}.tflite").write_bytes(alone(case))
            np.save(folder / f"{number}.npy", values(case))
        command = [_python("tflite-runtime==2.14.0"), "-c", _PROBE, folder]
        subprocess.run(command, check=True, env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"})
        return {name: np.load(folder / f"{number}.out.npy") for number, name in enumerate(CASES)}


def main() -> None:
    from repbnn_edge.runtime.lce import LceInterpreter

    old = _in_tflite_2_14()
    for name, case in CASES.items():
        data, value = alone(case), values(case)
        ours = run(data, value, 1, "BUILTIN_WITHOUT_DEFAULT_DELEGATES")
        others = {kind: run(data, value, *how) for kind, how in KINDS.items()}
        others["LCE"] = LceInterpreter(data, num_threads=1).run([value])[0]
        others["2.14.0"] = old[name]
        shares = {
            kind: float((other.reshape(-1).view(np.int32) != ours.reshape(-1).view(np.int32)).mean())
            for kind, other in others.items()
        }
        print(f"{name:40}", "  ".join(f"{kind} {share:.0%}" for kind, share in shares.items()))


if __name__ == "__main__":
    main()
