"""The pages in a real browser: WCAG by axe, by keyboard alone, without JavaScript, and as they look."""

from __future__ import annotations

import os
import shutil
import threading
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect, sync_playwright
from waitress.wasyncore import close_all

from console.app import make_server

from .conftest import MRN, ROOT, SURNAME

CHROMIUM = os.environ.get("PLUGIN_HOST_CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
ARGUMENTS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
]  # fmt: skip
ARTEFACTS = ROOT / "test-artefacts"

assert CHROMIUM, "the browser tests need Chromium: apt-get install chromium fonts-dejavu-core"


@pytest.fixture(scope="module")
def chromium():
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture
def address(app):
    """The site's pages, served by waitress."""
    server = make_server(app, "127.0.0.1", 0)
    serving = threading.Thread(target=server.run)
    serving.start()
    yield f"http://127.0.0.1:{server.effective_port}"
    server.trigger.pull_trigger(lambda: close_all(server._map))
    serving.join(10)
    server.task_dispatcher.shutdown()


@pytest.fixture
def page(chromium, address):
    """A page whose errors, and whatever its policy forbids, fail the test."""
    context = chromium.new_context(base_url=address, viewport={"width": 1280, "height": 800})
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
    path = ARTEFACTS / f"{name}.png"
    page.screenshot(path=path, full_page=True)
    return path


def assert_accessible(page) -> None:
    found = Axe().run(page, options={"resultTypes": ["violations"], "preload": False})
    assert found.violations_count == 0, found.generate_report()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_no_page_has_an_accessibility_violation(page, site, scheme):
    page.emulate_media(color_scheme=scheme)
    pages = {
        "channels": "/",
        "messages": "/messages",
        "errored": "/messages?channel=blume-appointment&status=parked",
        "message-sent": f"/messages/{site.ids['sent']}",
        "message-unmappable": f"/messages/{site.ids['unmappable']}",
        "refused": "/refused",
        "not-found": "/nothing",
    }
    for name, where in pages.items():
        page.goto(where)
        show(page, f"{name}-{scheme}")
        assert_accessible(page)
    page.goto(f"/messages/{site.ids['sent']}")
    page.locator("#show-bodies").click()
    show(page, f"message-shown-{scheme}")
    for summary in page.locator("details > summary").all():
        summary.click()
    assert_accessible(page)
    page.goto("/")
    page.get_by_label("Stop or pause: Blume appointment").click()
    show(page, f"card-{scheme}")
    assert_accessible(page)


@pytest.mark.parametrize("width", [320, 768])
def test_a_narrow_page_does_not_scroll_sideways(page, site, width):
    page.set_viewport_size({"width": width, "height": 900})
    for where in ("/", "/messages", f"/messages/{site.ids['sent']}", "/refused"):
        page.goto(where)
        assert page.evaluate("document.documentElement.scrollWidth") <= width, where
        assert_accessible(page)


def test_a_channel_is_stopped_by_keyboard_alone(page, site):
    page.goto("/")
    for _ in range(80):
        page.keyboard.press("Tab")
        if (page.evaluate("document.activeElement.getAttribute('aria-label')") or "").startswith(
            "Stop or pause: Blume"
        ):
            break
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    page.keyboard.type("the scanner is down")
    for _ in range(2):
        page.keyboard.press("Tab")
    page.keyboard.press("Enter")

    expect(page.get_by_text("Blume appointment → PowerServer is now stopped.")).to_be_visible()
    expect(page.locator("#channel-1")).to_contain_text("“the scanner is down”")
    assert site.channel("blume-appointment").state == "stopped"


def test_escape_closes_the_card_and_gives_the_focus_back(page):
    page.goto("/")
    page.locator("#ask-1").press("Enter")
    page.locator("#reason-1").press("Escape")

    expect(page.locator("#ask-1")).to_be_focused()
    expect(page.locator("#reason-1")).to_be_hidden()


