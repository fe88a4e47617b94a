"""Repairs of drifts: planned, shown, applied once; refused while appointments are still to come."""

from __future__ import annotations

import contextlib
import csv
import dataclasses
import json
import os
import shutil
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from host.running import prepare_store
from simulators import omegaai_resources
from simulators.omegaai import OmegaAI
from simulators.powerserver import PowerServer
from tests.cli.console_script import run
from transformers import er7
from transformers.hl7_rules import compile_rules
from transformers.hl7_validation import Validator
from transformers.mapping_site import RESOURCES_FILE, load_site
from transformers.resource_export import records
from transformers.resource_file import check_sync
from transformers.resource_mfn import read_messages, write_message

SHIPPED = Path(__file__).parents[1] / "mappings"
HEADER = {"sending_app": "BLUME", "receiving_app": "POWERSERVER", "processing_id": "P"}
NOW = datetime(2025, 11, 20, 15, 30, tzinfo=UTC)


class Sides:
    """A site of its own, with both sides."""

    def __init__(self, folder: Path, omegaai: OmegaAI, powerserver: PowerServer) -> None:
        self.omegaai, self.powerserver = omegaai, powerserver
        self.folder = Path(shutil.copytree(SHIPPED, folder / "mappings"))
        self.data = folder / "data"
        omegaai_resources.load(omegaai.records)
        prepare_store(self.data)
        self.env = {
            "PLUGIN_HOST_DATA": str(self.data), "OMEGAAI_FHIR_URL": omegaai.base,
            "POWERSERVER_MLLP_PORT": str(powerserver.port),
        }  # fmt: skip
        self.export("")

    def export(self, old: str, new: str = "") -> None:
        path = self.folder / "samples/powerserver-resources/resources.csv"
        text = path.read_text("utf-8")
        assert old in text
        path.write_text(text.replace(old, new, 1) if old else text, "utf-8")
        os.utime(path, (time.time() - 60, time.time() - 60))

    def allow(self, **words: str) -> None:
        """Change words of the file's `repair:` and of fields."""
        for name, value in words.items():
            old = {"omegaai": "  omegaai: report ", "powerserver": "  powerserver: report "}[name]
            self.replace(old, f"  {name}: {value} ")

    def station(self, text: str) -> None:
        path = self.folder / "site.yaml"
        path.write_text(path.read_text("utf-8").replace("stations:\n", f"stations:\n  {text}\n", 1), "utf-8")

    def replace(self, old: str, new: str) -> None:
        path = self.folder / RESOURCES_FILE
        text = path.read_text("utf-8")
        assert old in text
        path.write_text(text.replace(old, new), "utf-8")

    def truth(self, field: str, side: str) -> None:
        path = self.folder / RESOURCES_FILE
        before, after = path.read_text("utf-8").split(f"\n  {field}:", 1)
        path.write_text(f"{before}\n  {field}:" + after.replace("truth: omegaai", f"truth: {side}", 1), "utf-8")

    def command(self, *arguments: str):
        return run(*arguments, "--site", str(self.folder), **self.env)

    def plan(self):
        told = self.command("repair", "--json")
        return json.loads(told.stdout)

    def service(self, number: int = 1):
        return self.omegaai.records.read("HealthcareService", f"hs-{number}")


@pytest.fixture
def sides(tmp_path):
    with contextlib.ExitStack() as stack:
        omegaai, powerserver = stack.enter_context(OmegaAI()), stack.enter_context(PowerServer())
        yield Sides(tmp_path, omegaai, powerserver)


def appointment(**changes):
    start = (datetime.now(UTC) + timedelta(days=2)).isoformat()
    actor = {"reference": "HealthcareService/hs-1"}
    return {
        "resourceType": "Appointment", "status": "booked", "start": start,
        "participant": [{"actor": actor, "status": "accepted"}],
    } | changes  # fmt: skip


def test_without_the_site_s_leave_the_host_only_says_what_a_person_does(sides):
    sides.export("60,No", "30,No")
    plan = sides.plan()
    told = sides.command("repair", "--apply", plan["plan"])

    (change,) = plan["changes"]
    assert change["how"] is None
    assert "report only" in change["refused"]
    assert "Settings > Users & Facilities" in change["action"]
    assert told.exit_code == 6
    assert [r for r in sides.omegaai.requests if r.method in {"PUT", "PATCH"}] == []
    assert sides.powerserver.count == 0


def test_omegaai_is_updated_as_the_plan_showed_and_nothing_else_of_it_is_lost(sides):
    sides.allow(omegaai="fhir")
    for field in ("duration", "hours", "overbooking"):
        sides.truth(field, "powerserver")
    sides.export("8:00 AM,11:00 PM,60,No", "9:00 AM,10:00 PM,30,Yes")
    before = sides.service()
    plan = sides.plan()
    told = sides.command("repair", "--apply", plan["plan"])
    after = sides.service()
    again = sides.command("drift", "--now")

    assert [(change["field"], change["how"]) for change in plan["changes"]] == [
        ("duration", "fhir"), ("hours mon-sun", "fhir"), ("overbooking", "fhir"),
    ]  # fmt: skip
    assert told.exit_code == 0, told.output
    assert again.exit_code == 0, again.output
    assert {key: after[key] for key in ("name", "type", "providedBy", "location")} == {
        key: before[key] for key in ("name", "type", "providedBy", "location")
    }
    assert after["availableTime"][0]["availableStartTime"] == "09:00:00"


