"""The trained weights that come with the package, and their model cards: what ``models`` says and ``build`` uses."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from repbnn_edge.reports import ModelCard

FOLDER = Path(__file__).resolve().parents[1] / "assets" / "weights"


@cache
def cards() -> dict[tuple[str, int], ModelCard]:
    """All model cards, by network and beta."""
    found = [ModelCard.model_validate_json(path.read_text("utf-8")) for path in sorted(FOLDER.glob("*.json"))]
    return {(card.network, card.beta): card for card in found}


def card_of(name: str, beta: int, input_shape: tuple[int, int, int]) -> ModelCard | None:
    """The card of the weights that a network starts with; None where it has seeded ones.

    Weights are for the image size that they were trained on: at another they would run, and their accuracy be unknown.
    """
    card = cards().get((name, beta))
    return card if card is not None and card.input_shape == (1, *input_shape) else None


def weights_of(card: ModelCard) -> Path:
    """The file of the weights."""
    return FOLDER / card.weights
