"""What goes wrong in a user's hands: one line, the right exit code, no part of a file, the input as it was."""

from __future__ import annotations

import hashlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from repbnn_edge.cli import main

NETWORKS = Path(__file__).with_name("networks.py")
SMALL = f"{NETWORKS}:small"
COMMAND = [sys.executable, "-m", "repbnn_edge.cli.main"]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture(scope="module")
def keras_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("keras") / "small.keras"
    out = path.with_suffix(".tflite")
    assert main.run(["convert", SMALL, "-o", str(out), "--no-verify", "--keras", str(path)]) == 0
    return path


def refused(capsys: pytest.CaptureFixture[str], code: int, *words: str, arguments: list[str]) -> None:
    """The command ends with ``code`` and one line that holds ``words``; nothing appears in the folder."""
    before = sorted(Path.cwd().iterdir())
    capsys.readouterr()
    assert main.run(arguments) == code
    printed = capsys.readouterr()
    assert printed.out == ""
    (line,) = printed.err.splitlines()
    assert line.startswith("error: ")
    for word in words:
        assert word in line
    assert sorted(Path.cwd().iterdir()) == before


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda path: None, ["no such file"]),
        (lambda path: path.touch(), ["it is empty"]),
        (lambda path: path.write_bytes(b"PK\x03\x04 cut off"), ["archive"]),
        (lambda path: path.write_bytes(b"not a network"), ["neither"]),
        (lambda path: path.mkdir(), ["it is a folder"]),
    ],
)
def test_a_source_that_is_no_network(
    folder: Path, capsys: pytest.CaptureFixture[str], make: object, words: list[str]
) -> None:
    make(folder / "network.keras")  # type: ignore[operator]
    refused(capsys, 3, *words, arguments=["convert", "network.keras"])


@pytest.mark.parametrize("name", ["model.pth", "model.pt"])
def test_a_pickle_gets_the_line_that_exports_it(folder: Path, capsys: pytest.CaptureFixture[str], name: str) -> None:
    (folder / name).write_bytes(b"\x80\x02}q\x00.")
    refused(capsys, 3, "torch.onnx.export", arguments=["convert", name])


