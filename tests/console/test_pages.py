"""What the pages say, and that they say it of what the store holds."""

from __future__ import annotations

import doctest
import re
import time

import pytest

from console import pages_channels, reader, status, words
from console.searches import Searches
from console.status import State
from messages.lifecycle import SHARES, Event, Status
from store import audit, directory, lists

from .conftest import MRN, SURNAME, asked_for, rewind


def text_of(html: str) -> str:
    return " ".join(re.sub(r"<[^>]+>", " ", html).split())


def row_of(html: str, name: str) -> str:
    return next(row for row in re.findall(r'<tr id="channel.*?</tr>', html, re.DOTALL) if f">{name}" in row)


# -- channels -------------------------------------------------------------------------------------------------


def test_the_first_page_begins_with_one_sentence_of_truth(client):
    page = text_of(client.get("/").text)

    assert "2 of 6 channels moving messages. 2 need attention:" in page
    assert "Pull prior is not running, Submitted form → document viewer is unreachable." in page
    assert "Paused by a person: Healthcare resource sync. Stopped by a person: Study share." in page
    assert "2 deliveries are parked and wait for a person." in page


@pytest.mark.parametrize(
    ("channel", "says"),
    [
        ("blume-appointment", "Running connected to ps01.clinic.example:6661 since"),
        ("form-document", "Unreachable ps01.clinic.example:6662 cannot be reached since"),
        ("form-document", "ConnectionRefusedError; next try in 32 s"),
        ("powerserver-status", "blume connected to blume.example:443 since"),
        ("powerserver-status", "archive vna:6680 idle"),
        ("resource-sync", "Paused by admin at"),
        ("resource-sync", "“PowerServer upgrade”"),
        ("study-share", "Stopped by admin at"),
        ("pull-prior", "Not running its file has problems"),
        ("pull-prior", "mappings/pull-prior.yaml:12:9: error E102"),
    ],
)
def test_a_channel_has_a_word_for_its_state_and_a_line_that_explains_it(client, channel, says):
    assert says in text_of(row_of(client.get("/").text, channel))


def test_a_file_with_problems_is_shown_beside_the_revision_that_still_runs(client, site):
    directory.set_problem(site.store.writer, "blume-appointment", "", "line 3: unknown word")
    page = client.get("/").text

    assert "Running its file has problems; the revision before it still runs" in text_of(
        row_of(page, "blume-appointment")
    )
    assert "Blume appointment → PowerServer has problems in its file" in text_of(page)


def test_counts_are_those_of_the_store_and_lead_to_the_list_they_count(client):
    page = row_of(client.get("/").text, "blume-appointment")
    counts = re.findall(r'href="([^"]+)" aria-label="(\d+) (\w+),', page)

    assert [(n, word) for _, n, word in counts] == [
        ("10", "received"), ("1", "filtered"), ("7", "sent"), ("2", "errored"),
    ]  # fmt: skip
    assert '<td class="n zero">0<' in page  # queued: an empty list, so no link
    for link, n, _ in counts:
        found = client.get(link.replace("&amp;", "&").replace("/messages?", "/messages.json?")).json
        assert len(found["messages"]) == int(n)


def test_the_queue_says_how_old_its_oldest_message_is(client, site):
    site.store.connection.execute("UPDATE message SET received_at = ?", (time.time() - 270,))

    assert "4 oldest 4 min" in text_of(row_of(client.get("/").text, "form-document"))


def test_a_lane_that_waits_before_a_retry_still_has_an_age(client, site):
    _, (delivery,) = site.receive("blume-appointment")
    site.move(
        delivery, site.mapped(delivery), (Status.TRANSFORMED, Event.CLAIMED, {}),
        (Status.PENDING, Event.DEFERRED, {"reason": "AE", "wait": 60.0}),
    )  # fmt: skip
    row = text_of(row_of(client.get("/").text, "blume-appointment"))

    assert "Retrying" in row
    assert "1 oldest 0 s" in row


def test_the_last_error_leads_to_its_message(client, site):
    page = row_of(client.get("/").text, "blume-appointment")

    assert f'href="/messages/{site.ids["refused"]}"' in page
    assert "AR unknown facility" in page


