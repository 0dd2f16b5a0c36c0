"""The class of an A64 instruction word, by the bit patterns of the Arm Architecture Reference Manual's encoding index.

``class_of(word)`` gives one of ``CLASSES``; ``vectors_of(word)`` how many vector registers a load or store moves.
The test holds the table against words that an assembler made.
"""

from __future__ import annotations

CLASSES = {
    "bmopa": "outer products of single bits (BMOPA, BMOPS)",
    "outer": "SME's other outer products",
    "za": "moves between ZA and vectors, ZERO, LUTI, ADDHA",
    "load": "SVE and SME loads",
    "store": "SVE and SME stores",
    "arithmetic": "SVE arithmetic and permutes on a vector",
    "multi": "SME2 arithmetic and permutes on two or four vectors, or of them on ZA's rows",
    "predicate": "whatever writes or tests a predicate: PTRUE, WHILE, compares, logic, PSEL, CNTP",
    "scalar_load": "loads of general registers",
    "scalar_store": "stores of general registers",
    "prefetch": "prefetches",
    "scalar": "integer arithmetic on general registers, ADR, vector lengths (CNT, RDVL, RDSVL, ADDVL)",
    "branch": "branches and calls",
    "mode": "SMSTART, SMSTOP",
    "system": "other system instructions",
    "neon": "Advanced SIMD, its loads and stores among them",
    "fp": "scalar floating point, its loads and stores among them",
    "other": "what the table does not know",
}

# (mask, value, class), the first that fits. Loads and stores are told apart by the bit that is named.
_TABLE: tuple[tuple[int, int, str], ...] = (
    # SME: bits 31 and 28:25 are 1 and 0000.
    (0xFFE0000C, 0x80800008, "bmopa"),
    (0xFE800000, 0xA0000000, "bit 21"),  # LD1, ST1, LDNT1, STNT1 of two or four vectors
    (0xDE000000, 0x80000000, "outer"),
    (0xFF000000, 0xC0000000, "za"),
    (0xFF000000, 0xC1000000, "multi"),
    (0xFE000000, 0xE0000000, "bit 21"),  # rows of ZA, ZT0
    # SVE: bits 28:25 are 0010.
    (0xFE60C010, 0x8400C000, "prefetch"),
    (0xFFA08010, 0x84200000, "prefetch"),
    (0xFFC08010, 0x85C00000, "prefetch"),
    (0xFFA08010, 0xC4200000, "prefetch"),
    (0xFFE08010, 0xC4608000, "prefetch"),
    (0xFE60E010, 0xC400E000, "prefetch"),
    (0xFE000000, 0x84000000, "load"),
    (0xFE000000, 0xA4000000, "load"),
    (0xFE000000, 0xC4000000, "load"),
    (0xFE000000, 0xE4000000, "store"),
    (0xFF000000, 0x24000000, "predicate"),  # compares
    (0xFF20C000, 0x2520C000, "arithmetic"),  # wide immediates
    (0xFF000000, 0x25000000, "predicate"),
    (0xFF204000, 0x65004000, "predicate"),  # floating-point compares
    (0xFF38E000, 0x65102000, "predicate"),  # with zero
    (0xFFE0F000, 0x04205000, "scalar"),  # ADDVL, ADDSVL
    (0xFFE0F000, 0x04605000, "scalar"),  # ADDPL, ADDSPL
    (0xFFE0F000, 0x04A05000, "scalar"),  # RDVL, RDSVL
    (0xFF30F000, 0x0420E000, "scalar"),  # CNTB to CNTD
    (0xFF30F000, 0x0430E000, "scalar"),  # INCB to DECD
    (0x1E000000, 0x04000000, "arithmetic"),
    # Data processing with immediates, branches, system.
    (0x1C000000, 0x10000000, "scalar"),
    (0x7C000000, 0x14000000, "branch"),
    (0xFE000000, 0x54000000, "branch"),
    (0x7C000000, 0x34000000, "branch"),
    (0xFE000000, 0xD6000000, "branch"),
    (0xFFFFFEFF, 0xD503407F, "system"),  # neither of SMSTART's two bits
    (0xFFFFF8FF, 0xD503407F, "mode"),
    (0xFF000000, 0xD4000000, "system"),
    (0xFF000000, 0xD5000000, "system"),
    # Loads and stores: bit 27 is 1, bit 25 is 0; bit 26 says vector registers.
    (0x0E000000, 0x0C000000, "vector memory"),
    (0x3B000000, 0x18000000, "literal"),
    (0x3A000000, 0x28000000, "bit 22 inverted"),  # pairs
    (0x3B200C00, 0x38200000, "scalar_load"),  # atomics
    (0x3A000000, 0x38000000, "register"),
    (0x3F000000, 0x08000000, "bit 22 inverted"),  # exclusive, ordered
    (0x3F200C00, 0x19000000, "register"),  # LDAPUR, STLUR
    # Data processing with registers, then vectors.
    (0x0E000000, 0x0A000000, "scalar"),
    (0x5E000000, 0x1E000000, "fp"),
    (0x0E000000, 0x0E000000, "neon"),
)


def class_of(word: int) -> str:
    """The name of the class in ``CLASSES``."""
    for mask, value, name in _TABLE:
        if word & mask == value:
            return _SPLIT[name](word) if name in _SPLIT else name
    return "other"


def vectors_of(word: int) -> int:
    """How many vector registers (or rows of ZA) an SVE or SME load or store moves; 0 for another word."""
    if class_of(word) not in ("load", "store"):
        return 0
    if word & 0xFE800000 == 0xA0000000:
        return 4 if word >> 15 & 1 else 2
    if word >> 25 in (0b1010010, 0b1110010) and _is_structure(word):
        return (word >> 21 & 3) + 1
    return 1


def _is_structure(word: int) -> bool:
    """LD2 to LD4 (unpredicated offsets share the field with LD1's sizes) and ST2 to ST4."""
    form = word >> 13 & 7
    return form in ((0b110, 0b111) if word >> 30 & 1 == 0 else (0b011,)) or (form == 0b111 and bool(word >> 20 & 1))


def _register_form(word: int) -> str:
    operation = word >> 22 & 3
    if operation == 2 and word >> 30 == 3:
        return "prefetch"
    return "scalar_load" if operation else "scalar_store"


def _vector_memory(word: int) -> str:
    """Scalar floating point where a register of 8 to 64 bits moves, else NEON."""
    form = word >> 28 & 3
    if form == 0:  # LD1 to ST4
        return "neon"
    if form in (1, 2):  # literals (bits 31:30: S, D, Q), pairs likewise
        return "neon" if word >> 30 == 2 else "fp"
    return "neon" if word >> 30 == 0 and word >> 23 & 1 else "fp"


_SPLIT = {
    "bit 21": lambda word: "store" if word >> 21 & 1 else "load",
    "bit 22 inverted": lambda word: "scalar_load" if word >> 22 & 1 else "scalar_store",
    "literal": lambda word: "prefetch" if word >> 30 == 3 else "scalar_load",
    "register": _register_form,
    "vector memory": _vector_memory,
}
