"""docs/accuracy.md says what the model cards say."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("torch", reason="PyTorch is an extra: pip install repbnn-edge[training]")

from repbnn_training import accuracy_page as page

from repbnn_edge.models import shipped
from repbnn_edge.reports import ModelCard


def card(beta: int, top1: float, **changes: object) -> ModelCard:
    facts = {
        "network": "rep-recu-resnet20",
        "beta": beta,
        "input_shape": (1, 32, 32, 3),
        "weights": "w.safetensors",
        "bytes": 1,
        "data": "d",
        "test_images": 10_000,
        "top1": top1,
        "top5": 0.99,
        "source_top1": top1,
        "agreement": {"litert": 0.9999, "lce": 0.9998},
        "recipe": {"name": "r"},
        "seed": 1,
        "epochs": 20.0,
        "hours": 1.5,
        "machine": "2 cores",
        "finished": True,
    }
    return ModelCard.model_validate({**facts, **changes})


def test_the_page_is_of_the_cards_in_the_package() -> None:
    text = page.PAGE.read_text("utf-8")
    assert f"{page.BEGIN}\n{page.rendered(shipped.cards())}\n{page.END}" in text


def test_rows_and_the_gain(tmp_path: Path) -> None:
    cards = {("rep-recu-resnet20", 2): card(2, 0.8, finished=False), ("rep-recu-resnet20", 1): card(1, 0.7875)}
    path = tmp_path / "accuracy.md"
    path.write_text(f"before\n{page.BEGIN}\nold\n{page.END}\nafter\n")
    assert page.update(cards, path)
    lines = path.read_text().splitlines()
    assert lines[0] == "before" and lines[-1] == "after" and "old" not in lines
    rows = [line for line in lines if line.startswith("| `rep")]
    assert "| 1 |  | `r` |" in rows[0] and "**78.75%** | 99.98% |" in rows[0]
    assert "88.97%" in rows[1] and "not at its end" in rows[1]
    assert any("**+1.25** points" in line for line in lines)
    assert not page.update(cards, tmp_path / "missing.md")


def test_twins_tested_on_other_pictures_are_not_compared() -> None:
    cards = {("rep-recu-resnet20", 2): card(2, 0.8), ("rep-recu-resnet20", 1): card(1, 0.7, test_images=100)}
    assert "Gain" not in page.rendered(cards)
