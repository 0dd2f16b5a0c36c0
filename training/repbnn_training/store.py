"""A run's files, whenever it is killed: a checkpoint that is whole, and a log with one line an epoch."""

from __future__ import annotations

import csv
import io
import os
import pickle
import platform
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from repbnn_edge.errors import BadInputError
from repbnn_edge.files import whole_file, write_whole

CHECKPOINT, LOG = "checkpoint.pt", "log.csv"
CHECKPOINT_SECONDS = 180.0
"""What a kill can cost."""


def save(folder: Path, state: Mapping[str, Any]) -> None:
    """Write the checkpoint: a kill leaves the old or the new one, never half of one."""
    with whole_file(folder / CHECKPOINT) as partial:
        torch.save({**state, "machine": machine()}, partial)


def load(path: Path, device: torch.device | str = "cpu") -> dict[str, Any]:
    """A checkpoint, by its own path or its folder's; nothing in it is executed.

    Raises:
        BadInputError: there is none, or it is broken.
    """
    path = path / CHECKPOINT if path.is_dir() else path
    if not path.is_file():
        raise BadInputError(str(path), "there is no such checkpoint", "train first, or check the path")
    try:
        state: dict[str, Any] = torch.load(path, map_location=device, weights_only=True)
        return {**state, "recipe": dict(state["recipe"])}
    except (RuntimeError, EOFError, OSError, KeyError, TypeError, ValueError, pickle.UnpicklingError) as error:
        why = f"it is no checkpoint of a run ({type(error).__name__})"
        raise BadInputError(str(path), why, "remove it and train again") from error


def log(folder: Path, row: Mapping[str, object]) -> None:
    """Add a line for an epoch: ``row``, and the time."""
    with (folder / LOG).open("a", newline="") as stream:
        writer = csv.writer(stream)
        if stream.tell() == 0:
            writer.writerow([*row, "time"])
        writer.writerow([*row.values(), int(time.time())])


def forget_after(folder: Path, epoch: int) -> None:
    """Drop the lines of later epochs from the log, and a line that a kill cut: they will be written again."""
    path = folder / LOG
    if not path.exists():
        return
    head, *rows = csv.reader(io.StringIO(path.read_text()))
    kept = [row for row in rows if len(row) == len(head) and int(row[0]) <= epoch]
    if len(kept) < len(rows):
        stream = io.StringIO(newline="")
        csv.writer(stream).writerows([head, *kept])
        write_whole(path, stream.getvalue().encode())


def machine() -> str:
    """What trains here, in words."""
    if torch.cuda.is_available():
        return str(torch.cuda.get_device_name())
    return f"{os.cpu_count()} CPU cores, {platform.machine()}"
