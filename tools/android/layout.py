"""Where things are, and what version they bear."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
DEMO = ROOT / "android_demo"
BUILD = DEMO / "build"
OUTPUTS = BUILD / "outputs"
LIBRARY = DEMO / "repbnn"
SAMPLE = DEMO / "sample"
MIN_SDK = 24
TARGET_SDK = 34
ABIS = {"arm64-v8a": "android-arm64", "x86_64": "android-x86_64"}
"""What the library has, phones and emulators: Android's name of an ABI -> the folder of it under build/device."""
APP_ABIS = ("arm64-v8a",)
"""What the sample app has: the other one would add 5 MB to it, most of them TensorFlow Lite's."""


def version() -> str:
    """The project's version, as CMake and Python have it."""
    found = re.search(r"project\(repbnn VERSION ([0-9.]+)", (ROOT / "CMakeLists.txt").read_text())
    assert found
    return found[1]
