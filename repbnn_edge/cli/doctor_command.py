"""``repbnn-edge doctor``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from repbnn_edge import console
from repbnn_edge.cli import environment
from repbnn_edge.cli.output import print_json

if TYPE_CHECKING:
    from repbnn_edge.diagnosis import DoctorReport

EPILOG = "Example: repbnn-edge doctor --json"


def command(
    context: typer.Context,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Say what is installed, what is missing, the one command that mends it, and which settings are in effect."""
    from repbnn_edge.diagnosis import Option, doctor

    assert context.parent is not None
    options = {
        name: {
            option.name: Option(default=option.default, environment=option.environment)
            for option in environment.options(known)
        }
        for name, known in environment.commands(context.parent.command)
    }
    report = doctor(options)
    if as_json:
        print_json("doctor", report.to_json())
    else:
        _print(report)


def _print(report: DoctorReport) -> None:
    from rich.markup import escape

    out = console.out()
    width = max(len(check.name) for check in report.checks)
    for check in report.checks:
        mark = "[green]ok[/green]  " if check.ok else "[red]MISS[/red]"
        out.print(f"{mark} {check.name:<{width}}  {escape(check.found)}", soft_wrap=True)
        if check.do:
            out.print(f"{'':<{width + 7}}[dim]{escape(check.do)}[/dim]", soft_wrap=True)
    out.print("\n[bold]settings[/bold] (default where not listed; all of them with --json)")
    for name, setting in report.settings.items():
        if setting.origin != "default" or "." not in name:
            out.print(f"  {name} = {escape(str(setting.value))}  [dim]({setting.origin})[/dim]", soft_wrap=True)
    if report.mend:
        out.print(f"\nto mend all of it: [bold]{escape(report.mend)}[/bold]", soft_wrap=True)
    elif all(check.ok for check in report.checks):
        out.print("\nall is well")
