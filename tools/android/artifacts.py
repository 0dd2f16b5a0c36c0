"""Jars and archives from Maven Central, by Maven's own client; asked once, remembered with their paths."""

from __future__ import annotations

import json
import zipfile
from functools import cache
from pathlib import Path

import maven
import needs
import stamps
from layout import BUILD, DEMO
from needs import BuildError

_POM = DEMO / "artifacts.pom.xml"
_PLUGIN = "org.apache.maven.plugins:maven-dependency-plugin:3.6.1"
# Google's repository has r8 everywhere; Maven Central does not always. The other bundles D8 with what it needs.
_R8 = "com.android.tools:r8:9.5.28"
_OTHER_DEXER = DEMO / "dexer.pom.xml"


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
    _maven("-f", _POM, "-Ptests", f"{_PLUGIN}:list", *options)
    found = {}
    for line in listing.read_text().splitlines():
        fields = line.strip().split(" -- ")[0].split(":")
        if len(fields) >= 6:
            found[f"{fields[0]}:{fields[1]}"] = Path(fields[-1])
    listing.unlink()
    return found


def _maven(*words: str | Path) -> None:
    """Run Maven on what it has, else with the network."""
    try:
        needs.run(["mvn", "-o", "-q", "-B", *words], "Maven, offline")
        return
    except BuildError:
        pass
    try:
        needs.run(["mvn", "-q", "-B", *words], "Maven")
    except BuildError as error:
        if maven.unreachable(str(error)):
            raise BuildError(f"Maven cannot reach its repositories, so see its network settings: {error}") from error
        raise


@cache
def dexer() -> str:
    """A classpath that holds com.android.tools.r8.D8."""
    record = BUILD / "dexer.txt"
    key = stamps.digest([_OTHER_DEXER], _R8)
    if stamps.is_fresh(record, key):
        return record.read_text()
    repository = all_of()["junit:junit"].parents[3]
    classpath = _r8(repository) or _other_dexer()
    record.write_text(classpath)
    stamps.mark(record, key)
    return classpath


def _r8(repository: Path) -> str | None:
    group, artifact, version = _R8.split(":")
    try:
        _maven(f"{_PLUGIN}:get", f"-Dartifact={_R8}", "-Dtransitive=false")
    except BuildError:
        return None
    return str(repository / group.replace(".", "/") / artifact / version / f"{artifact}-{version}.jar")


def _other_dexer() -> str:
    listing = BUILD / "dexer-classpath.txt"
    _maven("-f", _OTHER_DEXER, f"{_PLUGIN}:build-classpath", f"-Dmdep.outputFile={listing}")
    classpath = listing.read_text().strip()
    listing.unlink()
    return classpath
