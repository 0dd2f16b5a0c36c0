"""adb's sync service: STAT, LIST, SEND and RECV, v1 and v2, on the files of a far end."""

from __future__ import annotations

import os
import struct
from pathlib import Path
from typing import Any

from tests.devices.far.system import FarSystem

_CHUNK = 64 * 1024


class SyncService:
    """One sync stream."""

    def __init__(self, stream: Any, system: FarSystem, pushed: list[str]) -> None:
        self._stream, self._system, self._pushed = stream, system, pushed

    def serve(self) -> None:
        while True:
            identity, size = struct.unpack("<4sI", self._stream.exactly(8))
            name = identity.decode()
            if name == "QUIT":
                return
            path = self._stream.exactly(size).decode()
            handler = {
                "STAT": self._stat,
                "STA2": self._stat2,
                "LST2": self._stat2,
                "LIST": self._list,
                "LIS2": self._list,
                "SEND": self._send,
                "SND2": self._send,
                "RECV": self._receive,
                "RCV2": self._receive,
            }[name]
            handler(name, path)

    def _local(self, path: str) -> Path:
        return self._system.root / path.lstrip("/")

    def _stat(self, name: str, path: str) -> None:
        try:
            found = os.lstat(self._local(path))
            body = struct.pack("<III", found.st_mode, found.st_size & 0xFFFFFFFF, int(found.st_mtime))
        except OSError:
            body = bytes(12)
        self._stream.write(b"STAT" + body)

    def _stat2(self, name: str, path: str) -> None:
        look = os.stat if name == "STA2" else os.lstat
        self._stream.write(name.encode() + _stat_body(look, self._local(path)))

    def _list(self, name: str, path: str) -> None:
        second = name == "LIS2"
        try:
            entries = sorted(entry.name for entry in self._local(path).iterdir())
        except OSError:
            entries = []
        for entry in entries:
            encoded = entry.encode()
            target = self._local(path) / entry
            if second:
                head = b"DNT2" + _stat_body(os.lstat, target)
            else:
                found = os.lstat(target)
                head = b"DENT" + struct.pack("<III", found.st_mode, found.st_size & 0xFFFFFFFF, int(found.st_mtime))
            self._stream.write(head + struct.pack("<I", len(encoded)) + encoded)
        self._stream.write(b"DONE" + bytes(76 if second else 16))

    def _send(self, name: str, path: str) -> None:
        if name == "SND2":
            _, mode, _ = struct.unpack("<4sII", self._stream.exactly(12))
        else:
            path, _, text = path.rpartition(",")
            mode = int(text)
        self._pushed.append(path)
        failure = self._store(self._local(path), mode & 0o777)
        if failure is None:
            self._stream.write(b"OKAY" + bytes(4))
        else:
            message = failure.encode()
            self._stream.write(b"FAIL" + struct.pack("<I", len(message)) + message)

    def _store(self, target: Path, mode: int) -> str | None:
        """Take the data in to its end even where it cannot be written, as adbd does."""
        failure = None
        stream = None
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            stream = target.open("wb", buffering=0)
        except OSError as error:
            failure = f"couldn't create file: {error.strerror}"
        try:
            while True:
                identity, size = struct.unpack("<4sI", self._stream.exactly(8))
                if identity == b"DONE":
                    break
                data = self._stream.exactly(size)
                self._stream.count(size)
                if failure is None and stream is not None:
                    try:
                        stream.write(data)
                    except OSError as error:
                        failure = f"write failed: {error.strerror}"
        finally:
            if stream is not None:
                stream.close()
        if failure is None:
            target.chmod(mode | 0o600)
        else:
            target.unlink(missing_ok=True)
        return failure

    def _receive(self, name: str, path: str) -> None:
        if name == "RCV2":
            self._stream.exactly(8)
        try:
            data = self._local(path).read_bytes()
        except OSError as error:
            message = (error.strerror or "error").encode()
            self._stream.write(b"FAIL" + struct.pack("<I", len(message)) + message)
            return
        for start in range(0, len(data), _CHUNK):
            part = data[start : start + _CHUNK]
            self._stream.write(b"DATA" + struct.pack("<I", len(part)) + part)
        self._stream.write(b"DONE" + bytes(4))


def _stat_body(look: Any, path: Path) -> bytes:
    try:
        found = look(path)
    except OSError as error:
        return struct.pack("<IQQIIIIQqqq", error.errno or 5, *([0] * 10))
    return struct.pack(
        "<IQQIIIIQqqq",
        0,
        found.st_dev,
        found.st_ino,
        found.st_mode,
        found.st_nlink,
        found.st_uid,
        found.st_gid,
        found.st_size,
        int(found.st_atime),
        int(found.st_mtime),
        int(found.st_ctime),
    )
