"""Errors by cause, what would happen first, retrying many at once, and one channel's page."""

from __future__ import annotations

import doctest
import re
import time

import pytest

from channels.control import Control
from console import errors, pages_settings
from console.app import create_app
from console.errors import cause, groups
from console.works import CannotTell, NoWorks, Reached, Would
from messages.lifecycle import Event, Status
from store import audit, directory, parked, pauses, reads

from .conftest import describe
from .test_pages import text_of

WHY = "PID-3.1 is required: %mrn gave nothing\n    rule: mappings/blume-appointment.yaml:{line}:3"


class Works(NoWorks):
    """Finds out what a test says."""

    def __init__(self) -> None:
        self.answer: dict[str, str] = {}
        self.asked: list[str] = []

    def would(self, messages):
        self.asked = list(messages)
        return [
            Would(message=m, destination="powerserver", becomes=self.answer.get(m, "mapped"), cause="%mrn gave nothing")
            for m in messages
        ]

    def reach(self, channel):
        return [Reached(destination="powerserver", problem=None), Reached(destination="b", problem="refused")]

    def difference(self, channel):
        return ["--- revision a", "+++ file", "-  PID-8: U", "+  PID-8: F"]

    def replay(self, channel):
        return ["412 messages: 398 same, 14 differ, all in PID-8", "0 new errors"]


@pytest.fixture
def works():
    return Works()


@pytest.fixture
def app(site, works):
    app = create_app(
        site.folder, Control(site.store, site.ring), name="Clinic 01", open_to_all=True,
        zone="America/Sao_Paulo", describe=describe, works=works,
    )  # fmt: skip
    yield app
    app.extensions["desk"].reader.close()


@pytest.fixture
def fourteen(site):
    """Fourteen messages parked for one cause, at two places of the file."""
    ids = []
    for n in range(13):
        message, (delivery,) = site.receive("blume-appointment")
        site.move(delivery, (Status.RECEIVED, Event.UNMAPPABLE, {"reason": WHY.format(line=64 + n % 2)}))
        ids.append(message)
    return [site.ids["unmappable"], *ids]


def group_of(client, words: str) -> str:
    return re.search(rf'href="(/errors/\w+)"[^>]*>{re.escape(words)}', client.get("/errors").text)[1]


def status_of(site, message: str) -> str:
    return reads.line(site.store.connection, message).deliveries[0].status


def test_errors_are_grouped_by_cause_whatever_line_the_rule_is_in(client, fourteen):
    found = client.get("/errors.json").json["groups"]

    assert [(group["deliveries"], group["cause"]) for group in found] == [
        (14, "PID-3.1 is required: %mrn gave nothing"), (1, "AR unknown facility"),
    ]  # fmt: skip
    assert "15 deliveries are parked and wait for a person." in text_of(client.get("/errors").text)


@pytest.mark.parametrize(
    ("reason", "shared"),
    [
        ("mappings/a.yaml:64:3: E301 PID-3.1 is required", "E301 PID-3.1 is required"),
        ("AR no visit 4711 of 12345", "AR no visit … of …"),
        ("message 01ARZ3NDEKTSV4RRFFQ69G5FAV is held", "message … is held"),
        ("PID-5 has 12 components", "PID-5 has 12 components"),
        ("", ""),
    ],
)
def test_numbers_and_places_do_not_make_another_cause(reason, shared):
    assert cause(reason) == shared


def test_a_dry_run_says_what_would_happen_and_changes_nothing(client, csrf, site, works, fourteen):
    works.answer = dict.fromkeys(fourteen[:2], "parked")
    address = group_of(client, "PID-3.1")
    before = site.store.connection.execute("SELECT count(*) FROM event").fetchone()
    page = text_of(client.post(f"{address}/try", data={"csrf": csrf}).text)

    assert "12 would now pass. 2 would fail again: %mrn gave nothing" in page
    assert "Retry the 12 that would pass Retry all 14 deliveries" in page
    assert sorted(works.asked) == sorted(fourteen)
    assert site.store.connection.execute("SELECT count(*) FROM event").fetchone() == before
    assert site.rung == 0


