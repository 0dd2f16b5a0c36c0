"""``sample-debug.apk``, without Gradle: aapt2, javac, D8, an aligned archive, apksigner."""

from __future__ import annotations

import shutil
from pathlib import Path

import archives
import artifacts
import binaries
import java
import library
import needs
import stamps
from archives import Entry
from layout import APP_ABIS, BUILD, MIN_SDK, OUTPUTS, ROOT, SAMPLE, version
from needs import FRAMEWORK, BuildError

_MAIN = SAMPLE / "src" / "main"
_NETWORK = "rep-recu-resnet20"
_MODEL = BUILD / "model" / "model.tflite"
_TWIN = BUILD / "model" / "twin.tflite"
_PICTURES = ROOT / "repbnn_edge" / "assets" / "samples"
_PICTURES_SHOWN = "0-*.jpg"
_PASSWORD = "android"  # of the debug key, as everywhere
_RUNTIME = "libtensorflowlite_jni.so"
_MOST_BYTES = 8_000_000


def build() -> Path:
    """Make the APK; gives its path."""
    needs.require()
    resources = _resources()
    entries = [entry for entry in archives.read(resources, ".tflite") if not entry.name.startswith("META-INF/")]
    entries.append(Entry("classes.dex", _dex().read_bytes()))
    archive = artifacts.unpacked(java.TFLITE)
    entries.append(Entry("assets/LICENSE-TensorFlow-Lite.txt", (archive / "LICENSE").read_bytes()))
    for abi in APP_ABIS:
        folder = binaries.for_android(abi)
        libraries = [*(folder / name for name in binaries.NAMES), archive / "jni" / abi / _RUNTIME]
        entries += [Entry(f"lib/{abi}/{path.name}", path.read_bytes(), stored=True) for path in libraries]
    unsigned = BUILD / "sample-unsigned.zip"
    archives.write(unsigned, entries)
    apk = _signed(unsigned)
    if apk.stat().st_size > _MOST_BYTES:
        raise BuildError(f"{apk.name} has {apk.stat().st_size:,} bytes, more than the {_MOST_BYTES:,} that it may have")
    return apk


def classes() -> Path:
    """The app's compiled classes, its R among them."""
    _resources()
    sources = stamps.files(_MAIN / "java", BUILD / "generated")
    return java.compile_into(BUILD / "classes-sample", sources, [library.classes(), *java.android_jars()])


def test_configuration() -> Path:
    """The folder in which Robolectric finds the app's manifest, resources and assets."""
    folder = BUILD / "test-configuration"
    target = folder / "com" / "android" / "tools" / "test_config.properties"
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(
        f"android_merged_manifest={_MAIN / 'AndroidManifest.xml'}\n"
        f"android_resource_apk={_resources()}\n"
        f"android_merged_assets={_assets()}\n"
        "android_custom_package=org.repbnn.sample\n"
    )
    return folder


def model() -> Path:
    """The sample's network, converted by this project's own command line."""
    made_by = (ROOT / "repbnn_edge" / part for part in ("layers", "lowering", "models", "tflite", "assets/weights"))
    key = stamps.digest([path for path in stamps.files(*made_by) if "__pycache__" not in path.parts])
    if not stamps.is_fresh(_MODEL, key):
        _MODEL.parent.mkdir(parents=True, exist_ok=True)
        command = _environment("repbnn-edge")
        needs.run([command, "convert", f"builtin:{_NETWORK}", "-o", _MODEL, "--force"], "the conversion")
        stamps.mark(_MODEL, key)
    return _MODEL


def _twin() -> Path:
    """The network in float32 that the sample's is timed against."""
    script = stamps.TOOLS / "twin.py"
    key = stamps.digest([model(), script])
    if not stamps.is_fresh(_TWIN, key):
        needs.run([_environment("python"), script, model(), _TWIN], "making the float twin")
        stamps.mark(_TWIN, key)
    return _TWIN


