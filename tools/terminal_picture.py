"""Runs commands and draws what they print as an SVG: ``python tools/terminal_picture.py OUT.svg 'command' ...``."""

from __future__ import annotations

import io
import os
import shlex
import subprocess
import sys
from pathlib import Path

from rich.console import Console
from rich.text import Text

WIDTH = 152


def main(out: Path, commands: list[str]) -> None:
    """Run each command in a folder of its own and export the whole as one picture."""
    console = Console(record=True, width=WIDTH, file=io.StringIO(), force_terminal=True, color_system="truecolor")
    environment = {**os.environ, "FORCE_COLOR": "1", "COLUMNS": str(WIDTH)}
    for command in commands:
        console.print(Text.assemble(("$ ", "bold green"), (command, "bold")))
        done = subprocess.run(shlex.split(command), capture_output=True, text=True, env=environment, check=False)
        console.print(Text.from_ansi(done.stdout.rstrip() + "\n"))
        if done.returncode:
            raise SystemExit(f"{command}: exit {done.returncode}: {done.stderr}")
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(console.export_svg(title="repbnn-edge"), encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
