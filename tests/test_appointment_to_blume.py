"""PowerServer's messages become changes of Blume's appointments: the mapping of mappings/examples, the whole way."""

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from host.site import kinds
from messages.lifecycle import Event
from simulators.omegaai import OmegaAI
from tests.fhir_sender_kit import deliver
from tests.mllp_listener_kit import DictIntake, Line, listening
from transformers.base import Given
from transformers.fhir_validation import validate
from transformers.hl7_to_fhir import compile_plan
from transformers.mapping_check import check_mapping
from transformers.mapping_file import show
from transformers.mapping_site import load_site
from transformers.mapping_tests import run_tests, untouched

SITE = Path(__file__).parents[1] / "mappings"
MAPPING = SITE / "examples/appointment-to-blume.yaml"


@pytest.fixture(scope="module")
def checked():
    return check_mapping(MAPPING, load_site(SITE, {}, kinds()))


def test_the_mapping_has_no_problem(checked):
    assert [show(problem, checked.source) for problem in checked.problems] == []


def test_it_passes_its_tests_and_they_touch_every_rule_and_every_line_of_the_route(checked):
    results = run_tests(checked, SITE)

    assert {result.name: result.differences for result in results if not result.passed} == {}
    assert untouched(checked.plan, results) == []


def test_a_new_appointment_is_valid_fhir():
    body = json.loads((SITE / "samples/golden/powerserver-book.json").read_bytes())["body"]

    assert validate(body) == []


def test_messages_of_one_patient_keep_their_order(checked):
    transformer = compile_plan(json.loads(json.dumps(checked.plan)))
    (admission,) = transformer.admit(transformer.check((SITE / "samples/powerserver-confirm.hl7").read_bytes()))

    assert (admission.key, admission.about) == ("BLUME TEST|12345", "PS-4711")
    assert admission.index == {"patient": "12345", "appointment": "PS-4711", "booking": "appt-77"}


PROPOSED = {
    "resourceType": "Appointment",
    "status": "proposed",
    "identifier": [{"system": "urn:oid:2.25.1001", "value": "appt-77"}],
    "comment": "the patient's own words",
    "participant": [{"actor": {"reference": "Patient/1"}, "status": "needs-action"}],
}


#: What the rules of an appointment say of each sample.
SAID = {
    "book": {"change": "booked", "state": "PENDING", "status": "pending"},
    "confirm": {"change": "confirmed", "state": "CONFIRMED", "status": "booked"},
    "move": {"change": "requested", "state": "REQUESTED", "status": "proposed"},
    "cancel": {"change": "cancelled", "state": "CANCELLED", "status": "cancelled"},
}


def way(checked, names, peer):
    """Send messages to an MLLP listener, map what it took, and write that to the server; return the replies."""
    transformer = compile_plan(json.loads(json.dumps(checked.plan)))
    intake = DictIntake()
    with listening(intake) as port, Line(port) as line:
        for name in names:
            line.send((SITE / f"samples/powerserver-{name}.hl7").read_bytes())
            assert b"\rMSA|AA|" in line.answer()
    changes = []
    for name, message in zip(names, intake.messages, strict=True):
        document = transformer.check(message.body)
        now = datetime(2025, 11, 20, tzinfo=UTC)
        given = Given(now=now, control_id="1", destination="omegaai", values=SAID[name])
        changes.append(transformer.transform(document, given).encoded)
    return deliver(peer, *changes)


def test_a_confirmation_changes_what_the_patient_proposed_and_keeps_the_rest(checked):
    with OmegaAI() as peer:
        peer.records.write(PROPOSED)
        (reply,) = way(checked, ["confirm"], peer)
        (held,) = peer.records.all("Appointment")

    assert reply.event is Event.ACCEPTED
    assert (held["status"], held["comment"]) == ("booked", "the patient's own words")
    (patient,) = held["participant"]
    assert patient == {"actor": {"reference": "Patient/1", "type": "Patient"}, "status": "accepted"}
    assert [one["value"] for one in held["identifier"]] == ["appt-77", "PS-4711"]


def test_an_appointment_of_powerserver_is_created_once(checked):
    with OmegaAI() as peer:
        replies = way(checked, ["book"], peer) + way(checked, ["book"], peer)
        (held,) = peer.records.all("Appointment")

    assert [reply.event for reply in replies] == [Event.ACCEPTED, Event.ACCEPTED]
    assert held["status"] == "pending"


def test_a_change_of_what_blume_does_not_have_is_refused(checked):
    with OmegaAI() as peer:
        (reply,) = way(checked, ["cancel"], peer)

        assert peer.records.all("Appointment") == []
    assert reply.event is Event.REFUSED


def test_confirmed_moved_and_cancelled_is_cancelled(checked):
    with OmegaAI() as peer:
        peer.records.write(PROPOSED)
        replies = way(checked, ["confirm", "move", "cancel"], peer)
        (held,) = peer.records.all("Appointment")

    assert [reply.event for reply in replies] == [Event.ACCEPTED] * 3
    assert (held["status"], held["cancelationReason"]["coding"][0]["code"]) == ("cancelled", "pat")
