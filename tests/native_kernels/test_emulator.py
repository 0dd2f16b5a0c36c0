"""Where the processor with SME2 comes from: found, or told in one word that it is not to be had."""

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

FETCH = Path(__file__).resolve().parents[2] / "tools" / "qemu" / "fetch.sh"


def fetch(*options: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([FETCH, *options], env={**os.environ, **environment}, capture_output=True, text=True)


def test_what_is_not_there_is_not_fetched_unasked(tmp_path: Path) -> None:
    done = fetch("--cached", REPBNN_QEMU_CACHE=str(tmp_path / "cache"))
    assert (done.returncode, done.stdout) == (1, "unavailable\n")
    assert not list(tmp_path.iterdir())


def test_a_machine_without_apt_says_so(tmp_path: Path) -> None:
    tools = tmp_path / "tools"
    tools.mkdir()
    for name in ("bash", "env", "dirname"):
        (tools / name).symlink_to(shutil.which(name) or "")
    done = fetch(PATH=str(tools), REPBNN_QEMU_CACHE=str(tmp_path / "cache"))
    assert (done.returncode, done.stdout, done.stderr) == (1, "unavailable\n", "this machine has no apt-get\n")


def test_the_emulator_is_named_and_runs(sme2_emulator: Callable[[int], list[str]]) -> None:
    emulator, *words = sme2_emulator(512)
    assert fetch("--cached").stdout == f"{emulator}\n"
    assert words == ["-cpu", "max,sme_fa64=off,sme-default-vector-length=64"]
    version = subprocess.run([emulator, "--version"], capture_output=True, text=True, check=True).stdout
    major, minor = map(int, version.split()[2].split(".")[:2])
    assert (major, minor) >= (10, 1)
