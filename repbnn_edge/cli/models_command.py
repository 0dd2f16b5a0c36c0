"""``repbnn-edge models``."""

from __future__ import annotations

from typing import Annotated

import typer

from repbnn_edge.cli.output import print_json

EPILOG = "Example: repbnn-edge models, then repbnn-edge convert rep-recu-resnet20"


def command(
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """List the built-in networks: names, beta, input shape, weights and multiply-accumulates."""
    from repbnn_edge.models import list_models

    report = list_models()
    if as_json:
        print_json("models", report.to_json())
        return
    from rich.table import Table

    from repbnn_edge.console import out

    table = Table(box=None, header_style="bold", pad_edge=False)
    for title in ("name", "input"):
        table.add_column(title, no_wrap=True)
    titles = ["beta", "binary weights", "other weights", "binary MACs", "float MACs"]
    if any(m.trained for m in report.models):
        titles.append("trained")
    for title in titles:
        table.add_column(title, justify="right")
    for m in report.models:
        counts = (m.parameters.binary, m.parameters.float, m.macs.binary, m.macs.float)
        trained = ["yes" if m.trained else "no"] if "trained" in titles else []
        table.add_row(m.name, "x".join(map(str, m.input_shape[1:])), str(m.beta), *map(_short, counts), *trained)
    out().print(table)
    out().print("Give one to: repbnn-edge convert NAME. --beta 1 is the original network.", soft_wrap=True)
    if "trained" not in titles:
        out().print("All have seeded weights: good for sizes and times, not for accuracy.", soft_wrap=True)


def _short(count: int) -> str:
    """Three significant digits: 4.82 G."""
    for factor, unit in ((10**9, "G"), (10**6, "M"), (10**3, "k")):
        if count >= factor:
            return f"{count / factor:.3g} {unit}"
    return str(count)
