"""The SME2 kernels execute no more BMOPAs than the network needs: exact counts of layers of different sizes."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from repbnn_edge.errors import UnsupportedError
from tests.devices_support import emulation

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tools"))

import device  # noqa: E402

pytestmark = pytest.mark.xdist_group("native_kernels")


@pytest.fixture(scope="module", params=["sme2_neon", "sme2"])
def report(
    request: pytest.FixtureRequest,
    sme2_emulator: Callable[[int], list[str]],
    tmp_path_factory: pytest.TempPathFactory,
) -> dict:
    emulation.run_prefix("linux-aarch64")  # its C library
    pytest.importorskip("ziglang")
    with emulation.alone("device"):
        try:
            tree = device.compile_targets("linux-aarch64", "bconv2d_bench")
        except UnsupportedError as error:
            pytest.fail(str(error))
    path = tmp_path_factory.mktemp("counts") / "counts.json"
    script = [sys.executable, ROOT / "benchmarks" / "sme2.py", "--kernel", request.param]
    options = ["--bench", tree / "native/kernels/bconv2d_bench", "--layers", "3", "--bits", "256", "512"]
    options += ["--parts", "alone", "--no-peer", "--model", "--json", path]
    subprocess.run([*script, *options], check=True, capture_output=True)
    return json.loads(path.read_text())


@pytest.fixture
def rows(report: dict) -> list[dict]:
    return report["counts"]


def test_a_layer_takes_the_bmopas_of_its_rounded_size(rows: list[dict]) -> None:
    assert len(rows) == 6
    for row in rows:
        assert row["rounded"] <= row["classes"]["bmopa"] <= 1.05 * row["rounded"], row


def test_the_layers_take_little_more_than_the_fewest_bmopas(rows: list[dict]) -> None:
    for bits in (256, 512):
        layers = [row for row in rows if row["bits"] == bits]
        executed = sum(row["times"] * row["classes"]["bmopa"] for row in layers)
        assert executed <= 1.3 * sum(row["times"] * row["fewest"] for row in layers)


def test_streaming_mode_is_entered_at_most_once_a_row(rows: list[dict]) -> None:
    # NEON in streaming mode would have ended the program: the emulator has no FEAT_SME_FA64.
    for row in rows:
        assert 2 <= row["classes"]["mode"] <= 2 * int(row["layer"].split()[-1]), row["layer"]


def test_the_model_is_a_range_that_holds_what_the_outer_products_take(report: dict) -> None:
    for model in report["model_not_a_measurement"]:
        times = model["milliseconds"]
        low, high = times.pop("all")
        assert 0 < times["bmopa"][0] <= low <= high
        assert high == pytest.approx(sum(most for _, most in times.values()))
