"""How a command prints its report: one JSON object with ``--json``, a table otherwise."""

from __future__ import annotations

import json
from typing import Any

from repbnn_edge import __version__


def print_json(command: str, body: dict[str, Any]) -> None:
    """Print the one JSON object of ``repbnn-edge <command> --json`` on stdout."""
    print(json.dumps({"schema": f"repbnn.{command}/1", "repbnn_edge": __version__, **body}))