def test_a_change_of_state_appears_by_itself_is_announced_and_the_focus_stays(page, site):
    page.goto("/")
    page.locator("#name-1").focus()
    site.line("blume-appointment", "powerserver", "unreachable", "ConnectionRefusedError; next try in 2 s")

    expect(page.locator("#channel-1")).to_contain_text("Unreachable")
    expect(page.locator("#said")).to_have_text("Blume appointment → PowerServer: Unreachable")
    expect(page.locator("#name-1")).to_be_focused()


def test_updates_can_be_paused(page, site):
    page.goto("/")
    page.get_by_role("button", name="Pause updates").click()
    site.line("blume-appointment", "powerserver", "failed")
    with pytest.raises(AssertionError):
        expect(page.locator("#channel-1")).to_contain_text("Failed", timeout=4_000)
    page.get_by_role("button", name="Resume updates").click()

    expect(page.locator("#channel-1")).to_contain_text("Failed")


def test_arrow_keys_name_the_fields_of_a_segment(page, site):
    page.goto(f"/messages/{site.ids['sent']}")
    page.locator("#show-bodies").click()
    field = page.locator("#pane-sent-1 .f[data-name^='PID-5']")
    field.click()
    readout = page.locator("[data-for=pane-sent-1]")

    expect(readout).to_have_text("PID-5 Patient Name")
    page.keyboard.press("ArrowRight")
    expect(readout).to_have_text("PID-7 Date/Time of Birth")
    page.keyboard.press("Home")
    expect(readout).to_have_text("PID-1")
    page.keyboard.press("ArrowUp")
    expect(readout).to_have_text("NTE-1")
    assert page.locator("#pane-sent-1 [tabindex='0']").count() == 1


def test_a_field_that_was_sent_shows_its_rule_source_value_and_conversion(page, site):
    page.goto(f"/messages/{site.ids['sent']}")
    page.locator("#show-bodies").click()
    readout = page.locator("[data-for=pane-sent-1]")
    field = page.locator("#pane-sent-1 .f[data-name^='PID-3']")
    field.hover()

    for words in ("PID-3", "%mrn", '{"value": "12345"}', "as: CX, table: authorities", "blume-appointment.yaml:64:3"):
        expect(readout).to_contain_text(words)
    page.locator("#pane-sent-1 .f[data-name^='PID-1']").first.click()
    expect(readout).to_have_text("PID-1")
    page.keyboard.press("ArrowRight")
    expect(readout).to_contain_text("blume-appointment.yaml:64:3")
    assert_accessible(page)
    titles = page.locator("[title]").evaluate_all("all => all.map(one => one.title)")
    assert not [title for title in titles if "12345" in title]
    page.locator(".fields:has(#pane-sent-1-PID-3) > summary").click()
    assert page.locator("#pane-sent-1-PID-3").is_visible()
    assert_accessible(page)


def test_what_is_searched_for_stands_in_the_page_and_not_in_the_address(page):
    page.goto("/")
    page.get_by_label("Find a message").fill(MRN)
    page.keyboard.press("Enter")

    expect(page.get_by_text("1 message found for")).to_be_visible()
    assert MRN not in page.url
    assert MRN not in page.title()
    page.locator("tbody th a").click()
    expect(page.get_by_role("heading", name="Timeline")).to_be_visible()
    assert SURNAME not in page.url + page.title()


def test_all_works_without_javascript(chromium, address, site):
    context = chromium.new_context(base_url=address, java_script_enabled=False)
    page = context.new_page()
    page.goto("/")
    page.locator("#ask-1").click()
    page.locator("#reason-1").fill("no script")
    page.locator("#paused-1").click()
    expect(page.locator("#channel-1")).to_contain_text("“no script”")
    page.locator("#started-1").click()
    expect(page.locator("#channel-1")).to_contain_text("Running")
    page.goto(f"/messages/{site.ids['unmappable']}")
    page.get_by_role("button", name="Reprocess").click()
    expect(page.get_by_text("powerserver: Received.")).to_be_visible()
    context.close()
