"""The dashboard as a person opens it: its server in a process of its own, its pages in headless Chromium."""

from __future__ import annotations

import contextlib
import io
import os
import re
import shutil
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from PIL import Image
from playwright.sync_api import Browser, ConsoleMessage, Page, sync_playwright

from dashboard.shell import PAGES
from simulation.market.scenario import ROOT
from tests.support.day import free_port, wait_for

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), "")
"""Debian's package, or what GitHub's machines have; empty where neither is installed."""
FLAGS = ("--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--disable-background-networking")
PATIENCE_MS = 600_000
"""Of a wait for the page: what is only slow gets there."""
WIDTH, MAX_HEIGHT = 1280, 1800
COLOURS = 160
"""Of a picture: enough for calm pages, and a fifth of the bytes."""

_DRAWN = """() => document.querySelector('[data-testid="stApp"]')?.dataset.testScriptState === 'notRunning'
  && [...document.querySelectorAll('[data-testid="stDataFrame"]')].every(
    (grid) => grid.offsetParent === null || grid.querySelector('canvas td'))
  && [...document.querySelectorAll('[data-testid="stPlotlyChart"]')].every(
    (chart) => chart.offsetParent === null || chart.querySelector('svg.main-svg'))
  && !document.querySelector('[data-testid="stSkeleton"], [data-stale="true"]')"""
"""The script has run, visible grids have spelt their cells out for who cannot see them, visible charts are drawn."""


@dataclass(kw_only=True)
class Reader:
    """A browser that looks at the dashboard, and notes whatever its console complains of."""

    page: Page
    url: str
    complaints: list[str] = field(default_factory=list)

    def watch(self) -> None:
        """Listen to the console."""
        self.page.on("console", self._note)
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))

    def _note(self, message: ConsoleMessage) -> None:
        if message.type == "error":
            self.complaints.append(f"{message.text} {message.location.get('url', '')}")

    def open(self, path: str) -> str:
        """Go to a page by its entry in the navigation, as a person does; return its text once it is drawn."""
        if self.page.url == "about:blank":
            self.page.goto(self.url)
        self.page.get_by_test_id("stSidebarNav").get_by_role("link", name=PAGES[path], exact=True).click()
        self.settle(PAGES[path])
        return self.text()

    def settle(self, title: str) -> None:
        """Wait until a page of that title is drawn."""
        self.page.get_by_role("heading", name=title, exact=True).wait_for()
        self.page.wait_for_function(_DRAWN)
        self.page.wait_for_timeout(200)  # charts are drawn after the script has run
        self.page.wait_for_function(_DRAWN)

    def text(self) -> str:
        """What the page says, the cells of its tables and the labels of its charts included."""
        main = self.page.get_by_test_id("stMain")
        cells = self.page.locator("[data-testid=stMain] canvas td").all_text_contents()
        labels = self.page.locator("[data-testid=stMain] svg text").all_text_contents()
        chosen = [box.input_value() for box in main.locator("input[type=text], input:not([type])").all()]
        return re.sub(r"\s+", " ", " ".join([main.inner_text(), *cells, *labels, *chosen]))

    def broken(self) -> list[str]:
        """Errors that the page shows."""
        found = self.page.locator("[data-testid=stException], [data-testid=stAlertContentError]")
        return found.all_inner_texts()

    def picture(self, path: Path) -> None:
        """Take the whole page, in few colours."""
        height = self.page.evaluate("document.querySelector('[data-testid=stMainBlockContainer]').scrollHeight")
        self.page.set_viewport_size({"width": WIDTH, "height": max(700, min(int(height) + 10, MAX_HEIGHT))})
        self.page.mouse.move(2, 2)
        self.page.wait_for_timeout(600)  # charts follow the new size
        taken = Image.open(io.BytesIO(self.page.screenshot()))
        taken.convert("RGB").quantize(COLOURS, dither=Image.Dither.NONE).save(path, optimize=True)
        self.page.set_viewport_size({"width": WIDTH, "height": 900})


@contextlib.contextmanager
def dashboard_server(connection: str, log: Path) -> Iterator[str]:
    """Serve the pages over one sandbox storage; yield their address."""
    port = free_port()
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GATEHOUSE_")}
    environment["GATEHOUSE_DASHBOARD_SANDBOX_STORAGE"] = connection
    with log.open("ab") as sink:
        command = [sys.executable, "-m", "dashboard", "--port", str(port)]
        process = subprocess.Popen(command, cwd=ROOT, stdout=sink, stderr=sink, env=environment)
    url = f"http://127.0.0.1:{port}"
    try:
        wait_for(lambda: process.poll() is not None or _is_up(url), "the dashboard to listen")
        assert process.poll() is None, log.read_text()[-4000:]
        yield url
    finally:
        process.terminate()
        process.wait(20)


def _is_up(url: str) -> bool:
    with contextlib.suppress(OSError), urllib.request.urlopen(f"{url}/_stcore/health", timeout=2) as answer:
        return bool(answer.status == 200)
    return False


@contextlib.contextmanager
def browser() -> Iterator[Browser]:
    """Headless Chromium."""
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=list(FLAGS))
        try:
            yield chromium
        finally:
            chromium.close()


@contextlib.contextmanager
def reader(url: str) -> Iterator[Reader]:
    """Open the first page, from Berlin."""
    with browser() as chromium:
        page = chromium.new_page(viewport={"width": WIDTH, "height": 900}, timezone_id="Europe/Berlin")
        page.set_default_timeout(PATIENCE_MS)
        made = Reader(page=page, url=url)
        made.watch()
        page.goto(url)
        made.settle(PAGES["today"])
        yield made
