"""Who is given access, how they lose it, and that no identifier of a request leaves by any other way."""

from __future__ import annotations

import json
import logging
import random
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import generate_latest

from channels.job_control import act
from console.metrics import Figures
from console.reader import Reader
from messages.job_states import State
from store import audit, job_parts, jobs
from tests.dicom import peers
from tests.share import kit

#: aiosmtpd as a process: writes each mail to a file, and refuses recipients that say so.
_SMTP = """
import pathlib, signal, sys, threading
from aiosmtpd.controller import Controller
class Handler:
    async def handle_RCPT(self, server, session, envelope, address, options):
        if address.startswith("no."): return "550 nobody of that name"
        if address.startswith("later."): return "451 greylisted"
        envelope.rcpt_tos.append(address)
        return "250 OK"
    async def handle_DATA(self, server, session, envelope):
        folder = pathlib.Path(sys.argv[2])
        number = len(list(folder.iterdir()))
        (folder / f"{number}.eml").write_bytes(envelope.original_content)
        return "250 taken"
controller = Controller(Handler(), hostname="127.0.0.1", port=int(sys.argv[1]))
controller.start()
print("ready", flush=True)
sys.stdin.read()
controller.stop()
"""


@pytest.fixture(scope="module")
def pair(tmp_path_factory):
    """PowerServer and OmegaAI, both with one study of two instances."""
    folder = tmp_path_factory.mktemp("pair")
    files = peers.study(folder / "study", 2)
    with (
        peers.orthanc(folder / "omegaai") as omegaai,
        peers.dcmqrscp(folder / "ps", {peers.OMEGAAI: omegaai.port}) as powerserver,
    ):
        peers.fill(powerserver, files)
        peers.fill(omegaai, files)
        yield powerserver, omegaai, kit.study_of(files)


@pytest.fixture
def fhir():
    with kit.fhir() as server:
        yield server


