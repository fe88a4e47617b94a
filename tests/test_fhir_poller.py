"""The FHIR poller: each version of a resource is handed on once, and none is left out."""

import asyncio
import doctest
import json

import pytest

from connectors import fhir_watermark
from connectors.base import SourceConnector
from connectors.fhir_poller import FhirPoller
from messages.problem import Problem
from simulators.omegaai import OmegaAI
from tests.fhir_sender_kit import appointment, run
from tests.mllp_listener_kit import DictIntake
from transformers.fhir_validation import validate

BOOKED = {"status": "booked", "start": "2025-11-24T09:00:00-03:00", "end": "2025-11-24T10:00:00-03:00"}


@pytest.fixture
def poll(tmp_path):
    """Poll until `enough` holds, from where the last poll of this test ended."""

    def until(peer, intake, enough, **settings):
        given = {"begin": "beginning", "every": 0.01, "state_folder": str(tmp_path), **settings}
        poller = FhirPoller(base=peer.base, resource_type="Appointment", **given)

        async def polling():
            where = []
            task = asyncio.create_task(poller.serve(intake, where.append))
            while not enough() and not task.done():
                await asyncio.sleep(0.005)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            if not task.cancelled() and task.exception():
                raise task.exception()
            return where

        return run(polling())

    return until


def looks(peer, number):
    """Enough once so many searches were asked for in all."""
    return lambda: len(peer.requests) >= number


def handed_on(intake, number):
    return lambda: len(intake.messages) >= number


def never():
    return False


def versions(intake):
    return [identity.removeprefix("poll:Appointment/") for identity in intake.stored]


def test_the_examples_of_the_docstrings_are_right():
    assert doctest.testmod(fhir_watermark).failed == 0


def test_it_is_a_source_connector(tmp_path):
    settings = {"base": "http://127.0.0.1/fhir", "resource_type": "Appointment", "state_folder": str(tmp_path)}
    assert isinstance(FhirPoller(**settings), SourceConnector)


def test_every_version_is_handed_on_once_however_often_it_is_listed(poll):
    intake = DictIntake()
    with OmegaAI() as peer:
        first = peer.records.write(appointment("F-1", **BOOKED))
        assert poll(peer, intake, looks(peer, 3)) == [f"127.0.0.1:{peer.port}"]
        peer.records.write(first | {"status": "cancelled"}, first["id"])
        peer.records.write(appointment("F-2", **BOOKED))
        poll(peer, intake, looks(peer, 6))
        poll(peer, intake, looks(peer, 9))
    assert versions(intake) == ["o1/_history/1", "o1/_history/2", "o2/_history/1"]
    assert [message.peer for message in intake.messages] == ["127.0.0.1"] * 3
    assert intake.refusals == []


def test_all_pages_are_read_by_the_servers_own_links(poll):
    intake = DictIntake()
    with OmegaAI() as peer:
        for number in range(5):
            peer.records.write(appointment(f"F-{number}", **BOOKED))
        poll(peer, intake, handed_on(intake, 5), page=2, every=60)
        search, second, third = peer.requests[:3]
    assert versions(intake) == [f"o{number}/_history/1" for number in range(1, 6)]
    assert (search.method, search.target) == ("POST", "/fhir/Appointment/_search")
    assert search.body == b"_sort=_lastUpdated&_count=2"
    assert [page.target for page in (second, third)] == [
        "/fhir/Appointment?_sort=_lastUpdated&_count=2&_offset=2",
        "/fhir/Appointment?_sort=_lastUpdated&_count=2&_offset=4",
    ]


def test_a_look_begins_the_overlap_before_the_last_change(poll):
    with OmegaAI() as peer:
        written = peer.records.write(appointment("F-1", **BOOKED))
        poll(peer, DictIntake(), looks(peer, 2), criteria=["status=booked"], overlap=0)
        _, second = peer.requests[:2]
    since = written["meta"]["lastUpdated"].replace(":", "%3A").replace("Z", "000Z")
    assert second.body == f"status=booked&_lastUpdated=ge{since}&_sort=_lastUpdated&_count=50".encode()


def test_by_default_what_was_there_before_the_first_look_is_not_read_but_all_since_is(poll):
    intake = DictIntake()
    with OmegaAI() as peer:
        peer.records.write(appointment("F-0", **BOOKED))
        settings = {"begin": "now", "overlap": 0}
        poll(peer, intake, looks(peer, 2), **settings)
        peer.records.write(appointment("F-1", **BOOKED))  # while we are not there
        poll(peer, intake, looks(peer, 4), **settings)
    assert versions(intake) == ["o2/_history/1"]


