"""The ELF reader: right about files that the linker made here, and safe with broken ones."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from repbnn_edge.elf import Elf, Symbol
from repbnn_edge.errors import BadInputError

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="its programs are no ELF files here")
PROGRAM = Path("/bin/true")


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    if shutil.which("cc") is None:
        pytest.skip("no C compiler")
    folder = tmp_path_factory.mktemp("elf")
    source = '#include <stdio.h>\n__thread int t; int value; void shown(void) { printf("%d", t); }\n'
    (folder / "a.c").write_text(source + "__attribute__((weak)) void maybe(void); void call(void) { maybe(); }\n")
    link = ["-shared", "-fPIC", "-Wl,-soname,liba.so.3", "-Wl,-z,max-page-size=16384"]
    subprocess.run(["cc", *link, "a.c", "-o", "liba.so"], cwd=folder, check=True)
    return (folder / "liba.so").read_bytes()


def test_what_a_library_is(library: bytes) -> None:
    elf = Elf(library)
    assert elf.machine in ("x86_64", "aarch64")
    assert elf.soname == "liba.so.3"
    assert elf.needed[0] == "libc.so.6"
    assert elf.load_alignment == 16384
    assert elf.has_tls
    assert {symbol.name: symbol.kind for symbol in elf.exports()}.items() >= {
        "shown": "function",
        "value": "object",
    }.items()


def test_what_a_library_asks_for(library: bytes) -> None:
    imports = {symbol.name: symbol for symbol in Elf(library).imports()}
    assert imports["maybe"].weak
    assert (imports["printf"].library, imports["printf"].weak) == ("libc.so.6", False)
    assert Elf(library).newest_glibc() >= (2, 2, 5)


def test_versions_are_compared_as_numbers(monkeypatch: pytest.MonkeyPatch, library: bytes) -> None:
    asked = ["GLIBC_2.9", "GLIBC_2.17", "GLIBC_2.2.5", "GLIBC_PRIVATE", "GLIBC_2.x", "GLIBCXX_3.4.29", None]
    symbols = [Symbol("f", "function", False, "libc.so.6", version) for version in asked]
    elf = Elf(library)
    monkeypatch.setattr(elf, "imports", lambda: symbols)
    assert elf.newest_glibc() == (2, 17)


def test_other_files_are_refused() -> None:
    for data in (b"", b"MZ" + bytes(100), b"\x7fELF\x01\x01" + bytes(100)):
        with pytest.raises(BadInputError, match="ELF"):
            Elf(data)


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_a_broken_file_is_an_error_or_an_answer(data: st.DataObject) -> None:
    whole = bytearray(PROGRAM.read_bytes())
    for _ in range(data.draw(st.integers(1, 6))):
        at = data.draw(
            st.one_of(
                st.integers(16, 63), st.integers(0, len(whole) - 1), st.integers(len(whole) - 2000, len(whole) - 1)
            )
        )
        whole[at] = data.draw(st.integers(0, 255))
    cut = bytes(whole[: data.draw(st.integers(0, len(whole)))]) if data.draw(st.booleans()) else bytes(whole)
    try:
        elf = Elf(cut)
        facts = (
            elf.needed,
            elf.soname,
            elf.imports(),
            elf.exports(),
            elf.newest_glibc(),
            elf.load_alignment,
            elf.has_tls,
        )
    except BadInputError:
        return
    assert len(facts) == 7
