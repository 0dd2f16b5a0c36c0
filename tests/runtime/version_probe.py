"""Runs networks through one door of one runtime, whatever Python it is installed in: ``probe.py DOOR FOLDER``.

FOLDER holds ``*.tflite`` and ``*.npy``, the input of each; the outputs are written beside them as ``*.npz``.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np


def _compiled(path: Path, sample: Any) -> list[Any]:
    import repbnn_edge

    return repbnn_edge.CompiledModel(path, delegate_options={"require_all": True}).run([sample])


def _interpreter(path: Path, sample: Any) -> list[Any]:
    import repbnn_edge

    try:
        from ai_edge_litert.interpreter import Interpreter
    except ImportError:
        from tflite_runtime.interpreter import Interpreter
    delegate = repbnn_edge.load_delegate(require_all=True)
    interpreter = Interpreter(str(path), experimental_delegates=[delegate])
    interpreter.allocate_tensors()
    interpreter.set_tensor(interpreter.get_input_details()[0]["index"], sample)
    interpreter.invoke()
    return [interpreter.get_tensor(detail["index"]) for detail in interpreter.get_output_details()]


def main() -> None:
    """Run everything in the folder."""
    run = {"compiled": _compiled, "interpreter": _interpreter}[sys.argv[1]]
    for path in sorted(Path(sys.argv[2]).glob("*.tflite")):
        np.savez(path.with_suffix(".npz"), *run(path, np.load(path.with_suffix(".npy"))))


if __name__ == "__main__":
    main()
