"""The list of commands, in the order in which `--help` shows them."""

from __future__ import annotations

import typer

from repbnn_edge.cli import (
    bench_command,
    convert_command,
    demo_command,
    devices_command,
    doctor_command,
    eval_command,
    inspect_command,
    models_command,
    transform_command,
    verify_command,
)


def commands(app: typer.Typer) -> None:
    """Add every command to the app."""
    app.command("demo", epilog=demo_command.EPILOG)(demo_command.command)
    app.command("convert", epilog=convert_command.EPILOG)(convert_command.command)
    app.command("verify", epilog=verify_command.EPILOG)(verify_command.command)
    app.command("bench", epilog=bench_command.EPILOG)(bench_command.command)
    app.command("eval", epilog=eval_command.EPILOG)(eval_command.command)
    app.command("inspect", epilog=inspect_command.EPILOG)(inspect_command.command)
    app.add_typer(devices_command.app, name="devices")
    app.command("models", epilog=models_command.EPILOG)(models_command.command)
    app.command("transform", epilog=transform_command.EPILOG)(transform_command.command)
    app.command("doctor", epilog=doctor_command.EPILOG)(doctor_command.command)