def test_the_balance_of_all_deliveries_stands_at_the_foot(client):
    page = text_of(client.get("/").text)

    assert "26 accepted = 19 delivered + 1 filtered + 2 parked + 0 cancelled + 4 pending ." in page
    assert "1 arrival refused at the doors today" in page


def test_a_process_that_has_fallen_silent_is_said_before_all_else(client, site):
    rewind(site, 130)
    page = text_of(client.get("/").text)

    assert page.index("intake and lanes have not spoken for 2 min") < page.index("2 of 6 channels")
    assert client.get("/health/ready").status_code == 503
    assert client.get("/health/live").status_code == 200


def test_the_table_is_made_once_for_many_open_pages_and_each_has_its_own_token(app, site, monkeypatch):
    monkeypatch.setattr(pages_channels, "KEPT_FOR", 60.0)
    pages = [app.test_client().get("/").text for _ in range(2)]
    directory.set_state(site.store.writer, "blume-appointment", "stopped", "ana", None)
    pages.append(app.test_client().get("/").text)
    tokens = [set(re.findall(r'name="csrf" value="([^"]+)"', page)) for page in pages]

    assert [len(found) for found in tokens] == [1, 1, 1]
    assert len(set.union(*tokens)) == 3
    assert "Running" in row_of(pages[2], "blume-appointment")
    assert "Em execução" in app.test_client().get("/", headers={"Accept-Language": "pt-BR"}).text


def test_an_open_page_says_so(client):
    assert "Open on this machine only." in client.get("/").text


def test_the_channels_as_json_have_the_same_figures(client):
    found = client.get("/channels.json").json
    blume = next(channel for channel in found["channels"] if channel["name"] == "blume-appointment")

    assert found["schema"] == 1
    assert found["moving"] == 2
    assert found["attention"] == ["pull-prior", "form-document"]
    assert found["balance"]["accepted"] == 26
    assert (blume["received"], blume["sent"], blume["errored"]) == (10, 7, 2)


# -- messages -------------------------------------------------------------------------------------------------


def test_messages_are_listed_with_their_searchable_values_statuses_and_reasons(client):
    page = text_of(client.get("/messages?channel=blume-appointment&status=parked").text)

    assert "Received Channel Patient Appointment Destinations Reason" in page
    assert "appt-7790 Error powerserver PID-3.1 is required: %mrn gave nothing" in page


@pytest.mark.parametrize(("status", "messages"), [("delivered", 14), ("pending", 4), ("parked", 2)])
def test_a_list_is_read_page_by_page_without_gap_or_double(site, status, messages):
    wanted = lists.Wanted(statuses=SHARES[status], limit=3)
    seen = [line.number for line in lists.each(site.store.connection, wanted)]

    assert lists.page(site.store.connection, wanted).older == (seen[2] if messages >= 3 else None)
    assert seen == sorted(set(seen), reverse=True)
    assert len(seen) == messages


def test_a_list_of_few_among_many_stops_looking_and_goes_on_from_there(client, monkeypatch):
    monkeypatch.setattr(lists, "LOOKED_AT", 5)
    page = client.get("/messages?status=filtered").text

    assert "No such message among the 5 looked at." in text_of(page)
    address, steps = re.search(r'href="([^"]+)">Look further back', page)[1], 1
    while "entered in error in Blume" not in page:
        page = client.get(address.replace("&amp;", "&")).text
        address, steps = re.search(r'href="([^"]+)">Look further back', page)[1], steps + 1
    assert steps == 2


@pytest.mark.parametrize("query", [MRN, "appt-77", "the message id", "the control id"])
def test_a_message_is_found_by_value_id_and_control_id_and_the_address_holds_none_of_them(client, csrf, site, query):
    if query == "the message id":
        query = site.ids["sent"]
    if query == "the control id":
        query = site.store.connection.execute(
            "SELECT o.control_id FROM outgoing o JOIN message m ON m.number = o.delivery >> 4 WHERE m.id = ?",
            (site.ids["sent"],),
        ).fetchone()[0]
    answer = client.post("/search", data={"q": query, "csrf": csrf})

    assert answer.status_code == 303
    assert re.fullmatch(r"/messages\?s=[\w-]{22}", answer.location)
    page = client.get(answer.location).text
    assert "1 message found for" in text_of(page)
    assert f"/messages/{site.ids['sent']}" in page


