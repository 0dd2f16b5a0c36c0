"""javac, for Java 8 against Android's classes."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

import archives
import artifacts
import needs
import stamps

ANDROID_ALL = "org.robolectric:android-all"
TFLITE = "org.tensorflow:tensorflow-lite"
TFLITE_API = "org.tensorflow:tensorflow-lite-api"


def android_jars() -> list[Path]:
    """What code of an app compiles against."""
    return [artifacts.jar(name) for name in (ANDROID_ALL, TFLITE, TFLITE_API)]


def compile_into(folder: Path, sources: Sequence[Path], classpath: Sequence[Path], *options: str) -> Path:
    """Compile, warnings being errors; again only when a source or the classpath's own classes have changed."""
    ours = [path for path in classpath if path.is_dir()]
    key = stamps.digest(
        [*sources, *(file for root in ours for file in stamps.files(root))], *map(str, classpath), *options
    )
    if stamps.is_fresh(folder, key):
        return folder
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    # Android's jar names annotations that it does not hold (classfile); Java 8 is asked for on purpose (options).
    lint = ("-Xlint:all,-options,-classfile,-serial,-processing", "-Werror", "--release", "8", "-encoding", "UTF-8")
    path = ":".join(map(str, classpath))
    needs.run(["javac", *lint, *options, "-cp", path, "-d", folder, *sources], "javac")
    stamps.mark(folder, key)
    return folder


def jar(folder: Path) -> bytes:
    """The classes below a folder as a jar."""
    target = folder.with_suffix(".jar")
    entries = [
        archives.Entry(str(path.relative_to(folder)), path.read_bytes())
        for path in stamps.files(folder)
        if path.suffix == ".class"
    ]
    archives.write(target, entries)
    return target.read_bytes()
