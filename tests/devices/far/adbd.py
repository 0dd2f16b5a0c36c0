"""An adbd over TCP in front of a far end: the real adb server connects to it, the real adb client uses it.

It speaks CNXN, AUTH (token, signature, public key), OPEN, OKAY, WRTE and CLSE with several streams at once; shell v2
(stdin, stdout, stderr, exit, close) and the older shell; sync with STAT, LIST, SEND and RECV, v1 and v2. It advertises
no more than that. As a real one does, it hangs up its shells when the connection goes.
"""

from __future__ import annotations

import base64
import contextlib
import os
import secrets
import signal
import socket
import struct
import subprocess
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import IO

from tests.devices.far.sync import SyncService
from tests.devices.far.system import FarSystem

_VERSION, _MAX = 0x01000001, 256 * 1024
_TOKEN, _SIGNATURE, _PUBLIC_KEY = 1, 2, 3
_SHA1_PREFIX = bytes.fromhex("3021300906052b0e03021a05000414")
FEATURES = "shell_v2,stat_v2,ls_v2,sendrecv_v2"


@dataclass
class Policy:
    """Whom it lets in: ``open``; ``accept`` a new key (its owner taps on Allow); ``ignore`` it (nobody taps)."""

    auth: str = "open"
    trusted: list[bytes] = field(default_factory=list)


class Adbd:
    """A device that listens.

    Args:
        system: the far end behind it.
        model: what its banner says.
        policy: whom it lets in.
        state: ``device``, ``recovery`` or ``sideload``, as in its banner.
        features: what it advertises; an old one has none.
    """

    def __init__(
        self,
        system: FarSystem,
        model: str = "Pixel 8",
        policy: Policy | None = None,
        state: str = "device",
        features: str = FEATURES,
    ) -> None:
        self.system, self.model, self.policy = system, model, policy or Policy()
        self.state, self.features = state, features
        self.sent_bytes = 0
        self.opened: list[str] = []
        self.pushed: list[str] = []
        self.on_open: Callable[[str], None] = lambda service: None
        self.on_data: Callable[[int], None] = lambda total: None
        self.plugged = True
        self.network = threading.Event()  # set while the network is there
        self.network.set()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.serial = f"127.0.0.1:{self._listener.getsockname()[1]}"
        self._connections: list[_Connection] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            if not self.plugged:
                connection.close()
                continue
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            talking = _Connection(self, connection)
            self._connections.append(talking)
            threading.Thread(target=talking.serve, daemon=True).start()

    def pull(self) -> None:
        """Pull the cable."""
        self.network.set()
        self.plugged = False
        for connection in self._connections:
            connection.cut()
        self._connections.clear()

    def freeze(self) -> None:
        """Neither end hears of the other any more, and neither is told: a network that went."""
        self.network.clear()

    def plug(self) -> None:
        """Put it in again."""
        self.plugged = True

    def close(self) -> None:
        """Switch it off."""
        self.pull()
        self._listener.close()


class _Connection:
    def __init__(self, adbd: Adbd, connection: socket.socket) -> None:
        self.adbd, self._socket = adbd, connection
        self._sending = threading.Lock()
        self._streams: dict[int, Stream] = {}
        self._next = 1
        self._allowed = adbd.policy.auth == "open"
        self._token = b""

    def serve(self) -> None:
        with contextlib.suppress(OSError, EOFError):
            while True:
                command, arg0, arg1, size, _, _ = struct.unpack("<4sIIIII", self._exactly(24))
                self._handle(command.decode(), arg0, arg1, self._exactly(size))
        self.cut()

    def cut(self) -> None:
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        for stream in list(self._streams.values()):
            stream.hang_up()

    def send(self, command: str, arg0: int, arg1: int, data: bytes = b"") -> None:
        word = command.encode()
        magic = struct.unpack("<I", word)[0] ^ 0xFFFFFFFF
        self.adbd.network.wait()
        with self._sending:
            self._socket.sendall(struct.pack("<4sIIIII", word, arg0, arg1, len(data), sum(data), magic) + data)

    def _exactly(self, count: int) -> bytes:
        data = bytearray()
        while len(data) < count:
            more = self._socket.recv(count - len(data))
            self.adbd.network.wait()
            if not more:
                raise EOFError
            data += more
        return bytes(data)

    def _handle(self, command: str, arg0: int, arg1: int, data: bytes) -> None:
        if command == "CNXN":
            self._hello() if self._allowed else self._challenge()
        elif command == "AUTH":
            self._authenticate(arg0, data)
        elif command == "OPEN" and self._allowed:
            self._open(arg0, data.rstrip(b"\0").decode())
        elif arg1 in self._streams:
            stream = self._streams[arg1]
            if command == "OKAY":
                stream.acknowledged.release()
            elif command == "WRTE":
                self.send("OKAY", arg1, arg0)
                stream.receive(data)
            elif command == "CLSE":
                del self._streams[arg1]
                stream.hang_up()

    def _hello(self) -> None:
        name = self.adbd.model.replace(" ", "_")
        banner = f"{self.adbd.state}::ro.product.name=far;ro.product.model={name};ro.product.device=far;"
        self.send("CNXN", _VERSION, _MAX, f"{banner}features={self.adbd.features}".encode())

    def _challenge(self) -> None:
        self._token = secrets.token_bytes(20)
        self.send("AUTH", _TOKEN, 0, self._token)

    def _authenticate(self, kind: int, data: bytes) -> None:
        policy = self.adbd.policy
        if kind == _SIGNATURE:
            if any(signed(key, self._token, data) for key in policy.trusted):
                self._allowed = True
                self._hello()
            else:
                self._challenge()
        elif kind == _PUBLIC_KEY and policy.auth == "accept":
            policy.trusted.append(data.rstrip(b"\0").split(b" ")[0])
            self._allowed = True
            self._hello()

    def _open(self, their: int, service: str) -> None:
        self.adbd.opened.append(service)
        self.adbd.on_open(service)
        kind = service.split(":", 1)[0].split(",")[0]
        if kind not in ("shell", "exec", "sync") or (kind != "sync" and not service.split(":", 1)[1]):
            self.send("CLSE", 0, their)
            return
        ours, self._next = self._next, self._next + 1
        stream = Stream(self, ours, their)
        self._streams[ours] = stream
        self.send("OKAY", ours, their)
        stream.start(service)

    def forget(self, stream: Stream) -> None:
        if self._streams.pop(stream.ours, None) is not None:
            with contextlib.suppress(OSError):
                self.send("CLSE", stream.ours, stream.their)


