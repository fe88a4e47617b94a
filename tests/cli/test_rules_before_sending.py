"""The rules before sending: what can be known at the door is answered there, each rule with its code and its message.

The whole host on real sockets; the rules are those of the shipped mapping, with OmegaAI's own window of two days.
"""

from __future__ import annotations

import itertools
import json
import shutil
from datetime import UTC, datetime, timedelta

import pytest

from simulators.blume import PATIENTS, make_bundle
from simulators.powerserver import PowerServer
from store import reads
from store.connection import connect
from tests.cli.console_script import ROOT, RunningHost, edit

_numbers = itertools.count(8_000)


@pytest.fixture(scope="module")
def strict_host(tmp_path_factory):
    folder = tmp_path_factory.mktemp("rules")
    site = shutil.copytree(ROOT / "mappings", folder / "mappings")
    edit(site / "site.yaml", "${APPOINTMENT_PAST_WINDOW:2 days}", "2 days")  # what a fresh site does
    with PowerServer() as peer, RunningHost(folder / "data", peer.port, site=site) as running:
        running.peer = peer
        yield running


def booking(start=None, **changes):
    """A booking of its own; `changes` are elements by type of resource, None takes one away."""
    bundle = json.loads(make_bundle(next(_numbers), start=start))
    for entry in bundle["entry"]:
        resource = entry["resource"]
        for name, value in changes.get(resource["resourceType"], {}).items():
            resource[name] = value
            if value is None:
                del resource[name]
    return json.dumps(bundle).encode()


def study(code, text="STUDY"):
    return {"coding": [{"system": "urn:blume:orderset", "code": code, "display": text}]}


def organization(name):
    return {"identifier": [{"system": "urn:omegaai:org", "value": name}]}


AHEAD = datetime.now(UTC).replace(hour=12, minute=0, second=0, microsecond=0) + timedelta(days=5)
ALWAYS = [{"allDay": True}]
#: Hours that are over as soon as they begin.
CLOSED = [{"availableStartTime": "00:00:00", "availableEndTime": "00:00:01"}]


def short(start, minutes):
    end = start + timedelta(minutes=minutes)
    return {"start": start.isoformat(), "end": end.isoformat(), "minutesDuration": minutes}


