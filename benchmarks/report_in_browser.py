"""A page of `nnc report` in headless Chromium: errors, requests, anything that overflows.

    python benchmarks/report_in_browser.py PAGE.html.. [--screenshots FOLDER]

Opens each page at 400 and 1400 pixels, light and dark, talks to Chromium over its pipe (no package
needed beside the browser), and prints a line a view; exit code 1 where a view has

- a message on the console, or a request for anything but the page itself,
- an element wider than the window, or text that leaves its picture,
- two texts of one picture that cover each other.
"""

from __future__ import annotations

import argparse
import base64
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
    *("--hide-scrollbars", "--remote-debugging-pipe"),
)
VIEWS = [(width, theme) for width in (400, 1400) for theme in ("light", "dark")]

PROBLEMS = """(() => {
  const found = [], width = document.documentElement.clientWidth;
  if (document.documentElement.scrollWidth > width) found.push('the page scrolls sideways');
  document.querySelectorAll('details').forEach(one => { one.open = true; });
  const cut = text => text.trim().slice(0, 40);
  for (const one of document.querySelectorAll('body *')) {
    const box = one.getBoundingClientRect();
    if (one.closest('svg') || one.closest('.scroll') || !box.width) continue;
    if (box.right > width + 0.5 || box.left < -0.5)
      found.push(`${one.tagName} is ${Math.round(box.right)} wide: ${cut(one.textContent)}`);
    if (one.scrollWidth > one.clientWidth + 1 && one.clientWidth &&
        getComputedStyle(one).display !== 'inline')
      found.push(`${one.tagName} holds what is wider than itself: ${cut(one.textContent)}`);
  }
  for (const svg of document.querySelectorAll('svg')) {
    const frame = svg.getBoundingClientRect(), texts = [];
    for (const one of svg.querySelectorAll('text')) {
      const box = one.getBoundingClientRect();
      if (box.left < frame.left - 1 || box.right > frame.right + 1 ||
          box.top < frame.top - 1 || box.bottom > frame.bottom + 1)
        found.push(`text leaves its picture: ${cut(one.textContent)}`);
      for (const [other, there] of texts)
        if (Math.min(box.right, there.right) - Math.max(box.left, there.left) > 1.5 &&
            Math.min(box.bottom, there.bottom) - Math.max(box.top, there.top) > 4)
          found.push(`texts cover each other: ${cut(one.textContent)}, ${cut(other)}`);
      texts.push([one.textContent, box]);
    }
  }
  return [...new Set(found)];
})()"""


class Browser:
    """One Chromium, spoken to in JSON messages that a zero byte ends."""

    def __init__(self, program: str, profile: str) -> None:
        there, self._out = os.pipe()
        self._in, back = os.pipe()

        def place() -> None:
            # The far ends may lie on 3 and 4 themselves: first out of the way, then into place.
            os.dup2(there, 10), os.dup2(back, 11)
            os.dup2(10, 3), os.dup2(11, 4)

        self.process = subprocess.Popen(
            [program, *FLAGS, f"--user-data-dir={profile}"],
            preexec_fn=place,
            pass_fds=(3, 4),
            stderr=subprocess.DEVNULL,
        )
        os.close(there), os.close(back)
        self._number, self._rest = 0, b""
        self.events: list[dict[str, Any]] = []

    def call(self, method: str, session: str | None = None, **parameters: Any) -> dict[str, Any]:
        """Send a command and wait for its answer; what else comes meanwhile is kept."""
        self._number += 1
        message = {"id": self._number, "method": method, "params": parameters}
        if session is not None:
            message["sessionId"] = session
        os.write(self._out, json.dumps(message).encode() + b"\0")
        while (answer := self._next()).get("id") != self._number:
            self.events.append(answer)
        if "error" in answer:
            raise SystemExit(f"{method}: {answer['error']['message']}")
        return answer["result"]

    def wait(self, method: str) -> None:
        """Until an event of that name comes or has come."""
        while not any(event.get("method") == method for event in self.events):
            self.events.append(self._next())

    def _next(self) -> dict[str, Any]:
        while b"\0" not in self._rest:
            block = os.read(self._in, 1 << 20)
            if not block:
                raise SystemExit("Chromium ended")
            self._rest += block
        message, _, self._rest = self._rest.partition(b"\0")
        return json.loads(message)


def look(browser: Browser, page: Path, width: int, theme: str, picture: Path | None) -> list[str]:
    """What is wrong with one view of ``page``."""
    target = browser.call("Target.createTarget", url="about:blank")["targetId"]
    session = browser.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
    for domain in ("Page", "Network", "Runtime", "Log"):
        browser.call(f"{domain}.enable", session)
    browser.call(
        "Emulation.setDeviceMetricsOverride", session,
        width=width, height=900, deviceScaleFactor=1, mobile=width < 800,
    )  # fmt: skip
    scheme = {"name": "prefers-color-scheme", "value": theme}
    browser.call("Emulation.setEmulatedMedia", session, features=[scheme])
    browser.events.clear()
    address = page.resolve().as_uri()
    browser.call("Page.navigate", session, url=address)
    browser.wait("Page.loadEventFired")
    found = list(_shots(browser, session, picture)) if picture else []
    answer = browser.call("Runtime.evaluate", session, expression=PROBLEMS, returnByValue=True)
    found += answer["result"]["value"]
    for event in browser.events:
        method, told = event.get("method"), event.get("params", {})
        if method == "Network.requestWillBeSent" and told["request"]["url"] != address:
            found.append(f"a request: {told['request']['url'][:80]}")
        if method == "Log.entryAdded":
            found.append(f"console: {told['entry']['text'][:120]}")
        if method in ("Runtime.consoleAPICalled", "Runtime.exceptionThrown"):
            found.append(f"console: {json.dumps(told)[:120]}")
    browser.call("Target.closeTarget", targetId=target)
    return found


def _shots(browser: Browser, session: str, picture: Path):  # type: ignore[no-untyped-def]
    """The whole page in pieces of 1600 pixels; yields nothing."""
    size = browser.call("Page.getLayoutMetrics", session)["cssContentSize"]
    for number, top in enumerate(range(0, int(size["height"]), 1600)):
        clip = {
            "x": 0, "y": top, "width": size["width"],
            "height": min(1600, size["height"] - top), "scale": 1,
        }  # fmt: skip
        shot = browser.call(
            "Page.captureScreenshot", session, clip=clip, captureBeyondViewport=True
        )
        path = picture.with_name(f"{picture.name}-{number}.png")
        path.write_bytes(base64.b64decode(shot["data"]))
    yield from ()


def main() -> int:
    """Look at every page in every view."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("pages", nargs="+", type=Path)
    parser.add_argument("--screenshots", type=Path)
    asked = parser.parse_args()
    program = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("chrome")
    if program is None:
        print("no Chromium here; install one, as with: apt-get install chromium")
        return 4
    if asked.screenshots:
        asked.screenshots.mkdir(parents=True, exist_ok=True)
    wrong = 0
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        browser = Browser(program, profile)
        try:
            for page in asked.pages:
                for width, theme in VIEWS:
                    name = f"{page.stem}-{width}-{theme}"
                    picture = asked.screenshots / name if asked.screenshots else None
                    found = look(browser, page, width, theme, picture)
                    wrong += bool(found)
                    print(f"{name}: {'; '.join(found) or 'nothing amiss'}", flush=True)
            browser.call("Browser.close")
        finally:
            browser.process.terminate()
            browser.process.wait()
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
