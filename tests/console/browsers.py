"""A browser before the pages of a site that waitress serves: what the tests in Chromium share."""

from __future__ import annotations

import contextlib
import os
import shutil
import threading
from pathlib import Path

from axe_playwright_python.sync_playwright import Axe
from waitress.wasyncore import close_all

from console.app import make_server

from .conftest import ROOT

CHROMIUM = os.environ.get("PLUGIN_HOST_CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
ARGUMENTS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
]  # fmt: skip
ARTEFACTS = ROOT / "test-artefacts"
AXE = Axe().axe_script

assert CHROMIUM, "the browser tests need Chromium: apt-get install chromium fonts-dejavu-core"


@contextlib.contextmanager
def served(app):
    """Serve an app on a port that is free; give its address."""
    server = make_server(app, "127.0.0.1", 0)
    serving = threading.Thread(target=server.run)
    serving.start()
    yield f"http://127.0.0.1:{server.effective_port}"
    server.trigger.pull_trigger(lambda: close_all(server._map))
    serving.join(10)
    server.task_dispatcher.shutdown()


@contextlib.contextmanager
def opened(chromium, address, locale="en", **more):
    """Open a page whose errors, and whatever its policy forbids, fail the test."""
    context = chromium.new_context(base_url=address, viewport={"width": 1280, "height": 800}, locale=locale, **more)
    context.set_default_timeout(10_000)
    page = context.new_page()
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("console", lambda said: errors.append(said.text) if said.type == "error" else None)
    yield page
    context.close()
    assert [error for error in errors if "404 (NOT FOUND)" not in error] == []


def show(page, name: str) -> Path:
    ARTEFACTS.mkdir(exist_ok=True)
    path = ARTEFACTS / f"{name}.jpg"
    page.screenshot(path=path, full_page=True, type="jpeg", quality=80)
    return path


#: Only what is wrong comes back from the browser: what is right is most of it.
VIOLATIONS = """async () => (await axe.run({resultTypes: ["violations"], preload: false})).violations.map(
    ({id, help, nodes}) => ({id, help, at: nodes.map((node) => [node.target.join(" "), node.failureSummary])}))"""


def assert_accessible(page) -> None:
    page.evaluate(AXE)
    found = page.evaluate(VIOLATIONS)
    assert found == [], f"{page.url}: {found}"
