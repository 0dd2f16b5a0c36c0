"""The classes of instruction words, against what an assembler makes of their names."""

import struct
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tools" / "qemu"))

import opcodes  # noqa: E402

# Class: instructions, one a line; behind // stands how many vectors move, where not 1.
SAMPLES = {
    "bmopa": """
        bmopa za0.s, p0/m, p1/m, z0.s, z1.s
        bmopa za3.s, p7/m, p6/m, z31.s, z30.s
        bmops za1.s, p0/m, p1/m, z2.s, z3.s""",
    "outer": """
        fmopa za0.s, p0/m, p1/m, z0.s, z1.s
        fmopa za7.d, p0/m, p1/m, z0.d, z1.d
        bfmopa za0.s, p0/m, p1/m, z0.h, z1.h
        fmopa za2.s, p0/m, p1/m, z0.h, z1.h
        fmops za0.s, p0/m, p1/m, z0.s, z1.s
        smopa za0.s, p0/m, p1/m, z0.b, z1.b
        smopa za3.s, p0/m, p1/m, z0.h, z1.h
        umopa za0.s, p0/m, p1/m, z0.b, z1.b
        sumopa za0.s, p0/m, p1/m, z0.b, z1.b
        usmopa za0.s, p0/m, p1/m, z0.b, z1.b
        umopa za0.d, p0/m, p1/m, z0.h, z1.h""",
    "za": """
        zero {za}
        zero {za0.s, za2.s}
        mova z0.s, p0/m, za0h.s[w12, 0]
        mova z0.s, p0/m, za3v.s[w15, 3]
        mova za0h.s[w12, 1], p0/m, z0.s
        mova {z0.s-z3.s}, za0h.s[w12, 0:3]
        mova {z0.d-z1.d}, za.d[w8, 0]
        mova {z0.d-z3.d}, za.d[w8, 4]
        mova za1v.s[w12, 0:3], {z4.s-z7.s}
        addha za0.s, p0/m, p1/m, z0.s
        addva za0.s, p0/m, p1/m, z0.s
        zero {zt0}
        movt x0, zt0[0]
        luti4 {z0.b-z1.b}, zt0, z3[1]
        luti2 z0.s, zt0, z3[1]""",
    "load": """
        ld1b {z0.b}, p0/z, [x0]
        ld1w {z0.s}, p0/z, [x0, #1, mul vl]
        ld1w {z0.s}, p0/z, [x0, x1, lsl #2]
        ld1w {z0.d}, p0/z, [x0]
        ld1rw {z0.s}, p0/z, [x0]
        ld1rb {z0.h}, p0/z, [x0]
        ld1rd {z0.d}, p0/z, [x0]
        ld1rqw {z0.s}, p0/z, [x0]
        ld1w {z0.s}, p0/z, [x0, z0.s, uxtw]
        ld1w {z0.d}, p0/z, [z0.d]
        ld2b {z0.b, z1.b}, p0/z, [x0] // 2
        ld2w {z0.s, z1.s}, p0/z, [x0, x1, lsl #2] // 2
        ld3d {z0.d-z2.d}, p0/z, [x0] // 3
        ld4w {z0.s-z3.s}, p0/z, [x0] // 4
        ldnt1w {z0.s}, p0/z, [x0]
        ldr z0, [x0]
        ldr z31, [x0, #-4, mul vl]
        ldr p0, [x0]
        ldr za[w12, 0], [x0]
        ldr zt0, [x0]
        ld1w {za0h.s[w12, 0]}, p0/z, [x0]
        ld1w {za1v.s[w12, 0]}, p0/z, [x0, x1, lsl #2]
        ld1q {za1v.q[w12, 0]}, p0/z, [x0]
        ld1w {z0.s-z1.s}, pn8/z, [x0] // 2
        ld1w {z0.s-z3.s}, pn8/z, [x0] // 4
        ld1w {z0.s-z3.s}, pn8/z, [x0, x1, lsl #2] // 4
        ld1w {z0.s, z8.s}, pn8/z, [x0] // 2
        ld1w {z0.s, z4.s, z8.s, z12.s}, pn9/z, [x0] // 4
        ldnt1w {z0.s-z3.s}, pn8/z, [x0] // 4""",
    "store": """
        st1w {z0.s}, p0, [x0]
        st1w {z0.s}, p0, [x0, x1, lsl #2]
        st1h {z0.s}, p0, [x0]
        st2w {z0.s, z1.s}, p0, [x0] // 2
        st2w {z0.s, z1.s}, p0, [x0, x1, lsl #2] // 2
        st4w {z0.s-z3.s}, p0, [x0, x1, lsl #2] // 4
        st4b {z0.b-z3.b}, p0, [x0] // 4
        stnt1w {z0.s}, p0, [x0]
        stnt1w {z0.s}, p0, [x0, x1, lsl #2]
        st1w {z0.s}, p0, [x0, z0.s, uxtw]
        str z0, [x0]
        str p0, [x0]
        str za[w12, 0], [x0]
        str zt0, [x0]
        st1w {za0h.s[w12, 0]}, p0, [x0]
        st1w {za0v.s[w12, 3]}, p0, [x0, x1, lsl #2]
        st1w {z0.s-z1.s}, pn8, [x0] // 2
        st1w {z0.s-z3.s}, pn8, [x0, x1, lsl #2] // 4
        st1w {z0.s, z4.s, z8.s, z12.s}, pn9, [x0] // 4""",
    "arithmetic": """
        add z0.s, z1.s, z2.s
        add z0.s, p0/m, z0.s, z2.s
        add z0.s, z0.s, #3
        dup z0.s, w1
        dup z0.s, #-1
        fdup z0.s, #1.0
        fadd z0.s, z1.s, z2.s
        fadd z0.s, p0/m, z0.s, #1.0
        fmul z0.s, z1.s, z2.s
        fmla z0.s, p0/m, z1.s, z2.s
        fmla z0.s, z1.s, z2.s[1]
        fmaxnm z0.s, p0/m, z0.s, z1.s
        fmin z0.s, p0/m, z0.s, z1.s
        faddv s0, p0, z1.s
        scvtf z0.s, p0/m, z0.s
        frintn z0.s, p0/m, z0.s
        fcvtzs z0.s, p0/m, z0.s
        sel z0.s, p0, z1.s, z2.s
        movprfx z0, z1
        eor3 z0.d, z0.d, z1.d, z2.d
        bsl z0.d, z0.d, z1.d, z2.d
        cnt z0.b, p0/m, z1.b
        zip1 z0.s, z1.s, z2.s
        uzp1 z0.b, z1.b, z2.b
        tbl z0.b, {z1.b}, z2.b
        revb z0.s, p0/m, z1.s
        index z0.s, #0, #1
        lsl z0.s, z1.s, #3
        orr z0.d, z1.d, z2.d
        uaddv d0, p0, z1.s
        sqxtnb z0.h, z1.s
        mad z0.s, p0/m, z1.s, z2.s
        incw z0.s""",
    "multi": """
        scvtf {z0.s-z3.s}, {z4.s-z7.s}
        fclamp {z0.s-z3.s}, z4.s, z5.s
        fmax {z0.s-z3.s}, {z0.s-z3.s}, {z4.s-z7.s}
        sel {z0.s-z3.s}, pn8, {z4.s-z7.s}, {z8.s-z11.s}
        zip {z0.s-z3.s}, {z4.s-z7.s}
        sqcvt z0.b, {z4.s-z7.s}
        fmla za.s[w8, 0, vgx4], {z0.s-z3.s}, {z4.s-z7.s}
        fadd za.s[w8, 0, vgx4], {z0.s-z3.s}""",
    "predicate": """
        ptrue p0.s
        ptrue pn8.s
        pfalse p0.b
        whilelt p0.s, x0, x1
        whilelt pn8.s, x0, x1, vlx4
        whilelt {p0.s, p1.s}, x0, x1
        cmpgt p0.s, p1/z, z0.s, #0
        cmphi p0.s, p1/z, z0.s, #3
        cmpeq p0.s, p1/z, z0.s, z1.s
        fcmge p0.s, p1/z, z0.s, #0.0
        fcmlt p0.s, p1/z, z0.s, #0.0
        fcmeq p0.s, p1/z, z0.s, #0.0
        fcmgt p0.s, p1/z, z0.s, z1.s
        fcmge p0.s, p1/z, z0.s, z1.s
        facge p0.s, p1/z, z0.s, z1.s
        fcmuo p0.s, p1/z, z0.s, z1.s
        and p0.b, p1/z, p2.b, p3.b
        psel p0, p1, p2.s[w12, 0]
        pext p0.s, pn8[1]
        ptest p0, p1.b
        cntp x0, p0, p1.s
        cntp x0, pn8.s, vlx4
        incp x0, p0.s""",
    "scalar_load": """
        ldr x0, [x1]
        ldr w0, [x1, #4]!
        ldp x0, x1, [sp], #16
        ldrsw x0, [x1, x2]
        ldrb w0, [x1]
        ldar x0, [x1]
        ldxr x0, [x1]
        ldapur x0, [x1]
        ldr x0, .
        ldadd x0, x1, [x2]""",
    "scalar_store": """
        str x0, [x1]
        stp x0, x1, [sp, #-16]!
        strb w0, [x1], #1
        stlr x0, [x1]
        stur x0, [x1, #-8]
        stxr w2, x0, [x1]""",
    "prefetch": """
        prfm pldl1keep, [x0]
        prfm pldl1keep, [x0, x1]
        prfum pldl1keep, [x0, #-8]
        prfb pldl1keep, p0, [x0]
        prfh pldl1keep, p0, [x0]
        prfw pldl1keep, p0, [x0, x1, lsl #2]
        prfb pldl1keep, p0, [z0.s]
        prfd pldl1keep, p0, [z0.d]
        prfb pldl1keep, p0, [x0, z0.d]
        prfb pldl1keep, p0, [x0, z0.s, uxtw]
        prfw pldl1keep, p0, [x0, z0.d, uxtw #2]""",
    "scalar": """
        add x0, x1, x2
        add x0, x1, #3
        sub w0, w1, w2, lsl #3
        mov x0, #7
        madd x0, x1, x2, x3
        csel x0, x1, x2, lt
        subs x0, x0, #1
        ubfx x0, x1, #3, #4
        adr x0, .
        rdsvl x0, #1
        rdvl x0, #1
        addvl x0, x0, #2
        addsvl x0, x0, #1
        addpl x0, x0, #1
        addspl x0, x0, #1
        cntw x0
        cntb x0, all, mul #4
        incw x0
        decd x0, vl8""",
    "branch": """
        b .
        b.ne .
        bl .
        cbz x0, .
        tbnz x0, #3, .
        ret
        blr x0
        br x1""",
    "mode": """
        smstart
        smstart sm
        smstart za
        smstop
        smstop sm
        smstop za""",
    "system": """
        mrs x0, TPIDR2_EL0
        msr TPIDR2_EL0, xzr
        mrs x0, SVCR
        svc #0
        nop
        dmb ish
        dc zva, x0""",
    "neon": """
        eor v0.16b, v1.16b, v2.16b
        cnt v0.16b, v1.16b
        eor3 v0.16b, v1.16b, v2.16b, v3.16b
        sdot v0.4s, v1.16b, v2.16b
        fmla v0.4s, v1.4s, v2.s[1]
        addv b0, v1.8b
        dup v0.4s, w0
        umov w0, v0.s[1]
        ldr q0, [x0]
        str q0, [x0, #16]
        ldp q0, q1, [x0]
        stp q0, q1, [sp, #-32]!
        ldr q0, .
        ldur q0, [x0, #-1]
        ld1 {v0.16b}, [x0]
        ld1r {v0.4s}, [x0]
        st4 {v0.4s-v3.4s}, [x0]""",
    "fp": """
        fadd s0, s1, s2
        fmadd d0, d1, d2, d3
        fmov s0, w0
        scvtf s0, w0
        fcmp s0, #0.0
        ldr s0, [x0]
        str d0, [x0]
        ldp d8, d9, [sp]
        stp d8, d9, [sp, #-16]!
        ldur d0, [x0, #-8]
        ldr d0, .""",
    "other": """
        udf #0""",
}


