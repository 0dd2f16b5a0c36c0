"""Maven that reaches nothing is this machine's lack, and tests skip; what is wrong in our own files fails them."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.android.building import DEMO, ROOT

sys.path.insert(0, str(ROOT / "tools"))

import maven

pytestmark = [
    pytest.mark.xdist_group("android"),
    pytest.mark.skipif(shutil.which("mvn") is None, reason="not installed: maven"),
]
NOWHERE = "<settings><mirrors><mirror><id>nowhere</id><mirrorOf>*</mirrorOf><url>{}</url></mirror></mirrors></settings>"


def said(pom: str, folder: Path) -> str:
    """Maven's words about a POM, with an empty cache and a repository at which nobody listens."""
    (folder / "pom.xml").write_text(pom)
    (folder / "settings.xml").write_text(NOWHERE.format("http://127.0.0.1:9/maven"))
    words = ["-s", folder / "settings.xml", f"-Dmaven.repo.local={folder / 'm2'}", "-f", folder / "pom.xml"]
    command = ["mvn", "-q", "-B", *words, "org.apache.maven.plugins:maven-dependency-plugin:3.6.1:list"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode != 0
    return done.stdout + done.stderr


def test_a_repository_that_is_not_there(tmp_path: Path) -> None:
    assert maven.unreachable(said((DEMO / "artifacts.pom.xml").read_text(), tmp_path))


def test_a_broken_pom(tmp_path: Path) -> None:
    broken = (DEMO / "artifacts.pom.xml").read_text().replace("</project>", "</projct>")
    assert not maven.unreachable(said(broken, tmp_path))


def test_a_version_that_nobody_has() -> None:
    wrong = "org.tensorflow:tensorflow-lite:aar:2.16.99"
    words = f"The following artifacts could not be resolved: {wrong}: Could not find artifact {wrong} in central"
    assert not maven.unreachable(words)
