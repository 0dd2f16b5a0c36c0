"""The page of ``bench --report``: whole, alone, safe with hostile names, looked at in a browser where there is one."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from repbnn_edge.benching.page import render, roof, view
from repbnn_edge.benching.page.charts import axis, density, word
from tests.pages import Page, check_it_stands_alone

from . import browser, made_up

HOSTILE = '"><script src=//evil.example/x.js></script><img onerror=alert(1)>'


def test_nothing_is_fetched_and_nothing_runs() -> None:
    check_it_stands_alone(render(made_up.full()))


def test_hostile_names_stay_text() -> None:
    device = {**made_up.DEVICE, "model": HOSTILE, "cores": [{"id": HOSTILE, "governor": HOSTILE}]}
    ops = [op.model_copy(update={"name": HOSTILE, "type": HOSTILE}) for op in made_up.operators(5.0)]
    reasons = [{"code": "trend", "detail": HOSTILE}]
    row = made_up.result(5.0, HOSTILE, device=device, reasons=reasons).model_copy(update={"ops": ops})
    text = render(made_up.report(row))
    assert not [tag for tag, _ in Page(text).elements if tag in ("script", "img")]
    assert "&lt;script" in text


def test_every_row_has_its_numbers_and_the_verdict_stands_above() -> None:
    words = " ".join(Page(render(made_up.full())).words)
    assert "1 of 4 rows inconclusive" in words and "the last quarter is +7.1%" in words
    page = view.page(made_up.full())
    assert [row.number for row in page.rows] == [1, 2, 3, 4]
    assert page.rows[0].ratio == "1.000" and float(page.rows[1].ratio) == pytest.approx(0.5, rel=0.02)
    assert page.scatter is not None and len(page.scatter.dots) == 4
    assert [bar.number for bar in page.bars] == [1, 4]
    assert sum(piece.share for piece in page.bars[0].pieces) == pytest.approx(100)


def test_rows_far_apart_are_shown_around_their_own_medians() -> None:
    far, near = view.page(made_up.full()).distributions, view.page(made_up.report(made_up.result(5.0))).distributions
    assert far is not None and far.relative and [word for _, word in far.ticks].count("median") == 1
    assert len({strip.median for strip in far.strips}) == 1
    assert near is not None and not near.relative


def test_emulated_rows_have_no_roof_no_latency_and_say_so() -> None:
    emulated = [{"code": "emulated", "detail": "the runner is arm64, the processor x86-64"}]
    ceilings = {"popcount_per_s": 1e12, "bytes_per_s": 1e10}
    page = view.page(made_up.report(made_up.result(5.0, ops=True, reasons=emulated, roofline=ceilings)))
    assert page.roof is None and "under emulation" in page.roof_note
    assert page.distributions is None and page.scatter is None and page.rows[0].median == "-"
    beside = view.page(made_up.report(made_up.result(5.0, reasons=emulated), made_up.full().results[0]))
    assert beside.roof is not None and {point.number for point in beside.roof.points} == {2}
    text = render(made_up.report(made_up.result(5.0, reasons=emulated)))
    assert "Left out: these rows ran under emulation" in text


def test_no_step_stands_above_the_roof_that_it_does_not_reach() -> None:
    row = made_up.result(5.0, ops=True, roofline={"popcount_per_s": 1.2e12, "bytes_per_s": 1e12})
    chart, note = roof.roof([(1, row)])
    assert note == "" and chart is not None and len(chart.points) == 5
    assert all(point.y > chart.flat[1] for point in chart.points)  # places grow downwards
    assert "50% of the roof" in chart.points[0].title
    assert chart.slope[2] == chart.flat[0]


def test_without_ceilings_or_operators_the_roofline_says_why() -> None:
    assert "--enable-op-profiling" in view.page(made_up.report(made_up.result())).roof_note
    assert "not measured" in view.page(made_up.report(made_up.result(ops=True))).roof_note


@pytest.mark.parametrize(("low", "high"), [(1.0, 1.001), (0.02, 0.05), (3.0, 11.0), (3.0, 4000.0), (7.0, 7.0)])
def test_an_axis_holds_its_values_and_has_ticks(low: float, high: float) -> None:
    scale = axis([low, high], 2.0, 98.0)
    assert 2.0 < scale.place(low) <= scale.place(high) < 98.0
    assert 1 <= len(scale.ticks(6)) <= 8
    assert scale.place(high * 1000) == 98.0


def test_a_density_has_its_peak_where_the_values_are() -> None:
    values = np.r_[np.full(50, 10.0) + np.linspace(-0.1, 0.1, 50), 14.0]
    scale = axis([9.0, 15.0], 0.0, 100.0, logarithmic=False)
    pairs = [pair.split(",") for pair in density(values, scale).removeprefix("M0,100 L").split(" L100")[0].split()]
    peak = min(pairs, key=lambda pair: float(pair[1]))
    assert float(peak[0]) == pytest.approx(scale.place(10.0), abs=1.0)


@pytest.mark.parametrize("logarithmic", [False, True])
def test_a_density_stands_where_its_axis_says(logarithmic: bool) -> None:
    scale = axis([2.0, 30.0], 5.0, 95.0, logarithmic=logarithmic)
    pairs = [pair.split(",") for pair in density(np.full(9, 7.0), scale).split("L")[1].split()]
    peak = min(pairs, key=lambda pair: float(pair[1]))
    assert float(peak[0]) == pytest.approx(scale.place(7.0), abs=1.0)


@pytest.mark.parametrize(("value", "text"), [(0.5, "0.5"), (2e12, "2 T"), (30000, "30 k"), (3e6, "3 M")])
def test_words_of_numbers(value: float, text: str) -> None:
    assert word(value) == text


@pytest.mark.skipif(browser.PROGRAM is None, reason="there is no Chromium to look at the page with")
def test_a_browser_shows_it_without_complaint_at_all_widths(tmp_path: Path) -> None:
    page = tmp_path / "report.html"
    page.write_text(render(made_up.full()), encoding="utf-8")
    backgrounds = set()
    with browser.open_browser(tmp_path / "profile") as chromium:
        for width in (400, 1400):
            for dark in (False, True):
                seen = chromium.visit(page, width, dark=dark)
                assert seen.console == []
                assert seen.requests == [page.as_uri()]
                assert seen.scroll_width <= width
                assert len(seen.picture) > 50_000
                backgrounds.add(seen.background)
    assert len(backgrounds) == 2
