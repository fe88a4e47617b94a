from __future__ import annotations

import asyncio
import dataclasses
import json
import os
import threading
import time
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from channels import resource_sync
from host.resource_sync import BLOCKED, STALE, UNREAD, synchronise
from messages.problem import Problems
from messages.resource import Drift
from simulators.omegaai import OmegaAI
from store import alerts, drift
from store.connection import connect
from store.schema import migrate
from store.store import Store
from tests.test_resource_sync import HEADER, ORGANIZATIONS, row, service
from transformers.mapping_site import load_site
from transformers.resource_file import read_plan
from transformers.resource_mfn import write_message

SITE = Path(__file__).parents[2] / "mappings"
FOUND = Drift(facility="F", name="R", category="NAME_CASE", field="name", severity="blocker", omegaai="R")


@pytest.fixture
def store(tmp_path):
    link = connect(tmp_path)
    migrate(link)
    link.close()
    store = Store(tmp_path, "test")
    yield store
    store.close()


def write(store, *drifts):
    new = drift.NewComparison(omegaai=1, powerserver=1, pairs=1, looked_at={}, drifts=drifts)
    return store.writer.now(lambda tx: drift.write_comparison(tx, new))


def test_a_drift_has_one_history_from_its_first_sight_to_its_cure(store):
    made = [write(store, FOUND), write(store, FOUND), write(store), write(store, FOUND)]

    assert [(one.opened, one.cured) for one in made] == [(1, 0), (0, 0), (0, 1), (1, 0)]
    (again,) = drift.open_drifts(store.connection)
    (before,) = drift.history(store.connection)
    assert (before.first_at, before.last_at, before.cured_at) == (made[0].at, made[1].at, made[2].at)
    assert again.first_at == made[3].at


def test_the_newest_values_of_a_drift_are_shown(store):
    write(store, FOUND)
    write(store, dataclasses.replace(FOUND, omegaai="r", severity="warning"))
    (line,) = drift.open_drifts(store.connection)

    assert (line.drift.omegaai, line.drift.severity) == ("r", "warning")


def refuse(store, facility, name, books="true"):
    facts = {"facility": facility, "resource": name, "books": books}
    resource_sync.refuse_blocked(store.connection, {key: (value,) for key, value in facts.items() if value})


@pytest.mark.parametrize(
    ("found", "facility", "name"),
    [
        (FOUND, "F", "r"),
        (FOUND, "G", "R"),
        (FOUND, None, "R"),
        (FOUND, "F", None),
        (dataclasses.replace(FOUND, severity="warning"), "F", "R"),
        (dataclasses.replace(FOUND, severity="info"), "F", "R"),
    ],
)
def test_only_a_blocker_of_this_very_resource_refuses_a_booking(store, found, facility, name):
    write(store, found)
    refuse(store, facility, name)
    write(store, FOUND)

    with pytest.raises(Problems) as refused:
        refuse(store, "F", "R")
    (problem,) = refused.value.problems
    assert (problem.code, problem.issue_type) == ("RESOURCE_DRIFT", "business-rule")
    assert problem.text.endswith("in letter case (NAME_CASE)")
    refuse(store, "F", "R", books="false")  # a cancellation goes through
    refuse(store, "F", "R", books=None)


class Sides:
    """OmegaAI as a server, PowerServer as a folder; compared as the host does it."""

    def __init__(self, folder: Path, omegaai: OmegaAI, store: Store) -> None:
        self.omegaai, self.store, self.folder = omegaai, store, folder
        environ = {"OMEGAAI_FHIR_URL": omegaai.base, "POWERSERVER_RESOURCES": str(folder)}
        self.site = load_site(SITE, environ)
        self.plan = read_plan(self.site)
        for resource in ORGANIZATIONS:
            omegaai.records.write(dict(resource), resource["id"])

    def have(self, *services):
        for resource in services:
            self.omegaai.records.write(resource, resource["id"])

    def export(self, *rows, name="resources.csv", age=60.0):
        path = self.folder / name
        path.write_text("\n".join([HEADER, *(",".join(one.values()) for one in rows)]), "utf-8")
        os.utime(path, (time.time() - age, time.time() - age))

    def compare(self, **how):
        plan = dataclasses.replace(self.plan, page=how.pop("page", self.plan.page))
        return asyncio.run(
            synchronise(self.site, plan, self.store, whole=how.get("whole", False), accept=how.get("accept", False))
        )

    def drifts(self):
        return [(line.drift.name, line.drift.category) for line in drift.open_drifts(self.store.connection)]

    def alerts(self):
        return {alert.key for alert in alerts.open_alerts(self.store.connection)}


@pytest.fixture
def sides(tmp_path, store):
    folder = tmp_path / "export"
    folder.mkdir()
    with OmegaAI() as omegaai:
        yield Sides(folder, omegaai, store)


def test_omegaai_is_read_page_by_page_and_then_only_what_has_changed(sides):
    sides.have(*(service(f"R {n}", n) for n in range(7)))
    sides.export(*(row(f"R {n}") for n in range(7)))
    first = sides.compare(page=3)
    pages = [r.target for r in sides.omegaai.requests if "HealthcareService" in r.target]
    before = len(sides.omegaai.requests)
    sides.have(service("R 3", 3, active=False))
    sides.compare(page=3)
    later = [r for r in sides.omegaai.requests[before:] if r.target == "/fhir/HealthcareService/_search"]

    assert (first.comparison.pairs, first.comparison.opened) == (7, 0)
    assert len(pages) == 3
    assert b"_lastUpdated=ge" in later[0].body
    assert sides.drifts() == [("R 3", "INACTIVE_MISMATCH")]


