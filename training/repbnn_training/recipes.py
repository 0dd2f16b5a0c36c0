"""The recipes, each a name and its numbers; `python -m repbnn_training list` prints them."""

from __future__ import annotations

from dataclasses import dataclass, replace


@dataclass(frozen=True)
class Recipe:
    """How one network is trained.

    Attributes:
        network: which definition of ``networks``.
        beta: RepBNN's repeat factor.
        epochs: passes over the training images.
        batch: images a step.
        optimizer: ``sgd`` with Nesterov momentum 0.9, or ``adam``.
        rate: peak learning rate; cosine to 0.
        decay: weight decay, on convolution and dense weights.
        warmup: epochs of linear warm-up.
        smoothing: label smoothing.
        normalise: ReCU's division of the activation by its deviation while training.
        widths: channels of the three stages.
    """

    name: str
    network: str = "recu-resnet20"
    beta: int = 1
    epochs: int = 600
    batch: int = 128
    optimizer: str = "sgd"
    rate: float = 0.1
    decay: float = 5e-4
    warmup: float = 5.0
    smoothing: float = 0.0
    normalise: bool = True
    widths: tuple[int, int, int] = (16, 32, 64)


_PAPER = Recipe("recu-resnet20")
_QUICK = replace(_PAPER, epochs=30, warmup=0.5, normalise=False)

RECIPES = {
    recipe.name: recipe
    for recipe in (
        _PAPER,
        replace(_PAPER, name="rep-recu-resnet20", beta=2),
        replace(_QUICK, name="recu-resnet20-cpu"),
        replace(_QUICK, name="rep-recu-resnet20-cpu", beta=2),
        replace(_QUICK, name="recu-resnet20-short", epochs=4, warmup=0.3),
        replace(_QUICK, name="smoke", epochs=1, widths=(8, 16, 32), beta=2, warmup=0.1),
    )
}
"""ReCU's own recipe for both, the same cut to CPU hours, and a smoke test."""
