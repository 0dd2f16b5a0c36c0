"""What is inside the .aar and the .apk, held against what Android's installers and build tools ask."""

import hashlib
import io
import json
import os
import re
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
import zipfile
from pathlib import Path

import pytest

from repbnn_edge.elf import Elf
from tests.android.building import DEMO, ROOT, TOOL, outputs
from tests.devices_support.emulation import runtime_library

pytestmark = pytest.mark.xdist_group("android")

VERSION = "0.1.0"
PAGE = 16384
LIBRARIES = ("librepbnn_delegate.so", "librepbnn_jni.so")
# Android's name of it, the processor's, the folder under build/device.
PHONE, EMULATOR = ("arm64-v8a", "aarch64", "android-arm64"), ("x86_64", "x86_64", "android-x86_64")
EXPORTS = {
    "librepbnn_delegate.so": {
        "tflite_plugin_create_delegate",
        "tflite_plugin_destroy_delegate",
        "repbnn_register_accelerator",
    },
    "librepbnn_jni.so": {"JNI_OnLoad"},
}


def apk() -> Path:
    return outputs() / "sample-debug.apk"


def aar() -> Path:
    return outputs() / f"repbnn-{VERSION}.aar"


def said(*command: str | Path) -> str:
    return subprocess.run(list(map(str, command)), check=True, capture_output=True, text=True).stdout


def test_missing_tools_are_one_apt_line(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, TOOL, "build"], env={**os.environ, "PATH": str(tmp_path)}, capture_output=True, text=True
    )
    assert done.returncode == 1
    (line,) = done.stderr.strip().splitlines()
    assert line.startswith("error: not installed yet, so run: apt-get install --no-install-recommends ")
    assert {"aapt", "apksigner", "maven", "openjdk-17-jdk-headless", "zipalign"} <= set(line.split())


def test_the_aar_holds_what_gradle_and_cpp_users_look_for() -> None:
    with zipfile.ZipFile(aar()) as archive:
        names = set(archive.namelist())
        assert {"AndroidManifest.xml", "classes.jar", "R.txt", "proguard.txt", "prefab/prefab.json"} <= names
        module = "prefab/modules/repbnn_delegate"
        assert f"{module}/include/repbnn_delegate.h" in names
        for abi, *_ in (PHONE, EMULATOR):
            assert json.loads(archive.read(f"{module}/libs/android.{abi}/abi.json"))["abi"] == abi
            delegate = archive.read(f"jni/{abi}/librepbnn_delegate.so")
            assert archive.read(f"{module}/libs/android.{abi}/librepbnn_delegate.so") == delegate
        libraries = {name for name in names if name.startswith("jni/")}
        assert libraries == {f"jni/{abi}/{name}" for abi, *_ in (PHONE, EMULATOR) for name in LIBRARIES}
        sdk = ElementTree.fromstring(archive.read("AndroidManifest.xml")).find("uses-sdk")
        assert sdk is not None and "24" in sdk.attrib.values()
        with zipfile.ZipFile(io.BytesIO(archive.read("classes.jar"))) as jar:
            assert "org/repbnn/ImageClassifier.class" in jar.namelist()
            for name in jar.namelist():
                assert jar.read(name)[6:8] == b"\0\x34", f"{name} is not Java 8's"


def test_what_proguard_keeps_exists() -> None:
    rules = (DEMO / "repbnn" / "proguard-rules.pro").read_text()
    with zipfile.ZipFile(aar()) as archive, zipfile.ZipFile(io.BytesIO(archive.read("classes.jar"))) as jar:
        for name in re.findall(r"-keep\w* (?:class|interface) ([\w.$]+)", rules):
            assert f"{name.replace('.', '/')}.class" in jar.namelist()


def test_a_shrunk_app_still_has_what_native_code_looks_for(tmp_path: Path) -> None:
    outputs()
    build = DEMO / "build"
    artifacts = json.loads((build / "artifacts.json").read_text())
    dexer = (build / "dexer.txt").read_text()
    rules = tmp_path / "rules.pro"
    rules.write_text(
        (DEMO / "repbnn" / "proguard-rules.pro").read_text()
        + "-keep class org.repbnn.sample.MainActivity { void onCreate(android.os.Bundle); }\n-dontwarn **\n"
    )
    java = Path(shutil.which("javac") or "").resolve().parents[1]
    words = ["--lib", java, "--lib", artifacts["org.robolectric:android-all"], "--pg-conf", rules, "--output", tmp_path]
    inputs = [build / "classes-library.jar", build / "classes-sample.jar"]
    said("java", "-cp", dexer, "com.android.tools.r8.R8", "--release", "--min-api", "24", *words, *inputs)
    shrunk = (tmp_path / "classes.dex").read_bytes()
    source = (DEMO / "repbnn" / "src" / "main" / "cpp" / "jni.cc").read_text()
    # What jni.cc looks up or registers by name; none of it may be renamed or left out.
    names = [*re.findall(r'"(org/repbnn/[\w$]+)"', source), "org/repbnn/RepBnnException"]
    methods = re.findall(r'(?:method\(|MethodID\(\w+, )"(\w+)"', source)
    assert len(names) == 3 and len(methods) >= 15
    for name in names:
        assert f"L{name};".encode() in shrunk, name
    for method in methods:
        assert b"\0" + bytes([len(method)]) + method.encode() + b"\0" in shrunk, method
    assert b"ImageClassifier;" not in shrunk  # it was shrunk at all


