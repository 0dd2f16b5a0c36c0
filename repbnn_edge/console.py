"""What a person sees: results on stdout, progress and warnings on stderr, and no bar where there is no terminal."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # rich takes a twentieth of a second, which `--help` and `--json` need not wait for
    from rich.console import Console


@dataclass
class Verbosity:
    """How much goes to stderr: -1 quiet, 0 normal, 1 verbose."""

    level: int = 0


verbosity = Verbosity()

_WIDTH_WITHOUT_TERMINAL = 160
"""A table in a pipe or a log is not squeezed into 80 columns."""


def out() -> Console:
    """The console of results."""
    from rich.console import Console

    wide = None if sys.stdout.isatty() else _WIDTH_WITHOUT_TERMINAL
    return Console(file=sys.stdout, highlight=False, width=wide)


def err() -> Console:
    """The console of progress and warnings."""
    from rich.console import Console

    return Console(file=sys.stderr, highlight=False)


def warn(message: str) -> None:
    """Say something that the user should know and that stops nothing."""
    if verbosity.level >= 0:
        err().print(f"[yellow]warning:[/yellow] {_escape(message)}", soft_wrap=True)


def tell(message: str) -> None:
    """Say what is going to happen, on stderr; not with -q."""
    if verbosity.level >= 0:
        err().print(_escape(message), soft_wrap=True)


def note(message: str) -> None:
    """Say a detail, with -v only."""
    if verbosity.level >= 1:
        err().print(f"[dim]{_escape(message)}[/dim]", soft_wrap=True)


@contextmanager
def step(what: str) -> Iterator[None]:
    """Show ``what`` with a spinner while it lasts; one plain line with -v where stderr is no terminal."""
    console = err()
    if verbosity.level < 0 or not console.is_terminal:
        note(what)
        yield
        return
    with console.status(_escape(what)):
        yield


@contextmanager
def progress(what: str, total: int) -> Iterator[Callable[[int], None]]:
    """Show a bar with the time left; gives a function that moves it on. Nothing where stderr is no terminal."""
    console = err()
    if verbosity.level < 0 or not console.is_terminal:
        yield lambda steps: None
        return
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task(_escape(what), total=total)
        yield lambda steps: bar.advance(task, steps)


def _escape(text: str) -> str:
    from rich.markup import escape

    return escape(text)
