"""In which order processes run, and that devices do not wait for each other."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from repbnn_edge.benching.expected import Answers
from repbnn_edge.benching.measuring import measure_all
from repbnn_edge.benching.outcome import Outcome
from repbnn_edge.benching.presets import Effort
from repbnn_edge.benching.rows import Row, Schedule
from repbnn_edge.devices.host import exit_event


class Place:
    """A device that notes what it is asked to run."""

    def __init__(self, name: str, meeting: threading.Barrier | None = None) -> None:
        self.name, self.ran, self._meeting = name, [], meeting

    def usable_cores(self) -> list[int]:
        return [0]

    def state(self, cores: Sequence[int]) -> dict[str, Any]:
        return {}

    def run(self, request: dict[str, Any], limit: float) -> Iterator[dict[str, Any]]:
        if self._meeting is not None:
            self._meeting.wait(20)
        self.ran.append((Path(request["file"]).stem, request["runtime"], bool(request.get("profile"))))
        yield {"event": "runs", "ns": [1000] * 30}
        yield exit_event(0, "", 0.0)

    def stop(self) -> None:
        """Nothing runs on."""


def measured(places: Sequence[Any], files: Sequence[Path], *, profile: bool = False) -> list[Outcome]:
    rows = [
        Row(file, runtime, 1, "auto", {}, place) for place in places for runtime in ("litert", "lce") for file in files
    ]
    outcomes = [Outcome() for _ in rows]
    schedule = Schedule(Effort(30, 0.0, 1.0), 0, 3, 10.0, profile=profile)
    with Answers(check=False).open() as answers:
        interrupted, _ = measure_all(list(zip(rows, outcomes, strict=True)), schedule, answers)
    assert not interrupted
    return outcomes


def test_files_and_runtimes_take_turns_and_operators_are_timed_last(rep_small: Path) -> None:
    place = Place("board")
    files = [rep_small, rep_small.with_name("plain_small.tflite")]
    outcomes = measured([place], files, profile=True)
    turn = [(file.stem, runtime) for runtime in ("litert", "lce") for file in files]
    assert place.ran == [(*row, False) for row in turn * 3] + [(*row, True) for row in turn]
    assert [len(outcome.samples) for outcome in outcomes] == [3] * 4


def test_devices_run_at_the_same_time(rep_small: Path) -> None:
    meeting = threading.Barrier(2)  # breaks, and fails the test, where one waits for the other's end
    first, second = Place("a", meeting), Place("b", meeting)
    measured([first, second], [rep_small])
    assert len(first.ran) == len(second.ran) == 6
