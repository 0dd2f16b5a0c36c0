"""docs/models.md quotes counts: they are those of the networks."""

from __future__ import annotations

from pathlib import Path

from repbnn_edge.models import CATALOG, describe

PAGE = Path(__file__).parents[2] / "docs" / "models.md"


def test_the_table_is_right():
    rows = {line.split("`")[1]: line for line in PAGE.read_text().splitlines() if line.startswith("| `rep-")}
    assert set(rows) == set(CATALOG)
    for name, line in rows.items():
        binary_macs, macs_1 = describe(name, 1).macs()
        macs_2 = describe(name, 2).macs()[1]
        cells = [cell.strip() for cell in line.split("|")[3:8]]
        convolutions = sum(node.binary for node in describe(name, 2).nodes)
        numbers = (convolutions, describe(name, 2).parameters()[0], binary_macs, macs_1, macs_2)
        assert cells == [f"{number:,}" for number in numbers]
