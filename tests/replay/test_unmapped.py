"""Codes that no table has a row for: a work list, and what happens when the row is added."""

from __future__ import annotations

import asyncio
import json
import logging
import pickle
import shutil
from datetime import UTC, datetime
from pathlib import Path

import pytest

from channels.requeue import requeue
from messages.lifecycle import Event, Status
from messages.message import Step
from messages.problem import Problem, Problems, Unmapped
from simulators.powerserver import PowerServer
from store import unmapped
from store.retention import prune
from tests.cli.console_script import RunningHost, wait_until
from tests.replay.kit import CHANNEL, ROOT, bundle
from transformers import er7, hl7_to_fhir
from transformers.base import Given
from transformers.hl7_mapping_examples import changed
from transformers.mapping_check import check_mapping
from transformers.mapping_site import load_site

SECRET = "SECRET-CODE-77"


def ask_nothing_at_the_door(folder: Path) -> None:
    """Let what has no row be parked, and wait for it."""
    mapping = folder / f"{CHANNEL}.yaml"
    rules, _, _ = mapping.read_text("utf-8").partition("\ntests:\n")  # they expect the answers of the door
    mapping.write_text(rules.replace("    at: door\n", "") + "\n", "utf-8")


@pytest.fixture
def running(site):
    """The site with a revision that asks nothing at the door."""
    ask_nothing_at_the_door(site.folder)
    site.start()
    return site


def ordered(code: str):
    """A booking of a study that is not in the order sets."""
    return lambda order: order["code"]["coding"][0].update(code=code)


def at(name: str):
    """A booking of a resource by its name."""
    return lambda service: service.update(name=name)


def work_list(site, *arguments: object):
    return site.command("unmapped", "--json", *arguments).json["unmapped"]


def organization(value: str):
    return lambda resource: resource["identifier"][0].update(value=value)


def system(value: str):
    """Identifiers of a system that is not in the table of authorities."""
    return lambda resource: resource["identifier"][0].update(system=value)


def reason(value: str):
    return lambda appointment: appointment.update(reasonCode=[{"coding": [{"system": value, "code": "1"}]}])


@pytest.mark.parametrize(
    ("changes", "table", "code"),
    [
        ({"ServiceRequest": ordered("XX01")}, "ordersets", "XX01"),
        ({"HealthcareService": at("BLUME XA")}, "resources", "BLUME XA"),
        ({"Organization": organization("org-9")}, "organizations", "org-9"),
        ({"Patient": system("urn:oid:2.25.9")}, "authorities", "urn:oid:2.25.9"),
        ({"Appointment": system("urn:x")}, "authorities", "urn:x"),
        ({"Practitioner": system("urn:y")}, "authorities", "urn:y"),
        ({"Appointment": reason("urn:w")}, "code_systems", "urn:w"),
    ],
)
def test_a_code_without_a_row_is_on_the_work_list(running, changes, table, code):
    [message] = running.deliver(bundle(1, **changes))

    assert [
        (row["channel"], row["table"], row["code"], row["times"], row["waiting"]) for row in work_list(running)
    ] == [(CHANNEL, f"tables/{table}.csv", code, 1, [message])]


def test_a_code_that_is_skipped_without_harm_is_not_on_the_work_list(running):
    running.deliver(bundle(1, ServiceRequest=lambda r: r["code"]["coding"].append({"system": "urn:z", "code": "1"})))

    assert work_list(running, "--all") == []


def test_a_table_in_the_mapping_itself_is_named_by_its_target(running):
    table = "table: { male: M, female: F, other: O, unknown: U }"
    text = running.changed((table, "table: { male: M }, on_unmapped: error")).read_text("utf-8")
    running.mapping.write_text(text, "utf-8")
    running.start()
    running.deliver(bundle(1))

    assert [(row["table"], row["code"]) for row in work_list(running)] == [("PID-8", "female")]


