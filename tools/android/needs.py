"""What must be installed, said in one line before anything starts; and commands, run with their output kept."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

FRAMEWORK = Path("/usr/share/android-framework-res/framework-res.apk")
_PACKAGES = {
    "javac": "openjdk-17-jdk-headless",
    "mvn": "maven",
    "aapt": "aapt",
    "aapt2": "aapt",
    "zipalign": "zipalign",
    "apksigner": "apksigner",
}


class BuildError(Exception):
    """One sentence: what, why, what to do."""


def missing() -> list[str]:
    """The Debian packages that are not installed."""
    packages = {package for tool, package in _PACKAGES.items() if shutil.which(tool) is None}
    if not FRAMEWORK.is_file():
        packages.add("android-framework-res")
    return sorted(packages)


def require() -> None:
    """Raise with the one line that installs everything that is missing."""
    packages = missing()
    if packages:
        raise BuildError(f"not installed yet, so run: apt-get install --no-install-recommends {' '.join(packages)}")


def run(command: Sequence[str | Path], what: str, cwd: Path | None = None) -> str:
    """Run a command; its stdout, or a ``BuildError`` with its last lines."""
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, cwd=cwd)
    if done.returncode != 0:
        said = "\n".join((done.stdout + done.stderr).strip().splitlines()[-30:])
        raise BuildError(f"{what} failed: {' '.join(str(part) for part in command[:4])} ...\n{said}")
    return done.stdout
