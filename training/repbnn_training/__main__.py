"""``python -m repbnn_training train rep-recu-resnet20-cpu --data FOLDER --runs runs``."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(
    help="Train the paper's networks on CIFAR-10; a killed run goes on where it stopped.", no_args_is_help=True
)


@app.command("list")
def list_recipes() -> None:
    """Print the recipes."""
    from repbnn_training.recipes import RECIPES

    for recipe in RECIPES.values():
        typer.echo(recipe)


@app.command()
def train(
    recipes: Annotated[list[str], typer.Argument(help="Recipe names; several share the device.")],
    data: Annotated[Path, typer.Option(help="Folder with train.npz and test.npz.")],
    runs: Annotated[Path, typer.Option(help="Folder of the runs, one subfolder a recipe and seed.")] = Path("runs"),
    seed: Annotated[list[int], typer.Option(help="Repeatable: every recipe is trained with each.")] = [1],  # noqa: B006
    form: Annotated[str, typer.Option(help="Of a step: plain, compiled (torch.compile) or fused (CPU).")] = "compiled",
    threads: Annotated[bool, typer.Option(help="Give each run a core of its own (CPU).")] = False,
    minutes: Annotated[float | None, typer.Option(help="Be done in this time, instead of by epochs.")] = None,
    limit: Annotated[int | None, typer.Option(help="Use this many images, to try things out.")] = None,
) -> None:
    """Train recipes, with progress and time left on the terminal and in each run's log.csv."""
    import torch

    from repbnn_training import engine
    from repbnn_training.data import load
    from repbnn_training.recipes import RECIPES

    unknown = [name for name in recipes if name not in RECIPES]
    if unknown:
        raise typer.BadParameter(f"no recipe {unknown[0]!r}; there are {', '.join(RECIPES)}")
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    images = [load(data / name, device, limit) for name in ("train.npz", "test.npz")]
    deadline = engine.Deadline(time.time() + 60 * minutes) if minutes is not None else None
    jobs = [
        engine.Run(RECIPES[name], s, runs / f"{name}-seed{s}", images[0], images[1], form=form, deadline=deadline)
        for name in recipes
        for s in seed
    ]
    started, first = time.monotonic(), jobs[0].progress
    last = 0.0

    def report() -> None:
        nonlocal last
        if time.monotonic() - last < 10:
            return
        last = time.monotonic()
        job = jobs[0]
        left = (last - started) / max(job.progress - first, 1e-9) * (1 - job.progress)
        losses = ", ".join(f"{sum(job.losses[-50:]) / max(len(job.losses[-50:]), 1):.3f}" for job in jobs)
        typer.echo(f"step {job.step}, {job.progress:.2%}, {left / 60:.0f} minutes left, losses {losses}", err=True)

    engine.train(jobs, report, threads=threads)
    for job in jobs:
        typer.echo(f"{job.folder}: top-1 {engine.evaluate(job.network, job.test_images):.4f}")


if __name__ == "__main__":
    app()