def test_how_often_and_which_messages_wait_are_counted(running):
    ids = running.deliver(*(bundle(number, ServiceRequest=ordered("XX01")) for number in range(1, 5)))
    other = running.deliver(bundle(5, ServiceRequest=ordered("XX02")))
    shown = running.command("unmapped")
    rows = {row["code"]: row for row in work_list(running)}

    assert (rows["XX01"]["times"], rows["XX01"]["waiting"]) == (4, ids)
    assert rows["XX02"]["waiting"] == other
    assert rows["XX01"]["first_at"] <= rows["XX01"]["last_at"]
    assert shown.code == 1
    assert f"4 waiting: {', '.join(ids[:3])} and 1 more" in shown.out
    assert work_list(running, "--channel", "another") == []


def test_what_a_person_cancels_waits_no_more(running):
    [message] = running.deliver(bundle(1, ServiceRequest=ordered("XX01")))
    running.act("cancel", message)

    assert running.command("unmapped").code == 0
    assert [row["waiting"] for row in work_list(running, "--all")] == [[]]


def test_a_message_that_is_reprocessed_too_early_is_counted_again(running):
    [message] = running.deliver(bundle(1, ServiceRequest=ordered("XX01")))
    running.act("reprocess", message)
    assert work_list(running) == []
    running.deliver()

    assert [(row["times"], row["waiting"]) for row in work_list(running)] == [(2, [message])]


def start_lanes(site) -> int:
    """Do what the lanes do before a revision begins; return how many are mapped anew."""
    store = site.store()
    channel = site.channel(store)
    try:
        return asyncio.run(requeue(store, channel.number, channel.revision, channel.transformer))
    finally:
        store.close()


def add(site, table: str, row: str) -> None:
    path = site.folder / "tables" / f"{table}.csv"
    path.write_text(f"{path.read_text('utf-8')}{row}\n", "utf-8")


def test_the_row_added_and_deployed_exactly_those_are_mapped_anew(running):
    first = running.deliver(bundle(1, ServiceRequest=ordered("XX01")), bundle(2, ServiceRequest=ordered("XX02")))
    add(running, "ordersets", "XX01,A STUDY,CT")
    said = running.command("deploy", running.mapping, "--accept-differences")
    assert "1 parked delivery has its row now: mapped anew" in said.out
    assert start_lanes(running) == 1
    running.deliver()

    assert [row["waiting"] for row in work_list(running)] == [[first[1]]]
    assert b"XX01" in running.powerserver.received[-1].payload
    shown = running.command("messages", "show", first[0])
    assert "reprocessed → RECEIVED: its code has a row since revision" in shown.out
    assert running.command("reconcile").code == 0


def test_a_message_that_lacks_two_rows_waits_for_both(running):
    text = running.mapping.read_text("utf-8").replace(
        "%books and %resource_modality.empty()",
        "%resource_modality.empty() and %agreed_studies.count() < %procedures.count()",
    )
    running.mapping.write_text(text, "utf-8")
    running.start()
    running.deliver(bundle(1, ServiceRequest=ordered("XX01"), HealthcareService=at("BLUME XA")))
    assert {row["code"] for row in work_list(running)} == {"XX01", "BLUME XA"}

    add(running, "ordersets", "XX01,A STUDY,XA")
    running.start()
    assert start_lanes(running) == 0, "it would only be parked again"
    add(running, "resources", "BLUME XA,XA,yes,BLUME TEST,BLUME XA")
    running.start()
    assert start_lanes(running) == 1


def test_a_row_that_is_still_missing_moves_nobody(running):
    running.deliver(bundle(1, ServiceRequest=ordered("XX01")))
    add(running, "ordersets", "XX09,ANOTHER STUDY,CT")
    running.start()

    assert start_lanes(running) == 0
    assert len(work_list(running)) == 1


def test_a_code_that_nobody_waits_for_is_forgotten_with_its_messages(running):
    [message] = running.deliver(bundle(1, ServiceRequest=ordered("XX01")))
    running.deliver(bundle(2, ServiceRequest=ordered("XX02")))
    running.act("cancel", message)
    store = running.store()
    store.writer.now(lambda tx: prune(tx, tx.now + 1))
    left = unmapped.work_list(store.connection, settled=True)
    store.close()

    assert [row.code for row in left] == ["XX02"], "one still waits for it"


HL7_SITE = ROOT / "tests" / "hl7_mapping_site"


