"""The frame of the command line: exit codes, one-line errors, JSON errors, switches anywhere."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Annotated

import pytest
import typer

from repbnn_edge import errors
from repbnn_edge.cli import main, register


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "repbnn_edge.cli.main", *arguments], capture_output=True, text=True)


def test_version_and_help() -> None:
    assert run("--version").stdout.startswith("repbnn-edge ")
    done = run("-h")
    assert done.returncode == 0
    assert "convert" in done.stdout


@pytest.mark.parametrize(
    "arguments", [("bogus",), ("convert", "--no-such-option"), ("convert",), ("convert", "x", "--samples", "many")]
)
def test_a_wrong_call_is_one_line_and_exit_2(arguments: tuple[str, ...]) -> None:
    done = run(*arguments)
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.startswith("error: ")
    assert len(done.stderr.splitlines()) == 1
    assert "--help" in done.stderr


def test_a_wrong_call_with_json_is_one_object() -> None:
    done = run("convert", "--no-such-option", "--json")
    error = json.loads(done.stdout)["error"]
    assert error["code"] == done.returncode == 2
    assert set(error) == {"code", "kind", "what", "why", "do"}


def test_help_imports_no_framework() -> None:
    code = (
        "import sys; from repbnn_edge.cli import main; main.run(['--help'])\n"
        "heavy = {'tensorflow', 'larq', 'onnx', 'onnxruntime', 'torch', 'numpy', 'pydantic', 'jinja2', 'PIL'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


class Probe:
    """A command that raises what a test wants."""

    problem: BaseException

    @classmethod
    def command(cls, as_json: Annotated[bool, typer.Option("--json")] = False) -> None:
        raise cls.problem


@pytest.fixture
def probe(monkeypatch: pytest.MonkeyPatch) -> type[Probe]:
    app = typer.Typer()
    register.commands(app)
    app.command("probe")(Probe.command)
    monkeypatch.setattr(main, "app", app)
    return Probe


@pytest.mark.parametrize(
    ("problem", "code"),
    [
        (errors.BadInputError("a", "b", "c"), 3),
        (errors.StorageError("a", "b", "c"), 9),
        (KeyboardInterrupt(), 130),
        (RuntimeError("boom"), 1),
        (MemoryError(), 9),
    ],
)
def test_every_end_is_one_line_and_its_code(
    probe: type[Probe], problem: BaseException, code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    probe.problem = problem
    assert main.run(["probe"]) == code
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.startswith("error: ")
    assert len(printed.err.splitlines()) == 1


def test_debug_adds_the_traceback_wherever_it_stands(probe: type[Probe], capsys: pytest.CaptureFixture[str]) -> None:
    probe.problem = RuntimeError("boom")
    assert main.run(["probe", "--debug"]) == 1
    assert "Traceback" in capsys.readouterr().err


def test_a_report_that_was_printed_is_not_printed_again_as_json(
    probe: type[Probe], capsys: pytest.CaptureFixture[str]
) -> None:
    probe.problem = errors.VerificationError("a", "b", "c")
    probe.problem.reported = True  # type: ignore[attr-defined]
    assert main.run(["probe", "--json"]) == 5
    assert capsys.readouterr().out == ""
