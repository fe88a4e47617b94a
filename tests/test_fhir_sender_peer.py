"""The FHIR sender and a FHIR R4 server that others wrote: Medplum's router, with HL7's own profiles and invariants."""

import json
from pathlib import Path

import pytest

from messages.lifecycle import Event
from tests.fhir_sender_kit import FILLER, bundle, create, deliver, envelope, posted, update
from tests.node_peers import peer

BOOKED = {
    "status": "booked",
    "start": "2025-11-24T09:00:00-03:00",
    "end": "2025-11-24T10:00:00-03:00",
    "participant": [{"actor": {"display": "CT Scan"}, "status": "accepted"}],
}


class Medplum:
    def __init__(self, running) -> None:
        self._running = running
        self.base = f"http://127.0.0.1:{running.first['listening']}/fhir"

    def meanwhile(self, *changes) -> None:
        """Let somebody else change elements just before our next PUT, and others just before the one after it."""
        self._running.tell({"meanwhile": changes}, "heard")

    @property
    def asked(self) -> list[tuple[str, str]]:
        """Method and URL of each request, without the base and without the looks at /metadata."""
        lines = [line for line in self._running.said if "method" in line and not line["url"].endswith("/metadata")]
        return [(line["method"], line["url"].removeprefix("/fhir")) for line in lines]


@pytest.fixture(scope="module")
def medplum():
    with peer("fhir_server.mjs") as running:
        yield Medplum(running)


def content(reply):
    return json.loads(reply.raw.partition(b"\r\n\r\n")[2])


def test_an_appointment_is_created_once_and_found_by_its_identifier(medplum):
    first, again = deliver(medplum, create("M-1", **BOOKED), create("M-1", **BOOKED))
    assert (first.event, again.event) == (Event.ACCEPTED, Event.ACCEPTED)
    assert first.reason.startswith("201 Created Appointment/")
    assert again.reason.endswith("is there already; nothing was written")


@pytest.mark.parametrize("update_with", ["put", "patch"])
def test_an_update_keeps_what_the_change_does_not_name(medplum, update_with):
    number = f"M-2-{update_with}"
    _, changed = deliver(
        medplum, update(number, **BOOKED, comment="by the patient"), update(number, status="noshow"),
        update_with=update_with,
    )  # fmt: skip
    assert changed.event is Event.ACCEPTED
    assert (content(changed)["status"], content(changed)["comment"]) == ("noshow", "by the patient")


def test_when_somebody_else_was_quicker_the_change_is_put_into_theirs(medplum):
    deliver(medplum, update("M-3", **BOOKED))
    medplum.meanwhile({"comment": "by the patient"})
    before = len(medplum.asked)
    (reply,) = deliver(medplum, update("M-3", status="noshow"))
    assert reply.event is Event.ACCEPTED
    assert (content(reply)["status"], content(reply)["comment"]) == ("noshow", "by the patient")
    assert [method for method, _ in medplum.asked[before:]] == ["POST", "PUT", "POST", "PUT"]


CONFIRMATION = {
    "status": "booked",
    "only_if": {"status": ["proposed"], "start": ["2025-11-24T12:00:00+00:00"]},
}


@pytest.mark.parametrize(
    "theirs", [{"status": "cancelled"}, {"start": "2025-11-25T09:00:00-03:00", "end": "2025-11-25T10:00:00-03:00"}]
)
def test_after_a_conflict_it_is_decided_anew_and_what_the_patient_did_meanwhile_is_not_written_over(medplum, theirs):
    number = f"M-11-{'-'.join(theirs)}"
    deliver(medplum, update(number, **(BOOKED | {"status": "proposed"})))
    medplum.meanwhile(theirs)
    before = len(medplum.asked)

    (reply,) = deliver(medplum, update(number, **CONFIRMATION))
    asked = medplum.asked[before:]
    (held,) = deliver(medplum, create(number, **BOOKED))

    assert (reply.event, reply.code) == (Event.REFUSED, "CHANGED_MEANWHILE")
    assert [method for method, _ in asked] == ["POST", "PUT", "POST"]
    assert theirs.items() <= content(held)["entry"][0]["resource"].items()


