from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from repbnn_edge.cli.main import run
from repbnn_edge.tflite.metadata import read_metadata
from tests.lowering.networks import K, binary_conv, lq, model


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def save(name: str = "net.keras", **changes: Any) -> None:
    model(
        (8, 8, 3),
        K.Conv2D(32, 3, name="stem"),
        binary_conv(32, name="binary", **changes),
        K.BatchNormalization(name="bn"),
        K.GlobalAveragePooling2D(name="pool"),
        K.Dense(3, name="head"),
    ).save(name)


def test_the_screen_says_what_was_proven_and_what_comes_next(capfd: pytest.CaptureFixture[str]) -> None:
    save()
    assert run(["convert", "net.keras", "--samples", "2"]) == 0
    out, err = capfd.readouterr()
    assert "1 of 1 exact on 2 samples" in out
    assert "net.tflite; next: repbnn-edge bench net.tflite" in out
    assert "give --mean and --std" in err
    assert "\x1b" not in out + err


def test_json_is_alone_on_stdout(capfd: pytest.CaptureFixture[str]) -> None:
    save()
    Path("labels.txt").write_text("cat\ndog\nfrog\n\n")
    arguments = [
        "--samples",
        "2",
        "--labels",
        "labels.txt",
        "--mean",
        "127.5",
        "--std",
        "64,64,64",
        "--json",
        "-o",
        "o",
    ]
    assert run(["convert", "net.keras", *arguments]) == 0
    report = json.loads(capfd.readouterr().out)
    assert report["schema"] == "repbnn.convert/1"
    assert (report["output"], report["bytes"]) == ("o", Path("o").stat().st_size)
    assert report["source"]["kind"] == "keras"
    assert report["binary_convolutions"] == {"found": 1, "binary": 1}
    assert report["macs"]["binary"] == 6 * 6 * 9 * 32 * 32
    assert set(report["seconds"]) == {"load", "convert", "verify"}
    proof = report["verification"]
    assert proof["passed"] and proof["samples"] == 2 and proof["exact_binary_layers"] == 1
    facts = read_metadata(Path("o").read_bytes())
    assert facts.labels == ("cat", "dog", "frog") and facts.std == (64.0, 64.0, 64.0)


def test_no_proof_is_said(capfd: pytest.CaptureFixture[str]) -> None:
    save()
    assert run(["convert", "net.keras", "--no-verify"]) == 0
    assert "not proven" in capfd.readouterr().out


def test_a_file_that_is_refuted_gives_5_and_the_whole_report(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from repbnn_edge import lowering

    original = lowering.lower_model

    def broken(network: Any) -> Any:
        kernel = network.get_layer("binary").get_weights()[0]
        network.get_layer("binary").set_weights([-kernel])
        lowered = original(network)
        network.get_layer("binary").set_weights([kernel])
        return lowered

    save()
    monkeypatch.setattr(lowering, "lower_model", broken)
    assert run(["convert", "net.keras", "--samples", "2", "--json"]) == 5
    out, err = capfd.readouterr()
    report = json.loads(out)
    assert not report["verification"]["passed"] and report["verification"]["failures"]
    assert err.count("error: ") == 1
    assert run(["convert", "net.keras", "--samples", "2"]) == 5
    assert "nothing was written" in capfd.readouterr().out
    assert not Path("net.tflite").exists()


def save_with_labels(labels: bytes) -> None:
    save()
    Path("l.txt").write_bytes(labels)


def tern() -> None:
    save(kernel_quantizer="ste_tern")


def dorefa() -> None:
    save(input_quantizer=lq.quantizers.DoReFa(2))


FAULTS: dict[str, tuple[Any, list[str], int, str]] = {
    "exists": (lambda: (save(), Path("net.tflite").write_bytes(b"mine")), ["net.keras"], 2, "it exists"),
    "out is source": (save, ["net.keras", "-o", "net.keras", "--force"], 2, "it is the source"),
    "no folder": (save, ["net.keras", "-o", "no/net.tflite"], 9, "create the folder"),
    "mean": (save, ["net.keras", "--mean", "a,b"], 2, "--mean"),
    "mean count": (save, ["net.keras", "--mean", "1,2"], 2, "--mean"),
    "shape": (save, ["net.keras", "--input-shape", "1,8,8,-1"], 2, "--input-shape"),
    "samples": (save, ["net.keras", "--samples", "0"], 2, "--samples"),
    "float weights": (save, ["net.keras", "--float-weights", "int4"], 2, "int4"),
    "labels": (save, ["net.keras", "--labels", "no.txt"], 3, "no such file"),
    "labels binary": (lambda: save_with_labels(b"\xff\xfe\x00"), ["net.keras", "--labels", "l.txt"], 3, "UTF-8"),
    "data": (save, ["net.keras", "--data", "no"], 3, "no such file"),
    "missing": (lambda: None, ["no.keras"], 3, "no such file"),
    "unknown name": (lambda: None, ["rep-recu-resnet21"], 3, "rep-recu-resnet20"),
    "url": (lambda: None, ["https://example.org/a.onnx"], 3, "curl -LO"),
    "pth": (lambda: Path("a.pth").write_bytes(b"x"), ["a.pth"], 3, "onnx.export"),
    "three values": (tern, ["net.keras"], 4, "binary: it would not become binary"),
    "two bits": (dorefa, ["net.keras"], 4, "more than one bit"),
    "labels of another network": (
        lambda: save_with_labels(b"a\nb\n"),
        ["net.keras", "--labels", "l.txt", "--no-verify"],
        3,
        "labels",
    ),
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_is_one_line_an_exit_code_and_no_file(name: str, capfd: pytest.CaptureFixture[str]) -> None:
    prepare, arguments, code, words = FAULTS[name]
    prepare()
    before = {path: path.read_bytes() for path in Path().iterdir()}
    assert run(["convert", *arguments]) == code
    out, err = capfd.readouterr()
    errors = [line for line in err.splitlines() if line.startswith("error: ")]
    assert len(errors) == 1 and words in errors[0]
    assert "Traceback" not in err and out == ""
    assert {path: path.read_bytes() for path in Path().iterdir()} == before
