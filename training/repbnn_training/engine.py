"""The training loop: resumable after a kill at any moment, several runs in one process, progress with time left."""

from __future__ import annotations

import csv
import math
import os
import time
from collections.abc import Sequence
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


class Run:
    """One network in training; its whole state lies in ``folder`` and goes on from there.

    Args:
        recipe: the numbers.
        seed: of weights, order and augmentation.
        folder: where checkpoint.pt and log.csv live.
        train: training images, on the device to train on.
        test: test images, on the same device.
        compile_network: use torch.compile: faster steps, a minute to start.
    """

    def __init__(
        self, recipe: Recipe, seed: int, folder: Path, train: Images, test: Images, *, compile_network: bool
    ) -> None:
        self.recipe, self.seed, self.folder = recipe, seed, folder
        self.train_images, self.test_images = train, test
        self.device = train.pixels.device
        torch.manual_seed(seed)
        network = ReCUResNet20(recipe.beta, recipe.widths, normalise=recipe.normalise)
        self.network = network.to(self.device, memory_format=torch.channels_last)
        self.forward = torch.compile(self.network) if compile_network else self.network
        self.optimizer = torch.optim.SGD(
            _groups(self.network, recipe.decay), lr=recipe.rate, momentum=0.9, nesterov=True
        )
        self.steps_per_epoch = len(train) // recipe.batch
        self.total = recipe.epochs * self.steps_per_epoch
        self.step, self.losses, self.best = 0, [], 0.0  # type: tuple[int, list[float], float]
        self._saved = time.monotonic()
        self._order = torch.empty(0, dtype=torch.long)
        folder.mkdir(parents=True, exist_ok=True)
        if (folder / "checkpoint.pt").exists():
            self._resume()

    @property
    def done(self) -> bool:
        """Whether all epochs are over."""
        return self.step >= self.total

    def advance(self) -> None:
        """One step of SGD; at an epoch's end also the log, and a checkpoint every three minutes."""
        position = self.step % self.steps_per_epoch
        if position == 0 or not len(self._order):
            self._order = torch.randperm(len(self.train_images), generator=self._generator(0))
        chosen = self._order[position * self.recipe.batch : (position + 1) * self.recipe.batch].to(self.device)
        pixels = augment(self.train_images.pixels[chosen], self._generator(1 + position))
        self._learn(standardise(pixels), self.train_images.labels[chosen])
        self.step += 1
        if self.step % self.steps_per_epoch == 0:
            self._end_epoch()
        if self.done or time.monotonic() - self._saved > CHECKPOINT_SECONDS:
            self.save()

    def _learn(self, images: Tensor, labels: Tensor) -> None:
        progress = self.step / self.total
        for group in self.optimizer.param_groups:
            group["lr"] = self.recipe.rate * _schedule(self.step, self.total, self.recipe.warmup * self.steps_per_epoch)
        self.network.set_tau(progress)
        self.network.train()
        images = images.contiguous(memory_format=torch.channels_last)
        with torch.autocast(self.device.type, torch.bfloat16):
            logits = self.forward(images)
        loss = functional.cross_entropy(logits.float(), labels, label_smoothing=self.recipe.smoothing)
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        self.optimizer.step()
        self.losses.append(float(loss.detach()))

    def _end_epoch(self) -> None:
        epoch = self.step // self.steps_per_epoch
        last = self.step >= self.total
        accuracy = evaluate(self.network, self.test_images) if last or epoch % 5 == 0 else math.nan
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
        self.step, self.losses = state["step"], state["losses"]
        if self.step % self.steps_per_epoch:
            self._order = torch.randperm(len(self.train_images), generator=self._generator(0))


def train(runs: Sequence[Run], report: Any = None) -> None:
    """Train all runs, a step each in turn, so that small networks share a device that one alone leaves idle."""
    while unfinished := [run for run in runs if not run.done]:
        for run in unfinished:
            run.advance()
        if report is not None:
            report()


@torch.no_grad()
def evaluate(network: nn.Module, images: Images, batch: int = 500) -> float:
    """Top-1 as a fraction, in float32 and inference form."""
    network.eval()
    right = 0
    for start in range(0, len(images), batch):
        pixels = standardise(images.pixels[start : start + batch]).contiguous(memory_format=torch.channels_last)
        right += int((network(pixels).argmax(1) == images.labels[start : start + batch]).sum())
    return right / len(images)


def _groups(network: nn.Module, decay: float) -> list[dict[str, Any]]:
    """Weight decay on weights alone: on scales and norms it only shrinks what training has to grow again."""
    weights = [p for p in network.parameters() if p.ndim >= 2 and p.shape[-1:] != (1,)]
    others = [p for p in network.parameters() if not (p.ndim >= 2 and p.shape[-1:] != (1,))]
    return [{"params": weights, "weight_decay": decay}, {"params": others, "weight_decay": 0.0}]


def _schedule(step: int, total: int, warmup: float) -> float:
    if step < warmup:
        return (step + 1) / warmup
    return 0.5 * (1 + math.cos(math.pi * (step - warmup) / max(total - warmup, 1)))
