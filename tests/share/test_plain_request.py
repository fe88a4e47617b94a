"""Jobs asked for in plain JSON: what each becomes, what is refused, and that the door asks who sends it."""

from __future__ import annotations

import asyncio
import http.client
import json
import shutil
import threading
from contextlib import contextmanager
from pathlib import Path

import pytest

from channels import prior_request
from channels.job_starter import task_of
from channels.prior_settings import PullPrior
from channels.share_request import read
from connectors.base import Answer
from connectors.fhir_listener import FhirListener
from connectors.plain_request import KINDS, bundle_of, fields
from host.site import kinds
from messages.problem import Problems
from transformers.mapping_check import check_mapping
from transformers.mapping_site import load_site
from transformers.mapping_tests import run_tests

SITE = Path(__file__).parents[2] / "mappings"
STUDY = "2.25.329800735698586629295641978511506172918"
SHARE = {
    "id": "share-41", "patient": {"system": "urn:oid:2.25.2001", "value": "12345"}, "study": STUDY,
    "organization": "4f1c0f6e-9a53-4c8e-8f0f-0d8b2f0c9d11", "method": "email-link",
    "recipients": ["bo@example.org", "provider:P-7"], "accession": "A0000001", "requestedBy": "dr.souza",
    "expiresAt": "2026-02-01T12:00:00-03:00", "reason": "second opinion",
}  # fmt: skip
PRIOR = {
    "id": "prior-42", "patient": {"system": "urn:oid:2.25.2001", "value": "12345"}, "currentStudy": STUDY,
    "monthsBack": 24, "modality": ["MR", "CT"], "maximum": 3, "birthDate": "1974-12-25", "bodyPart": ["HEAD"],
    "description": ["brain"], "type": ["images"], "station": ["a"], "from": "2024-01-01", "to": "2026-01-01",
}  # fmt: skip


def task(kind, asked):
    bundle = json.loads(bundle_of(KINDS[kind], json.dumps(asked).encode()))
    (entry,) = bundle["entry"]
    return entry["resource"]


def test_a_share_in_plain_json_is_the_share_that_its_task_is():
    told, sample = (
        read(one) for one in (task("study-share", SHARE), json.loads((SITE / "samples/share-request.json").read_text())
                              ["entry"][0]["resource"])
    )  # fmt: skip

    assert told == sample


def test_a_pull_in_plain_json_asks_for_all_that_a_task_can():
    settings = PullPrior(dicom={"a": {}}, stations=("a",), to="a", most=10)
    told = prior_request.read(task("pull-prior", PRIOR), settings, None)

    assert (told.patient, told.patient_system, told.current) == ("12345", "urn:oid:2.25.2001", STUDY)
    assert (told.first, told.last, told.most, told.birth_date) == ("20240101", "20260101", 3, "19741225")
    assert (told.modalities, told.words, told.body_parts) == ({"MR", "CT"}, ("brain",), {"HEAD"})
    assert (told.types, told.stations) == ({"images"}, ("a",))


@pytest.mark.parametrize(("kind", "asked"), [("study-share", SHARE), ("pull-prior", PRIOR)])
def test_every_field_has_its_case_and_its_mapping(kind, asked, tmp_path):
    """The shipped mapping takes what the door makes of it."""
    assert set(fields(KINDS[kind])) - set(asked) <= {"organization", "requestedBy", "expiresAt", "reason"}
    site = tmp_path / "mappings"
    shutil.copytree(SITE, site)
    (site / "samples" / "asked.json").write_bytes(bundle_of(KINDS[kind], json.dumps(asked).encode()))
    mapping = (SITE / "examples" / f"{kind}.yaml").read_text("utf-8")
    action = {"study-share": "share", "pull-prior": "pull"}[kind]
    case = f"  - name: plain\n    given: samples/asked.json\n    expect: {{ action: {action} }}\n"
    (site / f"{kind}.yaml").write_text(mapping[: mapping.index("\ntests:")] + "\ntests:\n" + case, "utf-8")
    checked = check_mapping(site / f"{kind}.yaml", load_site(site, {}, kinds()))

    assert [str(problem) for problem in checked.problems] == []
    assert {result.name: result.differences for result in run_tests(checked, site)} == {"plain": ()}


