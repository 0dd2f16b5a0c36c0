"""Everything that a GPU is wanted for, in one command that goes on where the last call stopped."""

from __future__ import annotations

import json
import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from repbnn_edge.files import write_whole
from repbnn_training import engine
from repbnn_training.data import Images
from repbnn_training.recipes import RECIPES

GPU = ("rep-recu-resnet20-gpu", "recu-resnet20-gpu")
GPU_FLOAT = "resnet20-float-gpu"
SMOKE, SMOKE_FLOAT = ("rep-smoke", "smoke"), "smoke-float"


def jobs(
    folder: Path, train: Images, test: Images, seeds: Sequence[int], *, smoke: bool, form: str
) -> list[engine.Run]:
    """Rep and its twin with every seed, and the full-precision network with the first: side by side on one device."""
    pair, yardstick = (SMOKE, SMOKE_FLOAT) if smoke else (GPU, GPU_FLOAT)
    wanted = [(name, seed) for seed in seeds for name in pair] + [(yardstick, seeds[0])]
    return [
        engine.Run(RECIPES[name], seed, folder / f"{name}-seed{seed}", train, test, form=form) for name, seed in wanted
    ]


def table(runs: Sequence[engine.Run]) -> dict[str, Any]:
    """Top-1 of every run, and the gain of Rep over its twin by seed; of runs that are not done, how far they are."""
    rows = [
        {
            "recipe": run.recipe.name,
            "beta": run.recipe.beta,
            "network": run.recipe.network,
            "seed": run.seed,
            "epochs": run.step // run.steps_per_epoch,
            "minutes": round(run.seconds / 60, 1),
            "done": run.done,
            "top1": engine.evaluate(run.network, run.test_images),
        }
        for run in runs
    ]
    top1 = {(row["network"], row["beta"], row["seed"]): row["top1"] for row in rows}
    gains = [
        value - top1[network, 1, seed]
        for (network, beta, seed), value in top1.items()
        if beta > 1 and (network, 1, seed) in top1
    ]
    return {
        "runs": rows,
        "gain": gains,
        "gain_mean": statistics.mean(gains) if gains else None,
        "gain_deviation": statistics.stdev(gains) if len(gains) > 1 else None,
    }


def write(folder: Path, result: dict[str, Any]) -> Path:
    """The table as ``suite.json``."""
    path = folder / "suite.json"
    write_whole(path, (json.dumps(result, indent=1) + "\n").encode())
    return path
