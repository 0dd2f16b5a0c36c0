"""The binaries for phones and boards on the true runtimes, under emulation: whole networks, held against this host."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from repbnn_edge.elf import Elf
from repbnn_edge.runtime.delegate import find_library
from repbnn_edge.tflite import schema
from repbnn_edge.tflite.cut import cut
from tests.devices_support.emulation import ABIS, ROOT, device_folder, runner_command

RUNTIME = "libtensorflowlite_jni.so"
FLOAT_TOLERANCE = 1e-5
"""Of logits around 2: the float convolution and the dense layer sum in another order; the body is exact."""
IMPORTS = ROOT / "native" / "toolchains" / "android"
# Of a kind that this machine may lack: what is refused, and what is there.
ABSENT = {
    "android-arm64": ("avx2", "auto, scalar, neon"),
    "linux-aarch64": ("avx2", "auto, scalar, neon"),
    "android-x86_64": ("neon", "auto, scalar"),
}
QUICK = ("--num-runs", "2", "--min-secs", "0", "--max-secs", "1", "--deadline", "120")


def _run(abi: str, model: Path, folder: Path, sample: Any, *words: str) -> tuple[list[dict[str, Any]], bytes]:
    (folder / "in").write_bytes(np.ascontiguousarray(sample).tobytes())
    delegate = device_folder(abi) / "librepbnn_delegate.so"
    command = [*runner_command(abi), "--model", str(model), "--delegate", str(delegate), *QUICK]
    command += ["--input", str(folder / "in"), "--output", str(folder / "out"), *words]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    return [json.loads(line) for line in done.stdout.splitlines()], (folder / "out").read_bytes()


def _on_host(model: Path, sample: Any) -> tuple[Any, str]:
    """The output, and the kernels that made it."""
    if find_library() is None:
        pytest.skip("this machine's own delegate is not built: make native")
    from repbnn_edge.runtime.sessions import open_session

    session = open_session("litert", model.read_bytes())
    session.set_input(sample)
    session.invoke()
    assert session.delegate is not None
    return session.output(), session.delegate.implementation


def _body(network: Path, folder: Path) -> tuple[Path, Any]:
    """All but the float convolution in front and the dense layer at the end, whose sums have no fixed order.

    With an input for it.
    """
    model = schema.load(network.read_bytes())
    first, *kept, last = model.operators
    assert (first.op, last.op) == ("CONV_2D", "FULLY_CONNECTED")
    path = folder / f"{network.stem}-body.tflite"
    indices = [operator.index for operator in kept]
    path.write_bytes(cut(model, indices, inputs=[first.outputs[0]], outputs=[last.inputs[0]]))
    shape = model.tensors[first.outputs[0]].shape
    return path, np.random.default_rng(4).standard_normal(shape).astype(np.float32)


@pytest.fixture(scope="module")
def body(resnet20: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return _body(resnet20, tmp_path_factory.mktemp("cut"))[0]


@pytest.mark.parametrize("abi", ABIS)
def test_a_whole_network_gives_this_hosts_answer(abi: str, resnet20: Path, tmp_path: Path) -> None:
    sample = np.random.default_rng(1).standard_normal((1, 32, 32, 3)).astype(np.float32)
    events, output = _run(abi, resnet20, tmp_path, sample, "--num-threads", "2", "--profile")
    loaded = next(event for event in events if event["event"] == "loaded")
    assert loaded["delegate"]["partitions"] == 1
    assert [node for node in loaded["delegate"]["refused"] if node["op"].startswith("Lce")] == []
    host, implementation = _on_host(resnet20, sample)
    assert loaded["delegate"]["implementation"] == (implementation if abi == "android-x86_64" else "neon")
    largest = float(np.abs(host).max())  # logits of a trained network are larger than a seeded one's
    np.testing.assert_allclose(np.frombuffer(output, np.float32), host.ravel(), rtol=0, atol=FLOAT_TOLERANCE * largest)
    kinds = [(op["type"], op["delegated"]) for op in events[-1]["ops"]]
    assert ("RepBnnDelegate", True) in kinds
    assert ("CONV_2D", False) in kinds


@pytest.mark.parametrize("abi", ABIS)
def test_the_body_is_this_hosts_bit_for_bit(abi: str, body: Path, tmp_path: Path) -> None:
    sample = np.random.default_rng(2).standard_normal((1, 32, 32, 16)).astype(np.float32)
    events, output = _run(abi, body, tmp_path, sample)
    loaded = next(event for event in events if event["event"] == "loaded")
    assert loaded["delegate"]["refused"] == []
    host, _ = _on_host(body, sample)
    assert len(np.unique(host)) > 20
    assert output == host.tobytes()


@pytest.mark.slow
@pytest.mark.parametrize("name", ["rep-recu-vgg-small", "rep-adambnn-reactnet-a"])
def test_larger_bodies_on_androids_tflite_are_this_hosts_bit_for_bit(name: str, tmp_path: Path) -> None:
    from repbnn_edge.conversion import convert

    network = tmp_path / f"{name}.tflite"
    convert(f"builtin:{name}", network, verify=False)
    path, sample = _body(network, tmp_path)
    host, _ = _on_host(path, sample)
    assert len(np.unique(host)) > 20
    for abi in ("android-arm64", "android-x86_64"):
        events, output = _run(abi, path, tmp_path, sample)
        loaded = next(event for event in events if event["event"] == "loaded")
        assert [node for node in loaded["delegate"]["refused"] if node["op"].startswith("Lce")] == []
        assert output == host.tobytes(), abi


@pytest.mark.parametrize("implementation", ["scalar", "avx2"])
def test_emulators_without_this_hosts_instructions_give_its_bits(
    implementation: str, body: Path, tmp_path: Path
) -> None:
    sample = np.random.default_rng(3).standard_normal((1, 32, 32, 16)).astype(np.float32)
    host, own = _on_host(body, sample)
    if own == "scalar":
        pytest.skip("this machine has no AVX2")
    option = f"implementation={implementation}"
    events, output = _run("android-x86_64", body, tmp_path, sample, "--delegate-option", option)
    assert next(event for event in events if event["event"] == "loaded")["delegate"]["implementation"] == implementation
    assert output == host.tobytes()


@pytest.mark.parametrize("abi", ABIS)
def test_a_node_that_is_left_is_named(abi: str, body: Path, tmp_path: Path) -> None:
    """Without a kernel for it the runtime cannot run LCE's operators: the runner says why, and not with a crash."""
    delegate = device_folder(abi) / "librepbnn_delegate.so"
    absent, there = ABSENT[abi]
    option = f"implementation={absent}"
    words = ["--model", str(body), "--delegate", str(delegate), "--delegate-option", option, *QUICK]
    done = subprocess.run([*runner_command(abi), *words], capture_output=True, text=True, timeout=60)
    error = json.loads(done.stdout.splitlines()[-1])
    assert (done.returncode, error["event"]) == (4, "error")
    assert f"'{absent}' is not in this build, this machine runs {there}" in error["why"]


