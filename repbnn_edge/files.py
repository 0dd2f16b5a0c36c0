"""Files that appear whole or not at all, and inputs that are checked before anything reads them."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import secrets
import time
from collections.abc import Iterator
from pathlib import Path

from repbnn_edge.errors import BadInputError, StorageError, UsageError

_MARK = ".repbnn-partial-"
_SCRATCH = "repbnn-"
_STALE_AFTER_SECONDS = 3600.0


def write_whole(path: Path, data: bytes, *, overwrite: bool = True) -> None:
    """Write ``data`` to ``path`` so that a reader, a crash or a full disk never sees a part of it.

    The bytes go to a temporary file beside ``path``, are synced, and the file is then renamed. Partial files
    that an earlier, killed run left for the same ``path`` are removed. A device or a pipe (``/dev/null``,
    ``/dev/stdout``) is written into, never replaced.

    Raises:
        UsageError: ``path`` exists and ``overwrite`` is false.
        StorageError: the disk is full, the folder is missing or cannot be written.
    """
    try:
        if path.exists() and not path.is_file() and not path.is_dir():
            path.write_bytes(data)
            return
    except OSError as error:
        raise storage_error(path, error) from error
    with whole_file(path, overwrite=overwrite) as partial, partial.open("xb") as stream:
        stream.write(data)


@contextlib.contextmanager
def whole_file(path: Path, *, overwrite: bool = True, suffix: str = "") -> Iterator[Path]:
    """Give a partial file's path, to be written by somebody who wants a path; it becomes ``path`` when that is done.

    Args:
        path: the file that shall appear.
        overwrite: whether it may exist.
        suffix: what the partial file's name ends with, for writers that look at it.

    Raises:
        as ``write_whole``.
    """
    sweep(path)
    partial = path.with_name(f".{path.name}{_MARK}{os.getpid()}-{secrets.token_hex(4)}{suffix}")
    try:
        yield partial
        with partial.open("rb+") as stream:
            os.fsync(stream.fileno())
        if overwrite:
            partial.replace(path)
        else:
            _link_new(partial, path)
        _sync_folder(path.parent)
    except OSError as error:
        raise storage_error(path, error) from error
    finally:
        with contextlib.suppress(OSError):
            partial.unlink()


def _link_new(partial: Path, path: Path) -> None:
    """Give ``partial`` its final name only if nobody has it; two runs at once cannot both succeed."""
    try:
        os.link(partial, path)
    except FileExistsError as error:
        raise output_exists(path) from error
    except OSError as error:  # a file system without hard links
        if error.errno not in (errno.EPERM, errno.ENOTSUP, errno.EMLINK):
            raise
        if path.exists():
            raise output_exists(path) from error
        partial.rename(path)


def output_exists(path: Path) -> UsageError:
    """The error for an output that would be overwritten."""
    return UsageError(str(path), "it exists", "give another name with -o, or --force to replace it")


def sweep(path: Path) -> None:
    """Remove partial files of ``path`` whose writer is dead, or that are older than an hour."""
    for partial in path.parent.glob(f".{_glob_escape(path.name)}{_MARK}*"):
        pid = partial.name.rsplit(_MARK, 1)[1].split("-", 1)[0]
        with contextlib.suppress(OSError, ValueError):
            stale = time.time() - partial.stat().st_mtime > _STALE_AFTER_SECONDS
            if stale or not _alive(int(pid)):
                partial.unlink()


@contextlib.contextmanager
def scratch_folder() -> Iterator[Path]:
    """A folder for files that nobody else needs; gone at the end, or at the ``sweep_scratch`` after a kill."""
    import shutil  # with tempfile the longer part of this module's import, which every command does

    folder = new_scratch_folder()
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def new_scratch_folder() -> Path:
    """As ``scratch_folder``, for who removes it himself; its name is short enough for a socket in it."""
    import tempfile

    return Path(tempfile.mkdtemp(prefix=f"{_SCRATCH}{os.getpid()}-"))


def sweep_scratch() -> None:
    """Remove the scratch folders of processes that were killed."""
    import shutil
    import tempfile

    for folder in Path(tempfile.gettempdir()).glob(f"{_SCRATCH}*-*"):
        with contextlib.suppress(OSError, ValueError):
            ours = os.name == "nt" or folder.lstat().st_uid == os.getuid()
            if ours and not _alive(int(folder.name.removeprefix(_SCRATCH).split("-", 1)[0])):
                shutil.rmtree(folder, ignore_errors=True)  # which follows no link


def storage_error(path: Path, error: OSError) -> StorageError:
    """Turn an OSError on ``path`` into a sentence."""
    advice = {
        errno.ENOSPC: "free some space and run again",
        errno.EDQUOT: "free some space and run again",
        errno.ENOENT: "create the folder first",
        errno.EACCES: "choose a folder that you may write to",
        errno.EPERM: "choose a folder that you may write to",
        errno.EROFS: "choose a folder that you may write to",
        errno.EISDIR: "name a file, not a folder",
        errno.ENAMETOOLONG: "choose a shorter name",
    }
    why = (error.strerror or str(error)).lower()
    return StorageError(str(path), why, advice.get(error.errno or 0, "choose another place and run again"))


def check_output(path: Path) -> None:
    """Raise StorageError where ``path`` cannot be written as far as can be told; nothing is opened."""
    folder = path.absolute().parent
    if not folder.is_dir():
        code = errno.ENOENT
    elif path.is_dir():
        code = errno.EISDIR
    elif not os.access(folder if path.is_file() or not path.exists() else path, os.W_OK):
        code = errno.EACCES
    else:
        return
    raise storage_error(path, OSError(code, os.strerror(code)))


def read_input(path: Path, *, limit: int = 4 << 30) -> bytes:
    """Read a whole file that a user named.

    Raises:
        BadInputError: missing, a folder, empty, unreadable, or larger than ``limit`` bytes.
    """
    check_input_file(path, limit=limit)
    try:
        return path.read_bytes()
    except OSError as error:
        raise BadInputError(str(path), (error.strerror or str(error)).lower(), "check the path") from error


def check_input_file(path: Path, *, limit: int = 4 << 30) -> None:
    """Raise BadInputError unless ``path`` is a readable, non-empty regular file of at most ``limit`` bytes."""
    try:
        exists = path.exists()
    except OSError as error:
        raise BadInputError(str(path), (error.strerror or str(error)).lower(), "check the path") from error
    if not exists:
        raise BadInputError(str(path), "no such file", "check the path")
    if path.is_dir():
        raise BadInputError(str(path), "it is a folder", "name a file")
    if not path.is_file():
        raise BadInputError(str(path), "it is not a regular file", "name a file")
    size = path.stat().st_size
    if size == 0:
        raise BadInputError(str(path), "it is empty", "write it again")
    if size > limit:
        raise BadInputError(str(path), f"it has {size} bytes, more than {limit}", "name a smaller file")
    if not os.access(path, os.R_OK):
        raise BadInputError(str(path), "permission denied", "make it readable")


def sha256_of(path: Path) -> str:
    """The sha256 of a file, or of a folder's file names and contents in sorted order."""
    digest = hashlib.sha256()
    for name, file in _members(path):
        if name:
            digest.update(name.encode() + b"\0" + str(file.stat().st_size).encode() + b"\0")
        with file.open("rb") as stream:
            while block := stream.read(1 << 20):
                digest.update(block)
    return digest.hexdigest()


def _members(path: Path) -> Iterator[tuple[str, Path]]:
    if path.is_file():
        yield "", path
        return
    for file in sorted(p for p in path.rglob("*") if p.is_file()):
        yield file.relative_to(path).as_posix(), file


def _alive(pid: int) -> bool:
    if os.name == "nt":
        return True  # os.kill would end it there; stale files go by age
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _sync_folder(folder: Path) -> None:
    if os.name == "nt":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        with contextlib.suppress(OSError):
            os.fsync(handle)
    finally:
        os.close(handle)


def _glob_escape(name: str) -> str:
    return "".join(f"[{c}]" if c in "*?[" else c for c in name)
