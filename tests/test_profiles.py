"""Appointments in the other families of messages: one line of the shipped mapping chooses which."""

from __future__ import annotations

import asyncio
import json
import shutil
from datetime import datetime
from pathlib import Path

import pytest

from connectors.mllp_sender import MllpSender
from host.site import kinds
from messages.acknowledgement import read_acknowledgement
from messages.lifecycle import Event
from simulators.powerserver import PowerServer
from transformers.base import Given
from transformers.fhir_to_hl7 import compile_plan
from transformers.mapping_check import check_mapping
from transformers.mapping_file import show
from transformers.mapping_site import load_site

SITE = Path(__file__).parents[1] / "mappings"
AGREED = Path(__file__).parent / "hl7"
NOW = datetime.fromisoformat("2025-11-20T15:30:00-03:00")
LINE = "    # profile: fragments/profile-orm.yaml"
CHANGES = ("request", "reschedule", "confirm", "modify", "cancel", "delete", "no_show")
#: What each profile sends for each change.
EVENTS = {
    "orm": dict.fromkeys(CHANGES, "ORM^O01^ORM_O01"),
    "omi": dict.fromkeys(CHANGES, "OMI^O23^OMI_O23"),
    "srm": {"request": "SRM^S01^SRM_S01", "reschedule": "SRM^S02^SRM_S01", "confirm": "SRM^S03^SRM_S01",
            "modify": "SRM^S03^SRM_S01", "cancel": "SRM^S04^SRM_S01"},
}  # fmt: skip
CONTROLS = dict(zip(CHANGES, ["NW", "XO", "SC", "XO", "CA", "CA", "CA"], strict=True))


def with_profile(folder, name):
    """Return the shipped mapping, checked, with one line changed."""
    site = shutil.copytree(SITE, folder / "mappings")
    mapping = site / "appointment-to-powerserver.yaml"
    text = mapping.read_text("utf-8")
    assert text.count(LINE) == 1
    mapping.write_text(text.replace(LINE, f"    profile: fragments/profile-{name}.yaml"), "utf-8")
    return check_mapping(mapping, load_site(site, {}, kinds()))


@pytest.fixture(scope="module", params=list(EVENTS))
def profile(request, tmp_path_factory):
    checked = with_profile(tmp_path_factory.mktemp(request.param), request.param)
    assert [show(problem, checked.source) for problem in checked.problems] == []
    return request.param, compile_plan(json.loads(json.dumps(checked.plan)))


def sent(transformer, change="request", control_id="A0000000000000000006"):
    document = transformer.check((SITE / "samples/order-request.json").read_bytes())
    (admission,) = transformer.admit(document)
    given = Given(
        now=NOW, control_id=control_id, destination="powerserver", focus=admission.focus,
        values={"change": change, "state": "REQUESTED"},
    )  # fmt: skip
    return transformer.transform(document, given).encoded


def test_patients_go_as_a04_a08_and_a39_by_one_line(tmp_path):
    site = shutil.copytree(SITE, tmp_path / "mappings")
    mapping = site / "examples/patient-to-powerserver.yaml"
    line = "    # profile: fragments/profile-adt-a04.yaml"
    assert mapping.read_text("utf-8").count(line) == 1
    mapping.write_text(mapping.read_text("utf-8").replace(line, line.replace("# ", "")), "utf-8")
    checked = check_mapping(mapping, load_site(site, {}, kinds()))
    assert [show(problem, checked.source) for problem in checked.problems] == []
    transformer = compile_plan(json.loads(json.dumps(checked.plan)))

    def event(sample, *, known=False):
        document = transformer.check((SITE / "samples" / sample).read_bytes())
        (admission,) = transformer.admit(document)
        given = Given(
            now=NOW, control_id="1", destination="powerserver", focus=admission.focus, known=known
        )  # fmt: skip
        lines = transformer.transform(document, given).encoded.decode().split("\r")
        return lines[0].split("|")[8], lines[1].split("|")[1]

    assert event("patient-new.json") == ("ADT^A04^ADT_A01", "A04")
    assert event("patient-new.json", known=True) == ("ADT^A08^ADT_A01", "A08")
    assert event("patient-merge.json") == ("ADT^A39^ADT_A39", "A39")


@pytest.mark.parametrize(("name", "agreed", "control_id"), [
    ("orm", "order-orm-o01.hl7", "A0000000000000000006"),
    ("omi", "order-omi-o23.hl7", "A0000000000000000007"),
])  # fmt: skip
def test_a_profile_gives_the_agreed_message_byte_for_byte(tmp_path, name, agreed, control_id):
    transformer = compile_plan(json.loads(json.dumps(with_profile(tmp_path, name).plan)))

    assert sent(transformer, control_id=control_id).decode().split("\r") == (AGREED / agreed).read_text(
        "utf-8"
    ).replace("\n", "\r").split("\r")


def test_every_change_has_its_message(profile):
    name, transformer = profile

    for change, event in EVENTS[name].items():
        lines = sent(transformer, change).decode().split("\r")
        assert lines[0].split("|")[8] == event
        if name != "srm":
            assert next(line for line in lines if line.startswith("ORC")).split("|")[1] == CONTROLS[change]


def test_the_priority_stands_where_the_family_has_it(profile):
    name, transformer = profile
    lines = {line[:3]: line.split("|") for line in sent(transformer).decode().split("\r") if line}

    if name == "srm":
        assert lines["ARQ"][12] == "SCHEDULED STATUS"
    else:
        assert lines["ORC"][7].split("^")[5] == lines["OBR"][27].split("^")[5] == "SCHEDULED STATUS"
    assert ("TQ1" in lines) == (name == "omi")


SRR = (
    b"MSH|^~\\&|POWERSERVER|BLUME TEST|BLUME|BLUME TEST ORG|20251120153001||SRR^S01^SRR_S01|P1|P|2.5.1\r"
    b"MSA|%s|C1\rSCH|appt-77|PS-4711||||NEW||||||^PS||||^PS||||^PS\r"
)


@pytest.mark.parametrize(("code", "event"), [(b"AA", Event.ACCEPTED), (b"AR", Event.REFUSED), (b"AE", Event.DEFERRED)])
def test_a_schedule_response_counts_by_its_msa(code, event):
    assert read_acknowledgement(SRR % code, "C1").event is event


def test_a_message_of_each_profile_is_taken_by_powerserver_on_a_socket(profile):
    _, transformer = profile
    encoded = sent(transformer)

    async def story(port):
        sender = MllpSender(host="127.0.0.1", port=port)
        await sender.open()
        reply = await sender.send(encoded, "A0000000000000000006")
        await sender.close()
        return reply

    with PowerServer() as peer:
        reply = asyncio.run(story(peer.port))
        assert [one.payload for one in peer.received] == [encoded]
    assert reply.event is Event.ACCEPTED
