"""``repbnn-edge devices`` and its parts: add, remove, check, clean."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from repbnn_edge.cli.output import print_json

if TYPE_CHECKING:
    from repbnn_edge.devices.listing import DevicesReport

EPILOG = "Example: repbnn-edge devices, then repbnn-edge bench network.tflite --device pixel"

app = typer.Typer(invoke_without_command=True, no_args_is_help=False, rich_markup_mode=None)

Json = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]


def complete(incomplete: str) -> list[str]:
    """Names for ``--device``: no connection is made for them."""
    from repbnn_edge.devices import registry
    from repbnn_edge.devices.profiles import PROFILES
    from repbnn_edge.errors import RepbnnError

    try:
        named = list(registry.load())
    except RepbnnError:
        named = []
    return [name for name in ("host", *named, *PROFILES) if name.startswith(incomplete)]


@app.callback(epilog=EPILOG)
def command(context: typer.Context, as_json: Json = False) -> None:
    """Say which phones and boards can be reached now, and what to do where one cannot."""
    if context.invoked_subcommand is not None:
        return
    from repbnn_edge.devices.listing import list_devices

    report = list_devices()
    if as_json:
        print_json("devices", report.to_json())
    else:
        _print(report)


def _print(report: DevicesReport) -> None:
    from rich.table import Table

    from repbnn_edge.console import out

    table = Table(box=None, header_style="bold", pad_edge=False)
    for title in ("name", "over", "state", "abi", "model"):
        table.add_column(title, no_wrap=title != "model")
    from rich.text import Text

    for device in report.devices:
        cells = (device.name, device.transport, device.state, device.abi or "-", device.model or "-")
        table.add_row(*(Text(_printable(cell)) for cell in cells))
    out().print(table)
    for device in report.devices:
        if device.hint:
            out().print(f"{_printable(device.name)}: {_printable(device.hint)}", soft_wrap=True, markup=False)
    for note in report.notes:
        out().print(_printable(note), soft_wrap=True, markup=False)


@app.command(epilog="Example: repbnn-edge devices add kitchen ssh:pi@192.168.1.5")
def add(
    name: Annotated[str, typer.Argument(help="What --device shall take.")],
    target: Annotated[str, typer.Argument(help="adb:SERIAL or ssh:USER@HOST.")],
    folder: Annotated[str | None, typer.Option(help="Where our folder is made there; absolute.")] = None,
    as_json: Json = False,
) -> None:
    """Give a device a name of your own, in devices.toml."""
    from repbnn_edge.devices import registry, resolving
    from repbnn_edge.errors import UsageError

    resolving.check_target(target)
    if folder is not None and not folder.startswith("/"):
        raise UsageError("--folder", f"{folder!r} does not begin with /", "give an absolute one")
    registry.add(registry.NamedDevice(name, target, folder))
    _done(as_json, {"added": name, "target": target, "file": str(registry.path())}, f"next: devices check {name}")


@app.command(epilog="Example: repbnn-edge devices remove kitchen")
def remove(
    name: Annotated[str, typer.Argument(help="As in devices.toml.", autocompletion=complete)], as_json: Json = False
) -> None:
    """Take a device out of devices.toml."""
    from repbnn_edge.devices import registry

    registry.remove(name)
    _done(as_json, {"removed": name, "file": str(registry.path())}, f"removed {name}")


@app.command(epilog="Example: repbnn-edge devices check pixel")
def check(
    name: Annotated[str, typer.Argument(help="As --device takes it.", autocompletion=complete)], as_json: Json = False
) -> None:
    """Push the runner to a device and run its --version there, saying each step."""
    from repbnn_edge.devices.checking import check_device

    steps = []
    for step in check_device(name):
        steps.append(step)
        if not as_json:
            print(f"ok  {_printable(step)}", flush=True)
    if as_json:
        print_json("devices.check", {"name": name, "steps": steps})


@app.command(epilog="Example: repbnn-edge devices clean kitchen")
def clean(
    names: Annotated[
        list[str] | None,
        typer.Argument(help="As --device takes them; without any, all that are ready.", autocompletion=complete),
    ] = None,
    as_json: Json = False,
) -> None:
    """Remove everything of ours from devices: what was cached there, and what dead calls left."""
    from repbnn_edge.devices.checking import clean_device
    from repbnn_edge.devices.listing import list_devices

    ready = names or [
        device.name
        for device in list_devices().devices
        if device.transport != "host" and device.state in ("device", "ready")
    ]
    freed = {}
    for name in ready:
        freed[name] = clean_device(name)
        if not as_json:
            print(f"{_printable(name)}: {freed[name]} KiB freed", flush=True)
    if as_json:
        print_json("devices.clean", {"freed_kib": freed})
    elif not ready:
        print("no device is ready to be cleaned")


def _done(as_json: bool, body: dict[str, Any], line: str) -> None:
    if as_json:
        print_json("devices", body)
    else:
        print(line)


def _printable(text: str) -> str:
    """What a device says of itself must not reach the terminal as control characters."""
    return "".join(letter if letter.isprintable() else "?" for letter in text)