def assembled(lines: list[str], folder: Path) -> list[int]:
    """The words of the instructions, out of the section .text of what the assembler wrote."""
    pytest.importorskip("ziglang")
    source, made = folder / "words.s", folder / "words.o"
    source.write_text(".arch_extension sme2\n" + "\n".join(lines) + "\n")
    target = [
        "-target",
        "aarch64-linux-musl",
        "-mcpu=generic+sme2+sve2+lse+rcpc_immo+sha3+dotprod+sme_f64f64+sme_i16i64",
    ]
    subprocess.run([sys.executable, "-m", "ziglang", "cc", *target, "-c", source, "-o", made], check=True)
    data = made.read_bytes()
    start, size = section(data, b".text")
    assert size == 4 * len(lines)
    return list(struct.unpack_from(f"<{len(lines)}I", data, start))


def section(data: bytes, name: bytes) -> tuple[int, int]:
    """Offset and size of a section of a 64-bit ELF file."""
    (table,) = struct.unpack_from("<Q", data, 0x28)
    size, count, names = struct.unpack_from("<HHH", data, 0x3A)
    headers = [struct.unpack_from("<IIQQQQ", data, table + i * size) for i in range(count)]
    strings = headers[names][4]
    for header in headers:
        at = strings + header[0]
        if data[at : data.index(b"\0", at)] == name:
            return header[4], header[5]
    raise AssertionError(name)


def test_each_instruction_is_of_its_class(tmp_path: Path) -> None:
    assert set(SAMPLES) == set(opcodes.CLASSES)
    samples = [(name, line.strip()) for name, lines in SAMPLES.items() for line in lines.splitlines() if line.strip()]
    words = assembled([line for _, line in samples], tmp_path)
    for (name, line), word in zip(samples, words, strict=True):
        assert opcodes.class_of(word) == name, f"{line}: {word:08x}"
        moved = int(line.partition("// ")[2] or 1) if name in ("load", "store") else 0
        assert opcodes.vectors_of(word) == moved, f"{line}: {word:08x}"
