"""Makes compiler commands out of the pinned ziglang package, for Linux with a chosen glibc or a later one.

``python zig.py FOLDER aarch64 2.27`` leaves ``FOLDER/{cc,c++,ar,ranlib}``. They compile by clang as it is and link by
``zig c++``, which has every glibc's symbols and its own libc++. Compiling by it too would lose -mtune and, to the
features of its own choice, flags such as -mavx512f.

Only Python's standard library and ziglang are needed.
"""

from __future__ import annotations

import sys
from importlib.util import find_spec
from pathlib import Path

# As zig configures the libc++ that it links.
LIBCXX = (
    "-D_LIBCPP_ABI_VERSION=1 -D_LIBCPP_ABI_NAMESPACE=__1 -D_LIBCPP_HAS_THREADS=1 -D_LIBCPP_HAS_MONOTONIC_CLOCK=1 "
    "-D_LIBCPP_HAS_MUSL_LIBC=0 -D_LIBCPP_HAS_TERMINAL=1 -D_LIBCPP_HAS_FILESYSTEM=1 -D_LIBCPP_HAS_RANDOM_DEVICE=1 "
    "-D_LIBCPP_HAS_LOCALIZATION=1 -D_LIBCPP_HAS_UNICODE=1 -D_LIBCPP_HAS_WIDE_CHARACTERS=1 "
    "-D_LIBCPP_HAS_TIME_ZONE_DATABASE=1 -D_LIBCPP_HAS_VENDOR_AVAILABILITY_ANNOTATIONS=0 -D_LIBCPP_PSTL_BACKEND_SERIAL "
    "-D_LIBCPP_DISABLE_VISIBILITY_ANNOTATIONS -D_LIBCXXABI_DISABLE_VISIBILITY_ANNOTATIONS "
    "-D_LIBCPP_HARDENING_MODE=_LIBCPP_HARDENING_MODE_NONE "
    "-D_LIBCPP_ASSERTION_SEMANTIC_DEFAULT=_LIBCPP_ASSERTION_SEMANTIC_IGNORE"
)
# Whether it compiles, preprocesses or makes assembly decides who is called.
COMMAND = """#!/bin/sh
for argument; do
  case "$argument" in
    -c | -E | -S | -M | -MM) exec {compile} "$@" ;;
  esac
done
exec {link} "$@"
"""


def main() -> int:
    """Make the commands."""
    if len(sys.argv) != 4:
        print(__doc__, file=sys.stderr)
        return 2
    zig = find_zig()
    if zig is None:
        return 3
    folder, machine, glibc = Path(sys.argv[1]).resolve(), sys.argv[2], sys.argv[3]
    folder.mkdir(parents=True, exist_ok=True)
    libc = zig.parent / "lib" / "libc" / "include"
    kernel = {"x86_64": "x86"}.get(machine, machine)
    system = [zig.parent / "lib" / "include", libc / f"{kernel}-linux-gnu", libc / "generic-glibc"]
    headers = includes([*system, libc / f"{kernel}-linux-any", libc / "any-linux-any"])
    libcxx = includes([zig.parent / "lib" / "libcxx" / "include"])
    target = f"--target={machine}-linux-gnu -D__GLIBC_MINOR__={glibc.partition('.')[2]} -nostdinc"
    cc = f'"{zig}" clang {target} -Wno-unused-command-line-argument'
    link = f"-target {machine}-linux-gnu.{glibc}"
    write_command(folder / "cc", COMMAND.format(compile=f"{cc} {headers}", link=f'"{zig}" cc {link}'))
    cxx = f"{cc} --driver-mode=g++ {LIBCXX} {libcxx} {headers}"
    write_command(folder / "c++", COMMAND.format(compile=cxx, link=f'"{zig}" c++ {link}'))
    for name in ("ar", "ranlib"):
        write_command(folder / name, f'#!/bin/sh\nexec "{zig}" {name} "$@"\n')
    return 0


def find_zig() -> Path | None:
    """The compiler in the ziglang package; None, and a sentence on stderr, when it is not installed."""
    spec = find_spec("ziglang")
    if spec is None or not spec.origin:
        print(f"ziglang is not installed for {sys.executable}: pip install ziglang==0.17.1", file=sys.stderr)
        return None
    return Path(spec.origin).parent / "zig"


def includes(folders: list[Path]) -> str:
    """The options that make the folders system headers, in their order."""
    return " ".join(f'-isystem "{folder}"' for folder in folders)


def write_command(path: Path, text: str) -> None:
    """An executable script, touched only when its text changed: builds depend on it."""
    if not path.is_file() or path.read_text() != text:
        path.write_text(text)
        path.chmod(0o755)


if __name__ == "__main__":
    sys.exit(main())
