"""A headless Chromium looks at a page: what it reports, how wide it is, which images are there, and a picture of it.

It is spoken to by the DevTools protocol over pipes (`--remote-debugging-pipe`), which needs no library.
"""

import base64
import contextlib
import dataclasses
import json
import os
import select
import shutil
import subprocess
import sys
import time

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome", "chrome"))), None)
"""The browser, where there is one; Debian's package is `chromium`."""

_MEASURES = """
(() => ({
  width: document.documentElement.scrollWidth,
  images: document.images.length,
  broken: [...document.images].filter(image => !image.complete || !image.naturalWidth).length,
  smallest: Math.min(...[...document.querySelectorAll('p, td, th, li, dd')].map(one =>
    parseFloat(getComputedStyle(one).fontSize))),
  cut: [...document.querySelectorAll('h1, h2, p, li, dd, figure')].filter(one =>
    one.getBoundingClientRect().right > document.documentElement.clientWidth + 1).length,
  paper: getComputedStyle(document.body).backgroundColor,
  ink: getComputedStyle(document.body).color,
  text: document.body.innerText,
  title: document.title,
}))()
"""

_CONNECT = """
import os, sys
ends = [os.dup(int(end)) for end in sys.argv[1:3]]
ends = [os.dup(end) if end in (3, 4) else end for end in ends]
os.dup2(ends[0], 3)
os.dup2(ends[1], 4)
os.execv(sys.argv[3], sys.argv[3:])
"""
"""The browser reads commands from descriptor 3 and answers on 4."""


@dataclasses.dataclass(frozen=True)
class Look:
    """What a browser saw.

    Attributes:
      measures: of the page, see `_MEASURES`.
      errors: what scripts threw and the browser logged.
      requests: addresses that were asked for, the page's own and `data:` left out.
      picture: PNG of the whole page.
    """

    measures: dict
    errors: list
    requests: list
    picture: bytes


class Browser:
    """A running Chromium; use `opened`."""

    def __init__(self, process, writer, reader):
        self.process, self.writer, self.reader = process, writer, reader
        self.rest, self.number, self.events = b"", 0, []

    def ask(self, method, session=None, **params):
        """The answer to one command; events that come before it are kept."""
        self.number += 1
        message = {"id": self.number, "method": method, "params": params} | ({"sessionId": session} if session else {})
        os.write(self.writer, json.dumps(message).encode() + b"\0")
        while True:
            told = self.read()
            if told.get("id") == self.number:
                assert "error" not in told, told
                return told["result"]
            self.events.append(told)

    def read(self, seconds=60.0):
        """The next message."""
        end = time.monotonic() + seconds
        while b"\0" not in self.rest:
            ready, *_ = select.select([self.reader], [], [], max(0.0, end - time.monotonic()))
            assert ready, "the browser does not answer"
            found = os.read(self.reader, 2**20)
            assert found, "the browser has ended"
            self.rest += found
        message, _, self.rest = self.rest.partition(b"\0")
        return json.loads(message)

    def look(self, address, width, dark=False, height=900, until="true"):
        """Open a page in a window of so many pixels, and look once it has loaded and a JavaScript condition holds."""
        self.events.clear()
        target = self.ask("Target.createTarget", url="about:blank")["targetId"]
        session = self.ask("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.ask(f"{domain}.enable", session)
        self.ask(
            "Emulation.setDeviceMetricsOverride",
            session,
            **{"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600},
        )
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.ask("Emulation.setEmulatedMedia", session, features=[scheme])
        self.ask("Page.navigate", session, url=address)
        while not any(event.get("method") == "Page.loadEventFired" for event in self.events):
            self.events.append(self.read())
        end = time.monotonic() + 30.0
        while not self.ask("Runtime.evaluate", session, expression=until, returnByValue=True)["result"].get("value"):
            assert time.monotonic() < end, f"in 30 s it did not become true that {until}"
            time.sleep(0.1)
        found = self.ask("Runtime.evaluate", session, expression=_MEASURES, returnByValue=True)
        picture = self.ask("Page.captureScreenshot", session, format="png", captureBeyondViewport=True)["data"]
        self.ask("Target.closeTarget", targetId=target)
        bad = ("Runtime.exceptionThrown", "Log.entryAdded", "Runtime.consoleAPICalled")
        asked = [
            event["params"]["request"]["url"]
            for event in self.events
            if event.get("method") == "Network.requestWillBeSent"
        ]
        return Look(
            found["result"]["value"],
            [event["params"] for event in self.events if event.get("method") in bad],
            [url for url in asked if url != address and not url.startswith("data:")],
            base64.b64decode(picture),
        )


@contextlib.contextmanager
def opened(folder):
    """A browser with its profile in a folder, ended afterwards."""
    to_read, writer = os.pipe()
    reader, to_write = os.pipe()

    options = ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run"]
    command = [CHROMIUM, *options, "--hide-scrollbars", f"--user-data-dir={folder}", "--remote-debugging-pipe"]
    started = [sys.executable, "-S", "-c", _CONNECT, str(to_read), str(to_write), *command]
    quiet = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    process = subprocess.Popen(started, pass_fds=(to_read, to_write), **quiet)
    os.close(to_read)
    os.close(to_write)
    try:
        yield Browser(process, writer, reader)
    finally:
        process.terminate()
        process.wait(30)
        os.close(writer)
        os.close(reader)
