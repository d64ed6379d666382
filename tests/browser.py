"""A headless Chromium for the tests of pages, spoken to through two pipes: no driver, no socket, no package.

`--remote-debugging-pipe` reads commands of the Chrome DevTools Protocol from file descriptor 3 and answers on 4, each a
line of JSON that ends in a zero byte.
"""

from __future__ import annotations

import base64
import contextlib
import itertools
import json
import os
import select
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest

NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")
WIDTHS = {"wide": 1280, "narrow": 390}
_SECONDS = 120.0

_LOOK, _CLICK = (Path(__file__).with_name(f"browser_{name}.js") for name in ("look", "click"))


def find() -> str | None:
    """The path of a Chromium; None where there is none."""
    return next((path for name in NAMES if (path := shutil.which(name))), None)


windows = pytest.mark.parametrize("width", WIDTHS.values(), ids=WIDTHS.keys())


@contextlib.contextmanager
def opened(path: str) -> Iterator[Browser]:
    """A Chromium that ends with the block."""
    theirs_in, ours_out = os.pipe()
    ours_in, theirs_out = os.pipe()
    with tempfile.TemporaryDirectory(prefix="browser-", ignore_cleanup_errors=True) as home:
        words = [
            path,
            "--headless=new",
            "--no-sandbox",
            "--disable-gpu",
            "--hide-scrollbars",
            "--no-first-run",
        ]
        words += ["--disable-dev-shm-usage", f"--user-data-dir={home}", "--remote-debugging-pipe"]
        process = subprocess.Popen(
            ["bash", "-c", f'exec "$0" "$@" 3<&{theirs_in} 4>&{theirs_out}', *words],
            pass_fds=(theirs_in, theirs_out),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(theirs_in)
        os.close(theirs_out)
        try:
            yield Browser(ours_in, ours_out)
        finally:
            os.close(ours_out)  # it ends when its pipe does
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            os.close(ours_in)


class Browser:
    """One Chromium, one page at a time.

    Args:
        into: file descriptor that its answers come from.
        out: file descriptor that commands go to.
    """

    def __init__(self, into: int, out: int) -> None:
        self.into, self.out, self.rest, self.session = into, out, b"", ""
        self.numbers = itertools.count(1)
        self.events: list[dict[str, Any]] = []
        target = self.ask("Target.createTarget", url="about:blank")["targetId"]
        self.session = self.ask("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for part in ("Page", "Runtime", "Log"):
            self.ask(f"{part}.enable")

    def ask(self, method: str, **parameters: Any) -> dict[str, Any]:
        """What a command answers; events that come before are kept."""
        number = next(self.numbers)
        message = {"id": number, "method": method, "params": parameters}
        os.write(
            self.out,
            json.dumps(message | ({"sessionId": self.session} if self.session else {})).encode() + b"\0",
        )
        while True:
            found = self._next()
            if found.get("id") == number:
                if "error" in found:
                    raise RuntimeError(f"{method}: {found['error']['message']}")
                return found["result"]
            self.events.append(found)

    def _next(self) -> dict[str, Any]:
        end = time.monotonic() + _SECONDS
        while b"\0" not in self.rest:
            if not select.select([self.into], [], [], max(0.0, end - time.monotonic()))[0]:
                raise TimeoutError("the browser says nothing")
            if not (more := os.read(self.into, 1 << 20)):
                raise EOFError("the browser has ended")
            self.rest += more
        line, _, self.rest = self.rest.partition(b"\0")
        return json.loads(line)

    def open(self, page: Path, width: int, height: int = 900) -> None:
        """Load a page in a window of that size."""
        self.ask(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=width < 600,
        )
        self.events.clear()
        self.ask("Page.navigate", url=page.resolve().as_uri())
        while not any(e.get("method") == "Page.loadEventFired" for e in self.events):
            self.events.append(self._next())

    def value(self, script: str) -> Any:
        """What a script gives in the page."""
        found = self.ask("Runtime.evaluate", expression=script, returnByValue=True)
        if "exceptionDetails" in found:
            raise RuntimeError(found["exceptionDetails"]["exception"]["description"])
        return found["result"]["value"]

    def picture(self, path: Path) -> None:
        """The whole page as a PNG."""
        found = self.ask("Page.captureScreenshot", captureBeyondViewport=True)
        path.write_bytes(base64.b64decode(found["data"]))

    def complaints(self) -> list[str]:
        """What the console has been told since the page was opened, errors and warnings."""
        found = []
        for event in self.events:
            told = event.get("params", {})
            if event["method"] == "Log.entryAdded" and told["entry"]["level"] in ("error", "warning"):
                found.append(told["entry"]["text"])
            if event["method"] == "Runtime.exceptionThrown":
                found.append(told["exceptionDetails"]["text"])
            if event["method"] == "Runtime.consoleAPICalled" and told["type"] in ("error", "warning"):
                found.append(str(told["args"]))
        return found


def wrong_with(browser: Browser, page: Path, width: int, picture: Path | None = None) -> list[str]:
    """Everything that is wrong with a page in a window of that width, one line each; empty where all is well."""
    browser.open(page, width)
    found = browser.value(f"({_LOOK.read_text(encoding='utf-8')})({width})")
    wrong: list[str] = found["wrong"] + browser.complaints()
    for address in found["links"]:
        parts = urlsplit(address)
        if parts.scheme or parts.netloc:
            wrong.append(f"a link leads away: {address}")
        elif not parts.path:
            if parts.fragment not in found["ids"]:
                wrong.append(f"a link leads nowhere: {address}")
        elif not (page.parent / unquote(parts.path)).is_file():
            wrong.append(f"no such file: {address}")
    clicked = browser.value(f"({_CLICK.read_text(encoding='utf-8')})({width})")
    if not clicked:
        wrong.append("no picture can be enlarged")
    for share, inside, back in clicked:
        if share < 0.75 or not inside or not back:
            wrong.append(f"a click gives a picture {share:.0%} of the window, inside: {inside}, back: {back}")
    if picture is not None:
        browser.picture(picture)
    return wrong
