"""Whole bodies of networks on an emulated processor with SME2, in LiteRT by the boards' delegate: this host's bits."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.devices_support.emulation import ROOT, device_folder, run_prefix, runner_command

sys.path.insert(0, str(ROOT / "tools" / "qemu"))

import body as qemu_body

from repbnn_edge.tflite import schema

ABI = "linux-aarch64"
QUICK = ("--num-runs", "1", "--min-secs", "0", "--max-secs", "1", "--deadline", "300")
CORTEX_A76 = ("-cpu", "cortex-a76")

Emulator = Callable[[int], list[str]]
Events = list[dict[str, Any]]


def _run(emulator: list[str], body: Path, *words: str) -> tuple[int, Events]:
    """The runner's exit status and events under an emulator instead of the machine's own."""
    prefix = run_prefix(ABI)
    delegate = device_folder(ABI) / "librepbnn_delegate.so"
    command = [*emulator, *prefix[1:], *runner_command(ABI)[len(prefix) :]]
    command += ["--model", str(body), "--delegate", str(delegate), *QUICK, *words]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600)
    return done.returncode, [json.loads(line) for line in done.stdout.splitlines()]


def _input_of(data: bytes) -> Any:
    model = schema.load(data)
    shape = model.tensors[model.inputs[0]].shape
    return np.random.default_rng(3).standard_normal(shape).astype(np.float32)


def _check(emulator: list[str], data: bytes, folder: Path, implementation: str, threads: int) -> None:
    from repbnn_edge.runtime.delegate import find_library
    from repbnn_edge.runtime.sessions import open_session

    if find_library() is None:
        pytest.skip("this machine's own delegate is not built: make native")
    sample = _input_of(data)
    (folder / "body.tflite").write_bytes(data)
    (folder / "in").write_bytes(sample.tobytes())
    words = ["--delegate-option", f"implementation={implementation}", "--num-threads", str(threads)]
    words += ["--input", str(folder / "in"), "--output", str(folder / "out")]
    status, events = _run(emulator, folder / "body.tflite", *words)
    assert status == 0, events
    loaded = next(event for event in events if event["event"] == "loaded")
    assert loaded["delegate"]["implementation"] == ("sme2_neon" if implementation == "auto" else implementation)
    assert loaded["delegate"]["refused"] == []
    session = open_session("litert", data)
    session.set_input(sample)
    session.invoke()
    host = session.output()
    assert len(np.unique(host)) > 20
    assert (folder / "out").read_bytes() == host.tobytes()


@pytest.fixture(scope="module")
def resnet20_body(resnet20: Path) -> bytes:
    return qemu_body.body_of(resnet20.read_bytes())


@pytest.mark.parametrize(("implementation", "bits", "threads"), [("sme2", 512, 1), ("sme2", 256, 2), ("auto", 512, 1)])
def test_a_body_is_this_hosts_bit_for_bit(
    sme2_emulator: Emulator, resnet20_body: bytes, tmp_path: Path, implementation: str, bits: int, threads: int
) -> None:
    _check(sme2_emulator(bits), resnet20_body, tmp_path, implementation, threads)


@pytest.mark.slow
@pytest.mark.parametrize("implementation", ["sme2", "sme2_neon"])
@pytest.mark.parametrize("bits", [256, 512])
def test_rep_reactnets_body_is_this_hosts_bit_for_bit(
    sme2_emulator: Emulator, tmp_path: Path, implementation: str, bits: int
) -> None:
    from repbnn_edge.conversion import convert

    whole = tmp_path / "whole.tflite"
    convert("builtin:rep-adambnn-reactnet-a", whole, verify=False)
    _check(sme2_emulator(bits), qemu_body.body_of(whole.read_bytes()), tmp_path, implementation, threads=1)


@pytest.mark.parametrize("implementation", ["sme2", "sme2_neon"])
def test_a_processor_without_it_is_told_so(
    sme2_emulator: Emulator, resnet20_body: bytes, tmp_path: Path, implementation: str
) -> None:
    (tmp_path / "body.tflite").write_bytes(resnet20_body)
    emulator = [sme2_emulator(512)[0], *CORTEX_A76]
    option = ("--delegate-option", f"implementation={implementation}")
    status, events = _run(emulator, tmp_path / "body.tflite", *option)
    assert (status, events[-1]["event"]) == (4, "error")
    why = f"'{implementation}' is not supported by this processor, this machine runs auto, scalar, neon"
    assert why in events[-1]["why"]
