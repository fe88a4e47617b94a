"""The tables of a share: its states walked cell by cell, its gate check by check, its link held to one form."""

from __future__ import annotations

import dataclasses
import itertools

import pytest

from channels import share_gate
from channels.share_gate import BEFORE_SHARE, BEFORE_TRANSFER, BY_OURSELVES, Facts, refusals
from channels.share_link import UnsafeLink, assert_no_phi, share_link
from channels.share_request import read
from channels.share_settings import StudyShare
from connectors.share_base import Patient
from messages.job_states import FAILED, OPEN, TABLES, TASK_STATUS, Event, ImpossibleStep, State, after
from tests.share import kit

NOW = 1_769_000_000.0
STUDY = "1.2.840.113619.2.55.3.1"


@dataclasses.dataclass
class _Peer:
    ae_title: str = "X"
    host: str = "127.0.0.1"
    port: int = 104
    base: str = "http://127.0.0.1/fhir"


def facts(settings=None, request=None, **more):
    given = kit.settings(_Peer(), _Peer(), _Peer()) | (settings or {})
    found = {"studies": ({"PatientID": kit.PATIENT},), "organization_exists": True, "proof": "instances"} | more
    return Facts(settings=StudyShare(**given), request=read(kit.task(STUDY, **(request or {}))), now=NOW, **found)


# -- states ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", TABLES)
def test_every_cell_leads_where_the_table_says_or_is_impossible(kind):
    for state, event in itertools.product(State, Event):
        if (state, event) in TABLES[kind]:
            assert after(kind, state, event) is TABLES[kind][state, event]
        else:
            with pytest.raises(ImpossibleStep, match="cannot be"):
                after(kind, state, event)


def test_nobody_is_given_access_but_by_way_of_a_proof():
    """Without PROVEN the table has no way from the beginning to SHARING or SHARED: retries included."""
    table = {cell: ends for cell, ends in TABLES["study-share"].items() if cell[1] is not Event.PROVEN}
    reached = {State.RECEIVED}
    while more := {ends for (state, _), ends in table.items() if state in reached} - reached:
        reached |= more

    assert reached & {State.ELIGIBLE, State.SHARING, State.SHARED} == set()
    assert {State.VERIFYING, State.VERIFY_FAILED, State.REVOKED} <= reached


@pytest.mark.parametrize("kind", TABLES)
def test_every_state_that_is_open_goes_on_and_every_failed_one_can_be_tried_again(kind):
    states = {state for state, _ in TABLES[kind]} | set(TABLES[kind].values())
    leaves = {state for (state, _), ends in TABLES[kind].items() if ends is not state}

    assert states & OPEN <= leaves
    assert all((state, Event.RETRIED) in TABLES[kind] for state in states & FAILED)
    assert states <= TASK_STATUS.keys()


# -- the gate -------------------------------------------------------------------------------------------------