def test_what_was_deleted_in_omegaai_is_seen_when_all_is_read(sides):
    sides.have(service("A", 1), service("B", 2), service("C", 3))
    sides.export(row("A"), row("B"), row("C"))
    sides.compare()
    del sides.omegaai.records._held["HealthcareService", "hs-2"]
    sides.compare()
    unseen = sides.drifts()
    sides.compare(whole=True)

    assert unseen == []
    assert sides.drifts() == [("B", "MISSING_IN_OAI")]


def test_an_alert_of_blockers_is_opened_once_and_closed_when_all_are_cured(sides):
    sides.have(service("BLUME CT"))
    sides.export(row("Blume CT"))
    sides.compare()
    sides.compare()
    (alert,) = alerts.open_alerts(sides.store.connection)
    sides.export(row("BLUME CT"))
    sides.compare()

    assert (alert.key, alert.severity, alert.times) == (BLOCKED, "blocker", 2)
    assert "BLUME CT" in alert.text
    assert (sides.alerts(), sides.drifts()) == (set(), [])


def test_while_a_side_cannot_be_read_what_was_found_stands_and_it_is_said(sides):
    sides.have(service("BLUME CT"))
    sides.export(row("Blume CT"))
    sides.compare()
    for path in sides.folder.iterdir():
        path.unlink()
    sides.omegaai.add("500")
    failed = sides.compare()
    side = drift.sides(sides.store.connection)["powerserver"]

    assert failed.comparison is None
    assert failed.failures == {
        "omegaai": "HealthcareService will not be searched (500)", "powerserver": "no export lies in the folder",
    }  # fmt: skip
    assert (side.count, side.problem) == (1, "no export lies in the folder")
    assert sides.drifts() == [("BLUME CT", "NAME_CASE")]
    assert sides.alerts() == {BLOCKED, *UNREAD.values()}


def test_a_torn_export_does_not_stop_all_bookings_unless_a_person_believes_it(sides):
    sides.have(*(service(f"R {n}", n) for n in range(10)))
    sides.export(*(row(f"R {n}") for n in range(10)))
    sides.compare()
    sides.export(*(row(f"R {n}") for n in range(4)))
    torn = sides.compare()
    stood = sides.drifts()
    accepted = sides.compare(accept=True)

    assert "not believed" in torn.failures["powerserver"]
    assert stood == []
    assert len(sides.drifts()) == 6
    assert accepted.failures == {}


def test_an_export_that_is_still_being_written_is_not_read(sides):
    sides.have(service("A"))
    sides.export(row("A"))
    sides.compare()
    sides.export(row("B"), name="later.csv", age=0.0)

    assert sides.compare().failures == {}
    assert sides.drifts() == []


def mfn(name, minutes):
    change = {
        "event": "MAD", "facility": "BLUME TEST", "department": "RAD", "room": name, "name": name, "modality": "CT",
        "duration": minutes, "overbooking": "N", "active": "A",
    }  # fmt: skip
    header = {"sending_app": "PS", "receiving_app": "BLUME", "processing_id": "P"}
    return write_message([change], control_id="1", now=datetime.now(UTC), header=header)


def test_powerserver_s_resources_may_come_as_mfn_messages(sides):
    sides.have(service("A", 1), service("B", 2))
    for number, (name, minutes) in enumerate((("A", "60"), ("B", "30"))):
        path = sides.folder / f"{number}.hl7"
        path.write_bytes(mfn(name, minutes))
        os.utime(path, (time.time() - 60, time.time() - 60))
    sides.compare()

    assert sides.drifts() == [("B", "DURATION")]


def test_messages_of_a_channel_are_kept_from_the_last_whole_file_on_and_no_others(sides):
    """The messages themselves may be forgotten meanwhile: here there are none any more."""
    sides.have(service("A", 1))
    whole = mfn("A", "60").replace(b"||UPD|", b"||REP|")
    files = [drift.MasterFile(n, 1e9 + n, body) for n, body in enumerate((mfn("OLD", "30"), whole), 1)]
    sides.plan = dataclasses.replace(sides.plan, powerserver_reader="channel", powerserver_channel="mfn")
    nothing = sides.compare().failures
    sides.store.writer.now(lambda tx: drift.keep_master_files(tx, "mfn", files))
    failures = sides.compare().failures
    kept = drift.master_files(sides.store.connection, "mfn")

    assert nothing == {"powerserver": "the channel mfn has received no MFN^M05 yet"}
    assert failures == {}
    assert sides.drifts() == []
    assert [one.number for one in kept] == [2]


class Address(BaseHTTPRequestHandler):
    """PowerServer's resources by HTTP, as JSON."""

    def do_GET(self):
        body = json.dumps({"resources": [row("A"), row("B", **{"Default Duration": "30"})]}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        """Say nothing."""


def test_powerserver_s_resources_may_be_read_by_http(sides):
    sides.have(service("A", 1), service("B", 2))
    with ThreadingHTTPServer(("127.0.0.1", 0), Address) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        base = f"http://127.0.0.1:{server.server_address[1]}/resources"
        sides.site = dataclasses.replace(
            sides.site, stations={**sides.site.stations, "powerserver-resources": {"base": base}}
        )
        sides.plan = dataclasses.replace(sides.plan, powerserver_reader="http")
        failures = sides.compare().failures
        server.shutdown()

    assert failures == {}
    assert sides.drifts() == [("B", "DURATION")]


def test_an_old_export_is_said(sides):
    sides.have(service("A"))
    sides.export(row("A"), age=8 * 86400)
    sides.plan = dataclasses.replace(sides.plan, stale_after=7 * 86400.0)
    sides.compare()

    assert sides.alerts() == {STALE}
