"""Which front end takes a SOURCE: a path that exists, then a built-in name; ``builtin:NAME`` forces the name.

Front ends register under the entry-point group ``repbnn_edge.front_ends``; the core never imports them by name,
so a package of somebody else can add a kind of source. Nothing is ever downloaded.
"""

from __future__ import annotations

import importlib.metadata
import re
from functools import cache
from pathlib import Path

from repbnn_edge.conversion.source import FrontEnd, LoadedSource, LoadOptions
from repbnn_edge.errors import BadInputError, RepbnnError

GROUP = "repbnn_edge.front_ends"
_BUILTIN, _PYTHON = "builtin", "python"
_FORCE_BUILTIN = "builtin:"
# The order in which front ends are asked about a path; those of other packages come after ours.
_ORDER = ("keras", "savedmodel", "onnx", _PYTHON, _BUILTIN)
_TORCH = {".pth", ".pt", ".ckpt", ".tar", ".pkl", ".pickle", ".bin"}
_SUFFIXES = {".keras", ".h5", ".hdf5", ".onnx", ".py", ".tflite", ".pb", ".safetensors", *_TORCH}
_KINDS = "a .keras, .h5 or .onnx file, a SavedModel folder, a built-in name or file.py:function"


def load(source: str | Path, options: LoadOptions | None = None) -> LoadedSource:
    """Load ``source`` by the front end that takes it.

    Raises:
        BadInputError: missing, broken, malicious, a URL or hub name, or of a kind that no front end takes.
        UnsupportedError: understood, but without an exact lowering.
    """
    front_end, name = resolve(source)
    return front_end.load(name, options or LoadOptions())


def resolve(source: str | Path) -> tuple[FrontEnd, str]:
    """The front end for ``source``, and the name or path to hand to it (a built-in without ``builtin:``).

    Raises:
        BadInputError: nothing takes it.
    """
    text = str(source)
    if text.startswith(_FORCE_BUILTIN):
        return _named(_BUILTIN), text[len(_FORCE_BUILTIN) :]
    _refuse_remote(text)
    if _exists(text):
        return _for_path(text), text
    file, colon, function = text.rpartition(":")
    if colon and file.endswith(".py") and function.isidentifier():
        _require(file)
        return _named(_PYTHON), text
    if _looks_like_path(text):
        _require(text)
    return _for_name(text), text


def _for_path(path: str) -> FrontEnd:
    for name in _names():
        # A name that is also a path is the path: the built-ins are not asked.
        if name != _BUILTIN and (front_end := _named(name)).accepts(path):
            return front_end
    raise _unknown_kind(Path(path))


def _for_name(text: str) -> FrontEnd:
    for name in _names():
        if name != _BUILTIN and (front_end := _named(name)).accepts(text):
            return front_end
    return _named(_BUILTIN)  # an unknown name too: it knows the nearest one


def _refuse_remote(text: str) -> None:
    if re.match(r"[A-Za-z][A-Za-z0-9+.-]*://", text):
        scheme = text.split("://")[0].lower()
        line = f"curl -LO {text}" if scheme in ("http", "https") else f"a download tool for {scheme}:// addresses"
        raise BadInputError(text, "nothing is downloaded from a URL", f"fetch it first: {line}")
    hub = re.fullmatch(r"(?:hf:|hub:)?([A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*)", text)
    if hub and not _exists(text) and Path(text).suffix.lower() not in _SUFFIXES and not Path(text).parent.is_dir():
        name = hub[1]
        raise BadInputError(
            text,
            "no such path, and nothing is downloaded from a hub",
            f"check the path, or fetch it first: hf download {name} --local-dir {name.split('/')[1]}",
        )


def _unknown_kind(path: Path) -> BadInputError:
    suffix = path.suffix.lower()
    if suffix in _TORCH or suffix == ".safetensors":
        return BadInputError(
            str(path),
            "it holds PyTorch weights without the network"
            if suffix == ".safetensors"
            else "it is a PyTorch pickle, which can run code and holds no graph",
            "export the network: torch.onnx.export(model.eval(), image, 'model.onnx'), then convert model.onnx",
        )
    if suffix == ".tflite":
        return BadInputError(str(path), "it is a converted file already", "see 'repbnn-edge inspect' and 'verify'")
    if suffix == ".py":
        return BadInputError(str(path), "a Python file alone is no network", f"name the function: {path}:function")
    if path.is_dir():
        return BadInputError(str(path), "the folder holds no saved_model.pb", f"name {_KINDS}")
    if path.is_file() and path.stat().st_size == 0:
        return BadInputError(str(path), "it is empty", "write it again")
    return BadInputError(str(path), f"no front end takes '{suffix or path.name}'", f"name {_KINDS}")


def _require(path: str) -> None:
    if not _exists(path):
        raise BadInputError(path, "no such file", "check the path")


def _looks_like_path(text: str) -> bool:
    return Path(text).suffix.lower() in _SUFFIXES or "/" in text or "\\" in text or text in ("", ".", "..")


def _exists(text: str) -> bool:
    try:
        return bool(text) and Path(text).exists()
    except (OSError, ValueError):  # too long for a file system, or with a zero byte
        return False


@cache
def _entry_points() -> dict[str, importlib.metadata.EntryPoint]:
    return {entry.name: entry for entry in importlib.metadata.entry_points(group=GROUP)}


def _names() -> list[str]:
    known = _entry_points()
    return [n for n in _ORDER if n in known] + sorted(set(known) - set(_ORDER))


@cache
def _named(name: str) -> FrontEnd:
    entry = _entry_points().get(name)
    if entry is None:
        raise RepbnnError(f"front end '{name}'", "it is not registered", "install repbnn-edge again: pip install -e .")
    try:
        front_end: FrontEnd = entry.load()()
    except ImportError as error:
        why = f"{entry.value} cannot be imported ({error})"
        raise RepbnnError(f"front end '{name}'", why, "install or remove the package that registers it") from error
    return front_end