class Stream:
    """One service of one connection."""

    def __init__(self, connection: _Connection, ours: int, their: int) -> None:
        self._connection, self.ours, self.their = connection, ours, their
        self.acknowledged = threading.Semaphore(1)
        self._closed = threading.Event()
        self._writing = threading.Lock()
        self._incoming = bytearray()
        self._arrived = threading.Condition()
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, service: str) -> None:
        run = self._sync if service.startswith("sync:") else self._shell
        threading.Thread(target=run, args=(service,), daemon=True).start()

    # What comes in and goes out.

    def receive(self, data: bytes) -> None:
        with self._arrived:
            self._incoming += data
            self._arrived.notify_all()

    def exactly(self, count: int) -> bytes:
        with self._arrived:
            while len(self._incoming) < count:
                if self._closed.is_set():
                    raise EOFError
                self._arrived.wait(0.2)
            data = bytes(self._incoming[:count])
            del self._incoming[:count]
            return data

    def write(self, data: bytes) -> None:
        for start in range(0, len(data), _MAX // 2):
            part = data[start : start + _MAX // 2]
            with self._writing:
                while not self.acknowledged.acquire(timeout=0.2):
                    if self._closed.is_set():
                        raise EOFError
                self._connection.send("WRTE", self.ours, self.their, part)
            adbd = self._connection.adbd
            adbd.sent_bytes += len(part)

    def count(self, size: int) -> None:
        """Tell the test how much was pushed."""
        adbd = self._connection.adbd
        adbd.sent_bytes += size
        adbd.on_data(adbd.sent_bytes)

    def hang_up(self) -> None:
        self._closed.set()
        with self._arrived:
            self._arrived.notify_all()
        process = self._process
        if process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(process.pid, signal.SIGHUP)
            with contextlib.suppress(OSError, ValueError):
                assert process.stdin is not None
                process.stdin.close()  # its outputs are closed by who reads them

    # The services.

    def _sync(self, service: str) -> None:
        with contextlib.suppress(EOFError, OSError):
            SyncService(self, self._connection.adbd.system, self._connection.adbd.pushed).serve()
        self._connection.forget(self)

    def _shell(self, service: str) -> None:
        kind, _, command = service.partition(":")
        v2 = "v2" in kind.split(",")
        process = subprocess.Popen(
            self._connection.adbd.system.command(command),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE if v2 else subprocess.STDOUT,
            start_new_session=True,
            bufsize=0,
        )
        self._process = process
        pumps = [threading.Thread(target=self._pump, args=(process.stdout, 1, v2), daemon=True)]
        if v2:
            pumps.append(threading.Thread(target=self._pump, args=(process.stderr, 2, v2), daemon=True))
        feeding = threading.Thread(target=self._feed, args=(process, v2), daemon=True)
        for thread in (*pumps, feeding):
            thread.start()
        for thread in pumps:
            thread.join()
        code = process.wait()
        with contextlib.suppress(EOFError, OSError):
            if v2:
                self.write(struct.pack("<BIB", 3, 1, code if code >= 0 else 128 - code))
        self._connection.forget(self)
        self._closed.set()

    def _pump(self, pipe: IO[bytes], identity: int, v2: bool) -> None:
        with contextlib.suppress(EOFError, OSError), pipe:
            while data := pipe.read(32768):
                self.write(struct.pack("<BI", identity, len(data)) + data if v2 else data)

    def _feed(self, process: subprocess.Popen[bytes], v2: bool) -> None:
        assert process.stdin is not None
        with contextlib.suppress(EOFError, OSError, ValueError):
            while True:
                if not v2:
                    process.stdin.write(self.exactly(1))
                    continue
                identity, size = struct.unpack("<BI", self.exactly(5))
                data = self.exactly(size)
                if identity == 0:
                    process.stdin.write(data)
                elif identity == 4:
                    break
        with contextlib.suppress(OSError, ValueError):
            process.stdin.close()


def signed(key: bytes, token: bytes, signature: bytes) -> bool:
    """Whether ``signature`` is the token's under an adb public key (PKCS 1 v1.5, the token in a SHA-1's place)."""
    raw = base64.b64decode(key)
    words = struct.unpack_from("<I", raw)[0]
    modulus = int.from_bytes(raw[8 : 8 + 4 * words], "little")
    exponent = struct.unpack_from("<I", raw, 8 + 8 * words)[0]
    length = 4 * words
    padded = pow(int.from_bytes(signature, "big"), exponent, modulus).to_bytes(length, "big")
    tail = _SHA1_PREFIX + token
    return padded == b"\0\1" + b"\xff" * (length - len(tail) - 3) + b"\0" + tail
