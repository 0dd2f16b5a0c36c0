"""LCE's interpreter as the proof uses it: its default kernels decide, its fast ones only repeat."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from repbnn_edge.errors import UnsupportedError
from repbnn_edge.runtime import lce

SAMPLES = np.random.default_rng(0).standard_normal((3, 1, 32, 32, 3)).astype(np.float32)


def kernels_used(monkeypatch: pytest.MonkeyPatch, indirect: Any) -> list[str]:
    """Note which kernels run; ``indirect(outputs)`` is what the indirect ones make of what they should give."""
    used: list[str] = []
    init, run = lce.LceInterpreter.__init__, lce.LceInterpreter.run

    def noted_init(self: Any, *args: Any, **kwargs: Any) -> None:
        self.kernels = "indirect" if kwargs.get("indirect") else "default"
        init(self, *args, **kwargs)

    def noted_run(self: Any, inputs: Any) -> Any:
        used.append(self.kernels)
        outputs = run(self, inputs)
        return indirect(outputs) if self.kernels == "indirect" else outputs

    monkeypatch.setattr(lce.LceInterpreter, "__init__", noted_init)
    monkeypatch.setattr(lce.LceInterpreter, "run", noted_run)
    return used


def test_equal_kernels_take_over_after_the_first_run(resnet20: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = resnet20.read_bytes()
    expected = [lce.LceInterpreter(data).run([sample])[0] for sample in SAMPLES]
    used = kernels_used(monkeypatch, lambda outputs: outputs)
    interpreter = lce.CheckedInterpreter(data)
    got = [interpreter.run([sample])[0] for sample in SAMPLES]
    assert used == ["default", "indirect", "indirect", "indirect"]
    assert all(np.array_equal(one, other) for one, other in zip(got, expected, strict=True))


def _one_bit_off(outputs: list[Any]) -> list[Any]:
    wrong = outputs[0].copy()
    wrong.reshape(-1)[0] = np.nextafter(wrong.reshape(-1)[0], np.float32(np.inf))
    return [wrong, *outputs[1:]]


def _refused(outputs: list[Any]) -> list[Any]:
    raise UnsupportedError("the file", "no such kernel", "none")


@pytest.mark.parametrize("indirect", [_one_bit_off, _refused])
def test_kernels_that_differ_in_a_bit_or_refuse_never_decide(
    resnet20: Path, monkeypatch: pytest.MonkeyPatch, indirect: Any
) -> None:
    data = resnet20.read_bytes()
    expected = [lce.LceInterpreter(data).run([sample])[0] for sample in SAMPLES]
    used = kernels_used(monkeypatch, indirect)
    interpreter = lce.CheckedInterpreter(data)
    got = [interpreter.run([sample])[0] for sample in SAMPLES]
    assert used == ["default", "indirect", "default", "default"]
    assert all(np.array_equal(one, other) for one, other in zip(got, expected, strict=True))


def test_a_file_that_the_default_kernels_refuse_is_refused() -> None:
    with pytest.raises(UnsupportedError):
        lce.CheckedInterpreter(b"\x1c\x00\x00\x00TFL3" + bytes(64))
