"""`/metrics`: what it counts, whom it answers, and that no label can be a patient's."""

from __future__ import annotations

import re
import time

import pytest
from prometheus_client.parser import text_string_to_metric_families

from channels.control import Control
from console.app import create_app
from messages.lifecycle import Status
from messages.turned_away import TurnedAway
from store import accounts, alerts, dicom
from store.metrics import Totals

from .conftest import MRN, SURNAME, rewind

POWERSERVER = {"channel": "blume-appointment", "destination": "powerserver"}
LABELS = {"channel", "destination", "status", "role", "severity", "why"}


def figures(client):
    answer = client.get("/metrics")
    assert answer.status_code == 200
    families = text_string_to_metric_families(answer.text)
    return {(s.name, frozenset(s.labels.items())): s.value for family in families for s in family.samples}


def value(found, name, **labels):
    return found[f"plugin_host_{name}", frozenset(labels.items())]


def test_counts_are_those_of_the_store(client):
    found = figures(client)

    assert value(found, "deliveries", **POWERSERVER, status="SENT") == 7
    assert value(found, "deliveries", **POWERSERVER, status="ERROR") == 2
    assert value(found, "delivery_transitions_total", **POWERSERVER, status="QUEUED") == 1
    assert value(found, "refusals_total") == 1
    assert value(found, "destination_up", channel="form-document", destination="viewer") == 0
    assert value(found, "channel_attention", channel="form-document") == 1
    assert value(found, "channel_started", channel="study-share") == 0
    assert value(found, "queue_oldest_seconds", channel="form-document", destination="viewer") > 0
    assert time.time() - value(found, "last_success_timestamp_seconds", **POWERSERVER) < 3600
    assert value(found, "store_bytes") > 0
    assert value(found, "store_free_bytes") > 0


def test_processes_and_alerts_are_seen(site, client):
    site.store.writer.now(lambda tx: alerts.open(tx, "a", "warning", "b"))
    before = value(figures(client), "process_up", role="lanes")
    rewind(site, 600)
    after = figures(client)

    assert (before, value(after, "process_up", role="lanes")) == (1, 0)
    assert value(after, "alerts", severity="warning") == 1


def test_callers_of_the_dicom_door_are_counted_by_reason_and_never_by_who_they_say_they_are(site, client):
    found = figures(client)
    away = {why.value: (n, "10.9.8.7") for n, why in enumerate(TurnedAway, 1)}
    site.store.writer.now(lambda tx: dicom.turn_away(tx, away))
    site.store.writer.now(lambda tx: dicom.turn_away(tx, {"tls": (2, "10.9.8.7")}))
    after = figures(client)

    assert {value(found, "dicom_turned_away_total", why=why.value) for why in TurnedAway} == {0}
    for why, (times, _) in away.items():
        assert value(after, "dicom_turned_away_total", why=why) == times + (2 if why == "tls" else 0)
    assert "10.9.8.7" not in client.get("/metrics").text


def test_messages_make_no_further_lines_and_no_label_is_a_patient_s(site, client):
    before = figures(client)
    for _ in range(3):
        site.receive("blume-appointment", {"patient": MRN, "surname": SURNAME})
        site.sent("blume-appointment")
    after = figures(client)
    text = client.get("/metrics").text

    assert after.keys() == before.keys()
    assert {label for _, labels in after for label, _ in labels} == LABELS
    assert {dict(labels).get("status") for _, labels in after} - {None} == set(Status)
    assert not re.search(f"{SURNAME}|{MRN}|appt-", text)


def test_a_counter_never_falls_and_hours_that_are_over_are_added_once(site):
    connection, totals, now = site.store.connection, Totals(), time.time()
    whole = Totals().read(connection, now)
    hours = [totals.read(connection, now + 3600 * n) for n in (0, 1, 2, 3, 50)]
    number = site.channel("blume-appointment").destinations[0].number

    assert hours == [whole] * 5
    site.sent("blume-appointment")
    assert Totals().read(connection, now)[number, "SENT"] == whole[number, "SENT"] + 1


TOKEN = "0123456789abcdef0123456789abcdef"


def missing() -> str:
    raise FileNotFoundError("secret METRICS is not set")


@pytest.mark.parametrize(
    ("token", "brought", "status"),
    [
        (lambda: TOKEN, f"Bearer {TOKEN}", 200),
        (lambda: TOKEN, f"bearer {TOKEN}", 200),
        (lambda: TOKEN, "Bearer 0123", 403),
        (lambda: TOKEN, f"Basic {TOKEN}", 403),
        (lambda: TOKEN, TOKEN, 403),
        (lambda: TOKEN, "Bearer é", 403),
        (lambda: TOKEN, None, 403),
        (lambda: "", "Bearer ", 403),
        (lambda: "short", "Bearer short", 403),
        (missing, f"Bearer {TOKEN}", 403),
        (None, f"Bearer {TOKEN}", 403),
        (None, "Bearer ", 403),
    ],
)
def test_a_scraper_elsewhere_brings_the_token_which_opens_nothing_else(site, token, brought, status):
    site.store.writer.now(lambda tx: accounts.add(tx, "root", "-", "admin", by="test"))
    app = create_app(
        site.folder, Control(site.store, site.ring), name="C", open_to_all=True, address="https://status.example",
        metrics_token=token,
    )  # fmt: skip
    headers = {"Authorization": brought} if brought is not None else {}
    client = app.test_client()
    answer = client.get("/metrics", base_url="https://status.example", headers=headers)
    other = client.get("/channels.json", base_url="https://status.example", headers=headers)
    app.extensions["desk"].reader.close()

    assert (answer.status_code, other.status_code) == (status, 401)
    assert answer.headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize(("address", "status"), [(None, 200), ("https://status.example", 403)])
def test_who_is_not_signed_in_gets_them_on_this_machine_only(site, address, status):
    site.store.writer.now(lambda tx: accounts.add(tx, "root", "-", "admin", by="test"))
    app = create_app(site.folder, Control(site.store, site.ring), name="C", open_to_all=True, address=address)
    base = address or "http://localhost"
    answer = app.test_client().get("/metrics", base_url=base)
    app.extensions["desk"].reader.close()

    assert answer.status_code == status
