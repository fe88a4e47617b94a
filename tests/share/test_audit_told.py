"""The audit trail in the words of the standards, and told to a receiver outside."""

from __future__ import annotations

import asyncio
import ssl
from xml.etree import ElementTree as ET

import pytest
import trustme

from channels.audit_export import Exporter
from connectors.syslog_sender import SyslogSender
from messages.audit import EVENTS, Outcome
from store import audit
from transformers.audit_event import Observer, dicom_audit_message, fhir_audit_event
from transformers.fhir_validation import validate

OBSERVER = Observer(site="Clinic 01", host="interface01")
DETAIL = {
    "patient": "PH-000001", "study": "1.2.840.7", "issuer": "BLUME TEST", "requested_by": "dr.ray", "arrived": 300,
    "studies": ["1.2", "1.3"],
}  # fmt: skip


@pytest.fixture
def entry(store):
    def make(what="study-shared", who="host", address="", outcome=Outcome.SUCCESS):
        store.writer.now(
            lambda tx: audit.record(tx, who, what, "job:7", outcome, address=address, detail=DETAIL)
        )  # fmt: skip
        return audit.entries(store.connection)[0]

    return make


def test_every_word_is_a_valid_audit_event(entry):
    for what, kind in EVENTS.items():
        event = fhir_audit_event(entry(what, who="ana", address="127.0.0.1"), OBSERVER)

        assert [problem for problem in validate(event) if problem.severity == "error"] == [], what
        assert event["action"] == kind.action


def test_a_share_is_an_export_of_the_study_with_patient_study_and_who_asked(entry):
    event = fhir_audit_event(entry(outcome=Outcome.SERIOUS_FAILURE), OBSERVER)

    assert (event["type"]["code"], event["type"]["display"], event["outcome"]) == ("110106", "Export", "8")
    assert event["subtype"][0]["code"] == "study-shared"
    assert [agent["requestor"] for agent in event["agent"]] == [True, False]
    named = {one["what"].get("type"): one["what"]["identifier"]["value"] for one in event["entity"]}
    assert named == {None: "job:7", "Patient": "PH-000001", "ImagingStudy": "urn:oid:1.2.840.7"}


def test_the_dicom_audit_message_says_the_same(entry):
    root = ET.fromstring(dicom_audit_message(entry(who="ana", address="10.1.2.3"), OBSERVER))

    head = root.find("EventIdentification")
    assert head.attrib["EventActionCode"] == "R"
    assert head.find("EventID").attrib["csd-code"] == "110106"
    person = root.find("ActiveParticipant")
    assert (person.attrib["UserID"], person.attrib["NetworkAccessPointID"]) == ("ana", "10.1.2.3")
    objects = {one.attrib["ParticipantObjectID"] for one in root.findall("ParticipantObjectIdentification")}
    assert objects == {"job:7", "PH-000001", "1.2.840.7"}
    assert [child.tag for child in root][:3] == [
        "EventIdentification",
        "ActiveParticipant",
        "AuditSourceIdentification",
    ]


