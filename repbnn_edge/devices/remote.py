"""A phone or board as a device: our runner there, in a folder of its own, over adb or ssh."""

from __future__ import annotations

import base64
import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from repbnn_edge.devices import binaries, far_scripts
from repbnn_edge.devices.cores import mask
from repbnn_edge.devices.far_end import FarEnd, UnusableFolderError, version_of
from repbnn_edge.devices.far_facts import FarFacts
from repbnn_edge.devices.host import refusal
from repbnn_edge.devices.interface import Event
from repbnn_edge.devices.shell import Shell, call, quote
from repbnn_edge.devices.streaming import line_event
from repbnn_edge.elf import Elf
from repbnn_edge.errors import DeviceError, RepbnnError, UnsupportedError
from repbnn_edge.files import scratch_folder

_BASE, _ANSWER = "repbnn-edge", "answer.bin"
_CLEANING_SECONDS = 120.0
_PREPARING_SECONDS = 600.0  # pushing files over a slow network is within the lock too


class RemoteDevice:
    """See ``interface.Device``.

    Args:
        shell: the road to it.
        name: what the user called it.
        folder: the folder that the user chose for it; without one, those that its system has.
        runtime_library: the TFLite library that the user chose.
    """

    def __init__(self, shell: Shell, name: str, folder: str | None = None, runtime_library: Path | None = None) -> None:
        self.name = name
        self._shell, self._folder = shell, folder
        self._library = binaries.given_library(runtime_library) if runtime_library else None
        self._facts: FarFacts | None = None
        self._far: FarEnd | None = None
        self._stopped = False
        self.runner_version: Event = {}

    def _known(self) -> FarFacts:
        if self._facts is None:
            self._facts = FarFacts(self._shell, self.name)
        return self._facts

    def prepare(self, seconds: float) -> None:
        """Find a folder where our runner runs, and hold it."""
        facts = self._known()
        files = binaries.find(facts.abi, self.name)
        binaries.check_libc(facts.libc, binaries.RUNNER_GLIBC, "our runner", self.name)
        tried = []
        for base in self._bases():
            far = FarEnd(self._shell, base, self.name)
            try:
                far.take(seconds + _PREPARING_SECONDS)
                self._far = far
                self.runner_version = self._prove(far, files.runner)
                return
            except UnusableFolderError as error:
                tried.append(error.why)
                self._leave(far)
        why = "; ".join(tried)
        if "No space left" in why:
            raise DeviceError(self.name, f"its storage is full: {why}", "free some space there")
        raise DeviceError(self.name, why, "name a folder where programs may run: repbnn-edge devices add --folder")

    def _bases(self) -> list[str]:
        """Our folder in each place that may do, the best first; /tmp is everybody's, so it bears the user's number."""
        facts = self._known()
        user = "" if facts.is_android else f"-{facts.user}"
        return [f"{home.rstrip('/')}/{_BASE}{user}" for home in ([self._folder] if self._folder else facts.homes)]

    def _prove(self, far: FarEnd, runner: Path) -> Event:
        """The runner's own word that it runs there."""
        place = far.provide([runner])[runner]
        answer = call(self._shell, f"cd {quote(far.folder)} && {quote(place)} --version </dev/null")
        said = version_of(answer.out)
        if answer.code == 0 and said is not None:
            return said
        reason = (answer.errors.strip().splitlines() or [f"exit code {answer.code}"])[-1]
        lower = answer.errors.lower()
        if "permission denied" in lower or "operation not permitted" in lower:
            raise UnusableFolderError(self.name, f"programs may not run in {far.base} (noexec)", "give another folder")
        if "exec format" in lower or "not executable" in lower or "no such file" in lower or "not found" in lower:
            why = f"its system cannot run {self._known().abi} programs ({reason[-160:]})"
            raise DeviceError(self.name, why, "use a device with a 64-bit Arm system")
        raise UnusableFolderError(
            self.name, f"our runner does not start there ({reason[-160:]})", "give another folder"
        )

    def _leave(self, far: FarEnd) -> None:
        """Nothing of ours stays in a folder that is of no use."""
        self._far = None
        with contextlib.suppress(DeviceError):
            if far.folder:
                far.release()
                call(self._shell, f"rm -rf {quote(far.base)}")

    @property
    def base(self) -> str:
        """The folder there that ``prepare`` chose."""
        return self._far.base if self._far else ""

    def facts(self) -> dict[str, Any]:
        """What it is."""
        return self._known().report() | {"runner": self.runner_version.get("version")}

    def usable_cores(self) -> list[int]:
        """The cores that a process there may run on."""
        return self._known().usable_cores()

    def state(self, cores: Sequence[int]) -> dict[str, Any]:
        """The state of ``cores`` now."""
        return self._known().state(cores)

    def run(self, request: dict[str, Any], limit: float) -> Iterator[Event]:
        """Run the runner once; files that it needs are brought there first."""
        far = self._far
        assert far is not None, "prepare comes first"
        try:
            runner, local = self._files(request)
        except RepbnnError as error:  # this row cannot run there; others may
            yield from refusal(error)
            return
        places = far.provide([runner, *local.values()])
        words = [places[runner], *(word for option, path in local.items() for word in (option, places[path]))]
        if request.get("profile"):  # whose figures alone are asked for
            yield from far.run([*words, *_options(request, limit)], limit)
            return
        for event in far.run([*words, "--output", _ANSWER, *_options(request, limit)], limit):
            yield event
            if event["event"] == "first":
                yield {"event": "outputs", "data": self._answer(far)}

    def run_program(
        self,
        program: Path,
        files: Sequence[Path],
        flags: Callable[[Mapping[Path, str]], list[str]],
        cores: Sequence[int],
        limit: float,
    ) -> Iterator[Event]:
        """Run somebody else's program there once: a ``line`` event for each line that it prints, then ``exit``.

        Args:
            program: as it lies here; ``files`` likewise, which are brought there with it.
            files: what its arguments name.
            flags: its arguments, by where the files lie there.
            cores: that it may run on; any without one.
            limit: seconds.

        Raises:
            DeadlineError, DeviceError: as ``run``.
        """
        far = self._far
        assert far is not None, "prepare comes first"
        places = far.provide([program, *files])
        words = [places[program], *flags(places)]
        if cores and call(self._shell, "command -v taskset").code == 0:
            words = ["taskset", mask(cores), *words]
        elif cores:
            yield {"event": "affinity", "refused": "there is no taskset there"}
        yield from far.run(["sh", "-c", 'exec "$@" 2>&1', "sh", *words], limit, read=line_event)

    def left(self, name: str) -> str | None:
        """The text of a file that the last run left in its folder; None without one, or without an end to it."""
        far = self._far
        assert far is not None, "prepare comes first"
        answer = call(self._shell, f"cat {quote(f'{far.folder}/{name}')} && rm -f {quote(f'{far.folder}/{name}')}")
        return answer.out if answer.code == 0 else None

    def delegate_for(self, request: dict[str, Any]) -> Path | None:
        """The delegate that ``request`` asks for, as it lies here; None where none is to be loaded.

        Raises:
            DeviceError, BadInputError: there is none for the device, or the user named a file that is none.
        """
        return self._delegate(request, binaries.find(self._known().abi, self.name))

    def _files(self, request: dict[str, Any]) -> tuple[Path, dict[str, Path]]:
        """The runner, and the files of its options, as they lie here."""
        files = binaries.find(self._known().abi, self.name)
        given = {
            "--model": Path(request["file"]),
            "--runtime-library": self._runtime(request["runtime"], files),
            "--delegate": self._delegate(request, files),
            "--input": Path(request["input"]),
        }
        return files.runner, {option: path for option, path in given.items() if path is not None}

    def _answer(self, far: FarEnd) -> str:
        """What the network answered, in base64: fetched while the runner warms up, before it times anything."""
        with scratch_folder() as folder:
            local = folder / _ANSWER
            self._shell.pull(f"{far.folder}/{_ANSWER}", local)
            return base64.b64encode(local.read_bytes()).decode()

    def _runtime(self, runtime: str, files: binaries.Binaries) -> Path:
        if self._library is not None:
            return self._library
        facts = self._known()
        if runtime not in ("litert", "tflite"):
            raise UnsupportedError(
                f"--runtime {runtime}", f"{self.name} runs litert or tflite", "leave it out, or measure it on the host"
            )
        if files.runtime is not None:
            self._check_page(files.runtime)
            return files.runtime
        if facts.is_android:
            raise DeviceError(
                self.name, "this installation has no TFLite library for Android", "build it with `make device`"
            )
        return binaries.board_runtime(facts.abi, facts.libc, self.name)

    def _check_page(self, library: Path) -> None:
        """A phone with pages of 16 KB loads no library whose segments lie at multiples of 4 KB."""
        page = self._known().report()["page_size_bytes"] or 4096
        if page > 4096 and Elf(library.read_bytes()).load_alignment < page:
            raise DeviceError(
                self.name,
                f"its memory pages have {page} bytes and {library.name} is built for 4096",
                "give one that can, libtensorflowlite_jni.so of LiteRT 1.4 or newer, by --runtime-library",
            )

    def _delegate(self, request: dict[str, Any], files: binaries.Binaries) -> Path | None:
        missing = DeviceError(self.name, "this installation has no delegate for it", "build it with `make device`")
        return binaries.delegate_for(request, files.delegate, missing)

    def stop(self) -> None:
        """End what runs."""
        self._stopped = True
        if self._far is not None:
            self._far.stop()

    def clean(self) -> int:
        """Empty the caches in all folders that we may have used there, and remove them; gives the KiB they had."""
        freed = 0
        for base in self._bases():
            if call(self._shell, f"[ -d {quote(base)} ] && [ ! -L {quote(base)} ]").code != 0:
                continue
            far = FarEnd(self._shell, base, self.name)
            with contextlib.suppress(UnusableFolderError):
                far.take(_CLEANING_SECONDS)
                said = call(self._shell, far_scripts.fill(far_scripts.CLEAN, base=base), seconds=120).out.split()
                freed += int(said[0]) if said and said[0].isdigit() else 0
                far.release()
                call(self._shell, f"rmdir {quote(base)}/runs {quote(base)} 2>/dev/null; :")
        return freed

    def close(self) -> None:
        """Remove the run folder and end the connection."""
        try:
            if self._far is not None:
                self._far.stop()
                self._far.release()
        finally:
            self._shell.close()


def _options(request: dict[str, Any], limit: float) -> list[str]:
    effort = request["effort"]
    words: list[str] = []
    for option, value in (
        ("--num-threads", request["num_threads"]),
        ("--num-runs", effort["num_runs"]),
        ("--min-secs", effort["min_secs"]),
        ("--max-secs", effort["max_secs"]),
        ("--warmup-runs", request["warmup_runs"]),
        ("--deadline", int(limit) + 1),
    ):
        words += [option, str(value)]
    if request["cores"]:
        words += ["--cores", mask(request["cores"])]
    for key, value in request["delegate_options"].items():
        words += ["--delegate-option", f"{key}={value}"]
    for switch in ("profile", "roofline"):
        if request.get(switch):
            words.append(f"--{switch}")
    return words