RULES = [
    ("FACILITY_UNKNOWN", {"Organization": organization("org-9")}, "no facility"),
    ("ISSUER_UNKNOWN", {"Patient": {"identifier": [
        {"type": {"coding": [{"code": "MR"}]}, "system": "urn:oid:2.25.9", "value": "77"}]}}, "of an issuer in tables"),
    ("NOT_LICENSED", {"Organization": organization("org-3")}, "not licensed"),
    ("NOT_ALLOWED", {"Organization": organization("org-2"),
                     "Appointment": {"status": "cancelled", "cancelationReason": {"text": "travelling"}}}, "to cancel"),
    ("TIME_INVALID", {"Appointment": {"start": None, "end": None, "slot": None}}, "needs start and end"),
    ("RESOURCE_UNKNOWN", {"HealthcareService": {"name": "Blume CT"}}, "did you mean 'BLUME CT'?"),
    ("RESOURCE_UNKNOWN", {"HealthcareService": {"name": "BLUME CT "}}, "did you mean 'BLUME CT'?"),
    ("RESOURCE_INACTIVE", {"HealthcareService": {"name": "BLUME CT OLD"}}, "not active"),
    ("ORDERSET_UNKNOWN", {"ServiceRequest": {"code": study("CT0")}}, "did you mean 'CT01'?"),
    ("MODALITY_MISMATCH", {"HealthcareService": {"name": "BLUME MR"}}, "modality"),
    ("MODALITY_MISMATCH", {"ServiceRequest": {"code": study("DX71045")}}, "modality"),
    ("OUT_OF_HOURS", {"HealthcareService": {"availableTime": CLOSED}}, "not open"),
    ("SLOT_BUSY", {"Slot": {"status": "busy"}}, "taken"),
    ("DURATION_MIN", {"Appointment": short(AHEAD, 10) | {"slot": None}, "Slot": {
        "status": "busy", "start": (AHEAD + timedelta(minutes=10)).isoformat(),
        "end": (AHEAD + timedelta(minutes=40)).isoformat()}}, "no room"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("code", "changes", "words"), RULES, ids=[f"{code}-{n}" for n, (code, _, _) in enumerate(RULES)]
)
def test_a_broken_rule_is_answered_422_with_its_code_and_its_message(strict_host, code, changes, words):
    status, _, answer = strict_host.post(booking(**changes))

    assert (status, answer["resourceType"]) == (422, "OperationOutcome")
    (issue,) = answer["issue"]
    assert (issue["severity"], issue["code"]) == ("error", "business-rule")
    assert code in json.dumps(issue["details"])
    assert words in json.dumps(issue, ensure_ascii=False)


def test_all_rules_that_are_broken_are_told_at_once(strict_host):
    status, _, answer = strict_host.post(
        booking(Organization=organization("org-9"), HealthcareService={"name": "BLUME CT OLD"})
    )

    told = json.dumps([issue["details"] for issue in answer["issue"]])
    assert status == 422
    assert "FACILITY_UNKNOWN" in told
    assert "RESOURCE_INACTIVE" in told


@pytest.mark.parametrize(("days", "status"), [(1.9, 202), (2.1, 422)])
def test_an_appointment_may_have_started_two_days_ago_and_no_longer(strict_host, days, status):
    start = datetime.now(UTC).replace(microsecond=0) - timedelta(days=days)

    answered, _, answer = strict_host.post(booking(start=start, HealthcareService={"availableTime": ALWAYS}))

    assert answered == status
    assert (status == 422) == ("TIME_INVALID" in json.dumps(answer))


@pytest.mark.parametrize(
    "changes",
    [
        {"HealthcareService": {"name": "BLUME XR"}, "ServiceRequest": {"code": study("DX71045")}},
        {"HealthcareService": {"name": "BLUME XR"}, "ServiceRequest": {"code": study("CR73030")}},
        {"ServiceRequest": {"code": study("OTHER")}},
        {"Appointment": short(AHEAD, 10) | {"slot": None}},
        {"Slot": {"status": "busy", "overbooked": True}},
    ],
    ids=["DX in the group XR", "CR in the group XR", "a study without a modality", "ten minutes", "overbooked"],
)
def test_what_keeps_the_rules_is_sent(strict_host, changes):
    message = strict_host.book(booking(**changes))

    shown = strict_host.wait_for_status(message, "SENT")

    assert "SIU^S12" in shown["deliveries"][0]["sent"]


def test_ten_minutes_become_fifteen_and_the_end_moves_with_them(strict_host):
    message = strict_host.book(booking(Appointment=short(AHEAD, 10) | {"slot": None}))
    sent = strict_host.wait_for_status(message, "SENT")["deliveries"][0]["sent"]

    fields = next(line.split("|") for line in sent.split("\r") if line.startswith("SCH"))
    assert fields[9] == "15"
    _, _, length, start, end, _ = fields[11].split("^")
    assert length == "M15"
    assert datetime.strptime(end, "%Y%m%d%H%M%S%z") - datetime.strptime(start, "%Y%m%d%H%M%S%z") == timedelta(
        minutes=15
    )


def test_an_appointment_that_is_made_longer_is_told_to_blume_and_in_the_message_s_timeline(strict_host):
    status, _, answer = strict_host.post(booking(Appointment=short(AHEAD, 10) | {"slot": None}))
    (response,) = [entry["response"] for entry in answer["entry"] if "outcome" in entry["response"]]
    (warning,) = response["outcome"]["issue"]
    shown = strict_host.wait_for_status(response["location"].removeprefix("Task/"), "SENT")
    other = strict_host.post(booking(Appointment=short(AHEAD, 15) | {"slot": None}))[2]

    assert (status, warning["severity"], warning["code"]) == (202, "warning", "business-rule")
    assert warning["details"]["coding"][0]["code"] == "DURATION_RAISED"
    assert "made longer" in warning["details"]["text"]
    (mapped,) = [line for line in shown["deliveries"][0]["timeline"] if line["reason"] and line["event"] == "mapped"]
    assert (mapped["event"], mapped["reason"]) == ("mapped", warning["details"]["text"])
    assert "DURATION_RAISED" not in json.dumps(other)


def test_a_refusal_is_recorded_and_names_no_patient(strict_host):
    status, _, answer = strict_host.post(booking(HealthcareService={"name": "BLUME CT 7"}))
    link = connect(strict_host.data)
    try:
        (refusal, *_) = reads.refusals(link)
    finally:
        link.close()

    assert (status, refusal.code) == (422, "RESOURCE_UNKNOWN")
    for person in PATIENTS:
        for text in (refusal.reason, json.dumps(answer, ensure_ascii=False), strict_host.errors):
            assert person.family not in text
            assert person.cpf not in text


def test_a_resend_of_what_was_accepted_gets_its_answer_whatever_the_rules_say_by_now(strict_host):
    body = booking(HealthcareService={"name": "BLUME MR"}, ServiceRequest={"code": study("MR70551")})
    message = strict_host.book(body)
    strict_host.wait_for_status(message, "SENT")

    assert strict_host.book(body) == message
