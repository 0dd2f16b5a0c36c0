"""A headless Chromium over its debugging pipe: what a page logs, asks the network for, and how wide it really is."""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

PROGRAM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
_SECONDS = 60.0


@dataclass
class Visit:
    """What one page did."""

    console: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)
    scroll_width: int = 0
    background: str = ""
    picture: bytes = b""


class Browser:
    """One browser; ``visit`` looks at a page as a screen of some width would show it."""

    def __init__(self, to: int, back: int) -> None:
        self._to, self._back = to, back
        self._buffer = b""
        self._last = 0
        self._session = ""
        target = self._call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self._call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self._call(f"{domain}.enable")

    def visit(self, page: Path, width: int, *, dark: bool) -> Visit:
        seen = Visit()
        metrics = {"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": False}
        self._call("Emulation.setDeviceMetricsOverride", **metrics)
        self._call("Emulation.setScrollbarsHidden", hidden=True)
        scheme = [{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}]
        self._call("Emulation.setEmulatedMedia", features=scheme)
        self._call("Page.navigate", url=page.as_uri(), seen=seen)
        self._wait("Page.loadEventFired", seen)
        seen.scroll_width = int(self._value("document.documentElement.scrollWidth", seen))
        seen.background = str(self._value("getComputedStyle(document.body).backgroundColor", seen))
        shot = self._call("Page.captureScreenshot", captureBeyondViewport=True, seen=seen)
        seen.picture = base64.b64decode(shot["data"])
        return seen

    def _value(self, expression: str, seen: Visit) -> Any:
        return self._call("Runtime.evaluate", expression=expression, seen=seen)["result"]["value"]

    def _call(self, method: str, *, seen: Visit | None = None, **params: Any) -> dict[str, Any]:
        self._last += 1
        message = {"id": self._last, "method": method, "params": params}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._to, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._next(seen)
            if answer.get("id") == self._last:
                assert "error" not in answer, answer
                return dict(answer["result"])

    def _wait(self, method: str, seen: Visit) -> None:
        while self._next(seen).get("method") != method:
            pass

    def _next(self, seen: Visit | None) -> dict[str, Any]:
        until = time.monotonic() + _SECONDS
        while b"\0" not in self._buffer:
            assert time.monotonic() < until, "the browser is silent"
            part = os.read(self._back, 1 << 16)
            assert part, "the browser has ended"
            self._buffer += part
        line, _, self._buffer = self._buffer.partition(b"\0")
        message = dict(json.loads(line))
        if seen is not None:
            _note(message, seen)
        return message


def _note(message: dict[str, Any], seen: Visit) -> None:
    params = message.get("params", {})
    kind = message.get("method")
    if kind == "Log.entryAdded":
        seen.console.append(params["entry"]["text"])
    elif kind in ("Runtime.consoleAPICalled", "Runtime.exceptionThrown"):
        seen.console.append(json.dumps(params)[:300])
    elif kind == "Network.requestWillBeSent":
        seen.requests.append(params["request"]["url"])


@contextmanager
def open_browser(folder: Path) -> Iterator[Browser]:
    """Start Chromium with a profile in ``folder``; it is ended in any case."""
    assert PROGRAM is not None
    down, to = os.pipe()
    back, up = os.pipe()
    # The pipe's ends are descriptors 3 and 4 by contract; a shell puts them there.
    flags = "--headless --no-sandbox --disable-gpu --no-first-run --disable-background-networking"
    script = f'exec "$0" {flags} --remote-debugging-pipe --user-data-dir="$1" 3<&{down} 4>&{up} >/dev/null 2>&1'
    process = subprocess.Popen(["/bin/bash", "-c", script, PROGRAM, str(folder)], pass_fds=(down, up))
    os.close(down)
    os.close(up)
    try:
        yield Browser(to, back)
    finally:
        process.kill()
        process.wait()
        os.close(to)
        os.close(back)
