"""JUnit under Robolectric, without Surefire: one JVM for everything, and Maven only for the jars."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence
from pathlib import Path

import application
import artifacts
import hosting
import java
import library
import needs
import stamps
from layout import BUILD, DEMO, LIBRARY, ROOT, SAMPLE

_FIXTURES = BUILD / "fixtures"
_SCREENS = BUILD / "screens"
_TEST_SOURCES = (LIBRARY / "src" / "test" / "java", SAMPLE / "src" / "test" / "java")
_INSTRUMENTED = "org.robolectric:android-all-instrumented"
_NOT_FOR_TESTS = (java.ANDROID_ALL, _INSTRUMENTED, "org.apache.groovy:groovy")
# Robolectric reaches into the JDK where Android's own classes do.
_OPENED = ("java.io", "java.lang", "java.lang.reflect", "java.net", "java.nio", "java.text", "java.util")


def run(only: Sequence[str] = (), flags: Sequence[str] = ()) -> int:
    """Run test classes, all of them by default; JUnit's exit code."""
    needs.require()
    classpath = _classpath()
    _fixtures()
    names = list(only) or sorted(path.stem for path in stamps.files(*_TEST_SOURCES) if path.stem.endswith("Test"))
    packages = {path.stem: _class_name(path) for path in stamps.files(*_TEST_SOURCES)}
    libraries = hosting.libraries()
    failing = hosting.failing()
    command = [
        "java",
        "-Xmx1200m",
        "-XX:+UseSerialGC",
        *(f"--add-opens=java.base/{package}=ALL-UNNAMED" for package in _OPENED),
        f"-Djava.library.path={libraries}",
        "-Drobolectric.offline=true",
        f"-Drobolectric.dependency.dir={artifacts.all_of()[_INSTRUMENTED].parent}",
        f"-Drepbnn.fixtures={_FIXTURES}",
        f"-Drepbnn.screens={_SCREENS}",
        f"-Drepbnn.failing={failing}",
        *flags,
        "-cp",
        ":".join(map(str, classpath)),
        "org.junit.runner.JUnitCore",
        *(packages[name] for name in names),
    ]
    preloaded = f"{libraries / 'libhost_bionic.so'}:{failing}"
    environment = {
        **os.environ,
        "LD_PRELOAD": preloaded,
        "LD_LIBRARY_PATH": str(libraries),
    }
    return subprocess.run(command, env=environment, cwd=DEMO).returncode


def screens() -> None:
    """Write PNGs of every screen into android_demo/build/screens."""
    if run(["ScreensTest"]) != 0:
        raise needs.BuildError("the screens could not be drawn: see the test's output above")
    print(f"{len(list(_SCREENS.glob('*.png')))} pictures in {_SCREENS.relative_to(ROOT)}")


def _fixtures() -> None:
    maker = ROOT / "tests" / "android" / "fixtures.py"
    done = _FIXTURES / "top1.json"
    key = stamps.digest([application.model(), maker])
    if stamps.is_fresh(done, key):
        return
    python = ROOT / ".venv" / "bin" / "python"
    needs.run([python, "-m", "tests.android.fixtures", _FIXTURES, application.model()], "making fixtures", cwd=ROOT)
    stamps.mark(done, key)


def _classpath() -> list[Path]:
    main = [library.classes(), application.classes()]
    jars = [artifacts.jar(name) for name in artifacts.all_of() if name not in _NOT_FOR_TESTS]
    android = [artifacts.jar(java.ANDROID_ALL)]
    sources = [path for path in stamps.files(*_TEST_SOURCES) if path.suffix == ".java"]
    tests = java.compile_into(BUILD / "classes-tests", sources, [*main, *jars, *android])
    return [tests, *main, application.test_configuration(), *jars, *android]


def _class_name(path: Path) -> str:
    root = next(root for root in _TEST_SOURCES if root in path.parents)
    return ".".join(path.relative_to(root).with_suffix("").parts)