@pytest.mark.parametrize(
    ("path", "value", "table", "code"),
    [
        ("SCH-25.4", "LOST", "tables/states.csv", "LOST"),
        ("SCH-2", "PS-1^NOBODY", "tables/authorities.csv", "NOBODY"),
        ("AIS-3", "CT01^Head^99OTHER", "tables/systems.csv", "99OTHER"),
    ],
)
def test_from_hl7_to_fhir_a_code_without_a_row_is_told_too(path, value, table, code):
    transformer = hl7_to_fhir.compile_plan(check_mapping(HL7_SITE / "base.yaml", load_site(HL7_SITE, {})).plan)
    segments = changed(er7.parse((HL7_SITE / "samples/book.hl7").read_bytes()).segments, path, value)
    given = Given(now=datetime(2025, 11, 20, tzinfo=UTC), control_id="1", destination="blume")
    with pytest.raises(Problems) as refused:
        transformer.transform(transformer.check(er7.encode(segments)), given)

    assert {one for problem in refused.value.problems for one in problem.unmapped} == {Unmapped(table=table, code=code)}
    assert not transformer.has_row(table, code)
    for known in ("SCHEDULED", "PS", "99STUDY"):
        assert any(transformer.has_row(f"tables/{name}.csv", known) for name in ("states", "authorities", "systems"))


# -- codes are of messages ---------------------------------------------------------------------------------------


@pytest.fixture
def secret():
    return Problem(code="E303", text="not in the table", unmapped=(Unmapped(table="tables/t.csv", code=SECRET),))


def test_no_text_of_a_problem_holds_the_code(secret, caplog):
    problems = Problems([secret])
    step = Step(
        delivery=1, status=Status.RECEIVED, event=Event.UNMAPPABLE, reason=str(problems), unmapped=secret.unmapped
    )
    try:
        raise problems
    except Problems:
        logging.getLogger("channels").exception("parked %s", step)

    texts = [str(secret), repr(secret), str(problems), repr(problems), repr(problems.args), repr(secret.unmapped),
             repr(step), str(step), f"{step.unmapped}", caplog.text]  # fmt: skip
    assert [text for text in texts if SECRET in text] == []
    assert secret.unmapped[0].code == SECRET
    assert pickle.loads(pickle.dumps(secret)) == secret


def test_nothing_that_is_logged_or_answered_holds_the_code(running, caplog, capfd):
    caplog.set_level(logging.DEBUG)
    [message] = running.deliver(bundle(1, ServiceRequest=ordered(SECRET)))
    said = capfd.readouterr()
    shown = running.command("messages", "show", message)
    status = running.command("status")

    for text in (caplog.text, said.out, said.err, shown.out, status.out, json.dumps(running.reasons())):
        assert SECRET not in text
    assert SECRET in running.command("unmapped").out


def test_the_code_rests_encrypted(running):
    running.deliver(bundle(1, ServiceRequest=ordered(SECRET)))
    store = running.store()
    folder = store.folder
    store.close()

    for path in filter(Path.is_file, folder.rglob("*")):
        assert SECRET.encode() not in path.read_bytes(), path.name


def test_on_a_running_host_the_row_and_a_deploy_are_all_it_takes(tmp_path):
    site = tmp_path / "mappings"
    shutil.copytree(ROOT / "mappings", site)
    ask_nothing_at_the_door(site)
    with PowerServer() as powerserver, RunningHost(tmp_path / "data", powerserver.port, site=site) as host:
        ids = [host.book(bundle(number, ServiceRequest=ordered("XX01"))) for number in range(1, 4)]
        for message in ids:
            host.wait_for_status(message, "ERROR")
        table = site / "tables" / "ordersets.csv"
        table.write_text(table.read_text("utf-8") + "XX01,A STUDY,CT\n", "utf-8")
        deployed = host.command("deploy", site / f"{CHANNEL}.yaml", "--accept-differences")
        for message in ids:
            host.wait_for_status(message, "SENT")

        assert "3 parked deliveries have their row now: mapped anew" in deployed.out
        assert host.command("unmapped").code == 0
        wait_until(lambda: "are mapped anew" in host.errors, "the lanes say how many")