def test_a_task_is_taken_as_it_is():
    given = {"resourceType": "Task", "status": "requested", "intent": "order"}

    assert task("study-share", given) == given


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"id": None}, "id is missing"),
        ({"study": None, "method": None}, "method is missing"),
        ({"patient": "PH-LEAK"}, "patient must be"),
        ({"patient": {"system": "LEAK"}}, "patient must be"),
        ({"recipients": "LEAK@example.org"}, "recipients must be a list"),
        ({"recipients": [1]}, "recipients must be a list"),
        ({"reason": {"LEAK": 1}}, "reason must be a text"),
        ({"reason": "LEAK" * 300}, "reason must be a text"),
        ({"study": ""}, "study must be a text"),
        ({"LEAK": "x"}, "a field is none of id, patient"),
    ],
)
def test_what_is_wrong_is_said_by_the_field_and_repeats_nothing(change, text):
    asked = {name: value for name, value in {**SHARE, **change}.items() if value is not None}
    with pytest.raises(Problems) as refused:
        bundle_of(KINDS["study-share"], json.dumps(asked).encode())
    assert text in str(refused.value)
    assert "LEAK" not in str(refused.value)


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b"\xff", b'"x"', b"[" * 100_000])
def test_what_is_no_json_object_is_refused(body):
    with pytest.raises(Problems) as refused:
        bundle_of(KINDS["study-share"], body)
    assert refused.value.problems[0].code == "JSON_INVALID"


# -- at a real door ---------------------------------------------------------------------------------------------------


class _Kept:
    def __init__(self):
        self.bodies, self.refusals = [], []

    async def accept(self, arrival, compose):
        self.bodies.append(task_of(json.dumps({"body": json.loads(arrival.body)["entry"][0]["resource"]}).encode()))
        return Answer(status=202, body=b"{}")

    async def refuse(self, arrival, problems):
        self.refusals.append(problems.problems[0].code)

    def state(self, message_id):
        return None


@contextmanager
def door(intake, **settings):
    """Run a listener in a thread; give its port."""
    opened, ended, held = threading.Event(), threading.Event(), {}

    def ready(where):
        held["port"] = int(where.rpartition(":")[2])
        opened.set()

    async def serve():
        held["loop"] = asyncio.get_running_loop()
        held["task"] = asyncio.create_task(FhirListener(port=0, **settings).serve(intake, ready))
        await asyncio.gather(held["task"], return_exceptions=True)
        ended.set()

    thread = threading.Thread(target=lambda: asyncio.run(serve()))
    thread.start()
    try:
        assert opened.wait(20)
        yield held["port"]
    finally:
        held["loop"].call_soon_threadsafe(held["task"].cancel)
        assert ended.wait(20)
        thread.join(20)


def ask(port, path, document, **headers):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    try:
        connection.request("POST", path, json.dumps(document), {"Content-Type": "application/json", **headers})
        return connection.getresponse().status
    finally:
        connection.close()


def test_the_door_takes_requests_in_plain_json_and_records_what_it_refuses():
    intake = _Kept()
    with door(intake) as port:
        statuses = [
            ask(port, "/channels/study-share/requests", SHARE),
            ask(port, "/channels/pull-prior/requests", PRIOR),
            ask(port, "/channels/study-share/requests", {"id": "x"}),
            ask(port, "/channels/study-share/requests", {"resourceType": "Patient"}),
            ask(port, "/channels/anything/requests", SHARE),
        ]

    assert statuses == [202, 202, 422, 422, 404]
    assert [body["code"]["coding"][0]["code"] for body in intake.bodies] == ["share-study", "pull-prior"]
    assert intake.refusals[0] == "REQUEST_INVALID"


def test_a_door_that_asks_for_tokens_asks_here_too():
    intake = _Kept()
    with door(intake, oidc_authority="https://127.0.0.1:1/issuer", audience="us", scopes=("Share.Write",)) as port:
        assert ask(port, "/channels/study-share/requests", SHARE) == 401
        assert ask(port, "/channels/study-share/requests", SHARE, Authorization="Bearer none") in {401, 503}

    assert intake.bodies == []
