"""The one exception tree of repbnn-edge, and the exit code that each branch has on the command line.

::

    RepbnnError            1  a bug of ours, if nothing narrower fits
    ├── UsageError         2  the call itself is wrong
    ├── BadInputError      3  a file or value from outside is broken, missing or refused
    ├── UnsupportedError   4  understood, but there is no exact way to do it: names the node or layer
    ├── VerificationError  5  the result is not what the source says, or slower than allowed
    ├── DeviceError        6  a device is missing, lost, full or refuses
    ├── DeadlineError      7  it took longer than the caller allows
    ├── InconclusiveError  8  a measurement that must not be quoted
    └── StorageError       9  the local disk: full, unwritable, unreadable

Every error is one sentence in three parts: ``error: <what>: <why>, <what to do>``.
"""

from __future__ import annotations


class RepbnnError(Exception):
    """An error with a cause and a remedy.

    Args:
        what: the thing that failed: a path, a layer, a device.
        why: what is wrong with it, as a fact.
        do: what the reader can do about it.
    """

    exit_code = 1
    kind = "internal"

    def __init__(self, what: str, why: str, do: str) -> None:
        super().__init__(what, why, do)
        self.what, self.why, self.do = (_one_line(part) for part in (what, why, do))

    def __str__(self) -> str:
        return f"{self.what}: {self.why}, {self.do}"


class UsageError(RepbnnError):
    """The call is wrong: an unknown option, a value outside its range, an output that exists."""

    exit_code, kind = 2, "usage"


class BadInputError(RepbnnError):
    """Something from outside is missing, broken, malicious or of another kind than asked for."""

    exit_code, kind = 3, "bad_input"


class UnsupportedError(RepbnnError):
    """A network, node or platform that cannot be served exactly; ``what`` names the node or layer."""

    exit_code, kind = 4, "unsupported"


class VerificationError(RepbnnError):
    """The file is not the source, or a measurement is slower than allowed."""

    exit_code, kind = 5, "verification"


class DeviceError(RepbnnError):
    """A device is missing, unauthorised, lost, full, or of another kind."""

    exit_code, kind = 6, "device"


class DeadlineError(RepbnnError):
    """The deadline passed."""

    exit_code, kind = 7, "timeout"


class InconclusiveError(RepbnnError):
    """A measurement whose verdict forbids quoting it."""

    exit_code, kind = 8, "inconclusive"


class StorageError(RepbnnError):
    """The local disk refuses."""

    exit_code, kind = 9, "storage"


def _one_line(text: str) -> str:
    """Control characters and line breaks from a hostile file must not reach the terminal."""
    return "".join(c if c.isprintable() else " " for c in " ".join(str(text).split()))
