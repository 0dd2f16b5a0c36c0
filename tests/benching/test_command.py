"""What the options of ``bench`` do: files written, builds that fail, words that are refused before anything runs."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from repbnn_edge import console
from repbnn_edge.benching import running
from repbnn_edge.cli import bench_table, main
from tests.devices.far.system import possible

from . import made_up

FLAGS = ["--num-runs", "20", "--min-secs", "0.05", "--repeats", "1", "--no-check-outputs"]


def _written(path: Path, *rows: Any) -> Path:
    body = {"schema": "repbnn.bench/1", "repbnn_edge": "0.1.0", **made_up.report(*rows).to_json()}
    path.write_text(json.dumps(body))
    return path


@pytest.fixture
def measured(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Bench without the measuring: the rows that a test gives."""

    def give(*rows: Any) -> None:
        monkeypatch.setattr(running, "bench", lambda *_, **__: made_up.report(*rows))

    return give


def test_all_files_are_written_and_agree(rep_small: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    json_, csv, page = (tmp_path / name for name in ("a.json", "a.csv", "a.html"))
    code = main.run(
        ["bench", str(rep_small), *FLAGS, "--output", str(json_), "--csv", str(csv), "--report", str(page), "--json"]
    )
    assert code == 0
    (row,) = json.loads(json_.read_text())["results"]
    assert json.loads(capsys.readouterr().out)["results"][0]["samples_ms"] == row["samples_ms"]
    assert row["model"]["sha256"] in csv.read_text()
    text = page.read_text()
    assert f"{row['latency_ms']['median']:.3f}" in text and "Where the time goes" in text
    assert row["ops"] and row["measured_at"] and row["ran_on"]
    assert row["runtime"]["float_kernels"].startswith("XNNPACK of ai-edge-litert")


@pytest.mark.parametrize(
    ("flags", "code", "word"),
    [
        (["--output", "/nowhere/a.json"], 9, "create the folder"),
        (["--report", "/nowhere/a.html"], 9, "create the folder"),
        (["--csv", "/tmp"], 9, "not a folder"),
        (["--csv", "/tmp/one", "--output", "/tmp/one"], 2, "a file of its own"),
        (["--fail-if-slower", "5%"], 2, "--baseline or --against"),
        (["--fail-if-slower", "much", "--against", "x.tflite"], 2, "5%"),
        (["--baseline", "/nowhere/old.json"], 3, "no such file"),
        (["--against", "/nowhere/x.tflite"], 3, "no such file"),
        (["--against", "mobilenet-v3"], 3, "mobilenet-v2-int8"),
        (["--cooldown", "-1"], 2, "cooldown"),
    ],
)
def test_what_cannot_work_is_refused_before_anything_runs(
    rep_small: Path, flags: list[str], code: int, word: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main.run(["bench", str(rep_small), *flags]) == code
    errors = capsys.readouterr().err
    assert word in errors and "plan:" not in errors


@pytest.mark.skipif(not possible(), reason="this kernel gives no namespace for a small disk")
def test_a_full_disk_of_this_machine_is_told_as_one(rep_small: Path, tmp_path: Path) -> None:
    small = 'mount -t tmpfs -o size=8k small "$1" || exit 77; export TMPDIR="$1"; shift; exec "$@"'
    words = [sys.executable, "-m", "repbnn_edge.cli.main", "bench", str(rep_small), *FLAGS, "--json"]
    command = ["unshare", "-Urm", "sh", "-c", small, "sh", str(tmp_path), *words]
    done = subprocess.run(command, capture_output=True, text=True)
    error = json.loads(done.stdout)["error"]
    assert (done.returncode, error["code"], error["what"]) == (9, 9, str(tmp_path)), done.stderr
    assert "no space left" in error["why"] and "free some space" in error["do"]


def test_a_disk_that_is_full_at_the_end_costs_no_table(
    measured: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    measured(made_up.result(5.0))
    (tmp_path / "full").symlink_to("/dev/full")
    assert main.run(["bench", "net.tflite", "--output", str(tmp_path / "full")]) == 9
    printed = capsys.readouterr()
    assert "conclusive" in printed.out and "no space left" in printed.err
    assert main.run(["bench", "net.tflite", "--output", str(tmp_path / "full"), "--json"]) == 9
    assert json.loads(capsys.readouterr().out)["error"]["code"] == 9


def test_a_library_for_devices_is_not_taken_for_this_machines(
    rep_small: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main.run(["bench", str(rep_small), *FLAGS, "--runtime-library", "/nowhere/lib.so"]) == 0
    assert "is for phones and boards" in capsys.readouterr().err


def test_nothing_to_measure_is_a_usage_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert main.run(["bench"]) == 2
    assert "nothing to measure" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("factor", "flags", "code"),
    [(1.2, ["--fail-if-slower", "5%"], 5), (1.2, ["--fail-if-slower", "30%"], 0), (1.2, [], 0), (1.0, [], 0)],
)
def test_a_slower_build_fails_with_its_report_printed(
    measured: Any, tmp_path: Path, factor: float, flags: list[str], code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    old = _written(tmp_path / "old.json", made_up.result(5.0))
    measured(made_up.result(5.0 * factor))
    assert main.run(["bench", "net.tflite", "--baseline", str(old), *flags, "--json"]) == code
    printed = capsys.readouterr()
    (row,) = json.loads(printed.out)["results"]
    assert row["baseline"]["ratio"] == pytest.approx(factor, rel=0.01)
    assert ("more than was allowed" in printed.err) is (code == 5)


def test_an_old_report_of_another_device_is_doubt_and_no_failure(
    measured: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    old = _written(tmp_path / "old.json", made_up.result(1.0, device={**made_up.DEVICE, "id_hash": "other"}))
    measured(made_up.result(5.0))
    flags = ["bench", "net.tflite", "--baseline", str(old), "--fail-if-slower", "5%", "--json"]
    assert main.run(flags) == 0
    (row,) = json.loads(capsys.readouterr().out)["results"]
    assert row["baseline"] is None and [reason["code"] for reason in row["verdict"]["reasons"]] == ["old_data"]
    assert main.run([*flags, "--strict"]) == 8


def test_without_a_baseline_references_decide(measured: Any, capsys: pytest.CaptureFixture[str]) -> None:
    measured(made_up.result(5.0), made_up.result(6.0, "new.tflite"))
    assert main.run(["bench", "x.tflite", "--against", "y.tflite", "--fail-if-slower", "5%"]) == 5
    assert "new.tflite" in capsys.readouterr().err


def test_an_emulators_time_fails_no_build(measured: Any) -> None:
    emulated = [{"code": "emulated", "detail": "it is an Android emulator"}]
    measured(made_up.result(5.0), made_up.result(6.0, "new.tflite", reasons=emulated))
    flags = ["bench", "x.tflite", "--against", "y.tflite", "--fail-if-slower", "5%"]
    assert main.run(flags) == 0
    assert main.run([*flags, "--strict"]) == 8


def test_hostile_names_reach_the_terminal_as_text(measured: Any, capsys: pytest.CaptureFixture[str]) -> None:
    name = "[red]x\x1b[31m.tflite"
    measured(made_up.result(5.0, name, ops=True, reasons=[{"code": "trend", "detail": "\x1b]0;title\x07"}]))
    assert main.run(["bench", "x.tflite"]) == 0
    out = capsys.readouterr().out
    assert "[red]x?[31m.tflite: trend" in out and "\x1b" not in out


@pytest.mark.parametrize("width", [80, 160])
def test_eighty_columns_hold_every_number(
    width: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(console, "out", lambda: Console(file=sys.stdout, highlight=False, width=width))
    slow = made_up.result(294.0, "mobilenet-v2-int8.tflite", reasons=[{"code": "trend", "detail": "it grows"}])
    report = made_up.report(made_up.result(7.2, "rep-adambnn-reactnet-a.tflite"), slow)
    bench_table.show(report, memory=False)
    out = capsys.readouterr().out
    assert "on Board 5, litert 2.1.0, threads: 1" in out
    latency = report.results[1].latency_ms
    assert latency is not None and latency.ci95_median is not None
    low, high = latency.ci95_median
    for word in (
        f"{latency.median:.3f}",
        f"{low:.3f} to {high:.3f}",
        f"{latency.p90:.3f}",
        "inconclusive",
        "95% interval",
    ):
        assert word in out
    assert "…" not in out and max(map(len, out.splitlines()[:8])) <= width


def test_several_references_have_a_column_each(rep_small: Path, capsys: pytest.CaptureFixture[str]) -> None:
    others = [rep_small.with_name(name) for name in ("plain_small.tflite", "mixed_small.tflite")]
    flags = [word for other in others for word in ("--against", str(other))]
    assert main.run(["bench", str(rep_small), *flags, *FLAGS, "--report-peak-memory"]) == 0
    out = capsys.readouterr().out
    assert out.count("plain_small") >= 2 and out.count("mixed_small") >= 2 and "peak MB" in out


def test_references_of_each_row_are_those_that_were_asked_for(rep_small: Path) -> None:
    other = rep_small.with_name("plain_small.tflite")
    report = running.bench(
        [rep_small], against=[other, rep_small], num_threads=(1, 2), effort=running.Effort(20, 0.05, 5.0), repeats=1,
        check_outputs=False,
    )  # fmt: skip
    assert len(report.results) == 4  # what is both a file and a reference runs once
    for row in report.results:
        threads = f", {row.config.num_threads} threads" if row.config.num_threads > 1 else ""
        assert {reference.name for reference in row.references} == {
            f"{rep_small.name} in litert{threads}", f"{other.name} in litert{threads}",
        }  # fmt: skip
        own = next(r for r in row.references if r.name.startswith(Path(row.model.path).name))
        assert own.ratio == 1.0
