"""``devices check`` and ``devices clean``: one device, step by step."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from repbnn_edge.devices import registry
from repbnn_edge.devices.remote import RemoteDevice
from repbnn_edge.devices.resolving import open_device
from repbnn_edge.errors import UsageError

_CHECK_SECONDS = 120.0


def check_device(name: str) -> Iterator[str]:
    """Reach a device, hold a folder on it, push the runner and run its ``--version``: each step when it is done.

    Raises:
        RepbnnError: the first step that failed.
    """
    device = open_device(name)
    with contextlib.closing(device):
        yield f"reached {name}"
        facts = device.facts()
        cores = len(facts["cores"])
        yield f"{facts['model'] or 'unknown model'}, {facts['soc_model'] or 'unknown SoC'}, {cores} cores"
        yield f"its programs are {facts['abi']}, kernel {facts['kernel']}, pages of {facts['page_size_bytes']} bytes"
        device.prepare(_CHECK_SECONDS)
        if isinstance(device, RemoteDevice):
            yield f"our folder there is {device.base}"
            said = device.runner_version
            yield f"the runner runs there: {said.get('version')} for {said.get('abi')}"
        device.state(device.usable_cores())
        yield "its state can be read"
        _remember(name, facts["model"])
    yield "nothing stays there but the cache"


def _remember(name: str, model: str | None) -> None:
    """So that a profile (``raspberry-pi``) finds the board of that family that the user named."""
    known = registry.load().get(name)
    if known is not None and model and known.model != model:
        registry.add(registry.NamedDevice(name, known.target, known.folder, model), replace=True)


def clean_device(name: str) -> int:
    """Remove everything of ours from a device; gives the KiB that it took.

    Raises:
        RepbnnError: it cannot be reached.
    """
    device = open_device(name)
    with contextlib.closing(device):
        if not isinstance(device, RemoteDevice):
            raise UsageError(name, "bench keeps nothing on this machine but its cache folder", "see repbnn-edge doctor")
        return device.clean()