def test_a_url_gets_the_line_that_fetches_it(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    refused(capsys, 3, "curl", arguments=["convert", "https://example.org/model.onnx"])


def test_an_unknown_name_offers_the_nearest(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    refused(capsys, 3, "rep-recu-resnet20", arguments=["convert", "rep-recu-resnet21"])


@pytest.mark.parametrize(
    ("flags", "code"),
    [
        (["--beta", "0"], 2),
        (["--beta", "-1"], 2),
        (["--beta", "3"], 4),
        (["--input-shape", "224,224"], 2),
        (["--input-shape", "1,-1,32,3"], 2),
        (["--input-shape", "1,32000,32000,3"], 2),
        (["--input-shape", "wide"], 2),
        (["--samples", "0"], 2),
        (["--float-weights", "int4"], 2),
    ],
)
def test_values_out_of_range(folder: Path, capsys: pytest.CaptureFixture[str], flags: list[str], code: int) -> None:
    refused(capsys, code, arguments=["convert", "rep-recu-resnet20", *flags])


@pytest.mark.parametrize(
    ("function", "code", "words"),
    [
        ("not_a_number", 3, ["second"]),
        ("float_input", 4, ["no layer in it is binary"]),
        ("ternary_weights", 4, ["three"]),
        ("missing", 3, ["missing"]),
    ],
)
def test_a_network_that_cannot_become_binary_is_refused_by_layer(
    folder: Path, capsys: pytest.CaptureFixture[str], function: str, code: int, words: list[str]
) -> None:
    refused(capsys, code, *words, arguments=["convert", f"{NETWORKS}:{function}", "-o", "out.tflite"])


def test_an_output_that_exists_is_kept(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "out.tflite").write_bytes(b"mine")
    refused(capsys, 2, "--force", arguments=["convert", SMALL, "-o", "out.tflite"])
    assert (folder / "out.tflite").read_bytes() == b"mine"


def test_the_source_is_never_the_output(folder: Path, capsys: pytest.CaptureFixture[str], keras_file: Path) -> None:
    shutil.copy(keras_file, "net.keras")
    digest = hashlib.sha256(Path("net.keras").read_bytes()).hexdigest()
    Path("link.keras").symlink_to("net.keras")
    for output in ("net.keras", "./net.keras", "link.keras"):
        refused(capsys, 2, arguments=["convert", "net.keras", "-o", output, "--force"])
    assert hashlib.sha256(Path("net.keras").read_bytes()).hexdigest() == digest


def test_transform_needs_the_layers_of_its_source(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from repbnn_edge import stack

    stack.tensorflow()
    import runpy

    model = runpy.run_path(str(NETWORKS))["small"]()
    model.save(str(folder / "saved"), save_format="tf")
    refused(capsys, 4, "SavedModel", arguments=["transform", "saved", "--beta", "2"])


def test_weights_of_another_network(folder: Path, capsys: pytest.CaptureFixture[str], keras_file: Path) -> None:
    refused(capsys, 3, arguments=["convert", "rep-recu-resnet20", "--weights", str(keras_file)])


def in_a_namespace(mount: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run convert with a file system of its own mounted on ``folder``."""
    arguments = " ".join([*COMMAND, "convert", SMALL, "-o", str(folder / "out.tflite"), "--no-verify"])
    script = f"mount -t tmpfs {mount} tmpfs {folder} && {arguments}; code=$?; ls -A {folder}; exit $code"
    return subprocess.run(["unshare", "-Urm", "sh", "-c", script], capture_output=True, text=True)


@pytest.mark.skipif(
    subprocess.run(["unshare", "-Urm", "true"], capture_output=True).returncode != 0,
    reason="no private mounts on this machine",
)
@pytest.mark.parametrize(("mount", "words"), [("-o size=4k", "no space left"), ("-o ro", "read-only")])
def test_a_disk_that_refuses(tmp_path: Path, mount: str, words: str) -> None:
    done = in_a_namespace(mount, tmp_path)
    assert done.returncode == 9
    assert done.stdout == ""  # nothing is in the folder
    assert words in done.stderr.splitlines()[-1].lower()


def kill_at(moment: float, how: signal.Signals, output: Path) -> int:
    process = subprocess.Popen(
        [*COMMAND, "convert", SMALL, "-o", str(output), "--no-verify"], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    try:
        process.wait(moment)
    except subprocess.TimeoutExpired:
        process.send_signal(how)
    _, err = process.communicate(timeout=120)
    if process.returncode == 130:
        assert b"interrupted" in err
        assert b"Traceback" not in err
    return process.returncode


def whole_or_absent(output: Path, expected: bytes) -> None:
    assert not output.exists() or output.read_bytes() == expected
    output.unlink(missing_ok=True)


def interruptions(count: int, folder: Path) -> None:
    output = folder / "out.tflite"
    began = time.monotonic()
    assert kill_at(300, signal.SIGINT, output) == 0
    whole, took = output.read_bytes(), time.monotonic() - began
    output.unlink()
    draw = random.Random(5)
    for attempt in range(count):
        how = signal.SIGINT if attempt % 2 else signal.SIGKILL
        code = kill_at(draw.uniform(0.05, took), how, output)
        assert code in (0, 130, -how)
        whole_or_absent(output, whole)
    assert kill_at(300, signal.SIGINT, output) == 0
    assert sorted(item.name for item in folder.iterdir()) == ["out.tflite"]


def test_an_interruption_leaves_the_file_whole_or_absent(tmp_path: Path) -> None:
    interruptions(4, tmp_path)


@pytest.mark.slow
def test_200_interruptions(tmp_path: Path) -> None:
    interruptions(200, tmp_path)


def test_two_conversions_to_one_output_at_once(tmp_path: Path) -> None:
    output = tmp_path / "out.tflite"
    command = [*COMMAND, "convert", SMALL, "-o", str(output), "--no-verify", "--json"]
    both = [subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for _ in range(2)]
    printed = [process.communicate(timeout=300)[0] for process in both]
    codes = sorted(process.returncode for process in both)
    assert codes in ([0, 2], [0, 0])  # one wins; or the second began after the first had ended: never half of each
    sizes = [json.loads(text)["bytes"] for text, process in zip(printed, both, strict=True) if process.returncode == 0]
    assert output.stat().st_size in sizes
    assert [item.name for item in tmp_path.iterdir()] == ["out.tflite"]


def test_the_same_command_twice_gives_the_same_bytes(tmp_path: Path) -> None:
    contents = []
    for name in ("a", "b"):
        output = tmp_path / f"{name}.tflite"
        environment = {**os.environ, "PYTHONHASHSEED": str(len(contents) + 1)}
        subprocess.run(
            [*COMMAND, "convert", "rep-recu-resnet20", "-o", str(output), "--no-verify"], check=True, env=environment,
            capture_output=True, cwd=tmp_path,
        )  # fmt: skip
        contents.append(output.read_bytes())
    assert contents[0] == contents[1]
