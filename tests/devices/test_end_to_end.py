"""The whole road with the true runner, delegate and runtimes: convert, push, run on the phone and the board, compare.

Their programs run by qemu, which the far end's own kernel namespace knows; the product knows nothing of it.
"""

from __future__ import annotations

import json
import shlex
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from repbnn_edge.cli import main
from repbnn_edge.settings import cache_folder
from tests.benching.made_up import with_a_later_operator
from tests.devices.calling import CLEAN
from tests.devices.conftest import MakeAdbd, MakeSystem, android
from tests.devices.far.adbd import Adbd
from tests.devices.far.sshd import Sshd
from tests.devices.far.system import FarSystem
from tests.devices_support import emulation

Capture = pytest.CaptureFixture[str]
FLAGS = ["--num-runs", "3", "--min-secs", "0", "--max-secs", "2", "--repeats", "1", "--json"]

NETWORK = """
import larq
import tf_keras as keras

def small():
    quantised = dict(input_quantizer="ste_sign", kernel_quantizer="ste_sign", kernel_constraint="weight_clip")
    x = inputs = keras.Input((224, 224, 3))
    x = keras.layers.Conv2D(32, 3, strides=4, padding="same", use_bias=False)(x)
    x = keras.layers.BatchNormalization()(x)
    for filters in (32, 64):
        x = larq.layers.QuantConv2D(filters, 3, strides=2, padding="same", pad_values=1, use_bias=False, **quantised)(x)
        x = keras.layers.BatchNormalization()(x)
    return keras.Model(inputs, keras.layers.Dense(10)(keras.layers.GlobalAveragePooling2D()(x)))
"""


@pytest.fixture(scope="session")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A network of 224 x 224."""
    from repbnn_edge.conversion import convert

    folder = tmp_path_factory.mktemp("large")
    (folder / "net.py").write_text(NETWORK)
    convert(f"{folder / 'net.py'}:small", folder / "small224.tflite", verify=False)
    return folder / "small224.tflite"


@pytest.fixture
def built(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Brings ``build/device`` up to date for an ABI."""

    def build(abi: str) -> None:
        monkeypatch.setenv("REPBNN_DEVICE_BINARIES", str(emulation.device_folder(abi).parent))

    return build


@pytest.fixture
def true_phone(built: Callable[[str], None], make_system: MakeSystem, make_adbd: MakeAdbd) -> Adbd:
    """The phone's ABI, with Android's true TensorFlow Lite."""
    built("android-arm64")
    _, _, root, *_ = emulation.run_prefix("android-arm64")
    there = "/far-android"  # this checkout may lie under /tmp or /home, and the far end has its own
    words = {"QEMU_LD_PREFIX": there, "QEMU_SET_ENV": f"LD_PRELOAD={there}/liblog.so,LD_LIBRARY_PATH={there}"}
    bind = f'mkdir "$r{there}"; mount --bind {shlex.quote(root)} "$r{there}"'
    return make_adbd(android(_emulating(make_system(environment=words, extra_setup=bind))))


def _emulating(far: FarSystem) -> FarSystem:
    if not (far.root / "proc/sys/fs/binfmt_misc/repbnn-aarch64").exists():
        pytest.skip("this kernel registers no qemu in a user namespace")
    return far


@pytest.fixture
def true_board(
    built: Callable[[str], None], make_system: MakeSystem, make_board: Callable[[FarSystem], Sshd],
    monkeypatch: pytest.MonkeyPatch,
) -> Sshd:  # fmt: skip
    """The board's ABI; LiteRT's library lies in the cache, as after a first bench."""
    _, _, root = emulation.run_prefix("linux-aarch64")
    kept = cache_folder() / "runtimes" / "ai-edge-litert-2.1.0-linux-aarch64" / "libLiteRt.so"
    kept.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(emulation.runtime_library("linux-aarch64"), kept)
    board = make_board(_emulating(make_system(environment={"QEMU_LD_PREFIX": root})))
    built("linux-aarch64")
    return board


def bench(capsys: Capture, device: str, *words: str) -> tuple[int, dict[str, Any]]:
    code = main.run(["bench", "--device", device, *FLAGS, *words])
    printed = capsys.readouterr()
    assert printed.out, printed.err
    return code, json.loads(printed.out)


