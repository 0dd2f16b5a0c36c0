"""The recipes, each a name and its numbers; `python -m repbnn_training list` prints them."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Any


@dataclass(frozen=True)
class Recipe:
    """How one network is trained.

    Attributes:
        network: ``recu-resnet20``, or ``resnet20-float``, the same in full precision.
        beta: RepBNN's repeat factor.
        epochs: passes over the training images.
        batch: images a step.
        rate: peak learning rate of SGD with momentum 0.9; cosine to 0.
        decay: weight decay.
        authors: Nesterov's momentum, weight decay on convolution and dense weights alone, and PyTorch's start of the
            weights if false; if true plain momentum, decay on every parameter, and He's normal start, as ReCU's code
            has them.
        warmup: epochs of linear warm-up.
        normalise: ReCU's division of the activation by its deviation while training.
        widths: channels of the three stages.
        distil: weight of the teacher's answer in the loss, 0 to 1; above 0 a teacher must be given.
        temperature: that softens teacher and student.
        spread: see ``ReCUResNet20.spread_biases``; 0 is the authors' start.
    """

    name: str
    network: str = "recu-resnet20"
    beta: int = 1
    epochs: int = 600
    batch: int = 128
    rate: float = 0.1
    decay: float = 5e-4
    authors: bool = False
    warmup: float = 5.0
    normalise: bool = True
    widths: tuple[int, int, int] = (16, 32, 64)
    distil: float = 0.0
    temperature: float = 4.0
    spread: float = 0.0


def complete(state: dict[str, Any]) -> Recipe:
    """A recipe out of a checkpoint, which may lack fields of today and have others of before."""
    known = {field.name for field in fields(Recipe)}
    given = {name: value for name, value in state.items() if name in known}
    return Recipe(**{**given, "widths": tuple(given["widths"])})


_PAPER = Recipe("recu-resnet20", batch=256, authors=True)
_QUICK = Recipe("", epochs=30, warmup=0.5, normalise=False, spread=0.7)
_GPU = Recipe("", epochs=200, batch=256, rate=0.2, normalise=False, spread=0.7)
_FLOAT = Recipe("", network="resnet20-float", epochs=200)
_SMOKE = replace(_QUICK, epochs=1, widths=(8, 16, 32), warmup=0.1)


def _pair(plain: Recipe, name: str, **changes: Any) -> tuple[Recipe, Recipe]:
    """A recipe for the network of beta 1 and, all else equal, of beta 2."""
    return replace(plain, name=name, **changes), replace(plain, name=f"rep-{name}", beta=2, **changes)


RECIPES = {
    recipe.name: recipe
    for recipe in (
        *_pair(_PAPER, "recu-resnet20"),
        *_pair(_QUICK, "recu-resnet20-cpu"),
        *_pair(_QUICK, "recu-resnet20-cpu-kd", distil=0.7),
        *_pair(_GPU, "recu-resnet20-gpu"),
        *_pair(_GPU, "recu-resnet20-gpu-kd", distil=0.7),
        replace(_FLOAT, name="resnet20-float"),
        replace(_FLOAT, name="resnet20-float-gpu", batch=256, rate=0.2),
        replace(_FLOAT, name="resnet20-float-cpu", epochs=20, warmup=0.5),
        replace(_QUICK, name="recu-resnet20-short", epochs=4, warmup=0.3, spread=0.0),
        *_pair(_SMOKE, "smoke"),
        *_pair(_SMOKE, "smoke-kd", distil=0.7),
        replace(_SMOKE, name="smoke-float", network="resnet20-float"),
    )
}
"""ReCU's own recipe; ours for CPU hours and for GPU minutes, plain and distilled; the full-precision network; smoke
tests."""