def test_what_comes_along_is_handed_on_with_what_refers_to_it(poll):
    intake = DictIntake()
    with OmegaAI() as peer:
        write = peer.records.write
        service = write({"resourceType": "Organization", "name": "Clinic"})
        patient = write(
            {"resourceType": "Patient", "managingOrganization": {"reference": f"Organization/{service['id']}"}}
        )
        other = write({"resourceType": "Patient", "gender": "other"})
        for number, who in enumerate((patient, other)):
            actor = {"actor": {"reference": f"Patient/{who['id']}"}, "status": "accepted"}
            write(appointment(f"F-{number}", **BOOKED, participant=[actor]))
        poll(
            peer, intake, handed_on(intake, 2), include=["Appointment:actor"], include_iterate=["Patient:organization"]
        )
        base = peer.base
    first, second = (json.loads(message.body) for message in intake.messages)
    assert (first["resourceType"], first["type"]) == ("Bundle", "collection")
    assert [entry["fullUrl"].removeprefix(f"{base}/") for entry in first["entry"]] == [
        "Appointment/o4", "Patient/o2", "Organization/o1",
    ]  # fmt: skip
    assert [entry["resource"]["id"] for entry in second["entry"]] == ["o5", "o3"]
    assert [validate(document) for document in (first, second)] == [[], []]


def test_what_is_not_stored_is_read_again(poll):
    intake = DictIntake(disk_full=True)
    with OmegaAI() as peer:
        peer.records.write(appointment("F-1", **BOOKED))
        poll(peer, intake, looks(peer, 3))
        assert intake.messages == []
        intake.disk_full = False
        poll(peer, intake, handed_on(intake, 1))
    assert versions(intake) == ["o1/_history/1"]


def test_what_is_refused_is_refused_once(poll):
    intake = DictIntake(refuses_with=(Problem(code="NO_CHANNEL", text="no channel takes this message"),))
    with OmegaAI() as peer:
        peer.records.write(appointment("F-1", **BOOKED))
        poll(peer, intake, looks(peer, 4))
    assert [code for code, _ in intake.refusals] == ["NO_CHANNEL"]


@pytest.mark.parametrize("answer", ["500", "403", "html", "error", "minimal", "hang up*2", "garbage*2"])
def test_a_look_that_fails_loses_nothing_and_is_said(poll, answer):
    intake = DictIntake()
    with OmegaAI(["accept", answer]) as peer:
        peer.records.write(appointment("F-1", **BOOKED))
        with pytest.raises(ConnectionError):
            poll(peer, intake, never)
        peer.records.write(appointment("F-2", **BOOKED))
        poll(peer, intake, handed_on(intake, 2))
    assert versions(intake) == ["o1/_history/1", "o2/_history/1"]


def test_a_next_page_on_another_server_is_not_followed(poll):
    with OmegaAI() as peer:
        for number in range(3):
            peer.records.write(appointment(f"F-{number}", **BOOKED))
        peer.records.base = "https://elsewhere.invalid/fhir"
        with pytest.raises(ConnectionError, match="the server's next page lies elsewhere"):
            poll(peer, DictIntake(), never, page=2)


def test_a_parameter_that_the_server_does_not_know_is_an_error_and_not_everything(poll):
    intake = DictIntake()
    with OmegaAI() as peer:
        peer.records.write(appointment("F-1", **BOOKED))
        with pytest.raises(ConnectionError, match=r"the server will not be searched \(400\)"):
            poll(peer, intake, never, criteria=["specialty=radiology"])
    assert intake.messages == []


def test_a_damaged_state_is_told_instead_of_begun_anew(poll, tmp_path):
    with OmegaAI() as peer:
        poll(peer, DictIntake(), looks(peer, 1))
        (file,) = tmp_path.glob("poll-*.json")
        file.write_text("{")
        with pytest.raises(OSError, match="is damaged: remove it to read anew"):
            poll(peer, DictIntake(), never)


def test_the_state_holds_times_and_technical_ids_only(poll, tmp_path):
    intake = DictIntake()
    with OmegaAI() as peer:
        written = peer.records.write(appointment("CANARY", **BOOKED))
        poll(peer, intake, looks(peer, 2))
        (file,) = tmp_path.glob("poll-*.json")
    at = written["meta"]["lastUpdated"].replace("Z", "000Z")
    assert json.loads(file.read_text()) == {"at": at, "seen": {"Appointment/o1/_history/1": at}}


@pytest.mark.parametrize(
    ("settings", "why"),
    [({"criteria": ["status"]}, "criteria must be"), ({"every": 0}, "every and page"), ({"overlap": -1}, "overlap")],
)
def test_settings_that_cannot_be_are_told_by_name(settings, why, tmp_path):
    with pytest.raises(ValueError, match=why):
        FhirPoller(base="https://x/fhir", resource_type="Appointment", state_folder=str(tmp_path), **settings)