def test_while_appointments_are_still_to_come_a_repair_is_refused(sides):
    sides.allow(omegaai="fhir")
    sides.truth("duration", "powerserver")
    sides.export("60,No", "30,No")
    sides.omegaai.records.write(appointment())
    (refused,) = sides.plan()["changes"]
    sides.omegaai.records.write(appointment(status="cancelled"), "o1")
    (free,) = sides.plan()["changes"]

    assert (refused["how"], refused["refused"]) == (None, "1 appointment(s) are still to come on it")
    assert refused["payload"] == {}
    assert (free["how"], free["refused"]) == ("fhir", None)


@pytest.mark.parametrize(
    "over",
    [
        {"start": "2020-01-01T08:00:00Z"},
        {"status": "fulfilled"},
        {"participant": [{"actor": {"reference": "HealthcareService/hs-2"}, "status": "accepted"}]},
    ],
)
def test_what_is_over_or_of_another_resource_does_not_bind(sides, over):
    sides.allow(omegaai="fhir")
    sides.truth("duration", "powerserver")
    sides.export("60,No", "30,No")
    sides.omegaai.records.write(appointment(**over))

    (change,) = sides.plan()["changes"]
    assert change["how"] == "fhir"


def test_where_omegaai_does_not_say_nothing_is_repaired(sides):
    sides.allow(omegaai="fhir")
    sides.truth("duration", "powerserver")
    sides.export("60,No", "30,No")
    sides.omegaai.add("accept*4", "403")
    (change,) = sides.plan()["changes"]

    assert change["how"] is None
    assert "does not say whether appointments are still to come" in change["refused"]


def test_a_plan_is_applied_once_and_only_while_nothing_has_changed(sides):
    sides.allow(omegaai="fhir")
    sides.truth("duration", "powerserver")
    sides.export("60,No", "30,No")
    plan = sides.plan()["plan"]
    unknown = sides.command("repair", "--apply", "0123456789ab")
    sides.export("30,No", "45,No")
    changed = sides.command("repair", "--apply", plan)
    anew = sides.plan()["plan"]
    done = sides.command("repair", "--apply", anew)
    twice = sides.command("repair", "--apply", anew)

    assert (unknown.exit_code, changed.exit_code, done.exit_code, twice.exit_code) == (6, 6, 0, 6)
    assert "there is no plan" in unknown.stderr
    assert "the sides have changed" in changed.stderr
    assert sides.service()["extension"][-1]["valueDuration"]["value"] == 45


def test_powerserver_gets_an_mfn_m05_that_says_what_was_shown(sides):
    sides.allow(powerserver="mfn\n  station: powerserver")
    sides.export("60,No", "30,No")
    plan = sides.plan()
    told = sides.command("repair", "--apply", plan["plan"])
    (received,) = sides.powerserver.wait_for(1)
    lines = received.payload.decode().split("\r")

    assert told.exit_code == 0, told.output
    assert lines[0].split("|")[8] == "MFN^M05^MFN_M05"
    assert "LCH|BLUME TEST^BLUME CT^^BLUME TEST|||DUR^Default duration^99PSRES|60" in lines
    assert lines[2].startswith("MFE|MUP|")


def test_what_powerserver_lacks_is_made_by_mfn_as_omegaai_has_it(sides):
    sides.allow(powerserver="mfn\n  station: powerserver")
    sides.export("BLUME TEST,BLUME TEST,BLUME MR,MODALITY,MR,BLUME MR,8:00 AM,11:00 PM,60,No,No,1\n")
    plan = sides.plan()
    told = sides.command("repair", "--apply", plan["plan"])
    (received,) = sides.powerserver.wait_for(1)
    lines = received.payload.decode().split("\r")

    assert [(change["category"], change["how"]) for change in plan["changes"]] == [("MISSING_IN_PS", "mfn")]
    assert told.exit_code == 0, told.output
    assert lines[2].startswith("MFE|MAD|")
    # OmegaAI knows room and facility; the department is PowerServer's own.
    key = "^BLUME MR^^BLUME TEST"
    assert lines[3] == f"LOC|{key}|BLUME MR|E|||||MR"
    assert f"LCH|{key}|||DUR^Default duration^99PSRES|60" in lines
    assert f"LCH|{key}|||OVB^Overbooking^99PSRES|N" in lines


