"""Chromium without a window, spoken to by its own protocol: pages as people meet them."""

from __future__ import annotations

import asyncio
import itertools
import json
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import aiohttp

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
_FLAGS = (
    "--headless=new --no-sandbox --disable-gpu --mute-audio --no-first-run --remote-debugging-port=0 "
    "--disable-background-networking --disable-component-update --disable-sync --disable-quic"
).split()


class Browser:
    """One tab. Time passes in :meth:`until`; everything else answers at once."""

    def __init__(self, loop: asyncio.AbstractEventLoop, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._loop, self._socket, self._numbers = loop, socket, itertools.count(1)
        self.errors: list[str] = []  # exceptions of scripts, and whatever was asked of a network

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Call a method of the protocol and return what it answers."""
        return self._loop.run_until_complete(self._call(method, parameters))

    async def _call(self, method: str, parameters: dict[str, Any]) -> dict[str, Any]:
        number = next(self._numbers)
        await self._socket.send_json({"id": number, "method": method, "params": parameters})
        while True:
            message = json.loads((await self._socket.receive()).data)
            if message.get("method") == "Runtime.exceptionThrown":
                self.errors.append(json.dumps(message["params"]))
            if message.get("method") == "Network.requestWillBeSent":
                url = message["params"]["request"]["url"]
                if not url.startswith(("file:", "data:", "blob:")):
                    self.errors.append(url)
            if message.get("id") == number:
                assert "error" not in message, message
                return message["result"]

    def open(self, page: Path) -> None:
        """Open a file and wait until it is there."""
        self.call("Page.navigate", url=page.as_uri())
        self.until("document.readyState === 'complete'")

    def value(self, expression: str) -> Any:
        """The value of an expression on the page."""
        found = self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in found, found
        return found["result"].get("value")

    def until(self, expression: str, seconds: float = 20.0) -> None:
        """Wait until an expression is true."""
        deadline = time.monotonic() + seconds
        while not self.value(expression):
            assert time.monotonic() < deadline, expression
            self._loop.run_until_complete(asyncio.sleep(0.02))

    def type(self, text: str) -> None:
        """Type text where the focus is."""
        self.call("Input.insertText", text=text)

    def press(self, key: str) -> None:
        """Press and release a key."""
        code, number, text = ("Enter", 13, "\r") if key == "Enter" else (key, ord(key.upper()), key)
        given = {"key": key, "code": code, "windowsVirtualKeyCode": number}
        self.call("Input.dispatchKeyEvent", type="keyDown", text=text, **given)
        self.call("Input.dispatchKeyEvent", type="keyUp", **given)

    def tap(self, element: str) -> None:
        """Touch the middle of an element, by its id."""
        box = f"document.getElementById({element!r}).getBoundingClientRect()"
        self.value(f"document.getElementById({element!r}).scrollIntoView({{block: 'center'}})")
        x, y = self.value(f"(() => {{ const b = {box}; return [b.x + b.width / 2, b.y + b.height / 2]; }})()")
        self.call("Input.dispatchTouchEvent", type="touchStart", touchPoints=[{"x": x, "y": y}])
        self.call("Input.dispatchTouchEvent", type="touchEnd", touchPoints=[])

    def phone(self) -> None:
        """Become a phone: a small screen that is touched."""
        self.call(
            "Emulation.setDeviceMetricsOverride", width=390, height=844, deviceScaleFactor=2, mobile=True
        )
        self.call("Emulation.setTouchEmulationEnabled", enabled=True)


@contextmanager
def browser(profile: Path) -> Iterator[Browser]:
    """A tab of a browser of its own, which keeps what it has to in ``profile`` and has no network."""
    assert CHROMIUM is not None
    command = [CHROMIUM, *_FLAGS, f"--user-data-dir={profile}", "about:blank"]
    loop = asyncio.new_event_loop()
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            port = profile / "DevToolsActivePort"
            port.unlink(missing_ok=True)
            deadline = time.monotonic() + 60
            while not (port.exists() and port.read_text().count("\n")):
                assert process.poll() is None and time.monotonic() < deadline
                time.sleep(0.05)
            session, socket = loop.run_until_complete(_connect(int(port.read_text().split()[0])))
            try:
                tab = Browser(loop, socket)
                for domain in ("Page", "Runtime", "Network"):
                    tab.call(f"{domain}.enable")
                conditions = {"latency": 0, "downloadThroughput": 0, "uploadThroughput": 0}
                tab.call("Network.emulateNetworkConditions", offline=True, **conditions)
                yield tab
            finally:
                loop.run_until_complete(session.close())
        finally:
            process.terminate()
            loop.close()


async def _connect(port: int) -> tuple[aiohttp.ClientSession, aiohttp.ClientWebSocketResponse]:
    session = aiohttp.ClientSession()
    async with session.get(f"http://127.0.0.1:{port}/json/list") as answer:
        tabs = await answer.json(content_type=None)
    address = next(tab["webSocketDebuggerUrl"] for tab in tabs if tab["type"] == "page")
    return session, await session.ws_connect(address, max_msg_size=0)