def test_the_maven_repository_is_one() -> None:
    home = outputs() / "maven" / "org" / "repbnn" / "repbnn"
    stem = home / VERSION / f"repbnn-{VERSION}"
    assert stem.with_name(f"{stem.name}.aar").read_bytes() == aar().read_bytes()
    for path in home.rglob("*"):
        if path.is_file() and path.suffix not in (".sha1", ".md5"):
            expected = path.with_name(f"{path.name}.sha1").read_text()
            assert hashlib.sha1(path.read_bytes()).hexdigest() == expected
    pom = ElementTree.parse(stem.with_name(f"{stem.name}.pom")).getroot()
    space = {"m": "http://maven.apache.org/POM/4.0.0"}
    assert pom.findtext("m:packaging", namespaces=space) == "aar"
    assert pom.findtext(".//m:dependency/m:artifactId", namespaces=space) == "tensorflow-lite"


def test_nothing_else_of_the_kind_lies_about() -> None:
    outputs()
    found = {path.name for path in DEMO.rglob("*") if path.suffix in (".apk", ".aar")}
    assert found == {"sample-debug.apk", f"repbnn-{VERSION}.aar"}


def test_the_apk_is_signed_and_says_what_it_is() -> None:
    verified = said("apksigner", "verify", "--verbose", apk())
    assert "v2 scheme (APK Signature Scheme v2): true" in verified
    badging = said("aapt", "dump", "badging", apk())
    assert f"name='org.repbnn.sample' versionCode='1' versionName='{VERSION}'" in badging
    assert "sdkVersion:'24'" in badging and "targetSdkVersion:'34'" in badging
    assert "native-code: 'arm64-v8a'" in badging
    assert "uses-permission" not in badging


def test_the_apk_is_small_and_its_model_and_libraries_can_be_mapped() -> None:
    assert apk().stat().st_size <= 8_000_000
    with zipfile.ZipFile(apk()) as archive, apk().open("rb") as stream:
        for info in archive.infolist():
            if not info.filename.endswith((".so", ".tflite", ".arsc")):
                continue
            assert info.compress_type == zipfile.ZIP_STORED, info.filename
            stream.seek(info.header_offset + 26)
            lengths = int.from_bytes(stream.read(2), "little") + int.from_bytes(stream.read(2), "little")
            start = info.header_offset + 30 + lengths
            assert start % (PAGE if info.filename.endswith(".so") else 4) == 0, info.filename
        libraries = {name for name in archive.namelist() if name.endswith(".so")}
    assert libraries == {f"lib/arm64-v8a/{name}" for name in (*LIBRARIES, "libtensorflowlite_jni.so")}


@pytest.mark.parametrize("abi", [PHONE, EMULATOR], ids=["phone", "emulator"])
@pytest.mark.parametrize("name", LIBRARIES)
def test_a_library_asks_for_no_more_than_tflites_own(name: str, abi: tuple[str, str, str], tmp_path: Path) -> None:
    android, machine, built = abi
    with zipfile.ZipFile(aar()) as archive:
        path = Path(archive.extract(f"jni/{android}/{name}", tmp_path))
    elf = Elf(path.read_bytes())
    assert elf.machine == machine and elf.load_alignment >= PAGE and not elf.has_tls
    if shutil.which("nm") is None:
        pytest.skip("nm is not installed (Debian: binutils)")
    assert _symbols(path, "--defined-only") == EXPORTS[name]
    known = _symbols(runtime_library(built), "--undefined-only")
    ours = _symbols(path, "--undefined-only") - EXPORTS["librepbnn_delegate.so"]
    assert [symbol for symbol in ours - known if not symbol.startswith("__android_log_")] == []


def _symbols(path: Path, which: str) -> set[str]:
    return {line.split()[-1].split("@")[0] for line in said("nm", "-D", which, path).splitlines() if line.split()}


def test_one_source_file_holds_the_clock_of_app_and_runner() -> None:
    # tests of the runner feed this file and the Python loop the same clock.
    outputs()
    builds = (DEMO / "build" / "native-arm64-v8a", ROOT / "build" / "cross" / "android-arm64")
    for build in builds:
        assert str(ROOT / "native" / "runner" / "timing.cc") in (build / "build.ninja").read_text()


def test_gradle_files_are_groovy() -> None:
    outputs()
    artifacts = json.loads((DEMO / "build" / "artifacts.json").read_text())
    if "org.apache.groovy:groovy" not in artifacts:
        pytest.skip("Groovy is not among the artifacts")
    files = [DEMO / "settings.gradle", DEMO / "build.gradle", *DEMO.glob("*/build.gradle")]
    assert len(files) == 4
    program = (
        "args.each { new org.codehaus.groovy.control.CompilationUnit().with { u -> u.addSource(new File(it)); "
        "u.compile(org.codehaus.groovy.control.Phases.CONVERSION) } }"
    )
    classpath = artifacts["org.apache.groovy:groovy"]
    command = ["java", "-cp", classpath, "groovy.ui.GroovyMain", "-e", program, *map(str, files)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    everything = "".join(file.read_text() for file in files)
    assert set(re.findall(r"^\s+(\w+)\(\)$", everything, re.MULTILINE)) <= {"google", "mavenCentral"}
