"""Android's x86-64 libraries, TFLite's and ours, made loadable in a desktop JVM. For tests: never ship the result.

Their symbol versions are bionic's, which glibc does not know: they are dropped. ``sysconf`` numbers its names in
another way there: calls go to ``bysconf``, which tests/android/host_bionic.c holds together with what glibc lacks.
"""

from __future__ import annotations

import struct
from pathlib import Path

import artifacts
import binaries
import java
import needs
import stamps
from layout import BUILD, ROOT

_BIONIC = ROOT / "tests" / "android" / "host_bionic.c"
_ABI = "x86_64"
_DYNAMIC = 2
_VERSION_TAGS = (0x6FFFFFF0, 0x6FFFFFFC, 0x6FFFFFFD, 0x6FFFFFFE, 0x6FFFFFFF)
_IGNORED_TAG = 0x6000000D + 0x1000  # a tag of no meaning: entries cannot be taken out
_ANDROID_LIBRARIES = ("libc.so", "libm.so", "libdl.so", "liblog.so")


def libraries() -> Path:
    """The folder of all three libraries, and of what must be preloaded with them, libhost_bionic.so."""
    folder = BUILD / "host-runtime"
    runtime = artifacts.unpacked(java.TFLITE) / "jni" / _ABI / "libtensorflowlite_jni.so"
    sources = [runtime, *(binaries.for_android(_ABI) / name for name in binaries.NAMES)]
    preload = folder / "libhost_bionic.so"
    key = stamps.digest([*sources, _BIONIC, Path(__file__)])
    if not stamps.is_fresh(preload, key):
        folder.mkdir(parents=True, exist_ok=True)
        for source in sources:
            (folder / source.name).write_bytes(_without_names(_patched(source.read_bytes())))
        needs.run(["cc", "-O1", "-fPIC", "-shared", "-o", preload, _BIONIC, "-ldl"], "the host's C compiler")
        stamps.mark(preload, key)
    return folder


def failing() -> Path:
    """A library that, preloaded, makes one allocation of our libraries fail when a test asks for it."""
    source, target = _BIONIC.with_name("failing_malloc.c"), BUILD / "host-runtime" / "libfailing_malloc.so"
    key = stamps.digest([source])
    if not stamps.is_fresh(target, key):
        include = binaries.java_home() / "include"
        flags = ("-O1", "-fPIC", "-shared", f"-I{include}", f"-I{include}/linux")
        target.parent.mkdir(parents=True, exist_ok=True)
        needs.run(["cc", *flags, "-o", target, source, "-ldl"], "the host's C compiler")
        stamps.mark(target, key)
    return target


def _patched(library: bytes) -> bytes:
    data = bytearray(library)
    for at in _dynamic_entries(data):
        if struct.unpack_from("<Q", data, at)[0] in _VERSION_TAGS:
            struct.pack_into("<Q", data, at, _IGNORED_TAG)
    return bytes(data).replace(b"\0sysconf\0", b"\0bysconf\0")


def _without_names(library: bytes) -> bytes:
    """No NEEDED entry for Android's libraries: glibc's are loaded, and the rest is preloaded."""
    data = bytearray(library)
    for at in _dynamic_entries(data):
        tag, value = struct.unpack_from("<QQ", data, at)
        if tag == 1 and _name(data, value) in _ANDROID_LIBRARIES:
            struct.pack_into("<Q", data, at, _IGNORED_TAG)
    return bytes(data)


def _segments(data: bytes) -> list[tuple[int, int, int, int]]:
    """(type, offset, address, size in the file) of each program header."""
    start, count = struct.unpack_from("<Q", data, 32)[0], struct.unpack_from("<H", data, 56)[0]
    found = []
    for index in range(count):
        kind, _, offset, address, _, size = struct.unpack_from("<IIQQQQ", data, start + 56 * index)
        found.append((kind, offset, address, size))
    return found


def _dynamic_entries(data: bytes) -> range:
    _kind, offset, _, size = next(segment for segment in _segments(data) if segment[0] == _DYNAMIC)
    return range(offset, offset + size, 16)


def _name(data: bytes, value: int) -> str:
    """A string of the dynamic string table, whose address entry 5 holds."""
    table = next(
        struct.unpack_from("<Q", data, at + 8)[0]
        for at in _dynamic_entries(data)
        if struct.unpack_from("<Q", data, at)[0] == 5
    )
    start = next(o + table - a for kind, o, a, s in _segments(data) if kind == 1 and a <= table < a + s) + value
    return bytes(data[start : data.index(0, start)]).decode()