def test_those_that_would_pass_are_retried_with_who_and_why_and_the_others_stay(client, csrf, site, works, fourteen):
    works.answer = dict.fromkeys(fourteen[:2], "parked")
    address = group_of(client, "PID-3.1")
    form = {"csrf": csrf, "only": "better", "reason": "the MRN rule is mended"}
    answer = client.post(f"{address}/retry", data=form, follow_redirects=True)

    assert "12 deliveries are tried again." in text_of(answer.text)
    assert [status_of(site, message) for message in fourteen] == ["ERROR"] * 2 + ["RECEIVED"] * 12
    lines = audit.entries(site.store.connection, what=["message-changed"])
    assert len(lines) == 12
    assert lines[0].detail == {"did": "reprocessed", "reason": "the MRN rule is mended"}


def test_what_was_mapped_is_sent_again_as_the_same_bytes(client, csrf, site):
    address = group_of(client, "AR unknown facility")
    before = reads.detail(site.store.connection, site.ids["refused"]).outgoing
    client.post(f"{address}/retry", data={"csrf": csrf, "only": "all"})

    assert status_of(site, site.ids["refused"]) == "QUEUED"
    assert reads.detail(site.store.connection, site.ids["refused"]).outgoing == before


def test_a_cause_that_is_gone_is_said(client):
    assert client.get("/errors/0123456789abcdef").status_code == 404


def test_where_it_cannot_be_tried_the_page_says_why(site, csrf, client, works):
    def cannot(messages):
        raise CannotTell("the mapping file has problems")

    works.would = cannot
    address = group_of(client, "AR unknown facility")

    assert "It could not be tried: the mapping file has problems" in text_of(
        client.post(f"{address}/try", data={"csrf": csrf}).text
    )


def test_ten_thousand_parked_deliveries_are_grouped_in_one_page(site, client):
    row = site.channel("form-document")
    (line,) = row.destinations
    connection = site.store.connection
    connection.execute("BEGIN")
    first = connection.execute("SELECT max(number) + 1 FROM message").fetchone()[0]
    for n in range(first, first + 10_000):
        connection.execute(
            "INSERT INTO message VALUES (?, ?, 1, ?, 'a1', 0, NULL, NULL, '{}')", (n, f"{n:026d}", row.number)
        )
        connection.execute(
            "INSERT INTO delivery (id, destination, lane, status, changed_at, reason) VALUES (?, ?, 1, 'ERROR', ?, ?)",
            (n * 16 + line.ordinal, line.number, time.time(), f"AR no visit {n}"),
        )
    connection.execute("COMMIT")
    found = groups(parked.parked(connection))

    assert next(len(group.deliveries) for group in found) == parked.AT_MOST
    assert f"{parked.AT_MOST:,}+" in client.get("/errors").text


# -- one channel ----------------------------------------------------------------------------------------------


def test_a_channels_page_shows_each_destination_and_the_hours(client, site):
    page = text_of(client.get("/channels/powerserver-status").text)
    found = client.get("/channels/powerserver-status.json").json

    assert "blume blume.example:443 connected since" in page
    assert "archive vna:6680 idle" in page
    assert len(found["by_hour"]) == 168
    assert (found["by_hour"][-1]["received"], found["by_hour"][-1]["sent"]) == (10, 10)
    assert client.get("/channels/form-document.json").json["by_hour"][-1]["waiting"] == 4


def test_a_pause_has_a_reason_and_an_end_and_ends_by_itself(client, csrf, site):
    form = {"csrf": csrf, "state": "paused", "reason": "upgrade", "minutes": "30", "from": "channel"}
    answer = client.post("/channels/blume-appointment/state", data=form)
    ends = pauses.ends(site.store.connection)["blume-appointment"]

    assert answer.location == "/channels/blume-appointment"
    assert "It goes on by itself at" in text_of(client.get(answer.location).text)
    assert 29 * 60 < ends - time.time() <= 30 * 60
    control = Control(site.store, site.ring)
    assert control.end_pauses() == []
    site.store.writer.now(lambda tx: pauses.set_end(tx, "blume-appointment", time.time() - 1))
    assert control.end_pauses() == ["blume-appointment"]
    assert site.channel("blume-appointment").state == "started"
    assert control.end_pauses() == []


