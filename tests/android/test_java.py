"""The Java tests: the library on Android's own TensorFlow Lite inside this machine's JVM, the app under Robolectric."""

import json
import re
from pathlib import Path

import pytest

from repbnn_edge.benching import imported
from tests.android.building import DEMO, run_tool
from tests.android.fixtures import SCALINGS

pytestmark = pytest.mark.xdist_group("android")
FIXTURES = DEMO / "build" / "fixtures"
LIBRARY = ("ModelMetadataTest", "FailuresTest", "PictureScalerTest", "RealRuntimeTest")


def passed(*words: str) -> str:
    done = run_tool("test", *words)
    said = done.stdout + done.stderr
    failures = "\n".join(re.findall(r"^\d+\) .*\n.*$", said, re.MULTILINE))
    assert done.returncode == 0, failures or said[-4000:]
    return said


def test_the_library_on_the_real_runtime_with_a_jvm_that_checks() -> None:
    said = passed("--jvm=-Xcheck:jni", "--jvm=-Drepbnn.pictures=5", *LIBRARY)
    assert "OK (" in said
    complaints = re.findall(r"^(?:WARNING|FATAL ERROR) in native method.*\n(?:\s+at .*\n)*", said, re.MULTILINE)
    ours = [complaint for complaint in complaints if "org.repbnn.NativeLibrary" in complaint]
    assert not ours, ours[0]
    assert len(SCALINGS) == 6  # PictureScalerTest counts them


def test_the_app_and_the_report_that_it_shares() -> None:
    assert "OK (" in passed("MainActivityTest", "RealNetworkTest")
    report = json.loads((FIXTURES / "report.json").read_text())
    assert report["schema"] == "repbnn.bench/1"
    (result,) = report["results"]
    model = json.loads((FIXTURES / "model.json").read_text())
    assert result["model"]["macs"] == {"binary": model["binary_macs"], "float": model["float_macs"]}
    assert result["verdict"] == {"status": "conclusive", "reasons": []}
    opened = imported.read(FIXTURES / "report.json").results[0]
    assert opened.verdict.status == "conclusive"
    assert opened.latency_ms is not None
    # Python makes its statistics anew from the samples: both are the same numbers, the drawn interval aside.
    for name in ("min", "median", "mean", "p90", "p95", "p99", "max", "std"):
        assert getattr(opened.latency_ms, name) == pytest.approx(result["latency_ms"][name], rel=1e-5), name
    assert opened.latency_ms.ci95_median == pytest.approx(result["latency_ms"]["ci95_median"], rel=2e-3)


@pytest.mark.slow
def test_everything_on_fifty_pictures_and_every_screen(tmp_path: Path) -> None:
    assert "OK (" in passed()
    assert len(list((DEMO / "build" / "screens").glob("*.png"))) >= 25
