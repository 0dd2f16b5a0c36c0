"""The training loop: resumable after a kill at any moment, several runs in one process, progress with time left."""

from __future__ import annotations

import csv
import math
import os
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from repbnn_training.data import Images, augment, standardise
from repbnn_training.networks import ReCUResNet20
from repbnn_training.recipes import Recipe

CHECKPOINT_SECONDS = 180.0
GLANCE = 2000
"""Test images looked at while training goes on; the last line of the log is of all of them."""


class Deadline:
    """Plans the steps that are left so that the learning rate reaches 0 at a given moment, however fast steps come.

    Args:
        finish: of ``time.time()``; runs that go together share one plan, and so one schedule.
    """

    def __init__(self, finish: float) -> None:
        self.finish = finish
        self._last: float | None = None
        self._seconds = 0.0

    def tick(self) -> None:
        """A step of every run is over; the first, which compiles and fills caches, does not count."""
        now = time.time()
        if self._last is not None:
            took = now - self._last
            self._seconds = took if not self._seconds else 0.99 * self._seconds + 0.01 * took
        self._last = now

    @property
    def left(self) -> float:
        """Steps that fit, at the speed of the last hundred or so."""
        return (self.finish - time.time()) / self._seconds if self._seconds else math.inf


class Run:
    """One network in training; its whole state lies in ``folder`` and goes on from there.

    Args:
        recipe: the numbers.
        seed: of weights, order and augmentation.
        folder: where checkpoint.pt and log.csv live.
        train: training images, on the device to train on.
        test: test images, on the same device.
        form: of a step: ``plain``, ``compiled`` by torch.compile (a minute to start), or ``fused``
            (``repbnn_training.fused``, on a CPU, for networks without ``normalise``).
        deadline: when to be done, instead of after ``recipe.epochs``.
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
    ) -> None:
        self.recipe, self.seed, self.folder = recipe, seed, folder
        self.train_images, self.test_images = train, test
        self.device = train.pixels.device
        torch.manual_seed(seed)
        network = ReCUResNet20(recipe.beta, recipe.widths, normalise=recipe.normalise)
        self.network = network.to(self.device, memory_format=torch.channels_last)
        self.form, self.deadline = form, deadline
        self.forward = self._form(form)
        self.optimizer = _optimizer(self.network, recipe)
        self.steps_per_epoch = len(train) // recipe.batch
        self.total = recipe.epochs * self.steps_per_epoch
        self.step, self.progress = 0, 0.0
        self.losses: list[float] = []
        self._saved = time.monotonic()
        self._order = torch.empty(0, dtype=torch.long)
        folder.mkdir(parents=True, exist_ok=True)
        if (folder / "checkpoint.pt").exists():
            self._resume()

    @property
    def done(self) -> bool:
        """Whether the schedule is at its end."""
        return self.progress >= 1 - 1e-9

    def _form(self, form: str) -> Callable[[Tensor], Tensor]:
        if form == "fused":
            from repbnn_training import fused

            fused.build()
            return lambda images: fused.logits(self.network, images)
        return torch.compile(self.network) if form == "compiled" else self.network

    def advance(self) -> None:
        """One step of the optimizer; at an epoch's end also the log, and a checkpoint every three minutes."""
        position = self.step % self.steps_per_epoch
        if position == 0 or not len(self._order):
            self._order = torch.randperm(len(self.train_images), generator=self._generator(0))
        chosen = self._order[position * self.recipe.batch : (position + 1) * self.recipe.batch].to(self.device)
        pixels = augment(self.train_images.pixels[chosen], self._generator(1 + position))
        self._learn(standardise(pixels), self.train_images.labels[chosen])
        self.step += 1
        left = self.total - self.step + 1 if self.deadline is None else self.deadline.left
        self.progress += (1 - self.progress) / max(left, 1.0)
        if self.done or self.step % self.steps_per_epoch == 0:
            self._end_epoch()
        if self.done or time.monotonic() - self._saved > CHECKPOINT_SECONDS:
            self.save()

    def _learn(self, images: Tensor, labels: Tensor) -> None:
        warmth = min(1.0, (self.step + 1) / max(self.recipe.warmup * self.steps_per_epoch, 1))
        for group in self.optimizer.param_groups:
            group["lr"] = self.recipe.rate * warmth * 0.5 * (1 + math.cos(math.pi * self.progress))
        self.network.set_tau(self.progress)
        self.network.train()
        images = images.contiguous(memory_format=torch.channels_last)
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.form != "fused"):
            logits = self.forward(images)
        loss = functional.cross_entropy(logits.float(), labels, label_smoothing=self.recipe.smoothing)
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        self.optimizer.step()
        self.losses.append(float(loss.detach()))

    def _end_epoch(self) -> None:
        epoch = self.step // self.steps_per_epoch
        accuracy = math.nan
        if self.done or epoch % 5 == 0:
            accuracy = evaluate(self.network, self.test_images, len(self.test_images) if self.done else GLANCE)
        with (self.folder / "log.csv").open("a", newline="") as stream:
            writer = csv.writer(stream)
            if stream.tell() == 0:
                writer.writerow(["epoch", "loss", "test_top1", "learning_rate", "time"])
            rate = self.optimizer.param_groups[0]["lr"]
            loss = sum(self.losses) / len(self.losses)
            writer.writerow([epoch, f"{loss:.4f}", f"{accuracy:.4f}", f"{rate:.5f}", int(time.time())])
        self.losses = []

    def _generator(self, salt: int) -> torch.Generator:
        """Random numbers that depend on seed and position alone, so that a resumed run draws the same."""
        epoch = self.step // self.steps_per_epoch
        return torch.Generator().manual_seed((self.seed * 1009 + epoch) * 1_000_003 + salt)

    def save(self) -> None:
        """Write the checkpoint so that a kill leaves the old or the new one, never half of one."""
        state: dict[str, Any] = {
            "recipe": asdict(self.recipe),
            "seed": self.seed,
            "step": self.step,
            "progress": self.progress,
            "losses": self.losses,
            "network": self.network.state_dict(),
            "optimizer": self.optimizer.state_dict(),
        }
        partial = self.folder / "checkpoint.pt.partial"
        with partial.open("wb") as stream:
            torch.save(state, stream)
            stream.flush()
            os.fsync(stream.fileno())
        partial.replace(self.folder / "checkpoint.pt")
        self._saved = time.monotonic()

    def _resume(self) -> None:
        state = torch.load(self.folder / "checkpoint.pt", map_location=self.device, weights_only=True)
        want = asdict(self.recipe)
        have = {**state["recipe"], "widths": tuple(state["recipe"]["widths"])}
        if have != want or state["seed"] != self.seed:
            raise ValueError(f"{self.folder} holds a run of another recipe or seed, choose another folder")
        self.network.load_state_dict(state["network"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.step, self.progress, self.losses = state["step"], state["progress"], state["losses"]
        if self.step % self.steps_per_epoch:
            self._order = torch.randperm(len(self.train_images), generator=self._generator(0))


def train(runs: Sequence[Run], report: Callable[[], None] | None = None, *, threads: bool = False) -> None:
    """Train all runs, a step each in turn, so that small networks share a device that one alone leaves idle.

    Args:
        runs: with one plan, or none.
        report: called after each round of steps.
        threads: give each run a thread of its own: on a CPU, where a step of one network on one core costs less than
            half of a step on two.
    """
    with ThreadPoolExecutor(len(runs) if threads else 1) as pool:
        if threads:
            list(pool.map(lambda _: torch.set_num_threads(1), runs))
        while unfinished := [run for run in runs if not run.done]:
            list(pool.map(Run.advance, unfinished))
            if runs[0].deadline is not None:
                runs[0].deadline.tick()
            if report is not None:
                report()


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
    groups = _groups(network, recipe.decay)
    if recipe.optimizer == "adam":
        return torch.optim.AdamW(groups, lr=recipe.rate)
    return torch.optim.SGD(groups, lr=recipe.rate, momentum=0.9, nesterov=True)


def _groups(network: nn.Module, decay: float) -> list[dict[str, Any]]:
    """Weight decay on weights alone: on scales and norms it only shrinks what training has to grow again."""
    weights = [p for p in network.parameters() if p.ndim >= 2 and p.shape[-1:] != (1,)]
    others = [p for p in network.parameters() if not (p.ndim >= 2 and p.shape[-1:] != (1,))]
    return [{"params": weights, "weight_decay": decay}, {"params": others, "weight_decay": 0.0}]
