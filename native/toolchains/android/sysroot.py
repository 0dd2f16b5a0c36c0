"""Makes what replaces Android's NDK here: stub libraries to link against, start-up code, and the compiler's commands.

``python sysroot.py FOLDER arm64`` (or ``x86_64``, for emulators) leaves in it::

    bin/{clang,clang++,ld.lld,ar,ranlib}   the pinned ziglang's own clang and lld
    shared/lib{c,m,dl,log}.so              stubs of what TensorFlow Lite's library imports, and of the log
    executable/...                         the same, and what executable_imports.txt lists
    lib/*.o, lib/libsupport.a              start-up code, and what C++ without libc++ asks for, exceptions with it

A call to anything else is an error of the linker, so whatever links loads wherever TensorFlow Lite loads.
Only Python's standard library and ziglang are needed.
"""

from __future__ import annotations

import hashlib
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

from zig import find_zig, includes, write_command  # noqa: E402

SHARED = ("tflite_imports_{}.txt", "log_imports.txt")
LISTS = {"shared": SHARED, "executable": (*SHARED, "executable_imports.txt")}
VERSIONED = ("libc.so", "libm.so", "libdl.so")  # shipped files name liblog's symbols without a version
MACHINES = {"arm64": "aarch64", "x86_64": "x86_64"}
TARGET = "--target={}-linux-android21 -Wno-unused-command-line-argument"
# Made for size and for whatever links it, optimised or not.
FLAGS = ["-Os", "-DNDEBUG", "-fPIC", "-fvisibility=hidden", "-ffunction-sections"]
# Atomics inline: outlined ones would need compiler-rt.
MACHINE_FLAGS = {"arm64": ["-mno-outline-atomics"], "x86_64": []}
# What throws and catches: libc++abi's exceptions and types, and libunwind, which finds frames by dl_iterate_phdr.
LIBCXX_SOURCES = ("algorithm", "memory", "stdexcept", "string")
LIBCXXABI_SOURCES = (
    "cxa_default_handlers",
    "cxa_exception",
    "cxa_handlers",
    "cxa_personality",
    "fallback_malloc",
    "private_typeinfo",
    "stdlib_exception",
    "stdlib_stdexcept",
    "stdlib_typeinfo",
)
UNWIND = ["-D_LIBUNWIND_IS_NATIVE_ONLY", "-D_LIBUNWIND_HIDE_SYMBOLS", "-D_LIBUNWIND_USE_DLADDR=0", "-funwind-tables"]
UNWIND_SOURCES = ("UnwindLevel1.c", "libunwind.cpp", "UnwindRegistersRestore.S", "UnwindRegistersSave.S")
LINK = ["-shared", "-z", "max-page-size=16384"]


def main() -> int:
    """Make the folder named on the command line, unless it stands for these very sources already."""
    if len(sys.argv) != 3 or sys.argv[2] not in MACHINES:
        print(__doc__, file=sys.stderr)
        return 2
    folder, abi = Path(sys.argv[1]).resolve(), sys.argv[2]
    zig = find_zig()
    if zig is None:
        return 3
    stamp, fingerprint = folder / "stamp", _fingerprint(abi, zig)
    if not (stamp.is_file() and stamp.read_text() == fingerprint):
        _make(folder, abi, zig)
        stamp.write_text(fingerprint)
    return 0


def _make(folder: Path, abi: str, zig: Path) -> None:
    for name in ("bin", "lib", *LISTS):
        (folder / name).mkdir(parents=True, exist_ok=True)
    headers = includes([HERE / "include", *_headers(abi, zig)])
    libcxx = f"-include libcxx_config.h {includes([zig.parent / 'lib' / 'libcxx' / 'include'])}"
    clang = f'exec "{zig}" clang {TARGET.format(MACHINES[abi])} --ld-path="{folder}/bin/ld.lld" -nostdinc'
    write_command(folder / "bin" / "clang", f'#!/bin/sh\n{clang} {headers} "$@"\n')
    write_command(folder / "bin" / "clang++", f'#!/bin/sh\n{clang} --driver-mode=g++ {libcxx} {headers} "$@"\n')
    for name in ("ld.lld", "ar", "ranlib"):
        write_command(folder / "bin" / name, f'#!/bin/sh\nexec "{zig}" {name} "$@"\n')
    for kind, lists in LISTS.items():
        for library, symbols in _read(HERE / name.format(abi) for name in lists).items():
            _stub(folder, kind, library, symbols)
    _support(folder, zig, [*FLAGS, *MACHINE_FLAGS[abi]])