def test_a_search_belongs_to_the_session_that_made_it(client, app, csrf):
    address = client.post("/search", data={"q": MRN, "csrf": csrf}).location

    assert "no longer kept" in app.test_client().get(address).text


def test_a_search_is_forgotten_when_its_time_is_over():
    searches = Searches(kept_for=0.0)
    identifier = searches.keep("session", MRN)

    assert searches.query("session", identifier) is None


# -- one message ----------------------------------------------------------------------------------------------


def test_the_timeline_tells_each_step_in_words(client, site):
    page = text_of(client.get(f"/messages/{site.ids['sent']}").text)
    steps = [
        "Received from 10.20.30.40 and stored; answered 202",
        "Mapped; the bytes to send are stored",
        "Sending began, attempt 1",
        "Unanswered: it may have arrived no answer that counts (TimeoutError: 30 s)",
        "Sending began, attempt 2",
        "Accepted by the peer AA",
    ]

    assert [page.index(step) for step in steps] == sorted(page.index(step) for step in steps)


@pytest.mark.parametrize("event", list(Event))
def test_every_event_has_words(event):
    assert len(words.STEPS[event]) == 3


@pytest.mark.parametrize("status", list(Status))
def test_every_status_has_an_icon_and_a_word(app, status):
    shape, _, word = words.STATUSES[status]

    assert word
    assert shape in app.jinja_env.get_template("_icons.html").module.SHAPES


def test_every_state_of_a_channel_has_an_icon_and_a_word():
    assert set(words.STATES) == set(words.IS) == set(State)


def test_the_panes_show_what_was_received_sent_and_answered(client, site):
    page = asked_for(client, site.ids["sent"])

    assert '<span class="jn">&#34;resourceType&#34;</span>: <span class="jt">&#34;Bundle&#34;</span>' in page
    assert '<span class="f" title="PID-5 Patient Name">Conceição^José^da Silva^^^^L</span>' in page
    assert '<span class="f" title="MSA-1 ">AA</span>' in page


def test_characters_that_cannot_be_seen_are_shown(client, site):
    page = asked_for(client, site.ids["refused"])

    assert 'unknown<span class="unseen" title="tab (09)">TAB</span>facility' in page
    assert '<span class="unseen" title="carriage return (0D)">CR</span>' in page


def test_the_bodies_are_masked_until_somebody_asks_for_them_which_is_kept(client, site):
    before = client.get(f"/messages/{site.ids['sent']}").text
    page = asked_for(client, site.ids["sent"])
    other = client.get(f"/messages/{site.ids['refused']}").text
    (entry,) = audit.entries(site.store.connection, what=["message-viewed"])

    assert (SURNAME in before, SURNAME in page, SURNAME in other) == (False, True, False)
    assert (entry.who, entry.entity) == ("somebody at the status page", f"message:{site.ids['sent']}")


def test_a_body_that_was_asked_for_is_masked_again_after_a_while_and_for_everybody_else(app, site, client):
    asked_for(client, site.ids["sent"])
    assert SURNAME not in app.test_client().get(f"/messages/{site.ids['sent']}").text

    app.extensions["desk"].sessions._reading = dict.fromkeys(app.extensions["desk"].sessions._reading, 0.0)
    assert SURNAME not in client.get(f"/messages/{site.ids['sent']}").text


def test_a_search_is_kept_in_the_audit_trail_without_what_was_searched_for(client, csrf, site):
    client.post("/search", data={"q": MRN, "csrf": csrf})
    (entry,) = audit.entries(site.store.connection, what=["messages-searched"])

    assert MRN not in repr(entry) + str(entry.detail)


def test_a_message_as_json_has_no_bodies(client, site):
    answer = client.get(f"/messages/{site.ids['sent']}.json")

    assert SURNAME not in answer.text
    assert answer.json["received_bytes"] > 1000
    assert [step["event"] for step in answer.json["timeline"]][-1] == "accepted"


