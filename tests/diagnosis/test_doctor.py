"""What doctor finds, in this installation and in broken ones."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest

from repbnn_edge import diagnosis
from repbnn_edge.cli.main import run
from repbnn_edge.diagnosis import DoctorReport, Option, doctor

REQUIRES = [
    "numpy<2,>=1.26",
    "larq-compute-engine==0.16.0; sys_platform == 'nowhere'",
    "no-such-package>=3",
    "typer>=999",
    'torch-like-thing>=2; extra == "training"',
    'ruff; extra == "dev"',
]


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Folders of its own, and no environment variable of the person who runs the tests."""
    for name in (*diagnosis._ENVIRONMENT, "REPBNN_SAMPLES"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TF_USE_LEGACY_KERAS", "1")
    monkeypatch.setenv("REPBNN_CONFIG_DIR", str(tmp_path / "config"))
    monkeypatch.setenv("REPBNN_CACHE_DIR", str(tmp_path / "cache"))
    return tmp_path


@pytest.fixture
def broken(monkeypatch: pytest.MonkeyPatch, here: Path) -> DoctorReport:
    monkeypatch.setattr(metadata, "requires", lambda name: REQUIRES)
    return doctor()


def _check(report: DoctorReport, name: str) -> diagnosis.Check:
    return next(check for check in report.checks if check.name == name)


def test_this_installation_is_well(here: Path) -> None:
    report = doctor()
    assert [check for check in report.checks if not check.ok] == []
    assert report.mend == ""
    assert _check(report, "numpy").found == metadata.version("numpy")


def test_what_is_missing_or_too_old_has_a_command(broken: DoctorReport) -> None:
    assert _check(broken, "numpy").ok
    missing, old = _check(broken, "no-such-package"), _check(broken, "typer")
    assert not missing.ok and missing.found == "not installed"
    assert missing.do.endswith("'no-such-package>=3'") and sys.executable in missing.do
    assert not old.ok and old.found == f"{metadata.version('typer')}, needs >=999"
    assert broken.mend.endswith("'no-such-package>=3' 'typer>=999'")


def test_what_this_platform_cannot_have_is_no_fault(broken: DoctorReport) -> None:
    check = _check(broken, "larq-compute-engine")
    assert check.ok and "no wheel for" in check.found and "convert and verify need" in check.found


def test_an_extra_is_optional_and_tools_of_developers_are_not_listed(broken: DoctorReport) -> None:
    check = _check(broken, "torch-like-thing")
    assert check.ok and "optional: training" in check.found and check.do.endswith("'repbnn-edge[training]'")
    assert "ruff" not in [check.name for check in broken.checks]


def test_keras_3_is_a_fault(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TF_USE_LEGACY_KERAS", "0")
    check = _check(doctor(), "keras")
    assert not check.ok and check.do == "unset TF_USE_LEGACY_KERAS"


def test_a_broken_config_is_named(here: Path) -> None:
    (here / "config").mkdir()
    (here / "config" / "config.toml").write_text("[convert\n")
    check = _check(doctor(), "config.toml")
    assert not check.ok and "not valid TOML" in check.found and check.do


def test_a_cache_under_a_file_is_named(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (here / "file").write_text("")
    monkeypatch.setenv("REPBNN_CACHE_DIR", str(here / "file" / "cache"))
    check = _check(doctor(), "cache")
    assert not check.ok and check.do.startswith("export REPBNN_CACHE_DIR=")


def test_a_delegate_that_is_not_there_is_named(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REPBNN_DELEGATE_LIBRARY", "/nowhere/librepbnn_delegate.so")
    report = doctor()
    check = _check(report, "delegate")
    assert not check.ok and "/nowhere" in check.found and "unset" in check.do
    setting = report.settings["REPBNN_DELEGATE_LIBRARY"]
    assert (setting.value, setting.origin) == ("/nowhere/librepbnn_delegate.so", "environment")


def test_binaries_for_devices_are_looked_for(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = here / "device" / "android-arm64"
    folder.mkdir(parents=True)
    (folder / "repbnn-runner").write_text("")
    monkeypatch.setenv("REPBNN_DEVICE_BINARIES", str(here / "device"))
    check = _check(doctor(), "for phones")
    assert not check.ok and "librepbnn_delegate.so" in check.found and check.do == "make device"
    (folder / "librepbnn_delegate.so").write_text("")
    assert _check(doctor(), "for phones").found == str(folder)


def test_a_broken_devices_toml_is_named(here: Path) -> None:
    (here / "config").mkdir()
    (here / "config" / "devices.toml").write_text("[kitchen\n")
    check = _check(doctor(), "devices.toml")
    assert not check.ok and "not valid TOML" in check.found
    (here / "config" / "devices.toml").write_text('[kitchen]\ntarget = "ssh:pi@10.0.0.2"\n')
    assert _check(doctor(), "devices.toml").found == "kitchen"


def test_variables_that_are_no_option_have_their_defaults(here: Path) -> None:
    settings = doctor().settings
    assert (settings["ANDROID_ADB_SERVER_PORT"].value, settings["ANDROID_ADB_SERVER_PORT"].origin) == (5037, "default")
    assert settings["NO_COLOR"].value is None


def test_settings_name_their_origin(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (here / "config").mkdir()
    (here / "config" / "config.toml").write_text("[convert]\nsamples = 32\nbeta = 4\n")
    monkeypatch.setenv("REPBNN_SAMPLES", "8")
    monkeypatch.setenv("ANDROID_SERIAL", "abc")
    known = {
        "convert": {
            name: Option(default=default, environment=f"REPBNN_{name.upper()}")
            for name, default in (("samples", 16), ("beta", None), ("force", False))
        }
    }
    found = {name: (setting.value, setting.origin) for name, setting in doctor(known).settings.items()}
    assert found["convert.samples"] == ("8", "environment")
    assert found["convert.beta"] == (4, "config.toml")
    assert found["convert.force"] == (False, "default")
    assert found["ANDROID_SERIAL"] == ("abc", "environment")
    assert found["cache_dir"] == (str(here / "cache"), "environment")


def test_the_command_prints_one_json_object(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["doctor", "--json"]) == 0
    body = json.loads(capsys.readouterr().out)
    assert body["schema"] == "repbnn.doctor/1"
    assert set(body["checks"][0]) == {"name", "ok", "found", "do"}
    assert body["settings"]["convert.samples"] == {"value": 16, "origin": "default"}


def test_the_command_prints_what_is_not_default(
    here: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REPBNN_SAMPLES", "8")
    assert run(["doctor"]) == 0
    text = capsys.readouterr().out
    assert "convert.samples = 8  (environment)" in text and "convert.force" not in text and "all is well" in text


def test_an_option_really_comes_from_the_environment(
    here: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REPBNN_JSON", "1")
    assert run(["doctor"]) == 0
    assert json.loads(capsys.readouterr().out)["settings"]["doctor.as_json"]["origin"] == "environment"


def test_it_imports_no_framework() -> None:
    code = (
        "import sys; from repbnn_edge import doctor; doctor();"
        "print([m for m in ('tensorflow', 'larq', 'onnx', 'torch', 'numpy') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