def test_after_a_second_conflict_it_is_parked_and_not_tried_a_third_time(medplum):
    deliver(medplum, update("M-12", **BOOKED))
    medplum.meanwhile({"comment": "one"}, {"comment": "two"})
    before = len(medplum.asked)

    (reply,) = deliver(medplum, update("M-12", status="noshow"))
    asked = medplum.asked[before:]
    (held,) = deliver(medplum, create("M-12", **BOOKED))

    assert (reply.event, reply.code, reply.reason[:3]) == (Event.REFUSED, "WRITE_CONFLICT", "412")
    assert [method for method, _ in asked] == ["POST", "PUT", "POST", "PUT"]
    resource = content(held)["entry"][0]["resource"]
    assert (resource["status"], resource["comment"]) == ("booked", "two")


def test_a_version_that_is_gone_is_a_conflict_in_a_transaction_too(medplum):
    (made,) = deliver(medplum, update("M-10", **BOOKED))
    made = content(made)
    request = {"method": "PUT", "url": f"Appointment/{made['id']}", "ifMatch": 'W/"gone"'}
    (reply,) = deliver(medplum, bundle("transaction", {"resource": made | {"comment": "stale"}, "request": request}))
    assert (reply.event, reply.reason[:3]) == (Event.DEFERRED, "412")


def test_a_patch_of_the_transformers_own(medplum):
    find = [{"identifier": {"system": FILLER, "value": "M-4"}}]
    patch = [{"op": "test", "path": "/status", "value": "booked"}, {"op": "add", "path": "/comment", "value": "late"}]
    _, patched = deliver(medplum, update("M-4", **BOOKED), envelope("PATCH", "Appointment", body=patch, find=find))
    assert (patched.event, content(patched)["comment"]) == (Event.ACCEPTED, "late")


def test_what_breaks_an_invariant_is_refused_in_the_servers_words(medplum):
    (reply,) = deliver(medplum, update("M-5", status="booked", participant=BOOKED["participant"]))
    assert (reply.event, reply.reason[:15]) == (Event.REFUSED, "400 Bad Request")
    assert "app-3" in reply.reason


def test_a_transaction_creates_under_conditions_and_a_resend_creates_nothing(medplum):
    entries = [posted(number, f"identifier={FILLER}|{number}") for number in ("M-6", "M-7")]
    for entry in entries:
        entry["resource"] |= BOOKED
    first, again = deliver(medplum, bundle("transaction", *entries), bundle("transaction", *entries))
    statuses = [[entry["response"]["status"] for entry in content(reply)["entry"]] for reply in (first, again)]
    assert (first.event, again.event) == (Event.ACCEPTED, Event.ACCEPTED)
    assert statuses == [["201", "201"], ["200", "200"]]


def test_the_servers_own_conditional_update(medplum):
    made, changed = deliver(
        medplum, update("M-8", **BOOKED), update("M-8", **(BOOKED | {"status": "noshow"})), conditional="server"
    )
    assert (made.reason[:3], changed.reason[:3]) == ("201", "200")
    assert content(changed)["status"] == "noshow"


def test_identifiers_stand_in_no_url_unless_the_server_is_left_to_find(medplum):
    before = len(medplum.asked)
    deliver(medplum, update("M-9", **BOOKED), update("M-9", status="noshow"))
    asked = medplum.asked[before:]
    assert [method for method, _ in asked] == ["POST", "POST", "POST", "PUT"]
    assert not [url for _, url in asked if "M-9" in url or "?" in url]


OUTCOME = Path(__file__).parents[1] / "mappings/samples/golden/outcome-refused.json"


def test_a_refusal_that_is_told_twice_is_one_failed_task(medplum):
    told = OUTCOME.read_bytes()
    first, again = deliver(medplum, told, told)

    assert (first.event, again.event) == (Event.ACCEPTED, Event.ACCEPTED)
    assert first.reason.startswith("201 Created Task/")
    assert again.reason.endswith("nothing was written")
    task = content(first)
    assert (task["status"], task["statusReason"]["coding"][0]["code"]) == ("failed", "SLOT_BUSY")
    assert task["focus"]["identifier"]["value"] == "appt-77"