@pytest.mark.parametrize("abi", ["android-arm64", "android-x86_64"])
def test_the_phones_files_load_wherever_tensorflow_lite_does(abi: str) -> None:
    folder = device_folder(abi)
    imports = IMPORTS / f"tflite_imports_{abi.removeprefix('android-')}.txt"
    delegate, runtime = (Elf((folder / name).read_bytes()) for name in ("librepbnn_delegate.so", RUNTIME))
    listed = {line.split()[1] for line in imports.read_text().splitlines() if not line.startswith("#")}
    # What is weak and of no library may stay undefined: hooks that exist nowhere.
    assert listed == {symbol.name for symbol in runtime.imports() if symbol.library or not symbol.weak}
    beyond = {symbol.name for symbol in delegate.imports()} - listed
    assert all(name.startswith("__android_log_") for name in beyond)
    assert set(delegate.needed) <= {"libc.so", "libdl.so", "liblog.so"}
    assert delegate.load_alignment == 16384
    assert not delegate.has_tls
    plugin = {"tflite_plugin_create_delegate", "tflite_plugin_destroy_delegate", "repbnn_register_accelerator"}
    assert {symbol.name for symbol in delegate.exports()} == plugin


def test_the_boards_files_need_an_old_glibc_alone() -> None:
    folder = device_folder("linux-aarch64")
    for name in ("librepbnn_delegate.so", "repbnn-runner"):
        elf = Elf((folder / name).read_bytes())
        assert elf.machine == "aarch64"
        assert elf.newest_glibc() <= (2, 27)
        assert not [library for library in elf.needed if "stdc++" in library or "gcc" in library]


def test_a_notice_goes_with_what_is_not_ours() -> None:
    text = (device_folder("android-arm64") / f"{RUNTIME}.NOTICE").read_text()
    assert "TensorFlow Authors" in text
    assert "Apache License" in text