def test_each_line_reaches_the_receiver_once_it_is_up_in_order_and_framed(store, entry):
    for who in ("ana", "bia", "caio"):
        entry(who=who)

    async def go():
        got = bytearray()

        async def take(reader, writer):
            got.extend(await reader.read(100_000))
            writer.close()

        server = await asyncio.start_server(take, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        exporter = Exporter(store, lambda e: dicom_audit_message(e, OBSERVER), OBSERVER.host)
        down = SyslogSender(host="127.0.0.1", port=1, security="none")
        with pytest.raises(OSError):  # noqa: PT011  # whatever the system says of a closed port
            await exporter.tell("receiver", down)
        up = SyslogSender(host="127.0.0.1", port=port, security="none")
        assert await exporter.tell("receiver", up) == 3
        await up.close()
        entry(who="davi")
        up = SyslogSender(host="127.0.0.1", port=port, security="none")
        assert await exporter.tell("receiver", up) == 1
        await up.close()
        while got.count(b"AuditMessage>") < 4:
            await asyncio.sleep(0.01)
        server.close()
        await server.wait_closed()
        await asyncio.sleep(0.05)
        return bytes(got)

    lines = _frames(asyncio.run(go()))
    assert len(lines) == 4
    assert all(line.startswith(b"<85>1 20") and b" interface01 plugin-host " in line for line in lines)
    names = [ET.fromstring(line.split(b"\xef\xbb\xbf", 1)[1]).find("ActiveParticipant") for line in lines]
    assert [name.attrib["UserID"] for name in names] == ["ana", "bia", "caio", "davi"]


@pytest.fixture(scope="module")
def papers(tmp_path_factory):
    """Certificates of one authority: the receiver's and ours, and the receiver's context that asks for ours."""
    authority, folder = trustme.CA(), tmp_path_factory.mktemp("papers")
    authority.cert_pem.write_to_path(folder / "ca.pem")
    authority.issue_cert("plugin-host.example").private_key_and_cert_chain_pem.write_to_path(folder / "ours.pem")
    trustme.CA().cert_pem.write_to_path(folder / "other-ca.pem")
    receiver = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(receiver)
    authority.configure_trust(receiver)
    receiver.verify_mode = ssl.CERT_REQUIRED
    return receiver, folder


def told_over_tls(store, receiver, **settings):
    """Tell the trail to a listener that speaks TLS; return what it got, and whether the teller could."""

    async def go():
        got, ended = bytearray(), asyncio.Event()

        async def take(reader, writer):
            try:
                while data := await reader.read(65536):
                    got.extend(data)
            finally:
                writer.close()
                ended.set()

        server = await asyncio.start_server(take, "127.0.0.1", 0, ssl=receiver)
        exporter = Exporter(store, lambda e: dicom_audit_message(e, OBSERVER), OBSERVER.host)
        sender = SyslogSender(host="127.0.0.1", port=server.sockets[0].getsockname()[1], **settings)
        try:
            told = await exporter.tell("receiver", sender)
            await sender.close()
            await asyncio.wait_for(ended.wait(), 20)
        except OSError:
            told = None
        server.close()
        await server.wait_closed()
        return told, bytes(got)

    return asyncio.run(go())


def test_the_trail_reaches_a_receiver_over_tls_with_certificates_on_both_sides(store, entry, papers):
    receiver, folder = papers
    for who in ("ana", "bia"):
        entry(who=who)
    ours = str(folder / "ours.pem")

    told, got = told_over_tls(store, receiver, ca_file=str(folder / "ca.pem"), certificate_file=ours, key_file=ours)

    assert told == 2
    messages = [ET.fromstring(line.split(b"\xef\xbb\xbf", 1)[1]) for line in _frames(got)]
    assert [one.find("ActiveParticipant").attrib["UserID"] for one in messages] == ["ana", "bia"]


def test_a_receiver_whose_certificate_is_not_trusted_is_told_nothing_and_the_trail_waits(store, entry, papers):
    receiver, folder = papers
    entry(who="ana")
    ours = str(folder / "ours.pem")

    told, got = told_over_tls(
        store, receiver, ca_file=str(folder / "other-ca.pem"), certificate_file=ours, key_file=ours
    )

    assert (told, got) == (None, b"")
    assert audit.told(store.connection, "receiver") == 0
    assert told_over_tls(
        store, receiver, ca_file=str(folder / "ca.pem"), certificate_file=ours, key_file=ours
    )[0] == 1  # fmt: skip


def test_a_receiver_elsewhere_needs_tls():
    with pytest.raises(ValueError, match="this machine only"):
        SyslogSender(host="audit.clinic.example", security="none")


def _frames(data):
    """Take octet-counted frames apart (RFC 5425 4.3)."""
    found = []
    while data:
        length, _, data = data.partition(b" ")
        found.append(data[: int(length)])
        data = data[int(length) :]
    return found
