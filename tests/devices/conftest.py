"""Far ends, and the real adb and ssh in front of them, with ports, keys and configuration of the test's own."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.devices.far import runner, sshd, system
from tests.devices.far.adbd import Adbd
from tests.devices.far.sshd import Sshd
from tests.devices.far.system import FarSystem

PROPERTIES = {
    "ro.serialno": "FAR0001",
    "ro.product.manufacturer": "Google",
    "ro.product.model": "Pixel 8",
    "ro.product.cpu.abi": "arm64-v8a",
    "ro.soc.manufacturer": "Google",
    "ro.soc.model": "Tensor G3",
    "ro.build.version.sdk": "34",
    "ro.build.fingerprint": "google/shiba/shiba:14/AP1A/1:user/release-keys",
}

MakeSystem = Callable[..., FarSystem]
MakeAdbd = Callable[..., Adbd]
MakeBoard = Callable[[FarSystem], Sshd]


@pytest.fixture
def make_system(tmp_path: Path) -> Iterator[MakeSystem]:
    """Makes far ends."""
    if not system.possible():
        pytest.skip("this kernel gives no user namespace for a far end")
    made: list[FarSystem] = []

    def make(**options: Any) -> FarSystem:
        folder = tmp_path / f"far{len(made)}"
        folder.mkdir()
        made.append(FarSystem(folder, **options).start())
        return made[-1]

    yield make
    for one in made:
        one.stop()


@pytest.fixture
def phone(make_system: MakeSystem) -> FarSystem:
    """A far end that answers as an Android."""
    return android(make_system())


def android(far: FarSystem, **properties: str) -> FarSystem:
    """Give a far end Android's commands."""
    values = PROPERTIES | {key.replace("__", "."): value for key, value in properties.items()}
    far.write("/far-bin/properties", "".join(f"[{key}]: [{value}]\n" for key, value in values.items()))
    far.add_command(
        "getprop",
        """
        [ -z "$1" ] && exec cat /far-bin/properties
        while IFS= read -r line; do
          case $line in "[$1]: "*) line=${line#*: \\[}; printf '%s\\n' "${line%]}";; esac
        done </far-bin/properties
        """,
    )
    far.write("/far-bin/thermal", "IsStatusOverride: false\nThermal Status: 0\n")
    far.write("/far-bin/battery", "  USB powered: true\n  level: 81\n  temperature: 285\n")
    far.add_command("dumpsys", "case $1 in thermalservice) cat /far-bin/thermal;; battery) cat /far-bin/battery;; esac")
    far.add_command("settings", "echo 0")
    return far


@pytest.fixture
def binaries(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Stand-ins for what a device needs of us."""
    folder = tmp_path / "binaries"
    for abi in ("android-arm64", "linux-aarch64", "linux-x86_64"):
        runner.write_binaries(folder, abi)
    monkeypatch.setenv("REPBNN_DEVICE_BINARIES", str(folder))
    return folder


@pytest.fixture
def adb_server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A port and a HOME for an adb server of the test's own; the adb client's path."""
    program = shutil.which("adb")
    if program is None:
        pytest.skip("adb is not installed")
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("ANDROID_ADB_SERVER_PORT", str(port))
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("ADB_MDNS", "0")
    monkeypatch.delenv("ANDROID_SERIAL", raising=False)
    yield program
    with socket.socket() as connection:
        running = connection.connect_ex(("127.0.0.1", port)) == 0
    if running:
        subprocess.run([program, "kill-server"], capture_output=True, timeout=20, check=False)


@pytest.fixture
def make_adbd(adb_server: str) -> Iterator[MakeAdbd]:
    """Makes adbds that the server is connected to."""
    made: list[Adbd] = []

    def make(far: FarSystem, *, connect: bool = True, **options: object) -> Adbd:
        made.append(Adbd(far, **options))  # type: ignore[arg-type]
        if connect:
            subprocess.run([adb_server, "connect", made[-1].serial], capture_output=True, timeout=30, check=True)
        return made[-1]

    yield make
    for one in made:
        one.close()


@pytest.fixture
def pixel(phone: FarSystem, make_adbd: MakeAdbd, binaries: Path) -> Adbd:
    """A Pixel on the adb server, and stand-ins to run there."""
    return make_adbd(phone)


@pytest.fixture
def make_board(tmp_path: Path, binaries: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[MakeBoard]:
    """Puts a real sshd before a far end, called ``board`` in the user's ssh configuration."""
    if not sshd.possible():
        pytest.skip("sshd or ssh is not installed")
    made: list[Sshd] = []

    def make(far: FarSystem) -> Sshd:
        far.add_command("uname", 'case $1 in -m) echo aarch64;; *) exec /usr/bin/uname "$@";; esac')
        server = Sshd(far, tmp_path / "sshd", noise="echo Welcome to the kitchen; echo 'Last login: never' >&2")
        monkeypatch.setenv("PATH", f"{server.folder / 'bin'}{os.pathsep}{os.environ['PATH']}")
        # No adb server is asked, and none started, for a board.
        monkeypatch.setenv("ANDROID_ADB_SERVER_PORT", "1")
        made.append(server)
        return server

    yield make
    for server in made:
        server.close()


@pytest.fixture
def board(make_system: MakeSystem, make_board: MakeBoard) -> Sshd:
    """A 64-bit board."""
    return make_board(make_system())


@pytest.fixture(scope="session")
def shared_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Answers of other runtimes are made once for all tests."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(autouse=True)
def own_folders(shared_cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No test reads or writes the folders of whoever runs it."""
    monkeypatch.setenv("REPBNN_CONFIG_DIR", str(tmp_path / "config"))
    monkeypatch.setenv("REPBNN_CACHE_DIR", str(shared_cache))


@pytest.fixture
def model(tmp_path: Path) -> Callable[..., Path]:
    """Makes a small file that every runtime can run."""

    def make(name: str = "net.tflite") -> Path:
        path = tmp_path / name
        path.write_bytes(tiny_network())
        return path

    return make


def tiny_network() -> bytes:
    """One RELU on four floats."""
    import flatbuffers
    from ai_edge_litert import schema_py_generated as schema

    tensors = []
    for name in ("in", "out"):
        tensor = schema.TensorT()
        tensor.name, tensor.shape, tensor.type, tensor.buffer = name, [1, 4], schema.TensorType.FLOAT32, 0
        tensors.append(tensor)
    code = schema.OperatorCodeT()
    code.builtinCode = code.deprecatedBuiltinCode = schema.BuiltinOperator.RELU
    code.version = 1
    operator = schema.OperatorT()
    operator.opcodeIndex, operator.inputs, operator.outputs = 0, [0], [1]
    graph = schema.SubGraphT()
    graph.tensors, graph.inputs, graph.outputs, graph.operators = tensors, [0], [1], [operator]
    whole = schema.ModelT()
    whole.version, whole.operatorCodes, whole.subgraphs = 3, [code], [graph]
    whole.buffers = [schema.BufferT()]
    builder = flatbuffers.Builder(1024)
    builder.Finish(whole.Pack(builder), b"TFL3")
    return bytes(builder.Output())