# -- acts -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("message", "acts"),
    [
        ("unmappable", ["reprocess", "cancel"]),
        ("refused", ["retry", "reprocess", "cancel"]),
        ("queued", ["cancel"]),
        ("sent", []),
        ("filtered", []),
    ],
)
def test_only_what_the_lifecycle_allows_is_offered(client, site, message, acts):
    page = client.get(f"/messages/{site.ids[message]}").text

    assert re.findall(r'name="act" value="(\w+)"', page) == acts


def test_a_retry_is_done_with_who_and_why_and_shown(client, site, csrf):
    address = f"/messages/{site.ids['refused']}"
    answer = client.post(f"{address}/act", data={"act": "retry", "reason": "facility was added", "csrf": csrf})
    page = text_of(client.get(answer.location).text)

    assert (answer.status_code, answer.location, site.rung) == (303, address, 1)
    assert "powerserver: Queued." in page
    assert "To be sent again, the same bytes, by somebody at the status page facility was added" in page


def test_a_cancel_needs_a_reason(client, site, csrf):
    address = f"/messages/{site.ids['refused']}"
    client.post(f"{address}/act", data={"act": "cancel", "reason": " ", "csrf": csrf})
    assert "Please say why" in client.get(address).text

    client.post(f"{address}/act", data={"act": "cancel", "reason": "booked twice", "csrf": csrf})
    assert "powerserver: Cancelled." in text_of(client.get(address).text)


def test_an_act_that_is_no_longer_possible_says_why(client, site, csrf):
    address = f"/messages/{site.ids['sent']}"
    client.post(f"{address}/act", data={"act": "retry", "csrf": csrf})

    assert "powerserver: Sent; nothing was done, only parked deliveries" in text_of(client.get(address).text)


@pytest.mark.parametrize("state", ["paused", "stopped", "started"])
def test_a_channel_is_started_paused_and_stopped_with_a_reason(client, site, csrf, state):
    answer = client.post("/channels/blume-appointment/state", data={"state": state, "reason": "test", "csrf": csrf})
    row = site.channel("blume-appointment")

    assert answer.status_code == 303
    assert (row.state, row.reason, row.changed_by) == (state, "test", "somebody at the status page")
    assert site.rung == 1
    assert f"Blume appointment → PowerServer is now {state}." in text_of(client.get("/").text)


@pytest.mark.parametrize(
    ("address", "form", "status"),
    [
        ("/channels/none/state", {"state": "stopped"}, 404),
        ("/channels/study-share/state", {"state": "exploded"}, 400),
        ("/messages/01ARZ3NDEKTSV4RRFFQ69G5FAV/act", {"act": "retry"}, 404),
        ("/messages/01ARZ3NDEKTSV4RRFFQ69G5FAV/act", {"act": "delete"}, 400),
    ],
)
def test_what_cannot_be_done_changes_nothing(client, site, csrf, address, form, status):
    assert client.post(address, data={**form, "csrf": csrf}).status_code == status
    assert site.rung == 0


# -- the doors ------------------------------------------------------------------------------------------------


def test_what_the_doors_refused_is_listed_with_its_reason_and_without_its_body(client):
    page = client.get("/refused").text

    assert "FHIR_INVALID status is required Bundle.entry[3].resource" in text_of(page)
    assert SURNAME not in page
    assert client.get("/refused.json").json["refused"][0]["problems"][0]["text"] == "status is required"


@pytest.mark.parametrize(
    "address", ["/nothing", "/messages/01ARZ3NDEKTSV4RRFFQ69G5FAV", "/messages?channel=none", "/messages/lowercase"]
)
def test_what_is_not_there_is_said_in_the_same_look(client, address):
    answer = client.get(address)

    assert answer.status_code == 404
    assert '<a class="brand"' in answer.text


@pytest.mark.parametrize("address", ["/messages?before=x", "/messages?status=LOST", "/refused?before=-1"])
def test_a_filter_that_means_nothing_is_refused(client, address):
    assert client.get(address).status_code == 400


@pytest.mark.parametrize("module", [reader, status])
def test_the_examples_in_the_docstrings_are_true(module):
    assert doctest.testmod(module) == (0, sum(len(found.examples) for found in doctest.DocTestFinder().find(module)))
