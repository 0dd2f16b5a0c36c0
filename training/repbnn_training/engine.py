"""The training loop: resumable after a kill at any moment, several runs in one process, progress with time left."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from repbnn_edge.errors import BadInputError, UsageError
from repbnn_training import store
from repbnn_training.data import Images, augment, standardise
from repbnn_training.distributed import World
from repbnn_training.float_network import FloatResNet20
from repbnn_training.networks import ReCUResNet20
from repbnn_training.recipes import Recipe, complete
from repbnn_training.schedule import Deadline, rate

GLANCE = 2000
"""Test images looked at while training goes on; the last line of the log is of all of them."""


def network_of(recipe: Recipe) -> nn.Module:
    """The network that a recipe trains, fresh."""
    if recipe.network == "resnet20-float":
        return FloatResNet20(recipe.widths)
    network = ReCUResNet20(recipe.beta, recipe.widths, normalise=recipe.normalise)
    if recipe.authors:
        network.start_as_authors()
    if recipe.spread:
        network.spread_biases(recipe.spread)
    return network


def teacher(folder: Path, device: torch.device) -> nn.Module:
    """The network of a run that is done, to learn from.

    Raises:
        BadInputError: the folder has no checkpoint, or a broken one.
    """
    state = store.load(folder / store.CHECKPOINT, device)
    network = network_of(complete(state["recipe"])).to(device, memory_format=torch.channels_last)
    network.load_state_dict(state["network"])
    return network.eval().requires_grad_(False)


class Run:
    """One network in training; its whole state lies in ``folder`` and goes on from there.

    Args:
        recipe: the numbers.
        seed: of weights, order and augmentation.
        folder: where checkpoint.pt and log.csv live.
        train: training images, on the device to train on.
        test: test images, on the same device.
        form: of a step: ``plain``; ``compiled`` by torch.compile (a minute to start); ``graphs``, the same with CUDA
            graphs; ``fused`` (``repbnn_training.fused``, on a CPU, for networks without ``normalise``).
        deadline: when to be done, instead of after ``recipe.epochs``.
        teacher: for a recipe that distils: a trained network on the same device.
        init_from: weights to start from: ``.safetensors`` of the package or another run's ``checkpoint.pt``.
        world: which share of each batch is this process's.

    Raises:
        UsageError: a teacher too many or too few, a form that the recipe does not have, more images a step than
            there are, or a folder that holds another run.
        BadInputError: a broken checkpoint.
    """

    def __init__(
        self,
        recipe: Recipe,
        seed: int,
        folder: Path,
        train: Images,
        test: Images,
        *,
        form: str = "plain",
        deadline: Deadline | None = None,
        teacher: nn.Module | None = None,
        init_from: Path | None = None,
        world: World | None = None,
    ) -> None:
        self.recipe, self.seed, self.folder = recipe, seed, folder
        self.train_images, self.test_images = train, test
        self.device = train.pixels.device
        self.world = world or World()
        if (recipe.distil > 0) != (teacher is not None):
            why = f"it needs {'a' if recipe.distil else 'no'} teacher"
            raise UsageError(recipe.name, why, "give --teacher to the -kd recipes, and to no other")
        if len(train) < recipe.batch:
            why = f"a step takes {recipe.batch} images, and there are {len(train)}"
            raise UsageError(recipe.name, why, "give more images, or another recipe")
        self.teacher = teacher
        torch.manual_seed(seed)
        self.network = network_of(recipe).to(self.device, memory_format=torch.channels_last)
        self.form, self.deadline = form, deadline
        self.forward = self._form(form)
        self.optimizer = _optimizer(self.network, recipe)
        self.steps_per_epoch = len(train) // recipe.batch
        self.total = recipe.epochs * self.steps_per_epoch
        self.step, self.progress, self.seconds = 0, 0.0, 0.0
        self._loss, self._count = torch.zeros((), device=self.device), 0
        self._saved = self._since = time.monotonic()
        self._planned = -1
        folder.mkdir(parents=True, exist_ok=True)
        if (folder / store.CHECKPOINT).exists():
            self._resume()
        elif init_from is not None:
            from repbnn_training.exchange import load_into

            load_into(self.network, init_from)

    @property
    def done(self) -> bool:
        """Whether the schedule is at its end."""
        return self.progress >= 1 - 1e-9

    @property
    def loss(self) -> float:
        """The mean of this epoch so far."""
        return float(self._loss) / max(self._count, 1)

    def _form(self, form: str) -> Callable[[Tensor], Tensor]:
        if form == "fused":
            from repbnn_training import fused

            network = self.network
            if not isinstance(network, ReCUResNet20) or self.recipe.normalise or self.world.size > 1:
                why = "it is for one process, and for ReCU-ResNet-20 without ReCU's division of the activation"
                raise UsageError(f"--form fused for {self.recipe.name}", why, "use --form compiled")
            fused.build()
            return lambda images: fused.logits(network, images)
        network = self.world.wrap(self.network)
        if form == "plain":
            return network
        if form not in ("compiled", "graphs"):
            raise UsageError("--form", f"there is no {form}", "give plain, compiled, graphs or fused")
        return torch.compile(network, mode="reduce-overhead" if form == "graphs" else None)

    def advance(self) -> None:
        """One step of the optimizer; at an epoch's end also the log, and a checkpoint every three minutes."""
        epoch, position = divmod(self.step, self.steps_per_epoch)
        if self._planned != epoch:
            self._plan(epoch)
        size, mine = self.recipe.batch, slice(self.world.rank, None, self.world.size)
        chosen = self._order[position * size : (position + 1) * size][mine]
        pixels = augment(self.train_images.pixels[chosen], self._draws[position][:, mine])
        self._learn(standardise(pixels), self.train_images.labels[chosen])
        self.step += 1
        left = self.total - self.step + 1 if self.deadline is None else self.world.agreed(self.deadline.left)
        self.progress += (1 - self.progress) / max(left, 1.0)
        if self.done or self.step % self.steps_per_epoch == 0:
            self._end_epoch()
        if self.done or time.monotonic() - self._saved > store.CHECKPOINT_SECONDS:
            self.save()

    def _plan(self, epoch: int) -> None:
        """Order and augmentation of an epoch; by seed and epoch alone, so that a resumed run draws the same."""
        generator = torch.Generator().manual_seed((self.seed * 1009 + epoch) * 1_000_003)
        self._order = torch.randperm(len(self.train_images), generator=generator).to(self.device)
        draws = torch.rand((self.steps_per_epoch, 3, self.recipe.batch), generator=generator)
        self._draws, self._planned = draws.to(self.device), epoch

    def _learn(self, images: Tensor, labels: Tensor) -> None:
        share = rate(self.progress, self.step, self.recipe.warmup * self.steps_per_epoch)
        for group in self.optimizer.param_groups:
            group["lr"] = self.recipe.rate * share
        if isinstance(self.network, ReCUResNet20):
            self.network.set_tau(self.progress)
        self.network.train()
        images = images.contiguous(memory_format=torch.channels_last)
        if self.form == "graphs":  # the outputs of the runs beside this one are no longer wanted
            torch.compiler.cudagraph_mark_step_begin()
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.form != "fused"):
            logits = self.forward(images)
        loss = self._objective(logits.float(), images, labels)
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        self.optimizer.step()
        self._loss += loss.detach()
        self._count += 1

    def _objective(self, logits: Tensor, images: Tensor, labels: Tensor) -> Tensor:
        """Cross-entropy, and Hinton's distillation beside it: the teacher's softened classes, T^2 times their KL."""
        hard = functional.cross_entropy(logits, labels)
        if self.teacher is None:
            return hard
        with torch.no_grad(), torch.autocast(self.device.type, torch.bfloat16):
            wanted = self.teacher(images)
        t = self.recipe.temperature
        soft = functional.kl_div(
            functional.log_softmax(logits / t, 1), functional.softmax(wanted.float() / t, 1), reduction="batchmean"
        )
        return (1 - self.recipe.distil) * hard + self.recipe.distil * t * t * soft

    def _end_epoch(self) -> None:
        epoch = self.step // self.steps_per_epoch
        accuracy = math.nan
        if self.done or epoch % 5 == 0:
            accuracy = evaluate(self.network, self.test_images, len(self.test_images) if self.done else GLANCE)
        if self.world.writes:
            lr = self.optimizer.param_groups[0]["lr"]
            figures = {"loss": f"{self.loss:.4f}", "test_top1": f"{accuracy:.4f}", "learning_rate": f"{lr:.5f}"}
            store.log(self.folder, {"epoch": epoch, **figures})
        self._loss.zero_()
        self._count = 0

    def save(self) -> None:
        """Write the checkpoint, if this process is the one that writes."""
        now = time.monotonic()
        self.seconds += now - self._since
        self._since = self._saved = now
        if not self.world.writes:
            return
        state: dict[str, Any] = {
            "recipe": asdict(self.recipe),
            "seed": self.seed,
            "step": self.step,
            "progress": self.progress,
            "seconds": self.seconds,
            "loss": [float(self._loss), self._count],
            "network": self.network.state_dict(),
            "optimizer": self.optimizer.state_dict(),
        }
        store.save(self.folder, state)

    def _resume(self) -> None:
        state = store.load(self.folder, self.device)
        if complete(state["recipe"]) != self.recipe or state["seed"] != self.seed:
            raise UsageError(str(self.folder), "it holds a run of another recipe or seed", "choose another folder")
        try:
            self.network.load_state_dict(state["network"])
            self.optimizer.load_state_dict(state["optimizer"])
            self.step, self.progress, self.seconds = state["step"], state["progress"], state["seconds"]
            total, self._count = state["loss"]
        except (RuntimeError, KeyError, ValueError) as error:
            raise BadInputError(str(self.folder), f"its checkpoint lacks something ({error})", "remove it") from error
        self._loss.fill_(total)
        if self.world.writes:
            store.forget_after(self.folder, self.step // self.steps_per_epoch)


def train(
    runs: Sequence[Run],
    report: Callable[[], None] | None = None,
    *,
    threads: bool = False,
    stop: float | None = None,
) -> bool:
    """Train all runs, a step each in turn, so that small networks share a device that one alone leaves idle.

    Args:
        runs: with one deadline, or none.
        report: called after each round of steps.
        threads: give each run a thread of its own: on a CPU, where a step of one network on one core costs less than
            half of a step on two.
        stop: of ``time.monotonic()``: write checkpoints and return then, done or not.

    Returns:
        whether all runs are done.

    Raises:
        UsageError: threads, where several processes share the runs.
    """
    world = runs[0].world
    if threads and world.size > 1:
        raise UsageError("--threads", "several processes would wait for each other", "leave it out under torchrun")
    with ThreadPoolExecutor(len(runs) if threads else 1) as pool:
        if threads:
            list(pool.map(lambda _: torch.set_num_threads(1), runs))
        while unfinished := [run for run in runs if not run.done]:
            if stop is not None and world.agreed(time.monotonic() >= stop):
                for run in unfinished:
                    run.save()
                return False
            list(pool.map(Run.advance, unfinished))
            if runs[0].deadline is not None:
                runs[0].deadline.tick()
            if report is not None:
                report()
    return True


@torch.no_grad()
def evaluate(network: nn.Module, images: Images, count: int | None = None, batch: int = 500) -> float:
    """Top-1 on the first ``count`` images as a fraction, in float32 and inference form."""
    network.eval()
    right, count = 0, min(count or len(images), len(images))
    for start in range(0, count, batch):
        chosen = slice(start, min(start + batch, count))
        pixels = standardise(images.pixels[chosen]).contiguous(memory_format=torch.channels_last)
        right += int((network(pixels).argmax(1) == images.labels[chosen]).sum())
    return right / count


def _optimizer(network: nn.Module, recipe: Recipe) -> torch.optim.Optimizer:
    if recipe.authors:
        return torch.optim.SGD(network.parameters(), lr=recipe.rate, momentum=0.9, weight_decay=recipe.decay)
    return torch.optim.SGD(_groups(network, recipe.decay), lr=recipe.rate, momentum=0.9, nesterov=True)


def _groups(network: nn.Module, decay: float) -> list[dict[str, Any]]:
    """Weight decay on weights alone: on scales and norms it only shrinks what training has to grow again."""
    weights = [p for p in network.parameters() if p.ndim >= 2 and p.shape[-1:] != (1,)]
    others = [p for p in network.parameters() if not (p.ndim >= 2 and p.shape[-1:] != (1,))]
    return [{"params": weights, "weight_decay": decay}, {"params": others, "weight_decay": 0.0}]
