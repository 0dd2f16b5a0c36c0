"""What an emulated program executed, word by word and exactly, out of qemu-user's own log.

The qemu-user that knows SME2 is linked statically and takes no plugins, but with ``-d in_asm,exec,nochain`` it writes
each block that it translates and each execution of one. ``executed`` adds them up; it costs about two microseconds a
block. For programs of one thread: the lines of several would mix.
"""

from __future__ import annotations

import os
import re
import subprocess
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import opcodes

_INSTRUCTION = re.compile(rb"0x[0-9a-f]+:  ([0-9a-f]{8})  ")
_EXECUTION = re.compile(rb"Trace \d+: (0x[0-9a-f]+) \[\S+\] ?(.*)")
_NOT_EXECUTED = re.compile(rb"Stopped execution of TB chain before (0x[0-9a-f]+) ")

Executions = Counter[tuple[str, int]]
"""How often a word was executed in a function: keys are (symbol, word)."""


@dataclass
class _Block:
    symbol: str
    words: list[int]
    executions: int = 0


@dataclass
class _Log:
    """The sums over a log that is still being read; between two functions' calls, or over all of it."""

    begins: str | None = None
    ends: str | None = None
    counting: int = 1
    translated: list[int] = field(default_factory=list)
    blocks: list[_Block] = field(default_factory=list)
    by_line: dict[bytes, _Block] = field(default_factory=dict)
    last: _Block | None = None

    def add(self, line: bytes) -> None:
        if line.startswith(b"Trace"):
            self._execute(line)
        elif found := _INSTRUCTION.match(line):
            self.translated.append(int(found[1], 16))
        elif _NOT_EXECUTED.match(line) and self.last is not None:
            self.last.executions -= self.counting

    def _execute(self, line: bytes) -> None:
        # A translation is written just before the block's first execution, also where it takes another one's place.
        block = None if self.translated else self.by_line.get(line)
        if block is None:
            found = _EXECUTION.match(line)
            if found is None or not self.translated:
                raise ValueError(f"this line of qemu's log is new to this tool: {line.decode(errors='replace')}")
            block = _Block(found[2].decode().strip(), self.translated)
            self.translated = []
            self.blocks.append(block)
            self.by_line[line] = block
        if block.symbol == self.ends:
            self.counting = 0
        block.executions += self.counting
        self.last = block
        if block.symbol == self.begins:
            self.counting = 1


def executed(command: Sequence[str | os.PathLike[str]], between: tuple[str, str] | None = None) -> Executions:
    """Run ``command``, whose first word is qemu-user, and count what it executes.

    ``between``: two functions; what is executed after a call of the first and before one of the second is counted.

    Raises:
        subprocess.CalledProcessError: the program failed; its stderr is in there.
        ValueError: the log is not as known.
    """
    read, write = os.pipe()
    emulator, *words = command
    logging = ["-d", "in_asm,exec,nochain", "-D", f"/dev/fd/{write}"]
    process = subprocess.Popen(
        [emulator, *logging, *words], pass_fds=[write], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    )
    os.close(write)
    log = _Log() if between is None else _Log(*between, counting=0)
    with os.fdopen(read, "rb", buffering=1 << 20) as lines:
        for line in lines:
            log.add(line)
    _, complaint = process.communicate()
    if process.returncode != 0:
        raise subprocess.CalledProcessError(process.returncode, [*map(str, command)], stderr=complaint)
    counts: Executions = Counter()
    for block in log.blocks:
        for word in block.words if block.executions else ():
            counts[block.symbol, word] += block.executions
    return counts


def difference(more: Executions, less: Executions) -> Executions:
    """What the first run executed beyond the second, zeros left out; a function's count may be negative."""
    keys = more.keys() | less.keys()
    return Counter({key: n for key in keys if (n := more[key] - less[key])})


def by_class(counts: Executions, inside: Callable[[str], bool] = lambda symbol: True) -> Counter[str]:
    """Instructions of each of ``opcodes.CLASSES``, in the functions whose symbol passes ``inside``."""
    sums: Counter[str] = Counter()
    for (symbol, word), n in counts.items():
        if inside(symbol):
            sums[opcodes.class_of(word)] += n
    return sums


def vectors(counts: Executions) -> Counter[tuple[str, int]]:
    """SVE and SME loads and stores by how many vector registers they move: keys (``load`` or ``store``, registers)."""
    sums: Counter[tuple[str, int]] = Counter()
    for (_, word), n in counts.items():
        if moved := opcodes.vectors_of(word):
            sums[opcodes.class_of(word), moved] += n
    return sums
