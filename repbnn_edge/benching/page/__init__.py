"""The page behind ``bench --report``: one file, no script, nothing fetched from anywhere."""

from __future__ import annotations

from pathlib import Path

from repbnn_edge import htmlreport
from repbnn_edge.benching.page.view import page
from repbnn_edge.benching.report import BenchReport

__all__ = ["render"]


def render(report: BenchReport) -> str:
    """Write the page about a measurement.

    Args:
        report: what ``bench`` returned; rows without a number are listed with the reason.

    Returns:
        A whole HTML document. Names in it are escaped: a hostile file or device cannot put markup there.
    """
    template = htmlreport.environment(Path(__file__).parent).get_template("bench.html.j2")
    return template.render(page=page(report))
