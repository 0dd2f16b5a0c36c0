"""The kernels for processors that this machine may not have: NEON under qemu-aarch64, and what x86 files may export."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = ROOT / "tools" / "qemu" / "kernels.sh"
GOOGLETEST_SOURCE = Path("/usr/src/googletest")
CROSS_TOOLS = ("cmake", "aarch64-linux-gnu-g++", "qemu-aarch64", "cc")

pytestmark = pytest.mark.xdist_group("native_kernels")


def require(tools: tuple[str, ...]) -> None:
    missing = [tool for tool in tools if shutil.which(tool) is None]
    if missing:
        pytest.skip(f"not installed: {', '.join(missing)}")


@pytest.fixture(scope="module")
def emulated() -> dict[str, str]:
    require(CROSS_TOOLS)
    if not GOOGLETEST_SOURCE.is_dir():
        pytest.skip("GoogleTest's source is not installed")
    return {**os.environ, "REPBNN_AARCH64_BUILD": str(ROOT / "build" / "aarch64")}


def run_script(environment: dict[str, str], *arguments: str) -> str:
    done = subprocess.run([SCRIPT, *arguments], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_neon_kernels_equal_the_definition(emulated: dict[str, str]) -> None:
    assert run_script(emulated, "test", "500").count("[  PASSED  ]") == 5


@pytest.mark.slow
def test_neon_kernels_equal_the_definition_in_every_case(emulated: dict[str, str]) -> None:
    assert run_script(emulated, "test", "30000").count("[  PASSED  ]") == 5


def test_neon_instruction_counts(emulated: dict[str, str]) -> None:
    # Exact and repeatable: a regression shows as a number. LCE's own aarch64 kernel takes 3.88 for 128 MACs.
    counts = dict(re.findall(r"neon (\w+): .* ([\d.]+) of 3", run_script(emulated, "count", "neon")))
    assert float(counts["alone"]) < 1.20  # with the back-transform to floats
    assert float(counts["full"]) < 1.52  # and with Rep-ReActNet's whole epilogue and bit packing


def test_files_of_one_instruction_set_export_no_shared_inline_code(tmp_path: Path) -> None:
    # A weak symbol compiled with AVX-512 could be the copy that the linker keeps for every processor.
    require(("cmake", "nm", "c++"))
    configure = ["cmake", "-S", ROOT, "-B", tmp_path, "-DREPBNN_TESTS=OFF", "-DCMAKE_BUILD_TYPE=Release"]
    subprocess.run(configure, check=True, capture_output=True)
    subprocess.run(["cmake", "--build", tmp_path, "--target", "repbnn_kernels"], check=True, capture_output=True)
    objects = [path for path in tmp_path.rglob("*.o") if path.name.startswith(("x86_", "arm_"))]
    assert objects
    for path in objects:
        listed = subprocess.run(["nm", path], check=True, capture_output=True, text=True).stdout
        assert not re.findall(r"^[0-9a-f]* [WVu] .*$", listed, re.MULTILINE), path.name
