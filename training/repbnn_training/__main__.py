"""``python -m repbnn_training train rep-recu-resnet20-cpu --data FOLDER --runs runs``."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from repbnn_edge.errors import RepbnnError, UsageError

if TYPE_CHECKING:
    from repbnn_training.engine import Run
    from repbnn_training.imagenet import ImageNetRun

app = typer.Typer(
    help="Train the paper's networks; a killed run goes on where it stopped.",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

Data = Annotated[Path, typer.Option(help="Folder with train.npz and test.npz.")]
Runs = Annotated[Path, typer.Option(help="Folder of the runs, one subfolder a recipe and seed.")]
Seeds = Annotated[list[int], typer.Option(help="Repeatable: every recipe is trained with each.")]
Form = Annotated[str, typer.Option(help="Of a step: plain, compiled (torch.compile), graphs (CUDA) or fused (CPU).")]
Limit = Annotated[int | None, typer.Option(min=1, help="Use this many images, to try things out.")]
StopAfter = Annotated[float | None, typer.Option(help="Minutes: write checkpoints and stop then, to go on later.")]


@app.command("list")
def list_recipes() -> None:
    """Print the recipes."""
    from repbnn_training.recipes import RECIPES

    for recipe in RECIPES.values():
        typer.echo(recipe)


@app.command()
def train(
    recipes: Annotated[list[str], typer.Argument(help="Recipe names; several share the device.")],
    data: Data,
    runs: Runs = Path("runs"),
    seed: Seeds = [1],  # noqa: B006
    form: Form = "compiled",
    threads: Annotated[bool, typer.Option(help="Give each run a core of its own (CPU).")] = False,
    minutes: Annotated[float | None, typer.Option(help="Be done in this time, instead of by epochs.")] = None,
    stop_after: StopAfter = None,
    teacher: Annotated[Path | None, typer.Option(help="Folder of the run that a -kd recipe distils from.")] = None,
    init_from: Annotated[
        Path | None, typer.Option(help="Weights to start from: .safetensors or checkpoint.pt.")
    ] = None,
    limit: Limit = None,
) -> None:
    """Train recipes, with progress and time left on the terminal and in each run's log.csv.

    Under ``torchrun`` every process takes its share of each batch (DistributedDataParallel).
    """
    from repbnn_training import distributed, engine
    from repbnn_training.data import load
    from repbnn_training.exchange import start_of
    from repbnn_training.recipes import RECIPES
    from repbnn_training.schedule import Deadline

    began = time.monotonic()
    unknown = [name for name in recipes if name not in RECIPES]
    if unknown:
        raise UsageError(unknown[0], "there is no such recipe", f"give one of {', '.join(RECIPES)}")
    world, device = distributed.start()
    images, held_out = (load(data / name, device, limit) for name in ("train.npz", "test.npz"))
    deadline = Deadline(time.time() + 60 * minutes) if minutes is not None else None
    taught = engine.teacher(teacher, device) if teacher is not None else None
    jobs = [
        engine.Run(
            RECIPES[name],
            s,
            runs / f"{name}-seed{s}",
            images,
            held_out,
            form=form,
            deadline=deadline,
            teacher=taught,
            init_from=init_from and start_of(init_from, name, RECIPES[name].beta, s),
            world=world,
        )
        for name in dict.fromkeys(recipes)
        for s in dict.fromkeys(seed)
    ]
    report = _reporter(jobs) if world.writes else None
    stop = None if stop_after is None else began + 60 * stop_after
    if not engine.train(jobs, report, threads=threads, stop=stop):
        typer.echo("stopped: the same command goes on")
        return
    if world.writes:
        for job in jobs:
            typer.echo(f"{job.folder}: top-1 {engine.evaluate(job.network, job.test_images):.4f}")


@app.command()
def suite(
    data: Data,
    runs: Runs = Path("runs"),
    seed: Seeds = [1, 2, 3],  # noqa: B006
    form: Form = "graphs",
    stop_after: StopAfter = 9.0,
    smoke: Annotated[bool, typer.Option(help="Narrow networks and one epoch: a rehearsal.")] = False,
    limit: Limit = None,
) -> None:
    """Rep-ReCU-ResNet-20, its twin and the full-precision network, side by side; call it again until all are done."""
    import torch

    from repbnn_training import engine
    from repbnn_training import suite as whole
    from repbnn_training.data import load

    began = time.monotonic()
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    images, held_out = (load(data / name, device, limit) for name in ("train.npz", "test.npz"))
    jobs = whole.jobs(runs, images, held_out, seed, smoke=smoke, form=form)
    done = engine.train(jobs, _reporter(jobs), stop=None if stop_after is None else began + 60 * stop_after)
    result = whole.table(jobs)
    path = whole.write(runs, result)
    for row in result["runs"]:
        typer.echo(f"{row['recipe']} seed {row['seed']}: {row['epochs']} epochs, top-1 {row['top1']:.4f}")
    typer.echo(f"{path}; {'done' if done else 'not done: the same command goes on'}")


@app.command()
def box(
    runs: Annotated[list[Path], typer.Argument(help="Folders of runs, finished or not.")],
    data: Annotated[Path, typer.Option(help="Folder with test.npz.")],
    into: Annotated[Path | None, typer.Option(help="Folder of the weights.", show_default="the package's")] = None,
    limit: Limit = None,
) -> None:
    """Put trained weights into the package, with a model card: converted, proven, and compared on the test images."""
    from repbnn_training import boxing

    for run in runs:
        card = boxing.box(run, data, into, limit)
        typer.echo(f"{card.weights}: {card.bytes:,} bytes, top-1 {card.top1:.2%} from the .tflite, {card.agreement}")


@app.command()
def imagenet(
    data: Annotated[Path, typer.Option(help="Folder with train/class/picture.jpg, and val/ likewise if there is one.")],
    runs: Annotated[Path, typer.Option(help="Folder of both steps.")] = Path("runs/imagenet"),
    step: Annotated[int, typer.Option(min=1, max=2, help="1: binary activations; 2: binary weights too.")] = 1,
    beta: Annotated[int, typer.Option(min=1, help="The repeat factor; 1 is ReActNet-A.")] = 2,
    epochs: Annotated[int, typer.Option(min=1)] = 256,
    batch: Annotated[int, typer.Option(min=1, help="Images a step, over all processes.")] = 256,
    teacher: Annotated[
        Path | None, typer.Option(help="TorchScript network to learn from; only a file you trust.")
    ] = None,
    workers: Annotated[int, typer.Option(help="Processes that decode pictures.")] = 8,
    stop_after: StopAfter = None,
) -> None:
    """Rep-AdamBNN-ReActNet-A in AdamBNN's two steps, resumable, also under ``torchrun``. Not run at scale here."""
    import torch

    from repbnn_training import distributed
    from repbnn_training import imagenet as two_steps

    began = time.monotonic()
    world, device = distributed.start()
    recipe = two_steps.TwoStep(beta=beta, epochs=epochs, batch=batch)
    pictures = two_steps.Pictures(data / "train", recipe.size, augmented=True)
    taught = torch.jit.load(str(teacher), map_location=device).eval() if teacher is not None else None
    classes = int(pictures.labels.max()) + 1
    run = two_steps.ImageNetRun(
        recipe, step, runs, pictures, classes, device, world=world, teacher=taught, workers=workers
    )
    stop = None if stop_after is None else began + 60 * stop_after
    if not run.train(stop, _reporter([run]) if world.writes else None):
        typer.echo("stopped: the same command goes on")
    elif world.writes and (data / "val").is_dir():
        held_out = two_steps.Pictures(data / "val", recipe.size, augmented=False)
        typer.echo(f"{run.folder}: top-1 {two_steps.evaluate(run.network, held_out, device):.4f}")


def _reporter(jobs: Sequence[Run | ImageNetRun]) -> Callable[[], None]:
    """Prints every ten seconds how far the first run is, how long it will take, and all losses."""
    started, first, last = time.monotonic(), jobs[0].progress, 0.0

    def report() -> None:
        nonlocal last
        if time.monotonic() - last < 10:
            return
        last = time.monotonic()
        job = jobs[0]
        left = (last - started) / max(job.progress - first, 1e-9) * (1 - job.progress)
        losses = ", ".join(f"{job.loss:.3f}" for job in jobs)
        typer.echo(f"{job.progress:.2%}, {left / 60:.0f} minutes left, losses {losses}", err=True)

    return report


def main() -> None:
    """Run the command line; an error is one line, with repbnn-edge's exit code for it."""
    try:
        app()
    except RepbnnError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
    finally:
        if "torch" in sys.modules:
            from repbnn_training import distributed

            distributed.finish()


if __name__ == "__main__":
    main()
