"""The PDF of a form shows on its message's page in Chromium, in a frame that may do nothing."""

import io

import pytest
from PIL import Image
from playwright.sync_api import sync_playwright

from channels.control import Control
from console.app import create_app
from messages.lifecycle import Event, Status
from tests.forms import form_kit, hostile

from .browsers import ARGUMENTS, ARTEFACTS, CHROMIUM, served
from .conftest import describe, explain

#: Chromium's reader of PDF is a part of the whole browser only.
WHOLE = {"args": [*ARGUMENTS, "--headless=new"], "ignore_default_args": ["--headless", "--headless=old"]}


@pytest.fixture
def address(site):
    app = create_app(
        site.folder, Control(site.store, site.ring), name="Clinic 01", open_to_all=True, zone="America/Sao_Paulo",
        describe=describe, explain=explain,
    )  # fmt: skip
    with served(app) as address:
        yield address
    app.extensions["desk"].reader.close()


@pytest.fixture(scope="module")
def browser():
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, **WHOLE)
        yield browser
        browser.close()


@pytest.fixture
def page(browser, address):
    page = browser.new_page(base_url=address, viewport={"width": 1280, "height": 1000})
    yield page
    page.close()


@pytest.fixture(scope="module")
def encoded():
    return hostile.codes_of(hostile.transformer(), form_kit.body(form_kit.bundle("clinical")))


@pytest.fixture
def form(site, encoded):
    """A message whose outgoing bytes carry the clinical form."""
    site.deploy("forms", "Forms", powerserver="127.0.0.1:6661")
    message, (delivery,) = site.receive("forms")
    site.move(delivery, (Status.RECEIVED, Event.MAPPED, {"encoded": encoded, "control_id": "A1", "action": "new"}))
    return message


def whiteness(picture):
    """Return the part of a picture's points that are white: a page is, the reader's dark frame and an error are not."""
    grey = Image.open(io.BytesIO(picture)).convert("L")
    return sum(grey.histogram()[250:]) / (grey.width * grey.height)


def wait_for_paper(page, frame):
    for _ in range(60):
        if whiteness(frame.screenshot()) > 0.2:
            return True
        page.wait_for_timeout(250)
    return False


def test_the_pages_of_a_form_show_in_a_frame_without_an_origin(page, form):
    page.goto(f"/messages/{form}")
    page.locator("#show-bodies").click()
    frame = page.locator("iframe.pages")
    frame.scroll_into_view_if_needed()

    assert wait_for_paper(page, frame)
    ARTEFACTS.mkdir(exist_ok=True)
    page.screenshot(path=ARTEFACTS / "message-form.png")
    assert [one for one in page.frames if one.url.startswith("chrome-error")] == []


def test_with_the_attribute_sandbox_it_would_not_show(page, form):
    """The control: it is the attribute that Chromium refuses, not the policy of the answer."""
    page.goto(f"/messages/{form}")
    page.locator("#show-bodies").click()
    page.evaluate("const f = document.querySelector('iframe.pages'); f.setAttribute('sandbox', ''); f.src = f.src")

    page.wait_for_function("() => true")
    for _ in range(60):
        if any(one.url.startswith("chrome-error") for one in page.frames):
            return
        page.wait_for_timeout(250)
    pytest.fail("Chromium shows a PDF in a sandboxed frame by now: set the attribute again")
