"""The entry point: the Typer app, global switches, and errors as one line and an exit code."""

from __future__ import annotations

import atexit
import errno
import gc
import json
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from types import FrameType
from typing import Annotated, Any

import typer

from repbnn_edge import __version__, console, errors
from repbnn_edge.cli import environment, register
from repbnn_edge.files import storage_error
from repbnn_edge.settings import load_config

# Typer carries click under a name of its own since 0.26; its public exceptions lead to the base classes.
_ClickUsageError: type[Exception] = typer.BadParameter.__base__  # type: ignore[assignment]
_ClickException: type[Exception] = _ClickUsageError.__base__  # type: ignore[assignment]

# What no call is to blame for: the disk.
_DISK = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO)
# Accepted anywhere on the line, so that `convert x --debug` works as people type it.
_SWITCHES = {"--debug", "-v", "--verbose", "-q", "--quiet"}

_interrupts: list[int] = []

app = typer.Typer(
    name="repbnn-edge",
    help="Take a Rep-BNN, or any binary neural network, from a paper to a phone.",
    epilog="Start with: repbnn-edge demo",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(value: bool) -> None:
    if value:
        typer.echo(f"repbnn-edge {__version__}")
        raise typer.Exit


@app.callback()
def _global(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
    verbose: Annotated[bool, typer.Option("-v", "--verbose", help="Say more on stderr.")] = False,
    quiet: Annotated[bool, typer.Option("-q", "--quiet", help="Say errors only.")] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
) -> None:
    """Take a Rep-BNN, or any binary neural network, from a paper to a phone."""


register.commands(app)


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command line and exit with its code."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    note_interrupts()
    atexit.register(gc.freeze)  # else Python searches TensorFlow's million objects for cycles as it ends: a second
    sys.exit(run(arguments))


def note_interrupts() -> None:
    """Remember Ctrl-C: a library may make an error of its own of it, as one does whose import is cut short."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, _interrupted)


def _interrupted(number: int, frame: FrameType | None) -> None:
    _interrupts.append(number)
    signal.default_int_handler(number, frame)


def run(arguments: list[str]) -> int:
    """Run the command line and return its exit code."""
    arguments, switches = _take_switches(arguments)
    console.verbosity.level = ("-v" in switches or "--verbose" in switches) - (
        "-q" in switches or "--quiet" in switches
    )
    try:
        command = typer.main.get_command(app)
        environment.bind(command)
        default_map = {} if "_REPBNN_EDGE_COMPLETE" in os.environ else load_config()
        code = command.main(args=arguments, prog_name="repbnn-edge", standalone_mode=False, default_map=default_map)
        if code == 130:  # Typer turns Ctrl-C into this
            raise KeyboardInterrupt
        return int(code) if isinstance(code, int) else 0
    except BaseException as problem:
        if "--debug" in switches and not isinstance(problem, SystemExit | typer.Exit):
            import traceback

            traceback.print_exc()
        return _report(problem, as_json="--json" in arguments)


def _take_switches(arguments: list[str]) -> tuple[list[str], set[str]]:
    end = arguments.index("--") if "--" in arguments else len(arguments)
    switches = {a for a in arguments[:end] if a in _SWITCHES}
    return [a for a in arguments[:end] if a not in _SWITCHES] + arguments[end:], switches


def _report(problem: BaseException, *, as_json: bool) -> int:
    # Click and rich both turn a broken pipe into SystemExit(1); `inspect x | head` is no failure.
    if isinstance(problem, SystemExit) and isinstance(problem.__context__, BrokenPipeError):
        problem = problem.__context__
    if isinstance(problem, SystemExit):
        return problem.code if isinstance(problem.code, int) else 1
    if isinstance(problem, KeyboardInterrupt | typer.Abort):
        print("error: interrupted: Ctrl-C was pressed, run it again to finish", file=sys.stderr)
        return 130
    if isinstance(problem, typer.Exit):
        return problem.exit_code
    if isinstance(problem, BrokenPipeError):
        _silence_stdout()
        return 0
    if getattr(problem, "reported", False):  # the command has printed its full report
        assert isinstance(problem, errors.RepbnnError)
        print(f"error: {problem}", file=sys.stderr)
        return problem.exit_code
    if _interrupts:
        return _report(KeyboardInterrupt(), as_json=as_json)
    error = _as_error(problem)
    if as_json:
        body = {
            "code": error.exit_code,
            "kind": error.kind,
            "what": error.what,
            "why": error.why,
            "do": error.do,
        }
        print(json.dumps({"error": body}))
    print(f"error: {error}", file=sys.stderr)
    return error.exit_code


def _as_error(problem: BaseException) -> errors.RepbnnError:
    if isinstance(problem, errors.RepbnnError):
        return problem
    if isinstance(problem, _ClickUsageError):
        context: Any = getattr(problem, "ctx", None)
        where = context.command_path if context else "repbnn-edge"
        return errors.UsageError(where, _message(problem), f"see '{where} --help'")
    if isinstance(problem, _ClickException):
        return errors.BadInputError("input", _message(problem), "check the path")
    if isinstance(problem, OSError) and problem.errno in _DISK:
        import tempfile

        place = problem.filename or tempfile.gettempdir()  # a write that fails names no file
        return storage_error(Path(os.fsdecode(place)), problem)
    if isinstance(problem, MemoryError):
        return errors.StorageError("memory", "there is not enough of it", "use a smaller input or fewer samples")
    return errors.RepbnnError(
        "repbnn-edge",
        f"a bug of ours: {type(problem).__name__}: {problem}",
        "run it again with --debug and report it",
    )


def _message(problem: Any) -> str:
    return str(problem.format_message()).rstrip(".")


def _silence_stdout() -> None:
    """Whoever read our output is gone; Python must not complain at exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


if __name__ == "__main__":
    main()
