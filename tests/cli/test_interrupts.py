"""Ctrl-C is 130, whatever a library makes of it."""

from __future__ import annotations

import subprocess
import sys

import pytest

SWALLOWED = """
import os, signal, sys
from repbnn_edge import errors
from repbnn_edge.cli import main
main.note_interrupts()
try:
    if sys.argv[1] == "interrupted":
        os.kill(os.getpid(), signal.SIGINT)
except KeyboardInterrupt:
    pass
sys.exit(main._report(errors.BadInputError("a.keras", "it cannot be read", "save it again"), as_json=False))
"""


@pytest.mark.parametrize(("how", "code", "said"), [("interrupted", 130, "Ctrl-C"), ("not", 3, "a.keras")])
def test_an_error_that_a_library_made_of_it(how: str, code: int, said: str) -> None:
    done = subprocess.run([sys.executable, "-c", SWALLOWED, how], capture_output=True, text=True)
    assert (done.returncode, said in done.stderr) == (code, True)
