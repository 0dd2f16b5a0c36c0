"""What inspect says of small files whose numbers can be worked out by hand."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from repbnn_edge.cli.main import run
from repbnn_edge.inspection import inspect_file
from repbnn_edge.tflite import schema
from repbnn_edge.tflite.metadata import Metadata, Provenance, write_metadata

CORPUS = Path(__file__).parents[1] / "tflite" / "corpus"
REP = CORPUS / "rep_small.tflite"

# rep_small: a 3x3 stem of 32 at stride 2 on 32x32, then blocks of 64 (16x16) and of 128 (stride 2: 8x8), beta 2.
BINARY_MACS = 16 * 16 * (9 * 64 * 16 + 2 * 64 * 16) + 8 * 8 * (9 * 128 * 32 + 2 * 128 * 32)
FLOAT_MACS = 16 * 16 * 27 * 32 + 256 * 10
BINARY_WEIGHTS = 11 * 64 * 16 + 11 * 128 * 32


def test_the_numbers_of_a_rep_network() -> None:
    report = inspect_file(REP)
    assert report.bytes == REP.stat().st_size
    assert report.binary_convolutions == 6
    assert (report.macs.binary, report.macs.float) == (BINARY_MACS, FLOAT_MACS)
    assert report.ops == FLOAT_MACS + BINARY_MACS / 64
    assert report.binary_mac_ratio == BINARY_MACS / (BINARY_MACS + FLOAT_MACS)
    assert report.parameters.binary == BINARY_WEIGHTS
    assert report.weight_bytes.binary == BINARY_WEIGHTS // 8
    assert report.runs_on == ["lce", "repbnn"]
    assert [t.shape for t in report.inputs + report.outputs] == [[1, 32, 32, 3], [1, 10]]


def test_the_rows_of_a_rep_network() -> None:
    rows = inspect_file(REP).operators
    assert [row.index for row in rows] == list(range(len(rows)))
    stem, dense = rows[0], rows[-1]
    assert (stem.op, stem.kind, stem.macs) == ("CONV_2D", "float", 16 * 16 * 27 * 32)
    assert (stem.input_shapes, stem.output_shapes) == ([[1, 32, 32, 3]], [[1, 16, 16, 32]])
    assert stem.weight_bytes == 4 * (27 * 32 + 32)
    assert (dense.op, dense.macs, dense.weights.float) == ("FULLY_CONNECTED", 2560, 2560)
    binary = [row for row in rows if row.binary]
    assert {row.op for row in binary} == {"LceBconv2d"} and all(row.input_bits == 1 for row in binary)
    assert binary[0].macs == 16 * 16 * 9 * 64 * 16
    assert all(row.runs_on == ["lce", "repbnn"] for row in binary)


def test_unfused_float_work_stands_out() -> None:
    report = inspect_file(REP)
    rows = [row for row in report.operators if row.kind == "elementwise"]
    assert {row.op for row in rows} == {"ADD", "MUL", "CONCATENATION", "PRELU"}
    assert report.elementwise.operators == len(rows) > 30
    assert report.elementwise.activation_bytes == sum(row.activation_bytes for row in rows)
    concatenation = next(row for row in rows if row.op == "CONCATENATION")
    assert concatenation.activation_bytes == 16 * 16 * 4 * (32 + 32 + 64)


def test_the_numbers_of_other_operators() -> None:
    report = inspect_file(CORPUS / "mixed_small.tflite")
    macs = {row.op: row.macs for row in report.operators if row.macs and row.op != "LceBconv2d"}
    assert macs["DEPTHWISE_CONV_2D"] == 7 * 7 * 9 * 40
    assert macs["FULLY_CONNECTED"] == 24 * 10
    binary = [row.macs for row in report.operators if row.binary]
    assert binary == [16 * 16 * 9 * 32 * 64, 14 * 14 * 9 * 64 * 64, 7 * 7 * 9 * 64 * 40]
    (grouped,) = [row for row in inspect_file(CORPUS / "groups_small.tflite").operators if row.binary]
    assert grouped.macs == 16 * 16 * 9 * 64 * 64 // 2


def test_a_plain_float_file_runs_anywhere() -> None:
    report = inspect_file(CORPUS / "float_small.tflite")
    assert report.runs_on == ["tflite", "lce", "repbnn"]
    assert (report.binary_convolutions, report.macs.binary, report.binary_mac_ratio) == (0, 0, 0.0)
    assert report.macs.float == 14 * 14 * 27 * 8 + 80
    assert report.parameters.float == 27 * 8 + 8 + 80


def test_a_custom_operator_of_somebody_else_is_a_warning(tmp_path: Path) -> None:
    model = schema.load(REP.read_bytes()).copy()
    for code in model.raw.operatorCodes:
        if code.customCode == b"LceQuantize":
            code.customCode = b"Mystery"
    path = tmp_path / "mystery.tflite"
    path.write_bytes(schema.pack(model))
    report = inspect_file(path)
    assert report.runs_on == []
    assert report.warnings == ["no runtime that we know runs Mystery"]


def test_metadata_is_shown_and_broken_metadata_is_a_warning(tmp_path: Path) -> None:
    path = tmp_path / "rep.tflite"
    labels = tuple("abcdefghij")
    about = Metadata(name="n", mean=(1.0,) * 3, std=(2.0,) * 3, labels=labels, provenance=Provenance(beta=2))
    data = write_metadata(REP.read_bytes(), about)
    path.write_bytes(data)
    found = inspect_file(path).metadata
    assert (found.mean, found.std, found.labels) == ((1.0,) * 3, (2.0,) * 3, labels)
    assert found.provenance is not None and found.provenance.beta == 2
    assert found.entries == ("REPBNN", "TFLITE_METADATA", "min_runtime_version")
    path.write_bytes(data.replace(b'"format":1', b'"format":7'))
    report = inspect_file(path)
    assert len(report.warnings) == 1 and "REPBNN entry" in report.warnings[0]
    assert report.binary_convolutions == 6


def test_the_command_prints_one_json_object(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["inspect", str(REP), "--json"]) == 0
    body = json.loads(capsys.readouterr().out)
    assert body["schema"] == "repbnn.inspect/1"
    assert set(body["operators"][0]) >= {
        "index",
        "op",
        "binary",
        "input_shapes",
        "output_shapes",
        "macs",
        "weight_bytes",
    }
    assert body["macs"] == {"binary": BINARY_MACS, "float": FLOAT_MACS}
    assert body["binary_convolutions"] == 6


def test_the_command_prints_a_row_an_operator_and_totals(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["inspect", str(REP)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split()[:2] == ["#", "operator"]
    assert lines[5].split()[:2] == ["4", "LceBconv2d"] and "lce/repbnn" in lines[5]
    text = "\n".join(lines[58:])
    assert f"{BINARY_MACS:,} 1-bit, {FLOAT_MACS:,} 32-bit" in text
    assert "57, 6 of them binary convolutions" in text


@pytest.mark.parametrize(
    ("make", "why"),
    [
        (lambda path: None, "no such file"),
        (lambda path: path.mkdir(), "it is a folder"),
        (lambda path: path.write_bytes(b""), "it is empty"),
        (lambda path: path.write_bytes(b"PK\3\4 a zip, of all things"), "no TFL3 mark"),
        (lambda path: path.write_bytes(REP.read_bytes()[:20_000]), "leaves the file"),
    ],
)
def test_what_cannot_be_inspected_is_exit_3(
    make: object, why: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "x.tflite"
    assert callable(make)
    make(path)
    assert run(["inspect", str(path)]) == 3
    said = capsys.readouterr().err
    assert said.startswith(f"error: {path}: ") and why in said and said.count("\n") == 1


def test_it_needs_no_framework() -> None:
    code = (
        "import sys; from repbnn_edge.cli.main import run; run(['inspect', sys.argv[1], '--json']);"
        "print([m for m in ('tensorflow', 'larq', 'onnx', 'torch', 'jinja2', 'PIL') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code, str(REP)], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


@pytest.mark.parametrize(("name", "hidden"), [("while", 2), ("if", 2), ("lstm", 0), ("mha", 0), ("deconv", 0)])
def test_files_of_the_stock_converter(name: str, hidden: int) -> None:
    report = inspect_file(CORPUS / f"stock_{name}.tflite")
    assert report.runs_on == ["tflite", "lce", "repbnn"] and report.operators
    assert report.warnings == ([f"{hidden} subgraphs besides the main one are not shown"] if hidden else [])
    if name == "deconv":
        assert report.macs.float == 16 * 16 * 3 * 9 * 4


def test_a_reader_that_leaves_early_is_no_failure(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "repbnn_edge.cli.main", "inspect", str(REP)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdout is not None and process.stderr is not None
    process.stdout.close()
    complaint = process.stderr.read()
    process.stderr.close()
    assert (process.wait(timeout=60), complaint) == (0, b"")
