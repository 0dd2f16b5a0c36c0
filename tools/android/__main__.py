"""Builds and tests ``android_demo/`` without Google's SDK, NDK and Gradle: ``python3 tools/android COMMAND``.

Needs nothing of this project's Python environment but the command line that converts the sample's network.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))
sys.path.insert(0, str(Path(__file__).parent))

import application
import layout
import library
import testing
from needs import BuildError


def main() -> int:
    """Run one command; 0, or 1 with one sentence on stderr."""
    parser = argparse.ArgumentParser(prog="tools/android", description=__doc__)
    parser.add_argument("command", choices=("build", "screens", "test"))
    parser.add_argument("only", nargs="*", help="test classes; all without them")
    parser.add_argument("--jvm", action="append", default=[], help="a flag for the JVM of the tests")
    arguments = parser.parse_intermixed_args()
    began = time.monotonic()
    try:
        if arguments.command == "test":
            return testing.run(arguments.only, arguments.jvm)
        if arguments.command == "screens":
            testing.screens()
        else:
            _build()
    except BuildError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    print(f"{time.monotonic() - began:.0f} s", file=sys.stderr)
    return 0


def _build() -> None:
    aar = library.build()
    apk = application.build()
    for path in (aar, apk):
        print(f"{path.relative_to(layout.ROOT)}  {path.stat().st_size:,} bytes")


if __name__ == "__main__":
    sys.exit(main())
