"""docs/bench.md quotes thresholds, presets and codes: they are those of the code."""

from __future__ import annotations

import re
from pathlib import Path

from repbnn_edge.benching import presets, sampling, verdicts

PAGE = (Path(__file__).parents[2] / "docs" / "bench.md").read_text(encoding="utf-8")


def _table(title: str) -> list[list[str]]:
    """Rows of the first table whose header has this word, cells stripped."""
    lines = PAGE.splitlines()
    start = next(i for i, line in enumerate(lines) if line.startswith("|") and title in line) + 2
    rows = []
    for line in lines[start:]:
        if not line.startswith("|"):
            break
        rows.append([cell.strip().strip("`") for cell in line.strip("|").split("|")])
    return rows


def test_every_code_is_told_with_its_threshold() -> None:
    doubts, failures = _table("| fires when | threshold |\n".strip()), _table("| threshold | exit |")
    codes = [code for row in doubts for code in re.findall(r"\w+", row[0])]
    assert sorted(codes) == sorted(verdicts.INCONCLUSIVE)
    told = {row[0]: float(row[2]) for row in (*doubts, *failures) if row[2]}
    assert told == {code: float(value) for code, value in verdicts.THRESHOLDS.items()}
    assert {code for row in failures for code in re.findall(r"\w+", row[0])} == set(verdicts.FAILED)


def test_the_presets_are_right() -> None:
    rows = {row[0]: [float(cell) for cell in row[1:]] for row in _table("| preset |")}
    assert rows == {name: [e.num_runs, e.min_secs, e.max_secs] for name, e in presets.PRESETS.items()}


def test_the_warm_up_is_told_as_it_is() -> None:
    text = " ".join(PAGE.split())
    assert f"within {sampling.STEADY:.0%} of each other" in text
    assert f"most {sampling.WARMUP_LIMIT_SECONDS:.0f} seconds" in text
    assert sampling.WINDOW_SECONDS == 0.25 and "windows of a quarter second" in text
    assert sampling.WINDOW_RUNS == 4 and "at least four runs" in text


def test_every_field_of_a_result_is_listed() -> None:
    from repbnn_edge.benching.report import BenchReport, BenchResult, Latency

    section = PAGE[PAGE.index("## JSON") :]
    names = set(re.findall(r"\w+", section))
    for model in (BenchReport, BenchResult, Latency):
        assert set(model.model_fields) <= names, set(model.model_fields) - names
