"""Jars and archives from Maven Central, by Maven's own client; asked once, remembered with their paths."""

from __future__ import annotations

import json
import zipfile
from functools import cache
from pathlib import Path

import needs
import stamps
from layout import BUILD, DEMO
from needs import BuildError

_POM = DEMO / "artifacts.pom.xml"
_PLUGIN = "org.apache.maven.plugins:maven-dependency-plugin:3.6.1"
# Google's repository has r8 everywhere; Maven Central does not always. Each brings com.android.tools.r8.D8.
_DEXERS = ("com.android.tools:r8:9.5.28", "software.coley:dex-translator:1.1.1")


@cache
def all_of() -> dict[str, Path]:
    """``group:artifact -> file`` of everything that building and testing take."""
    record = BUILD / "artifacts.json"
    key = stamps.digest([_POM])
    if stamps.is_fresh(record, key):
        known = {name: Path(path) for name, path in json.loads(record.read_text()).items()}
        if all(path.is_file() for path in known.values()):
            return known
    BUILD.mkdir(parents=True, exist_ok=True)
    found = _list()
    found["dexer"] = _dexer(found["junit:junit"].parents[3])
    record.write_text(json.dumps({name: str(path) for name, path in found.items()}, indent=1))
    stamps.mark(record, key)
    return found


def unpacked(name: str) -> Path:
    """The folder that an .aar was unpacked into."""
    archive = all_of()[name]
    folder = BUILD / "artifacts" / archive.stem
    if not (folder / "classes.jar").is_file():
        with zipfile.ZipFile(archive) as opened:
            opened.extractall(folder)
    return folder


def jar(name: str) -> Path:
    """The classes of an artifact, whether it is a .jar or an .aar."""
    path = all_of()[name]
    return unpacked(name) / "classes.jar" if path.suffix == ".aar" else path


def _list() -> dict[str, Path]:
    listing = BUILD / "artifacts.txt"
    options = ("-DoutputAbsoluteArtifactFilename=true", f"-DoutputFile={listing}")
    command = ["mvn", "-q", "-B", "-f", _POM, "-Ptests", f"{_PLUGIN}:list", *options]
    try:
        needs.run([command[0], "-o", *command[1:]], "Maven, offline")
    except BuildError:
        needs.run(command, "Maven")
    found = {}
    for line in listing.read_text().splitlines():
        fields = line.strip().split(" -- ")[0].split(":")
        if len(fields) >= 6:
            found[f"{fields[0]}:{fields[1]}"] = Path(fields[-1])
    listing.unlink()
    return found


def _dexer(repository: Path) -> Path:
    for coordinates in _DEXERS:
        group, artifact, version = coordinates.split(":")
        get = ("-q", "-B", f"{_PLUGIN}:get", f"-Dartifact={coordinates}", "-Dtransitive=false")
        for mode in (("mvn", "-o"), ("mvn",)):
            try:
                needs.run((*mode, *get), "Maven")
            except BuildError:
                continue
            return repository / group.replace(".", "/") / artifact / version / f"{artifact}-{version}.jar"
    raise BuildError(f"no dexer could be had: {', '.join(_DEXERS)}; see whether Maven reaches its repositories")
