"""A bar that moves with the runs themselves: each process counts one, and its events move it on."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from repbnn_edge import console
from repbnn_edge.benching.presets import Effort
from repbnn_edge.benching.rows import Row
from repbnn_edge.devices.interface import Event

Move = Callable[[str, float], None]
"""Shows a text, and moves the bar by a part of a process."""


class Watch:
    """Follows the events of one process."""

    def __init__(self, label: str, effort: Effort, move: Move) -> None:
        self._label, self._effort, self._move = label, effort, move
        self._runs, self._seconds, self._done = 0, 0.0, 0.0
        move(label, 0.0)

    def see(self, event: Event) -> None:
        """Take in an event as it comes."""
        if event["event"] != "runs" or not event["ns"]:
            return
        self._runs += len(event["ns"])
        self._seconds += sum(event["ns"]) / 1e9
        typical = sorted(event["ns"])[len(event["ns"]) // 2] / 1e6
        self._reach(self._share(), f"{self._label}: {self._runs} runs, {typical:.3g} ms")

    def end(self) -> None:
        """However it ended, it is done."""
        self._reach(1.0, self._label)

    def _share(self) -> float:
        """How much of a process is over: both numbers are to be met, or the limit."""
        effort = self._effort
        seconds = self._seconds / effort.min_secs if effort.min_secs else 1.0
        return min(max(min(self._runs / effort.num_runs, seconds), self._seconds / effort.max_secs), 1.0)

    def _reach(self, share: float, text: str) -> None:
        self._move(text, max(share - self._done, 0.0))
        self._done = max(share, self._done)


class Progress:
    """Gives each process its watch; without a terminal it says a line a process with ``-v``."""

    def __init__(self, effort: Effort, move: Move) -> None:
        self._effort, self._move = effort, move

    @contextmanager
    def process(self, row: Row, number: int, of: int) -> Iterator[Watch]:
        """One process of a row, number ``number`` of ``of``."""
        label = f"{row.name}, process {number} of {of}"
        console.note(label)
        watch = Watch(label, self._effort, self._move)
        try:
            yield watch
        finally:
            watch.end()


@contextmanager
def shown(effort: Effort, processes: int) -> Iterator[Progress]:
    """The bar on stderr while rows are measured; none where stderr is no terminal."""
    err = console.err()
    if console.verbosity.level < 0 or not err.is_terminal:
        yield Progress(effort, lambda text, share: None)
        return
    from rich.markup import escape
    from rich.progress import BarColumn, TaskProgressColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bar

    columns = (BarColumn(bar_width=24), TaskProgressColumn(), TimeRemainingColumn(), TextColumn("{task.description}"))
    with Bar(*columns, console=err, transient=True) as bar:
        task = bar.add_task("", total=processes)
        yield Progress(effort, lambda text, share: bar.update(task, advance=share, description=escape(text)))
