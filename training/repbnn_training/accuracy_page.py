"""The table of docs/accuracy.md that is measured here, written from the model cards of the package."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from repbnn_edge.models import CATALOG
from repbnn_edge.reports import ModelCard

BEGIN, END = "<!-- from the model cards -->", "<!-- end -->"
PAGE = Path(__file__).resolve().parents[2] / "docs" / "accuracy.md"
_HEAD = (
    "| network | beta | paper | recipe here | seed | epochs | hours, on | PyTorch | from the .tflite | same answers |",
    "| --- | ---: | ---: | --- | ---: | ---: | --- | ---: | ---: | ---: |",
)


def rendered(cards: Mapping[tuple[str, int], ModelCard]) -> str:
    """The block between the marks: a row a network, and the gain of Rep where its twin is there."""
    if not cards:
        return "No trained network is in the package yet."
    rows = [_row(cards[key]) for key in sorted(cards)]
    return "\n".join([*_HEAD, *rows, *_gains(cards)])


def update(cards: Mapping[tuple[str, int], ModelCard], page: Path = PAGE) -> bool:
    """Write the block into the page, where there is a page (an installed package has none)."""
    if not page.exists():
        return False
    before, _, rest = page.read_text("utf-8").partition(BEGIN)
    _, _, after = rest.partition(END)
    page.write_text(f"{before}{BEGIN}\n{rendered(cards)}\n{END}{after}", "utf-8")
    return True


def _row(card: ModelCard) -> str:
    entry = CATALOG[card.network]
    paper = f"{entry.paper_top1:.2%}" if entry.paper_beta == card.beta else ""
    recipe = f"`{card.recipe['name']}`" + ("" if card.finished else ", **not at its end**")
    alike = f"{min(card.agreement.values()):.2%}"
    trained = f"{card.seed} | {card.epochs:g} | {card.hours:g}, {card.machine}"
    figures = f"{card.source_top1:.2%} | **{card.top1:.2%}** | {alike}"
    return f"| `{card.network}` | {card.beta} | {paper} | {recipe} | {trained} | {figures} |"


def _gains(cards: Mapping[tuple[str, int], ModelCard]) -> list[str]:
    lines = []
    for (network, beta), card in sorted(cards.items()):
        twin = cards.get((network, 1))
        if beta > 1 and twin is not None and twin.test_images == card.test_images:
            gain = 100 * (card.top1 - twin.top1)
            lines += ["", f"Gain of beta {beta} over beta 1 of `{network}`: **{gain:+.2f}** points, one seed each."]
    return lines
