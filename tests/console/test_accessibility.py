"""Every page in Chromium, in both languages and both themes: axe finds nothing wrong (WCAG 2.2 AA)."""

from __future__ import annotations

from urllib.parse import urlsplit

import pytest

from channels.control import Control
from console.app import create_app
from messages.health import Mark
from store import alerts

from . import test_appointments, test_job_pages
from .browsers import assert_accessible, opened, show
from .conftest import describe, explain
from .test_health_pages import DRIFT, LONGER, compare, examine, finding
from .works import RULES, Works


@pytest.fixture
def app(site):
    app = create_app(
        site.folder, Control(site.store, site.ring), name="Clinic 01", open_to_all=True,
        zone="America/Sao_Paulo", describe=describe, explain=explain, works=Works(), alert_rules=RULES,
    )  # fmt: skip
    yield app
    app.extensions["desk"].reader.close()


share = test_job_pages.share


@pytest.fixture
def pages(site, share):
    """Name → address of every page, each with something in it."""
    test_appointments.told(site)
    compare(site, DRIFT, LONGER)
    examine(
        site, finding("peer.port", Mark.FAIL, "powerserver", cure="is it running?"), finding("host.disk", Mark.PASS)
    )
    write = site.store.writer.now
    write(lambda tx: alerts.open(tx, "watch.queue-age.form-document.viewer", "blocker", "the oldest waits"))
    write(lambda tx: alerts.open(tx, "resources.stale", "warning", "the export is old"))
    write(lambda tx: alerts.open(tx, "doctor.disk", "warning", "1 GB is free") and alerts.close(tx, "doctor.disk"))
    return {
        "channels": "/",
        "messages": "/messages",
        "errored": "/messages?channel=blume-appointment&status=parked",
        "message-sent": f"/messages/{site.ids['sent']}",
        "message-unmappable": f"/messages/{site.ids['unmappable']}",
        "refused": "/refused",
        "channel": "/channels/powerserver-status",
        "errors": "/errors",
        "alerts": "/alerts",
        "mappings": "/mappings",
        "mapping": "/mappings/blume-appointment",
        "audit": "/audit",
        "settings": "/settings",
        "account": "/account",
        "help": "/help",
        "jobs": "/jobs",
        "job": f"/jobs/{share}",
        "shares": "/shares",
        "share": f"/shares/{share}",
        "appointments": "/appointments",
        "appointment": "/appointments/1",
        "resources": "/resources",
        "doctor": "/doctor",
        "not-found": "/nothing",
    }


#: Answers to GET that are no pages of the console, or (signing in) are looked at in test_browser.py.
NO_PAGES = {
    "static", "documents.pdf", "health.live", "health.ready", "metrics.page", "sign_in.page", "sign_in.go",
}  # fmt: skip


def pages_of(app) -> set[str]:
    endpoints = {rule.endpoint for rule in app.url_map.iter_rules() if "GET" in rule.methods}
    return {endpoint for endpoint in endpoints if not endpoint.endswith("_json")} - NO_PAGES


@pytest.mark.parametrize(("locale", "scheme"), [("en", "light"), ("pt-BR", "dark")])
def test_no_page_has_an_accessibility_violation(chromium, app, address, pages, site, locale, scheme):
    """Each page in both languages and both themes: contrast is the theme's, labels are the language's."""
    urls, seen = app.url_map.bind("127.0.0.1"), set()

    def look(page, name):
        path = urlsplit(page.url).path
        if path != "/nothing":
            seen.add(urls.match(path, method="GET")[0])
        show(page, f"{name}-{scheme}")
        assert_accessible(page)
        assert page.evaluate("document.documentElement.scrollWidth") <= 1280, name

    with opened(chromium, address, locale, color_scheme=scheme) as page:
        for name, where in pages.items():
            page.goto(where)
            look(page, name)
        page.goto("/errors")
        page.locator("tbody th a").first.click()
        look(page, "error-group")
        page.goto(f"/messages/{site.ids['sent']}")
        page.locator("#show-bodies").click()
        page.wait_for_load_state()
        for summary in page.locator("details > summary").all():
            summary.click()
        look(page, "message-shown")
        page.goto(f"/messages/{site.ids['sent']}/edit")
        look(page, "edit")
        page.goto("/")
        page.locator("#channel-1 .halt").click()
        look(page, "card")

    assert seen == pages_of(app)


@pytest.mark.parametrize(("width", "looks"), [(320, True), (768, False)])
def test_a_narrow_page_does_not_scroll_sideways(chromium, address, pages, width, looks):
    with opened(chromium, address) as page:
        page.set_viewport_size({"width": width, "height": 900})
        for name in ("channels", "messages", "message-sent", "refused", "alerts", "channel", "appointment"):
            page.goto(pages[name])
            assert page.evaluate("document.documentElement.scrollWidth") <= width, name
            if looks:
                show(page, f"{name}-{width}")
                assert_accessible(page)


def test_axe_finds_what_is_wrong(chromium, address):
    """Without this the tests above could pass because nothing was looked at."""
    with opened(chromium, address) as page:
        page.goto("/refused")
        page.evaluate("document.querySelector('main').innerHTML += '<img src=\"/static/icon.svg\"><a href=\"/\"></a>'")
        with pytest.raises(AssertionError, match="image-alt"):
            assert_accessible(page)