def test_what_the_host_does_not_repair_is_refused_with_what_a_person_does(sides):
    """Making and removing in OmegaAI, and a name that stands twice; the station is there, so nothing else refuses."""
    sides.allow(omegaai="fhir", powerserver="mfn\n  station: powerserver")
    row = "BLUME TEST,BLUME TEST,BLUME XR,MODALITY,XR,BLUME XR,8:00 AM,11:00 PM,60,No,No,1\n"
    sides.export(row, row + row + row.replace("BLUME XR", "BLUME US"))
    plan = sides.plan()
    told = sides.command("repair", "--apply", plan["plan"])
    refused = {change["category"]: change for change in plan["changes"]}

    assert {category: change["how"] for category, change in refused.items()} == {
        "MISSING_IN_OAI": None, "DUPLICATE": None,
    }  # fmt: skip
    assert "makes no resources in OmegaAI" in refused["MISSING_IN_OAI"]["refused"]
    assert "Scheduler > Edit Healthcare Services > BLUME US" in refused["MISSING_IN_OAI"]["action"]
    assert "choose the one that stays" in refused["DUPLICATE"]["refused"]
    assert "leave one of the 2 resources of this name" in refused["DUPLICATE"]["action"]
    assert told.exit_code == 6
    assert [r for r in sides.omegaai.requests if r.method in {"PUT", "PATCH", "DELETE"}] == []
    assert sides.powerserver.count == 0


def test_what_powerserver_refuses_is_told_as_not_done(sides):
    sides.allow(powerserver="mfn\n  station: powerserver")
    sides.export("60,No", "30,No")
    sides.powerserver.add("AR:unknown location")
    told = sides.command("repair", "--apply", sides.plan()["plan"])

    assert told.exit_code == 6
    assert "NOT DONE" in told.stdout


def test_powerserver_s_administrator_gets_a_list_where_mfn_is_not_taken(sides):
    sides.allow(powerserver="csv\n  station: powerserver-resources")
    into_the_export = sides.command("repair")
    sides.station("lists: { folder: samples }")
    sides.replace("  powerserver: csv\n  station: powerserver-resources ", "  powerserver: csv\n  station: lists ")
    sides.export("CT,BLUME CT,8", "CT,Blume CT,8")
    folder = sides.folder / "samples"
    plan = sides.plan()["plan"]
    told = sides.command("repair", "--apply", plan)
    rows = list(csv.DictReader((folder / f"changes-{plan}.csv").read_text("utf-8").splitlines()))

    assert (into_the_export.exit_code, "would be read as an export" in into_the_export.stderr) == (3, True)
    assert told.exit_code == 0, told.output
    assert [(row["Resource"], row["Is"], row["Shall be"]) for row in rows] == [("BLUME CT", "Blume CT", "BLUME CT")]


# -- MFN ----------------------------------------------------------------------------------------------------

LOCATION = {
    "event": "MAD", "facility": "BLUME TEST", "department": "RAD & CT", "room": "R^1", "name": "BLUME CT|A",
    "modality": "CT", "duration": "60", "overbooking": "N", "active": "A",
    "hours": "MON^FRI^0800^2300~SAT^SAT^0800^1200",
}  # fmt: skip


@pytest.fixture(scope="module")
def plan():
    found, problems = check_sync(SHIPPED / RESOURCES_FILE, load_site(SHIPPED, {}))
    assert problems == []
    return dataclasses.replace(found)


def test_what_is_written_is_valid_hl7_and_read_as_it_was_meant(plan):
    body = write_message([LOCATION], control_id="C1", now=NOW, header=HEADER)
    (record,) = records(read_messages([("a.hl7", body)]), plan, of_mfn=True)

    rules = compile_rules("2.5.1", "MFN_M05")
    problems = Validator(rules, warnings=False).validate(er7.parse(body).segments)
    assert [str(problem) for problem in problems] == []
    assert (record.facility, record.name) == ("BLUME TEST", "BLUME CT|A")
    assert {name: value.normal for name, value in record.values.items()} == {
        "name": "BLUME CT|A", "active": True, "modality": "CT", "duration": 60, "overbooking": False,
        "department": "RAD & CT", "room": "R^1",
        "hours": {
            **{day: ["08:00", "23:00"] for day in ("mon", "tue", "wed", "thu", "fri")}, "sat": ["08:00", "12:00"],
        },
    }  # fmt: skip


def test_messages_add_change_close_and_remove_locations_in_their_order(plan):
    def one(event, number, **changes):
        change = {**LOCATION, "event": event, **changes}
        return f"{number}.hl7", write_message([change], control_id=str(number), now=NOW, header=HEADER)

    def left(*messages):
        found = records(read_messages(messages), plan, of_mfn=True)
        return [(record.values["duration"].normal, record.values["active"].normal) for record in found]

    assert left(one("MAD", 1)) == [(60, True)]
    assert left(one("MAD", 1), one("MUP", 2, duration="30")) == [(30, True)]
    assert left(one("MAD", 1), one("MDC", 2)) == [(60, False)]
    assert left(one("MAD", 1), one("MDC", 2), one("MAC", 3)) == [(60, True)]
    assert left(one("MAD", 1), one("MDL", 2)) == []