def _environment(program: str) -> Path:
    path = ROOT / ".venv" / "bin" / program
    if not path.is_file():
        raise BuildError("the sample's networks are not made yet, so run `make setup` first")
    return path


def _assets() -> Path:
    folder = BUILD / "assets"
    (folder / "pictures").mkdir(parents=True, exist_ok=True)
    for network in (model(), _twin()):
        shutil.copyfile(network, folder / network.name)
    for picture in sorted(_PICTURES.glob(_PICTURES_SHOWN)):
        shutil.copyfile(picture, folder / "pictures" / picture.name)
    return folder


def _resources() -> Path:
    """Resources, manifest and assets, linked; R.java beside them."""
    linked = BUILD / "resources.zip"
    key = stamps.digest(stamps.files(_MAIN / "res", _MAIN / "AndroidManifest.xml", _assets()), version())
    if stamps.is_fresh(linked, key):
        return linked
    compiled, generated = BUILD / "compiled-resources.zip", BUILD / "generated"
    shutil.rmtree(generated, ignore_errors=True)
    needs.run(["aapt2", "compile", "--dir", _MAIN / "res", "-o", compiled], "aapt2")
    version_words = ("--version-code", "1", "--version-name", version(), "--min-sdk-version", str(MIN_SDK))
    sources = ("-I", FRAMEWORK, "--manifest", _MAIN / "AndroidManifest.xml", "-A", _assets())
    needs.run(["aapt2", "link", *sources, *version_words, "--java", generated, "-o", linked, compiled], "aapt2")
    stamps.mark(linked, key)
    return linked


def _dex() -> Path:
    """The app, the library and TFLite's Java interface, dexed."""
    folder = BUILD / "dex"
    target = folder / "classes.dex"
    app, own = BUILD / "classes-sample.jar", BUILD / "classes-library.jar"
    java.jar(classes())
    java.jar(library.classes())
    runtime = [artifacts.jar(java.TFLITE), artifacts.jar(java.TFLITE_API)]
    key = stamps.digest([app, own, *runtime], artifacts.dexer())
    if stamps.is_fresh(target, key):
        return target
    folder.mkdir(parents=True, exist_ok=True)
    java_command = ("java", "-Xmx1200m", "-cp", artifacts.dexer(), "com.android.tools.r8.D8", "--release")
    libraries = ("--lib", binaries.java_home(), "--lib", artifacts.jar(java.ANDROID_ALL))
    words = ("--min-api", str(MIN_SDK), *libraries, "--output", folder)
    needs.run([*java_command, *words, app, own, *runtime], "D8")
    stamps.mark(target, key)
    return target


def _signed(unsigned: Path) -> Path:
    """Sign with the debug key, which is made here once; the archive's alignment is kept."""
    keys = BUILD / "debug.keystore"
    if not keys.is_file():
        secret = ("-storepass", _PASSWORD, "-keypass", _PASSWORD, "-alias", "androiddebugkey")
        kind = ("-keyalg", "RSA", "-keysize", "2048", "-validity", "10000", "-dname", "CN=Android Debug,O=Android,C=US")
        needs.run(["keytool", "-genkeypair", "-keystore", keys, *secret, *kind], "keytool")
    apk = OUTPUTS / "sample-debug.apk"
    apk.parent.mkdir(parents=True, exist_ok=True)
    secret = ("--ks-pass", f"pass:{_PASSWORD}", "--key-pass", f"pass:{_PASSWORD}")
    words = ("--min-sdk-version", str(MIN_SDK), "--out", apk)
    needs.run(["apksigner", "sign", "--ks", keys, *secret, *words, unsigned], "apksigner")
    apk.with_name(f"{apk.name}.idsig").unlink(missing_ok=True)
    unsigned.unlink()
    needs.run(["zipalign", "-c", "-p", "4", apk], "zipalign")
    return apk