def check_rows(body: dict[str, Any], rows: int) -> None:
    assert len(body["results"]) == rows
    for row in body["results"]:
        reasons = {reason["code"]: reason["detail"] for reason in row["verdict"]["reasons"]}
        assert "emulated" in reasons
        assert not {"wrong_output", "not_delegated", "runner_failed"} & set(reasons), reasons
        assert row["latency_ms"] is None
        assert row["runs"] >= 3
        delegate = row["delegate"]
        assert delegate["implementation"] == "neon"
        assert not [node for node in delegate["refused"] if node["op"].startswith("Lce")]
        assert delegate["nodes_delegated"] > 2
        assert row["output_check"]["difference"] < 1e-3
        assert row["output_check"]["same_top1"]


def test_the_phone(true_phone: Adbd, resnet20: Path, large: Path, capsys: Capture) -> None:
    code, body = bench(capsys, "pixel", str(resnet20), str(large))
    assert code == 0
    check_rows(body, 2)
    assert {row["runtime"]["version"] for row in body["results"]} == {"2.16.1"}
    assert {row["device"]["abi"] for row in body["results"]} == {"android-arm64"}
    assert true_phone.system.settle(3) == {}
    assert true_phone.system.ours() == CLEAN


def test_the_board(true_board: Sshd, resnet20: Path, large: Path, capsys: Capture) -> None:
    code, body = bench(capsys, "ssh:board", str(resnet20), str(large), "--enable-op-profiling")
    assert code == 0
    check_rows(body, 2)
    for row in body["results"]:
        assert sum(op["share"] for op in row["ops"]) == pytest.approx(1)
        assert sum(op["macs"] for op in row["ops"]) == sum(row["model"]["macs"].values())
        assert {op["delegated"] for op in row["ops"] if op["binary"]} == {True}
        assert ("CONV_2D", False) in {(op["type"], op["delegated"]) for op in row["ops"]}
        assert row["roofline"] is None  # of an emulator
    assert {row["device"]["abi"] for row in body["results"]} == {"linux-aarch64"}
    assert true_board.far.settle(3) == {}
    assert true_board.far.ours("/home/far/.cache") == CLEAN


def test_a_phone_with_large_pages_is_told_what_loads_there(true_phone: Adbd, resnet20: Path, capsys: Capture) -> None:
    true_phone.system.add_command("getconf", "[ $1 = PAGE_SIZE ] && echo 16384 || exec /usr/bin/getconf $1")
    code, body = bench(capsys, "pixel", str(resnet20))
    assert code == 6
    (reason,) = [reason for reason in body["results"][0]["verdict"]["reasons"] if reason["code"] == "runner_failed"]
    assert "16384" in reason["detail"]


def test_a_node_that_no_delegate_takes_is_named(
    true_phone: Adbd, resnet20: Path, tmp_path: Path, capsys: Capture
) -> None:
    from flatbuffers import flexbuffers

    from repbnn_edge.tflite import schema

    model = schema.load(resnet20.read_bytes())
    index = [operator.index for operator in model.operators if operator.op == "LceBconv2d"][3]
    copy = model.copy()
    operator = copy.raw.subgraphs[0].operators[index]
    options = {**flexbuffers.Loads(bytes(operator.customOptions)), "fused_activation_function": 9}
    operator.customOptions = list(flexbuffers.Dumps(options))
    broken = tmp_path / "broken.tflite"
    broken.write_bytes(schema.pack(copy))
    code, body = bench(capsys, "pixel", str(broken))
    assert code == 3
    assert f"operator {index} (LceBconv2d)" in body["error"]["what"]
    assert true_phone.system.settle(3) == {}


def test_an_operator_of_a_later_lce_is_named_by_the_phone(
    true_phone: Adbd, resnet20: Path, tmp_path: Path, capsys: Capture
) -> None:
    """What this version cannot know to be wrong is refused there, by delegate and runtime."""
    later = tmp_path / "later.tflite"
    later.write_bytes(with_a_later_operator(resnet20.read_bytes()))
    code, body = bench(capsys, "pixel", str(later), str(resnet20), "--no-check-outputs")
    assert code == 6
    refused, right = body["results"]
    details = {reason["code"]: reason["detail"] for reason in refused["verdict"]["reasons"]}
    assert "LceOfTomorrow" in details["not_delegated"] and "cannot run it" in details["runner_failed"]
    assert refused["delegate"]["nodes_delegated"] < refused["delegate"]["nodes_total"]
    assert right["runs"] >= 3 and "runner_failed" not in str(right["verdict"])
    assert true_phone.system.settle(3) == {}
    assert true_phone.system.ours() == CLEAN
