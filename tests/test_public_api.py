"""What `import repbnn_edge` promises."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import repbnn_edge
from repbnn_edge import errors


def test_every_public_name_is_there() -> None:
    for name in repbnn_edge.__all__:
        assert getattr(repbnn_edge, name) is not None


def test_no_module_bears_the_name_of_a_public_function() -> None:
    folder = Path(repbnn_edge.__file__).parent
    functions = {name for name in repbnn_edge.__all__ if name not in {"errors", "__version__"}}
    assert not functions & {item.stem for item in folder.iterdir()}


def test_importing_it_loads_no_framework() -> None:
    heavy = ("tensorflow", "larq", "onnx", "torch", "numpy")
    code = f"import sys, repbnn_edge; print([m for m in {heavy} if m in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


def test_keras_3_in_the_process_is_a_sentence_not_a_crash() -> None:
    code = (
        "import os; os.environ['TF_USE_LEGACY_KERAS'] = '0'\n"
        "import tensorflow as tf; tf.keras.layers.Layer\n"
        "from repbnn_edge import stack, errors\n"
        "try: stack.larq()\n"
        "except errors.UnsupportedError as error: print(error)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "Keras 3" in done.stdout
    assert "import repbnn_edge before tensorflow" in done.stdout


@pytest.mark.parametrize("error", errors.RepbnnError.__subclasses__())
def test_every_error_has_its_own_exit_code_and_is_one_line(error: type[errors.RepbnnError]) -> None:
    assert error.exit_code in range(2, 10)
    text = str(error("a\nfile\x1b[31m", "it is\r\nbroken", "mend it"))
    assert text == "a file [31m: it is broken, mend it"
    assert len({e.exit_code for e in errors.RepbnnError.__subclasses__()}) == len(errors.RepbnnError.__subclasses__())
