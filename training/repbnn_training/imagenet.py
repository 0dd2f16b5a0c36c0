"""AdamBNN's two steps for Rep-ReActNet-A on a folder of pictures, resumable. Not run at scale here.

Recipe: liuzechun/AdamBNN, run.sh: Adam, 256 epochs a step, batch 256, learning rate 1.25e-3 falling linearly, weight
decay 5e-6 in step 1 and 0 in step 2. Theirs learns from a ResNet's outputs; ours from labels, smoothed by 0.1, unless a
teacher is given.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.data import DataLoader, Dataset

from repbnn_edge.datasets import open_dataset, to_input
from repbnn_edge.datasets.known import IMAGENET
from repbnn_edge.errors import BadInputError, UsageError
from repbnn_training import store
from repbnn_training.distributed import World
from repbnn_training.reactnet import ReActNetA


@dataclass(frozen=True)
class TwoStep:
    """The numbers of both steps.

    Attributes:
        beta: RepBNN's repeat factor.
        epochs: of each step.
        batch: images a step of the optimizer, over all processes.
        rate: peak learning rate of Adam, falling linearly to 0.
        decay: weight decay of step 1; step 2 has none.
        smoothing: label smoothing, where there is no teacher.
        size: height and width of the crops.
        divide: narrows the network, to try things out.
    """

    beta: int = 2
    epochs: int = 256
    batch: int = 256
    rate: float = 1.25e-3
    decay: float = 5e-6
    smoothing: float = 0.1
    size: int = 224
    divide: int = 1


class Pictures(Dataset[tuple[Tensor, int]]):
    """A labelled data set of ``repbnn_edge.datasets`` as (3, size, size) inputs: random crops, or the centre."""

    def __init__(self, path: Path, size: int, *, augmented: bool) -> None:
        self._data = open_dataset(path)
        if self._data.labels is None:
            raise BadInputError(str(path), "it has no labels", "put each class into a folder of its own")
        self.labels = self._data.labels
        self._size, self._augmented = size, augmented
        self.salt = 0
        """Of an epoch's crops; with it and a picture's number they are settled, whoever decodes it when."""

    def __len__(self) -> int:
        return len(self._data)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        pixels = self._data.picture(index)
        if self._augmented:
            pixels = _random_crop(pixels, self._size, torch.Generator().manual_seed(self.salt * 10_000_019 + index))
        inputs = to_input(pixels, self._size, self._size, IMAGENET.mean, IMAGENET.std)
        return torch.from_numpy(inputs.transpose(2, 0, 1).copy()), int(self.labels[index])


def _random_crop(pixels: np.ndarray[Any, Any], size: int, generator: torch.Generator) -> np.ndarray[Any, Any]:
    """8 to 100% of the area, 3:4 to 4:3, scaled to ``size``, mirrored half of the time."""
    height, width = pixels.shape[:2]
    area, ratio, top, left, flip = torch.rand(5, generator=generator).tolist()
    area, ratio = height * width * (0.08 + 0.92 * area), (4 / 3) ** (2 * ratio - 1)
    rows, columns = (
        max(1, min(limit, round(n))) for n, limit in (((area / ratio) ** 0.5, height), ((area * ratio) ** 0.5, width))
    )
    row, column = int(top * (height - rows + 1)), int(left * (width - columns + 1))
    picture = Image.fromarray(pixels[row : row + rows, column : column + columns])
    crop = np.asarray(picture.resize((size, size), Image.Resampling.BILINEAR))
    return crop[:, ::-1] if flip < 0.5 else crop


class ImageNetRun:
    """One of the two steps in training; its state lies in ``folder/step1`` or ``folder/step2``.

    Args:
        recipe: the numbers.
        step: 1 or 2; step 2 starts from what step 1 ended with.
        folder: of both steps.
        train: training pictures.
        classes: number of classes.
        device: to train on.
        world: which share of each batch is this process's.
        teacher: a network of the same inputs and classes, in inference form, whose answers replace the labels.
        workers: processes that decode pictures.
        seed: of weights, order and crops.

    Raises:
        UsageError: step 2 before step 1, or a folder that holds another run.
        BadInputError: a broken checkpoint.
    """

    def __init__(
        self,
        recipe: TwoStep,
        step: int,
        folder: Path,
        train: Pictures,
        classes: int,
        device: torch.device,
        *,
        world: World | None = None,
        teacher: nn.Module | None = None,
        workers: int = 0,
        seed: int = 1,
    ) -> None:
        self.recipe, self.step, self.folder = recipe, step, folder / f"step{step}"
        self.train_pictures, self.device, self.seed = train, device, seed
        self.world, self.teacher, self.workers = world or World(), teacher, workers
        torch.manual_seed(seed)
        self.network = ReActNetA(recipe.beta, step, classes, recipe.divide).to(device)
        self.forward = self.world.wrap(self.network)
        self.optimizer = torch.optim.Adam(self._groups(), lr=recipe.rate)
        self.steps_per_epoch = max(len(train) // recipe.batch, 1)
        self.total = recipe.epochs * self.steps_per_epoch
        self.done_steps, self._saved, self._loss = 0, time.monotonic(), torch.zeros(())
        self.folder.mkdir(parents=True, exist_ok=True)
        if (self.folder / store.CHECKPOINT).exists():
            self._resume()
        elif step == 2:
            self._start_from_step1(folder / "step1")

    @property
    def done(self) -> bool:
        """Whether all epochs are over."""
        return self.done_steps >= self.total

    @property
    def progress(self) -> float:
        """The share of the step that is done."""
        return self.done_steps / self.total

    @property
    def loss(self) -> float:
        """Of the last batch."""
        return float(self._loss)

    def train(self, stop: float | None = None, report: Callable[[], None] | None = None) -> bool:
        """Train until done, or until ``stop`` of ``time.monotonic()``; says whether it is done."""
        while not self.done:
            for images, labels in self._batches():
                self._loss = self._learn(images.to(self.device), labels.to(self.device))
                self.done_steps += 1
                if self.done_steps % self.steps_per_epoch == 0:
                    self._log()
                if report is not None:
                    report()
                late = stop is not None and bool(self.world.agreed(time.monotonic() >= stop))
                if self.done or late or time.monotonic() - self._saved > store.CHECKPOINT_SECONDS:
                    self.save()
                if late and not self.done:
                    return False
        return True

    def _batches(self) -> DataLoader[tuple[Tensor, Tensor]]:
        """What is left of this epoch, for this process; order and crops follow from seed and epoch."""
        epoch, position = divmod(self.done_steps, self.steps_per_epoch)
        order = torch.randperm(len(self.train_pictures), generator=torch.Generator().manual_seed(self.seed + epoch))
        size = min(self.recipe.batch, len(order))
        batches = [
            order[i * size : (i + 1) * size][self.world.rank :: self.world.size].tolist()
            for i in range(position, self.steps_per_epoch)
        ]
        self.train_pictures.salt = self.seed * 1009 + epoch
        return DataLoader(self.train_pictures, batch_sampler=batches, num_workers=self.workers)

    def _learn(self, images: Tensor, labels: Tensor) -> Tensor:
        for group in self.optimizer.param_groups:
            group["lr"] = self.recipe.rate * (1 - self.progress)
        self.network.train()
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.device.type == "cuda"):
            logits = self.forward(images)
        if self.teacher is None:
            loss = functional.cross_entropy(logits.float(), labels, label_smoothing=self.recipe.smoothing)
        else:
            with torch.no_grad():
                wanted = functional.softmax(self.teacher(images).float(), 1)
            loss = functional.cross_entropy(logits.float(), wanted)
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        self.optimizer.step()
        return loss.detach()

    def _groups(self) -> list[dict[str, Any]]:
        kernels = [p for p in self.network.parameters() if p.ndim == 4 and p.shape[0] > 1]
        others = [p for p in self.network.parameters() if not (p.ndim == 4 and p.shape[0] > 1)]
        decay = self.recipe.decay if self.step == 1 else 0.0
        return [{"params": kernels, "weight_decay": decay}, {"params": others, "weight_decay": 0.0}]

    def _log(self) -> None:
        if self.world.writes:
            rate = self.optimizer.param_groups[0]["lr"]
            epoch = self.done_steps // self.steps_per_epoch
            store.log(self.folder, {"epoch": epoch, "last_loss": f"{self.loss:.4f}", "learning_rate": f"{rate:.6f}"})

    def save(self) -> None:
        """Write the checkpoint, if this process is the one that writes."""
        self._saved = time.monotonic()
        if not self.world.writes:
            return
        state = {
            "recipe": asdict(self.recipe),
            "seed": self.seed,
            "steps": self.done_steps,
            "network": self.network.state_dict(),
            "optimizer": self.optimizer.state_dict(),
        }
        store.save(self.folder, state)

    def _resume(self) -> None:
        state = store.load(self.folder, self.device)
        if state["recipe"] != asdict(self.recipe) or state["seed"] != self.seed:
            raise UsageError(str(self.folder), "it holds a run of another recipe or seed", "choose another folder")
        self._load(state)
        self.optimizer.load_state_dict(state["optimizer"])
        self.done_steps = state["steps"]
        if self.world.writes:
            store.forget_after(self.folder, self.done_steps // self.steps_per_epoch)

    def _start_from_step1(self, folder: Path) -> None:
        if not (folder / store.CHECKPOINT).exists():
            why = "step 2 starts from the weights of step 1, which are not there"
            raise UsageError(str(folder), why, "run step 1 first")
        self._load(store.load(folder, self.device))

    def _load(self, state: dict[str, Any]) -> None:
        try:
            self.network.load_state_dict(state["network"])
        except RuntimeError as error:
            why = "the network is of another beta or number of classes"
            raise UsageError(str(self.folder.parent), why, "choose another folder") from error


@torch.no_grad()
def evaluate(network: nn.Module, pictures: Pictures, device: torch.device, batch: int = 100) -> float:
    """Top-1 on the centre crops, as a fraction."""
    network.eval()
    loader = DataLoader(pictures, batch_size=batch)
    right = sum(int((network(x.to(device)).argmax(1).cpu() == y).sum()) for x, y in loader)
    return right / len(pictures)