@pytest.mark.parametrize("minutes", ["0", "-1", "x", "99999", "１２"])
def test_a_pause_that_never_ends_or_has_no_number_is_refused(client, csrf, site, minutes):
    form = {"csrf": csrf, "state": "paused", "minutes": minutes}

    assert client.post("/channels/blume-appointment/state", data=form).status_code == 400
    assert site.channel("blume-appointment").state == "started"


def test_a_channel_that_a_person_stopped_stays_so_when_its_pause_would_have_ended(site):
    control = Control(site.store, site.ring)
    control.set_state("blume-appointment", "paused", by="anna", until=time.time() - 1)
    control.set_state("blume-appointment", "stopped", by="anna")

    assert control.end_pauses() == []


def test_a_stop_names_what_is_left_over(client, csrf, site):
    client.post("/channels/form-document/state", data={"csrf": csrf, "state": "stopped"})

    assert "Left over: 4 in the line, 0 on the way without an answer yet." in text_of(
        client.get("/channels/form-document").text
    )


def test_a_change_of_state_can_be_undone_and_is_audited(client, csrf, site):
    form = {"csrf": csrf, "state": "stopped", "reason": "wrong channel", "from": "channel"}
    client.post("/channels/blume-appointment/state", data=form)
    page = client.get("/channels/blume-appointment").text
    assert re.search(r'name="state" value="started">Undo<', page)

    client.post("/channels/blume-appointment/state", data={"csrf": csrf, "state": "started", "reason": "undone"})

    lines = audit.entries(site.store.connection, entity="channel:blume-appointment")
    assert [line.detail["state"] for line in lines] == ["started", "stopped"]
    assert lines[1].detail["reason"] == "wrong channel"


def test_the_running_revision_is_compared_with_the_file_on_disk(client, csrf):
    page = client.post("/channels/blume-appointment/difference", data={"csrf": csrf}).text

    assert '<span class="minus">-  PID-8: U</span>' in page
    assert '<span class="plus">+  PID-8: F</span>' in page


def test_the_newest_messages_are_mapped_by_the_file_on_disk_and_what_differs_is_said(client, csrf):
    page = text_of(client.post("/channels/blume-appointment/replay", data={"csrf": csrf}).text)

    assert "412 messages: 398 same, 14 differ, all in PID-8" in page


def test_connections_are_tested_and_each_is_said(client, csrf):
    page = text_of(client.post("/channels/blume-appointment/reach", data={"csrf": csrf}).text)

    assert "powerserver: reached b: refused" in page


@pytest.mark.parametrize("address", ["/channels/none", "/channels/none.json", "/mappings/none"])
def test_a_channel_that_is_not_there_is_said(client, address):
    assert client.get(address).status_code == 404


# -- settings -------------------------------------------------------------------------------------------------


def test_a_secret_is_shown_as_set_and_never_itself(client, site):
    plan = {
        "from": {"connector": "fhir-poller", "settings": {"base": "https://x/f", "client_secret": "${secret:OMEGA}"}},
        "destinations": {"a": {"connector": "b", "settings": {"password": "in the clear", "proxy": {"token": "t0k"}}}},
    }  # fmt: skip
    new = directory.NewRevision(
        channel="with-secrets", title="With secrets", revision="1", source="", plan=plan, destinations={}
    )
    directory.deploy(site.store.writer, new)
    page = client.get("/settings").text + client.get("/settings.json").text

    assert "client_secret: set (OMEGA)" in page
    assert "in the clear" not in page
    assert "t0k" not in page
    assert "https://x/f" in page


@pytest.mark.parametrize("module", [errors, pages_settings])
def test_the_examples_in_the_docstrings_are_true(module):
    assert doctest.testmod(module).failed == 0
