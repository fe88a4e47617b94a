"""The page of alerts: what is open and over, why, who is told, and the test that tells them."""

from __future__ import annotations

import pytest

from channels.control import Control
from console import pages_alerts
from console.app import create_app
from console.works import CannotTell, NoWorks, Told
from store import alerts, audit

from .test_pages import text_of
from .works import RULES


class Works(NoWorks):
    def __init__(self) -> None:
        self.tests = 0
        self.failure: str | None = None

    def test_alerts(self):
        self.tests += 1
        if self.failure is not None:
            raise CannotTell(self.failure)
        return [Told(receiver="email", problem=None), Told(receiver="webhook", problem="the webhook answered 500")]


@pytest.fixture
def works():
    return Works()


@pytest.fixture
def rules():
    return RULES


@pytest.fixture
def app(site, works, rules):
    app = create_app(
        site.folder, Control(site.store, site.ring), name="Clinic 01", open_to_all=True, works=works, alert_rules=rules
    )
    yield app
    app.extensions["desk"].reader.close()


def change(site, *calls):
    for call in calls:
        site.store.writer.now(call)


QUEUE = "watch.queue-age.form-document.viewer"


def opened(key=QUEUE, severity="blocker", text="form-document.viewer: the oldest waits for 16 minutes"):
    return lambda tx: alerts.open(tx, key, severity, text)


def test_where_nothing_is_open_the_page_says_so(client):
    assert "Nothing needs a person." in text_of(client.get("/alerts").text)
    assert "alert" not in text_of(client.get("/").text.partition("<main")[2].partition("</main")[0])


def test_an_open_alert_is_shown_with_since_when_why_and_where_to_look(client, site):
    change(site, opened(), opened(), opened("doctor.host.disk", "warning", "host.disk: 1 GB is free"))
    page = client.get("/alerts").text
    told = client.get("/alerts.json").json

    for words in (
        "2 alerts are open.", "the oldest waits for 16 minutes", "their destination does not take them",
        "A prerequisite of the integration is no longer met.", "Stands still", "2×",
    ):  # fmt: skip
        assert words in text_of(page)
    assert 'href="/channels/form-document"' in page
    assert 'href="/doctor"' in page
    assert [(alert["key"], alert["times"]) for alert in told["open"]] == [(QUEUE, 2), ("doctor.host.disk", 1)]
    assert told["closed"] == []


def test_the_first_page_leads_to_open_alerts_and_names_the_worst(client, site):
    change(site, opened("a", "warning", "some errors"), opened())
    page = text_of(client.get("/").text)

    assert "2 alerts are open, first: form-document.viewer: the oldest waits for 16 minutes." in page
    assert client.get("/channels.json").json["alerts"][1] == "some errors"


def test_an_alert_that_is_over_moves_below_with_its_end(client, site):
    change(site, opened(), lambda tx: alerts.close(tx, QUEUE))
    page = client.get("/alerts").text
    told = client.get("/alerts.json").json

    assert page.index("Nothing needs a person.") < page.index(QUEUE)
    assert "form-document.viewer" not in client.get("/").text
    assert told["open"] == []
    assert told["closed"][0]["closed_at"] >= told["closed"][0]["opened_at"]


def test_who_is_told_and_the_quiet_hours_are_shown(client):
    page = text_of(client.get("/alerts").text)

    for words in (
        "E-mail: it@clinic.example ; Webhook: hooks.example", "22:00 to 06:00", "blume-appointment: 2h",
        "10 % of what ended in two hours, and at least 5",
    ):  # fmt: skip
        assert words in page
    assert "22:00 a 06:00" in client.get("/alerts", headers={"Accept-Language": "pt-BR"}).text


def test_the_test_tells_everybody_says_who_could_not_be_told_and_is_audited(client, csrf, site, works):
    page = client.post("/alerts/test", data={"csrf": csrf})
    (entry,) = audit.entries(site.store.connection, what=["alerts-tested"])

    assert "E-mail: told" in text_of(page.text)
    assert "Webhook: the webhook answered 500" in text_of(page.text)
    assert (works.tests, entry.who, entry.outcome) == (1, "somebody at the status page", 4)
    assert alerts.history(site.store.connection) == []


def test_a_test_that_could_not_begin_says_why(client, csrf, works):
    works.failure = "it took too long"

    assert "it took too long" in text_of(client.post("/alerts/test", data={"csrf": csrf}).text)


@pytest.mark.parametrize(
    ("rules", "says"), [(None, "site.yaml has no alerts:"), ({**RULES, "receivers": []}, "Told nobody")]
)
def test_where_nobody_is_told_the_page_says_so_and_offers_no_test(client, csrf, works, says):
    page = client.get("/alerts").text

    assert says in text_of(page)
    assert "/alerts/test" not in page
    assert client.post("/alerts/test", data={"csrf": csrf}).status_code == 409
    assert works.tests == 0


@pytest.mark.parametrize(
    ("key", "address"),
    [
        ("watch.silence.study-share", "/channels/study-share"),
        ("watch.errors.a.b", "/errors"),
        ("resources.blocked", "/resources"),
        ("break-glass.sealed", "/audit"),
        ("alerts.email", None),
        ("a-plug-in.of-strangers", None),
    ],
)
def test_each_kind_of_alert_says_why_and_leads_to_its_page(app, key, address):
    with app.test_request_context():
        assert pages_alerts.there(key) == address
        assert bool(str(pages_alerts.why(key))) == (not key.startswith("a-plug-in"))
