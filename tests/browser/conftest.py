"""A real server on a free port and a real Chromium."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from core.settings import PREFIX, PROJECT_ROOT, Settings, load_settings
from tests.pages.small import small_table

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Locator, Page

#: Without a GPU, Chromium draws WebGL in software.
FLAGS = ("--no-sandbox", "--use-gl=angle", "--use-angle=swiftshader", "--enable-unsafe-swiftshader")
#: A bookmark of /explore first asks below /explore: Streamlit's own way to find its root.
_EXPECTED_404 = ("/_stcore/health", "/_stcore/host-config")
#: A journey's own deadlines come first: a job's worker may take minutes to start on a busy machine.
JOURNEY_LIMIT_S = 900


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Give each journey the time that its waits may take together."""
    for item in items:
        if item.get_closest_marker("browser"):
            item.add_marker(pytest.mark.timeout(JOURNEY_LIMIT_S))


def find_chromium() -> str | None:
    """Chromium of the machine; ``PERTURBSCOPE_CHROMIUM`` names another one."""
    named = os.environ.get(PREFIX + "CHROMIUM")
    return named or next(
        (
            path
            for name in ("chromium", "chromium-browser", "google-chrome")
            if (path := shutil.which(name))
        ),
        None,
    )


@dataclass
class Server:
    """A running app."""

    url: str
    settings: Settings
    log: Path

    def errors(self) -> list[str]:
        """Lines of the log that tell of a fault."""
        lines = self.log.read_text(errors="replace").splitlines()
        return [line for line in lines if "Traceback" in line or "Error" in line]


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The app with a small simulated table, started as a user starts it."""
    folder = tmp_path_factory.mktemp("browser")
    settings = load_settings(workspace=folder / "workspace", device="cpu")
    small_table(settings, n_genes=300)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    log = folder / "server.log"
    with log.open("w") as file:
        process = subprocess.Popen(
            [
                sys.executable,
                *("-m", "streamlit", "run", "app.py"),
                *("--server.port", str(port), "--server.headless", "true"),
            ],
            cwd=PROJECT_ROOT,
            env=os.environ | {PREFIX + "WORKSPACE": str(settings.workspace)},
            stdout=file,
            stderr=subprocess.STDOUT,
        )
    try:
        url = f"http://localhost:{port}"
        _wait(f"{url}/_stcore/health", process, log)
        yield Server(url, settings, log)
    finally:
        process.terminate()
        process.wait(timeout=20)


def _wait(url: str, process: subprocess.Popen, log: Path, seconds: float = 120) -> None:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if process.poll() is not None:
            break
        try:
            with urllib.request.urlopen(url, timeout=2):
                return
        except OSError:
            time.sleep(0.2)
    pytest.fail(f"the server did not start:\n{log.read_text()[-2000:]}")


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Headless Chromium, or a skip that says what is missing."""
    sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    executable = find_chromium()
    if executable is None:
        pytest.skip(f"no Chromium on this machine; install it or set {PREFIX}CHROMIUM")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=list(FLAGS))
        yield browser
        browser.close()


@dataclass
class Visit:
    """One page of the browser, and everything its console complained about."""

    page: Page
    server: Server
    complaints: list[str] = field(default_factory=list)

    def open(self, address: str) -> None:
        """Open an address of the app and wait until it stands."""
        self.page.goto(self.server.url + address, timeout=120_000)
        self.settle()

    def settle(self) -> None:
        """Wait until the script has run (before it has begun, it is "not running" too)."""
        self.page.locator("h1").first.wait_for(timeout=60_000)
        self.page.wait_for_timeout(300)
        self.page.wait_for_selector(
            '[data-testid="stApp"][data-test-script-state="notRunning"]', timeout=60_000
        )

    def tab(self, name: str) -> None:
        """Open a tab and wait until its section stands."""
        self.page.get_by_role("tab", name=name, exact=True).click()
        self.page.locator(f'[role="tab"][aria-selected="true"]:has-text("{name}")').wait_for()
        self.settle()

    def plots(self, n: int = 1) -> list[Locator]:
        """The figures in sight, once ``n`` of them are drawn."""
        plots = self.page.locator(".js-plotly-plot:visible")
        plots.nth(n - 1).locator(".main-svg").first.wait_for(timeout=30_000)
        return plots.all()

    def text(self) -> str:
        """What the main part says."""
        return self.page.locator('[data-testid="stMain"]').inner_text()

    def pick(self, key: str, value: str) -> None:
        """Choose ``value`` in the select box ``key`` by typing it."""
        self.page.locator(f".st-key-{key} input").click()
        self.page.keyboard.type(value)
        self.page.get_by_role("option", name=value, exact=True).first.click()
        self.settle()

    def value(self, key: str) -> str:
        """What the select box ``key`` shows."""
        return self.page.locator(f".st-key-{key} input").input_value()


@pytest.fixture
def visit(browser: Browser, server: Server) -> Iterator[Visit]:
    """A fresh visitor; at the end neither console nor server may have complained."""
    context = browser.new_context(viewport={"width": 1440, "height": 900}, accept_downloads=True)
    page = context.new_page()
    visit = Visit(page, server)
    page.on("pageerror", lambda error: visit.complaints.append(str(error)))
    page.on(
        "response",
        lambda response: (
            visit.complaints.append(f"{response.status} {response.url}")
            if response.status >= 400 and not response.url.endswith(_EXPECTED_404)
            else None
        ),
    )
    page.on("dialog", lambda dialog: (visit.complaints.append(dialog.message), dialog.dismiss()))
    yield visit
    context.close()
    assert not visit.complaints
    assert not server.errors()
