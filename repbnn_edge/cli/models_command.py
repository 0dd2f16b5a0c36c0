"""``repbnn-edge models``."""

from __future__ import annotations

from typing import Annotated, Any

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
        trained = [_accuracy(m.trained)] if "trained" in titles else []
        table.add_row(m.name, "x".join(map(str, m.input_shape[1:])), str(m.beta), *map(_short, counts), *trained)
    out().print(table)
    out().print("Give one to: repbnn-edge convert NAME. --beta 1 is the original network.", soft_wrap=True)
    for m in report.models:
        if m.trained:
            out().print(_story(m.name, m.trained), soft_wrap=True)
    if "trained" not in titles:
        out().print("All have seeded weights: good for sizes and times, not for accuracy.", soft_wrap=True)


def _accuracy(trained: dict[str, Any] | None) -> str:
    return f"{trained['top1']:.1%}" if trained else "no"


def _story(name: str, trained: dict[str, Any]) -> str:
    others = "".join(
        f"; beta {beta}, trained the same way: {top1:.2%}" for beta, top1 in trained["other_betas"].items()
    )
    return f"{name}: top-1 {trained['top1']:.2%} on {trained['test_images']:,} pictures ({trained['data']}){others}."


def _short(count: int) -> str:
    """Three significant digits: 4.82 G."""
    for factor, unit in ((10**9, "G"), (10**6, "M"), (10**3, "k")):
        if count >= factor:
            return f"{count / factor:.3g} {unit}"
    return str(count)
