"""``repbnn-<version>.aar``, and a Maven repository folder that holds it."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import archives
import binaries
import java
import needs
import stamps
from archives import Entry
from layout import ABIS, BUILD, LIBRARY, MIN_SDK, OUTPUTS, ROOT, version

_RUNTIME = ("org.tensorflow", "tensorflow-lite", "2.16.1")
_HEADER = ROOT / "native" / "delegate" / "repbnn_delegate.h"


def classes() -> Path:
    """The library's compiled classes."""
    sources = stamps.files(LIBRARY / "src" / "main" / "java")
    return java.compile_into(BUILD / "classes-library", sources, java.android_jars())


def build() -> Path:
    """Make the .aar and the repository; gives the .aar's path."""
    needs.require()
    entries = [
        Entry("AndroidManifest.xml", (LIBRARY / "src" / "main" / "AndroidManifest.xml").read_bytes()),
        Entry("classes.jar", java.jar(classes()), stored=True),
        Entry("R.txt", b""),
        Entry("proguard.txt", (LIBRARY / "proguard-rules.pro").read_bytes()),
        Entry("META-INF/LICENSE", (ROOT / "LICENSE").read_bytes()),
        *_prefab_head(),
    ]
    for abi in ABIS:
        entries += _native(abi, binaries.for_android(abi))
    path = OUTPUTS / f"repbnn-{version()}.aar"
    archives.write(path, entries)
    _publish(path)
    return path


def _native(abi: str, folder: Path) -> list[Entry]:
    module = f"prefab/modules/repbnn_delegate/libs/android.{abi}"
    facts = {"abi": abi, "api": MIN_SDK, "ndk": 25, "stl": "none", "static": False}
    libraries = [Entry(f"jni/{abi}/{name}", (folder / name).read_bytes()) for name in binaries.NAMES]
    return [
        *libraries,
        Entry(f"{module}/abi.json", _json(facts)),
        Entry(f"{module}/{binaries.NAMES[0]}", (folder / binaries.NAMES[0]).read_bytes()),
    ]


def _prefab_head() -> list[Entry]:
    """The delegate for C++ users of the .aar: find_package(repbnn) in the NDK's CMake."""
    package = {"schema_version": 2, "name": "repbnn", "version": version(), "dependencies": []}
    module = {"export_libraries": [], "library_name": "librepbnn_delegate"}
    return [
        Entry("prefab/prefab.json", _json(package)),
        Entry("prefab/modules/repbnn_delegate/module.json", _json(module)),
        Entry("prefab/modules/repbnn_delegate/include/repbnn_delegate.h", _HEADER.read_bytes()),
    ]


def _json(value: object) -> bytes:
    return (json.dumps(value, indent=2) + "\n").encode()


def _publish(aar: Path) -> None:
    """Lay out a repository: maven { url 'android_demo/build/outputs/maven' } finds org.repbnn:repbnn in it."""
    home = OUTPUTS / "maven" / "org" / "repbnn" / "repbnn"
    stem = f"repbnn-{version()}"
    sources = LIBRARY / "src" / "main" / "java"
    source_jar = BUILD / f"{stem}-sources.jar"
    archives.write(
        source_jar, [Entry(str(path.relative_to(sources)), path.read_bytes()) for path in stamps.files(sources)]
    )
    _with_sums(home / version() / f"{stem}.aar", aar.read_bytes())
    _with_sums(home / version() / f"{stem}-sources.jar", source_jar.read_bytes())
    _with_sums(home / version() / f"{stem}.pom", _pom().encode())
    _with_sums(home / "maven-metadata.xml", _metadata().encode())


def _with_sums(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    for algorithm in ("sha1", "md5"):
        path.with_name(f"{path.name}.{algorithm}").write_text(hashlib.new(algorithm, data).hexdigest())


def _pom() -> str:
    group, artifact, runtime_version = _RUNTIME
    return f"""<?xml version="1.0" encoding="UTF-8"?>
<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>org.repbnn</groupId>
  <artifactId>repbnn</artifactId>
  <version>{version()}</version>
  <packaging>aar</packaging>
  <name>RepBNN</name>
  <description>Binary neural networks in Android apps, on stock TensorFlow Lite</description>
  <licenses>
    <license>
      <name>Apache-2.0</name>
    </license>
  </licenses>
  <dependencies>
    <dependency>
      <groupId>{group}</groupId>
      <artifactId>{artifact}</artifactId>
      <version>{runtime_version}</version>
      <type>aar</type>
    </dependency>
  </dependencies>
</project>
"""


def _metadata() -> str:
    return f"""<?xml version="1.0" encoding="UTF-8"?>
<metadata>
  <groupId>org.repbnn</groupId>
  <artifactId>repbnn</artifactId>
  <versioning>
    <latest>{version()}</latest>
    <release>{version()}</release>
    <versions>
      <version>{version()}</version>
    </versions>
  </versioning>
</metadata>
"""