#: code → what is wrong: settings, request, or what the peers say.
WRONG = {
    "SHARE_DISABLED": {"settings": {"enabled": False}},
    "SHARE_STATION_MISSING": {"settings": {"migration_station": ""}},
    "SHARE_STATION_UNKNOWN": {"settings": {"migration_station": "NOWHERE"}},
    "SHARE_VOLUME_MISSING": {"settings": {"volume": ""}},
    "SHARE_URL_MISSING": {"settings": {"share_url": ""}},
    "SHARE_URL_INVALID": {"settings": {"share_url": f"http://share.example/share-study/{kit.ORGANIZATION}"}},
    "SHARE_URL_OTHER_ORGANIZATION": {"settings": {"share_url": "https://share.example/share-study/12"}},
    "SHARE_SSO_MISSING": {"settings": {"sso": False}},
    "SHARE_USERS_NOT_JOINED": {"settings": {"user_integration": False}},
    "POWERSERVER_TOO_OLD": {"settings": {"powerserver_patch": "2026-01-06"}},
    "MIRTH_TOO_OLD": {"settings": {"mirth_version": "4.4.1"}},
    "REQUESTER_UNKNOWN": {"request": {"requester": ""}},
    "REQUESTER_NOT_ALLOWED": {"settings": {"requesters": ("dr.other",)}},
    "ORGANIZATION_MISMATCH": {"request": {"organization": "13"}},
    "STUDY_INVALID": {},
    "PATIENT_MISSING": {"request": {"patient": ""}, "studies": None},
    "METHOD_UNKNOWN": {"request": {"method": "fax"}},
    "RECIPIENT_MISSING": {"request": {"recipient": []}},
    "RECIPIENTS_TOO_MANY": {"request": {"recipient": [f"a{n}@example.org" for n in range(51)]}},
    "RECIPIENT_INVALID": {"request": {"recipient": ["bo@", "bo example.org", "a@b@c.org", "provider:*"]}},
    "LICENCE_MISSING": {
        "settings": {"licence": ""},
        "request": {"method": "blume"},
        "status": "SIGNED",
        "patient": Patient(id="p", has_email=True, consents=None),
    },
    "EXPIRY_INVALID": {"request": {"expires": "2026-12-31T00:00:00Z"}},
    "ORGANIZATION_UNKNOWN": {"organization_exists": False},
    "STUDY_UNKNOWN": {"studies": ()},
    "STUDY_OTHER_PATIENT": {"studies": ({"PatientID": "PH-000002"},)},
    "TRANSFER_NOT_VERIFIED": {"proof": None},
    "CONSENT_DENIED": {"patient": Patient(id="p", has_email=True, consents=False)},
    "PATIENT_UNKNOWN": {"request": {"method": "blume"}, "status": "SIGNED"},
    "PATIENT_EMAIL_MISSING": {
        "request": {"method": "blume"}, "status": "SIGNED",
        "patient": Patient(id="p", has_email=False, consents=None),
    },
    "STUDY_NOT_SHOWN": {
        "request": {"method": "blume"}, "status": "SCHEDULED",
        "patient": Patient(id="p", has_email=True, consents=None),
    },
}  # fmt: skip
EVERY = (*BY_OURSELVES, *BEFORE_TRANSFER, *BEFORE_SHARE)


def test_a_good_request_is_refused_by_no_check():
    assert refusals(EVERY, facts()) == []
    patient = Patient(id="p", has_email=True, consents=True)
    assert refusals(EVERY, facts(request={"method": "blume"}, status="SIGNED", patient=patient)) == []


@pytest.mark.parametrize("code", WRONG)
def test_each_check_refuses_by_its_own_code_and_says_the_cure(code):
    given = facts(**WRONG[code])
    if code == "STUDY_INVALID":
        given = dataclasses.replace(given, request=dataclasses.replace(given.request, study_uid="1.02"))
    found = refusals(EVERY, given)

    assert [problem.code for problem in found] == [code]
    assert found[0].hint


def test_every_check_has_its_case():
    assert {check.code for check in EVERY} - set(WRONG) <= {"SHARE_ORGANIZATION_INVALID"}


def test_versions_are_compared_as_numbers():
    assert refusals(EVERY, facts(settings={"powerserver_version": "6.10", "powerserver_patch": ""})) == []
    assert refusals(EVERY, facts(settings={"powerserver_version": "6.7", "powerserver_patch": ""})) == []
    assert share_gate.versions("4.10") > share_gate.versions("4.4.2")


# -- the link -------------------------------------------------------------------------------------------------

LAUNCH = "Q2FuIHlvdSByZWFkIHRoaXM_x"


def test_a_link_is_the_site_s_page_and_at_most_a_launch_id():
    assert share_link(kit.URL) == kit.URL
    assert share_link(kit.URL, LAUNCH) == f"{kit.URL}?launch={LAUNCH}"


@pytest.mark.parametrize(
    "link",
    [
        f"{kit.URL}?study={STUDY}", f"{kit.URL}/{STUDY}", f"{kit.URL}#{kit.PATIENT}", f"{kit.URL}?launch={STUDY}",
        f"{kit.URL}?launch=short", f"{kit.URL}?launch={LAUNCH}&patient=1", "https://u:p@share.example/share-study/12",
        f"https://share.example/share-study/{STUDY}", f"https://share.example/share-study/{kit.PATIENT}",
        "http://share.example/share-study/12", "https://share.example/share-study/12/", "https://share.example/12",
        f"{kit.URL}\n", f" {kit.URL}", f"{kit.URL}?launch=bo@example.org.aaaaaaaaaaa",
    ],
)  # fmt: skip
def test_a_link_with_anything_else_in_it_is_never_made(link):
    with pytest.raises(UnsafeLink) as refused:
        assert_no_phi(link)
    assert link.strip() not in str(refused.value)