def _headers(abi: str, zig: Path) -> list[Path]:
    """The compiler's own, then musl's, whose types bionic lays out alike where executable_imports.txt lets us go."""
    library = zig.parent / "lib"
    libc = library / "libc" / "include"
    machine, kernel = MACHINES[abi], {"arm64": "aarch64", "x86_64": "x86"}[abi]
    names = (f"{machine}-linux-musl", "generic-musl", f"{kernel}-linux-any", "any-linux-any")
    return [library / "include", *(libc / name for name in names)]


def _fingerprint(abi: str, zig: Path) -> str:
    digest = hashlib.sha256(f"{abi} {zig} {zig.stat().st_size}".encode())
    for path in sorted(path for path in HERE.rglob("*") if path.is_file() and path.suffix != ".pyc"):
        digest.update(path.read_bytes())
    return digest.hexdigest()


def _read(lists: Iterable[Path]) -> dict[str, dict[str, bool]]:
    """Library to symbol to whether it is an object."""
    libraries: dict[str, dict[str, bool]] = defaultdict(dict)
    for path in lists:
        for line in path.read_text().splitlines():
            if line and not line.startswith("#"):
                library, symbol, *kind = line.split()
                libraries[library][symbol] = kind == ["object"]
    return libraries


def _stub(folder: Path, kind: str, library: str, symbols: dict[str, bool]) -> None:
    source, script = folder / kind / f"{library}.s", folder / kind / f"{library}.map"
    lines = []
    for symbol, is_object in sorted(symbols.items()):
        section, type_ = (".data", "object") if is_object else (".text", "function")
        lines.append(f"{section}\n.globl {symbol}\n.type {symbol}, %{type_}\n{symbol}: .quad 0\n.size {symbol}, 8\n")
    source.write_text("".join(lines))
    link = [folder / "bin" / "ld.lld", *LINK, "-soname", library, "-o", folder / kind / library]
    if library in VERSIONED:
        script.write_text(f"LIBC {{ global: {'; '.join(sorted(symbols))}; }};\n")
        link += ["--version-script", script]
    _run(folder / "bin" / "clang", "-c", source, "-o", source.with_suffix(".o"))
    _run(*link, source.with_suffix(".o"))


def _support(folder: Path, zig: Path, flags: list[str]) -> None:
    c: list[str | Path] = [folder / "bin" / "clang"]
    library = zig.parent / "lib"
    for name in ("start_shared", "start_executable"):
        _run(*c, *flags, "-c", HERE / "support" / f"{name}.c", "-o", folder / "lib" / f"{name}.o")
    cxx: list[str | Path] = [folder / "bin" / "clang++", "-std=c++23", "-fexceptions", *_building_libcxx(library)]
    unwind = [f"-I{library / 'libunwind' / 'include'}", "-include", "unwind_log.h", *UNWIND]
    # libc++'s own sources where what a header leaves to the library is more than a line.
    sources = [(HERE / "support" / "bionic.c", c)]
    sources += [(HERE / "support" / f"{name}.cc", cxx) for name in ("cxx", "exception_storage")]
    sources += [(library / "libcxx" / "src" / f"{name}.cpp", cxx) for name in LIBCXX_SOURCES]
    sources += [(library / "libcxxabi" / "src" / f"{name}.cpp", cxx) for name in LIBCXXABI_SOURCES]
    sources += [(library / "libunwind" / "src" / name, [*c, *unwind]) for name in UNWIND_SOURCES]
    objects = []
    for source, compiler in sources:
        objects.append(folder / "lib" / f"{source.stem}.o")
        _run(*compiler, *flags, "-c", source, "-o", objects[-1])
    archive = folder / "lib" / "libsupport.a"
    archive.unlink(missing_ok=True)
    _run(folder / "bin" / "ar", "rcs", archive, *objects)


def _building_libcxx(library: Path) -> list[str]:
    includes = ["libcxx/src", "libcxx/libc", "libcxxabi/include", "libcxxabi/src", "libunwind/include"]
    words = ["-D_LIBCPP_BUILDING_LIBRARY", "-D_LIBCXXABI_BUILDING_LIBRARY", "-DLIBCXXABI_NON_DEMANGLING_TERMINATE"]
    return [*words, *(f"-I{library / path}" for path in includes)]


def _run(*command: str | Path) -> None:
    subprocess.run([str(part) for part in command], check=True)


if __name__ == "__main__":
    sys.exit(main())