@pytest.fixture
def mail(tmp_path):
    """A mail server: its port, and the folder of what it took."""
    folder = tmp_path / "mails"
    folder.mkdir()
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    arguments = [sys.executable, "-c", _SMTP, str(port), str(folder)]
    with subprocess.Popen(arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as server:
        assert server.stdout.readline() == b"ready\n"
        yield port, folder
        server.stdin.close()
        server.wait(10)


def site_of(store, pair, fhir, **more):
    return kit.Site(store, kit.settings(pair[0], pair[1], fhir, **more))


def recipients(site, number):
    return [(r.kind, r.state, r.reason) for r in job_parts.recipients(site.store.connection, number)]


def test_each_recipient_has_an_outcome_of_its_own(store, pair, fhir, mail):
    port, folder = mail
    sender = {"host": "127.0.0.1", "port": port, "security": "none", "sender": "no-reply@clinic.example"}
    site = site_of(store, pair, fhir, mail=sender, attempts=2)
    given = ["bo@example.org", "not an address", "no.body@example.org", "provider:P-7", "later.on@example.org"]
    number = site.ask(kit.task(pair[2], recipient=given))

    job = site.run_to(number, State.SHARED)

    assert job.reason_code == "SHARED_IN_PART"
    assert recipients(site, number) == [
        ("email", "shared", None),
        ("email", "refused", "RECIPIENT_INVALID: it is no valid address of its kind"),
        ("email", "refused", "the mail server refuses the recipient (550)"),
        ("provider", "shared", None),
        ("email", "asked", None),
    ]
    (written,) = folder.iterdir()
    text = written.read_text()
    assert kit.URL in text.replace("=\n", "")
    assert "To: bo@example.org" in text
    assert not [secret for secret in (kit.PATIENT, pair[2], "dr.ray") if secret in text]


def test_sending_to_blume_needs_a_study_that_blume_shows(store, pair, fhir):
    site = site_of(store, pair, fhir)
    number = site.ask(kit.task(pair[2], method="blume"))
    assert site.run_to(number, State.REJECTED).reason_code == "STUDY_NOT_SHOWN"

    fhir.records.write({
        "resourceType": "ImagingStudy", "identifier": [{"system": "urn:dicom:uid", "value": f"urn:oid:{pair[2]}"}],
        "extension": [{"url": "http://hl7.org/fhir/us/core/StructureDefinition/status", "valueString": "COMPLETED"}],
    })  # fmt: skip
    assert act(store, number, "retry", by="ana").done
    site.run_to(number, State.SHARED)

    assert recipients(site, number) == [("patient", "shared", None)]
    assert job_parts.recipients(store.connection, number)[0].link is None


def test_a_link_can_be_copied(store, pair, fhir):
    site = site_of(store, pair, fhir)
    number = site.ask(kit.task(pair[2], method="copy-link", recipient=[]))
    site.run_to(number, State.SHARED)

    assert job_parts.recipients(store.connection, number)[0].link == kit.URL


def test_a_revoked_share_is_withdrawn_at_omegaai_too(store, pair, fhir):
    site = site_of(store, pair, fhir)
    number = site.ask(kit.task(pair[2]))
    site.run_to(number, State.SHARED)
    assert act(store, number, "revoke", by="ana", reason="the wrong person").done

    site.run(lambda: recipients(site, number) == [("email", "revoked", None)])

    assert [task["status"] for task in fhir.records.all("Task")] == ["cancelled"]
    assert site.job(number).state is State.REVOKED
    (told,) = audit.entries(store.connection, entity=f"job:{number}", what=("share-revoked",))
    assert (told.who, told.detail["reason"]) == ("ana", "the wrong person")


def test_a_share_ends_when_its_time_is_over(store, pair, fhir):
    site = site_of(store, pair, fhir)
    number = site.ask(kit.task(pair[2]))
    site.run_to(number, State.SHARED)
    assert site.job(number).expires_at > time.time() + 29 * 86400
    store.writer.now(lambda tx: jobs.expire_at(tx, number, time.time() - 1))

    site.run(lambda: recipients(site, number) == [("email", "revoked", None)])

    assert site.job(number).state is State.EXPIRED


def test_a_share_asked_again_after_a_crash_is_the_same_share(store, pair, fhir):
    """OmegaAI made the share, and the answer was lost: it is asked again, and there is one share."""
    fhir.add(*["accept"] * 3, *["done and hang up"] * 2)  # organization, patient, consent; then the share, twice
    site = site_of(store, pair, fhir)
    number = site.ask(kit.task(pair[2]))
    site.run_to(number, State.SHARED)

    assert len(fhir.records.all("Task")) == 1


def test_nothing_is_done_for_another_patient_s_study(store, pair, fhir):
    site = site_of(store, pair, fhir)
    number = site.ask(kit.task(pair[2], patient="PH-000002"))

    assert site.run_to(number, State.REJECTED).reason_code == "STUDY_OTHER_PATIENT"
    assert "TRANSFERRING" not in site.states(number)


# -- nothing leaks --------------------------------------------------------------------------------------------

_HOSTILE = (
    "Ünal^Müller", "../../etc/passwd", "a?b=c&d=e#f", "x\r\nX-Injected: 1", "%2e%2e%2f", "1.2.840.99.{n}",
    "' OR 1=1 --", "{0.__class__}", "${secret:NAME}", "<script>{n}</script>", "{n}@evil.example", "\u202e{n}",
    "A" * 300, "*", "\\\\{n}",
)  # fmt: skip


def hostile(rng, number, study):
    """A request whose fields try to get out; one of five is for the study that is there, and goes all the way."""

    def field():
        return f"{rng.choice(_HOSTILE)}-LEAK{number:03}{rng.choice('abcdef')}".replace("{n}", str(number))

    made = kit.task(field() if number % 5 else study, key=field(), requester=field(),
                    recipient=[field(), f"LEAK{number:03}x@example.org"])  # fmt: skip
    if number % 10 == 0:
        made["for"]["identifier"]["value"] = field()
    made["reasonCode"] = {"text": field()}
    made["partOf"] = [{"reference": field()}]
    made["input"].append({"type": {"coding": [{"code": "accession"}]}, "valueString": field()})
    return made


def leaks(places, secrets):
    """Return the places that hold an identifier; those of one request share its number."""
    return [name for name, text in places for secret in secrets if secret in text]


def places(caplog, fhir, store, folder):
    """Everything that leaves but request bodies: addresses, headers, log lines, file names, metrics, what jobs say."""
    for request in fhir.requests:
        yield "address", request.target
        yield "headers", str(request.headers)
    for record in caplog.records:
        yield "log", f"{record.getMessage()} {record.__dict__}"
    for path in folder.rglob("*"):
        yield "file name", str(path.relative_to(folder))
    for job in jobs.find(store.connection, jobs.Wanted(limit=1000)):
        yield "reason", f"{job.reason} {job.progress} {job.proof} {job.reference}"
        for line in jobs.history(store.connection, job.number):
            yield "history", str(line)
        for one in job_parts.recipients(store.connection, job.number):
            yield "link", str(one.link)
    registry = CollectorRegistry(auto_describe=False)
    registry.register(Figures(store.folder, Reader(store.folder)))
    yield "metric", generate_latest(registry).decode()


def test_no_identifier_of_200_hostile_requests_is_in_any_address_log_line_file_name_or_metric(
    store, pair, fhir, tmp_path, caplog
):
    caplog.set_level(logging.DEBUG)
    site = site_of(store, pair, fhir, transfer="external", launch_id=True)
    rng = random.Random(7)
    numbers = [site.ask(hostile(rng, number, pair[2])) for number in range(200)]
    rest = {State.SHARED, State.REJECTED, State.VERIFY_FAILED, State.SHARE_FAILED, State.TRANSFER_FAILED}
    site.run(lambda: all(site.job(number).state in rest for number in numbers), within=120)

    assert {site.job(number).state for number in numbers} >= {State.SHARED, State.REJECTED}
    secrets = ["LEAK", pair[2], kit.PATIENT]
    assert leaks(places(caplog, fhir, store, tmp_path), secrets) == []
    # What is looked for is there to be found: in the bodies, and in a log line that has it.
    assert any("LEAK" in json.dumps(task) for task in fhir.records.all("Task"))
    logging.getLogger("control").warning("shared", extra={"patient": kit.PATIENT})
    (Path(tmp_path) / "LEAK001a.dcm").touch()
    assert sorted(leaks(places(caplog, fhir, store, tmp_path), secrets)) == ["file name", "log"]
