"""The page behind ``convert --report``: one file, no script, nothing fetched from anywhere."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from repbnn_edge.htmlreport import view
from repbnn_edge.inspection import InspectReport
from repbnn_edge.reports import ConvertReport

__all__ = ["environment", "render"]


def render(report: ConvertReport, inspection: InspectReport) -> str:
    """Write the page about a conversion.

    Args:
        report: what ``convert`` or ``verify`` returned.
        inspection: what ``inspect`` says of the same file.

    Returns:
        A whole HTML document. Names in it are escaped: a hostile network cannot put markup there.
    """
    page = view.page(report, inspection)
    return environment().get_template("page.html.j2").render(page=page, report=report, inspection=inspection)


def environment(*folders: Path) -> Any:
    """The jinja2 environment of all our pages: everything is escaped, ``style.css`` is at hand.

    Args:
        folders: of further templates, looked into first.
    """
    import jinja2

    return jinja2.Environment(
        loader=jinja2.FileSystemLoader([*folders, Path(__file__).parent]),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
