"""What bench has on a device while it measures there: a lock, a run folder, and files in a cache by their content."""

from __future__ import annotations

import contextlib
import re
import secrets
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from repbnn_edge import console
from repbnn_edge.devices import far_scripts
from repbnn_edge.devices.host import exit_event
from repbnn_edge.devices.interface import Event
from repbnn_edge.devices.shell import CALL_SECONDS, Shell, call, lost, new_mark, quote
from repbnn_edge.devices.streaming import LineProcess, parse_event
from repbnn_edge.errors import DeadlineError, DeviceError
from repbnn_edge.files import sha256_of

CACHE_KIB = 512 * 1024
LATE_SECONDS = 15.0
"""How long after its deadline a run's last words may take to arrive."""

_BUSY_STEP = 1.0
_FOREIGN = "it is another user's"


class UnusableFolderError(DeviceError):
    """A folder of the device that cannot be written to, or where nothing may run."""


@dataclass
class FarEnd:
    """One base folder on a device, held from ``take`` to ``release``."""

    shell: Shell
    base: str
    label: str
    folder: str = ""
    _keeper: LineProcess | None = None
    _running: LineProcess | None = None
    _stopped: bool = False
    _known: set[str] = field(default_factory=set)

    @property
    def cache(self) -> str:
        """Where pushed files lie."""
        return f"{self.base}/cache"

    def take(self, seconds: float) -> None:
        """Get the folder for ourselves for at most ``seconds``; another bench there is waited for.

        Raises:
            UnusableFolderError: it cannot be written to.
            DeviceError: the device went.
        """
        said = False
        while True:
            word, rest = self._try(seconds)
            if word == "ready":
                return
            if word != "busy":
                why = f"{self.base} cannot be used ({rest[-160:] or _FOREIGN})"
                raise UnusableFolderError(self.label, why, "give another folder")
            if not said:
                console.warn(
                    f"{self.label}: another bench is measuring there, until {rest} s from now at the latest; waiting"
                )
                said = True
            time.sleep(_BUSY_STEP)

    def _try(self, seconds: float) -> tuple[str, str]:
        mark, identity = new_mark(), f"{int(time.time())}-{secrets.token_hex(4)}"
        script = far_scripts.fill(far_scripts.KEEPER, base=self.base, mark=mark, seconds=int(seconds) + 1, id=identity)
        keeper = LineProcess(self.shell.command(script), self.shell.environment)
        try:
            for line in keeper.lines(CALL_SECONDS):
                match = re.fullmatch(rf"{mark} (\w+) ?(.*)", line.decode("utf-8", "replace").strip())
                if match is None:
                    continue
                if match[1] == "ready":
                    self._keeper, self.folder = keeper, f"{self.base}/runs/{identity}"
                else:
                    keeper.finish()
                return match[1], match[2]
        except DeadlineError as error:
            keeper.finish()
            raise lost(self.shell, f"it did not answer within {CALL_SECONDS:g} s") from error
        except BaseException:
            keeper.kill()
            keeper.finish()
            raise
        _, errors, _ = keeper.finish()
        raise self.shell.explain(errors)

    def provide(self, files: Sequence[Path]) -> dict[Path, str]:
        """Bring files into the cache unless they are there; each one's content is proven before it is used.

        Raises:
            DeviceError: the device is full or went, or a file came through changed.
        """
        names = {path: sha256_of(path) for path in files}
        wanted = {name: path for path, name in names.items() if name not in self._known}
        self._known |= self._hashed(list(wanted)) if wanted else set()
        missing = {name: path for name, path in wanted.items() if name not in self._known}
        if missing:
            self._make_room(missing, keep=list(names.values()))
            self._push(missing)
            self._prove(missing)
        return {path: f"{self.cache}/{name}" for path, name in names.items()}

    def _push(self, missing: dict[str, Path]) -> None:
        partial = {f"{self.cache}/.new-{name}": path for name, path in missing.items()}
        try:
            for remote, path in partial.items():
                with console.step(f"{self.label}: copying {path.name}"):
                    self.shell.push(path, remote)
        except DeviceError:
            with contextlib.suppress(DeviceError):  # a device that went: the next start sweeps
                call(self.shell, f"rm -f {' '.join(map(quote, partial))}")
            raise

    def _prove(self, pushed: dict[str, Path]) -> None:
        """Nothing is used whose content is not what was sent."""
        proven = self._hashed(list(pushed))
        self._known |= proven
        changed = [path.name for name, path in pushed.items() if name not in proven]
        if changed:
            raise DeviceError(
                self.label,
                f"{changed[0]} arrived there with another content, or the device cannot compute a sha256",
                "check its storage and cable, and run it again",
            )

    def _hashed(self, names: list[str]) -> set[str]:
        script = far_scripts.fill(far_scripts.HASHES, cache=self.cache, names=" ".join(map(quote, names)))
        return set(call(self.shell, script, seconds=120).out.split()) & set(names)

    def _make_room(self, missing: dict[str, Path], keep: list[str]) -> None:
        need = sum(path.stat().st_size // 1024 + 1 for path in missing.values())
        script = far_scripts.fill(
            far_scripts.ROOM,
            cache=self.cache,
            need=need,
            names=" ".join(map(quote, keep)),
            keep=" ".join(keep),
            limit=max(CACHE_KIB, need),
        )
        call(self.shell, script)

    def run(
        self, words: Sequence[str], limit: float, read: Callable[[bytes], Event | None] = parse_event
    ) -> Iterator[Event]:
        """Run a program in the run folder: its events, then ``exit`` as ``interface.Device.run`` has it.

        Args:
            words: the program and its arguments.
            limit: seconds.
            read: what makes an event of a line.

        Raises:
            DeadlineError: the deadline passed, which the device keeps by itself.
            DeviceError: the device went.
        """
        mark = new_mark()
        script = far_scripts.fill(
            far_scripts.RUN, mark=mark, folder=self.folder, seconds=int(limit) + 1, command=" ".join(map(quote, words))
        )
        process = LineProcess(self.shell.command(script), self.shell.environment)
        self._running = process
        if self._stopped:
            process.kill()
        tail: list[str] = []
        try:
            for line in process.lines(limit + LATE_SECONDS):
                if tail or line.startswith(mark.encode()):
                    tail.append(line.decode("utf-8", "replace").strip())
                    continue
                event = read(line)
                if event is not None and event["event"] != "exit":
                    yield event
        except BaseException:
            process.kill()
            process.finish()
            raise
        finally:
            self._running = None
        _, errors, _ = process.finish()
        yield self._ending(tail, mark, errors, limit)

    def _ending(self, tail: list[str], mark: str, errors: str, limit: float) -> Event:
        if self._stopped:
            return exit_event(-9, "", None)
        if f"{mark} late" in tail:
            raise DeadlineError(self.label, f"the runner did not end within {limit:g} s", "allow more with --timeout")
        codes = [line.rpartition(" ")[2] for line in tail if line.startswith(f"{mark} exit ")]
        if not codes or not codes[0].isdigit():
            raise self.shell.explain(errors)
        code = int(codes[0])
        return exit_event(128 - code if 128 < code < 192 else code, errors, _child_seconds(tail))

    def stop(self) -> None:
        """End what runs; the device notices that nobody listens and ends its side."""
        self._stopped = True
        process = self._running
        if process is not None:
            process.kill()

    def release(self) -> None:
        """Give lock and run folder back; what cannot be reached removes them by itself."""
        keeper, self._keeper = self._keeper, None
        if keeper is not None:
            keeper.send(b"end\n", close=True)
            keeper.finish(limit=5.0)


def version_of(events: str) -> Event | None:
    """The answer to a runner's ``--version``: one JSON line, with whatever else was printed around it."""
    for line in events.splitlines():
        event = parse_event(line.encode())
        if event is not None and event["event"] == "version":
            return event
    return None


def _child_seconds(tail: list[str]) -> float | None:
    """User and system time of the children, the second line that ``times`` prints: ``0m1.5s 0m0.1s``."""
    lines = [re.fullmatch(r"(\d+)m([\d.]+)s\s+(\d+)m([\d.]+)s", line) for line in tail]
    found = [match for match in lines if match]
    if len(found) < 2:
        return None
    minutes, seconds, more_minutes, more_seconds = found[1].groups()
    return 60.0 * (int(minutes) + int(more_minutes)) + float(seconds) + float(more_seconds)
