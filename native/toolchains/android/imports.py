"""Lists what Android libraries import from Android's own: ``library symbol [object]`` lines, tflite_imports_*.txt."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))

from repbnn_edge.elf import Elf

LOG = "liblog.so"  # the one library whose symbols shipped files name without a version, hence without their library


def main() -> int:
    """Print the union of what the given libraries import."""
    lines = set()
    for path in sys.argv[1:]:
        for symbol in Elf(Path(path).read_bytes()).imports():
            if symbol.weak and symbol.library is None:
                continue  # hooks (gcov's, TensorFlow Lite's own): absent from every phone
            kind = " object" if symbol.kind == "object" else ""
            lines.add(f"{symbol.library or LOG} {symbol.name}{kind}")
    print("\n".join(sorted(lines)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
