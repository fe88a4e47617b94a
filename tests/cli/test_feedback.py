"""What PowerServer refuses, or a rule cannot map, is a failed Task in Blume: the whole host and both peers."""

from __future__ import annotations

import json
import shutil
from datetime import UTC, datetime, timedelta

from simulators.blume import make_bundle
from simulators.omegaai import OmegaAI
from simulators.powerserver import PowerServer
from tests.cli.console_script import ROOT, RunningHost, wait_until


def booking(number, organization="org-1", later=None):
    """A booking of its own, moved by some time: (body, appointment's placer id)."""
    start = (
        datetime.now(UTC).replace(hour=14, minute=0, second=0, microsecond=0)
        + timedelta(days=3)
        + (later or timedelta(0))
    )
    bundle = json.loads(make_bundle(number, start=start))
    resources = {entry["resource"]["resourceType"]: entry["resource"] for entry in bundle["entry"]}
    resources["Organization"]["identifier"][0]["value"] = organization
    appointment = resources["Appointment"]
    return json.dumps(bundle).encode(), appointment["identifier"][0]["value"]


def feedback_site(folder):
    """A copy of the shipped site with the examples that tell Blume, by a Task and by the appointment itself."""
    site = shutil.copytree(ROOT / "mappings", folder / "mappings")
    for name in ("feedback", "withdrawn"):
        shutil.copy(site / f"examples/appointment-{name}.yaml", site)
    return site


PROPOSED = {
    "resourceType": "Appointment",
    "status": "proposed",
    "start": "2025-11-24T09:00:00-03:00",
    "end": "2025-11-24T10:00:00-03:00",
    "participant": [{"actor": {"display": "the patient"}, "status": "accepted"}],
}


def tasks(blume):
    return {task["focus"]["identifier"]["value"]: task for task in blume.records.all("Task")}


def test_what_powerserver_refuses_and_what_a_rule_refuses_later_travel_back(tmp_path):
    site = feedback_site(tmp_path)
    with PowerServer(["AR", "accept"]) as powerserver, OmegaAI() as blume:
        env = {"OMEGAAI_FHIR_URL": blume.base}
        with RunningHost(tmp_path / "data", powerserver.port, site=site, env=env) as host:
            refused, appointment = booking(7001)
            blume.records.write(PROPOSED | {"identifier": [{"system": "urn:oid:2.25.1001", "value": appointment}]})
            first = host.book(refused)
            host.wait_for_status(first, "ERROR")
            wait_until(lambda: tasks(blume), "the failed Task is there")
            told = host.command("messages", "find", appointment, "--json").json["messages"]
            accepted = host.book(booking(7002, "org-2")[0])
            host.wait_for_status(accepted, "SENT")
            # This organization does not let patients move appointments: known only once the state is.
            moved, second = booking(7002, "org-2", later=timedelta(hours=2))
            host.wait_for_status(host.book(moved), "ERROR")
            wait_until(lambda: second in tasks(blume), "the second failed Task is there")
            wait_until(lambda: blume.records.all("Appointment")[0]["status"] == "cancelled", "the request is withdrawn")
            assert host.command("reconcile").code == 0
            shown = host.command("status", "--json").json["channels"]

    assert tasks(blume).keys() == {appointment, second}
    task = tasks(blume)[appointment]
    assert (task["status"], task["businessStatus"]["text"]) == ("failed", "PowerServer refused the appointment")
    assert task["statusReason"]["text"] == "AR: Application reject"
    assert task["identifier"][0]["value"] == f"{first}.powerserver"
    later = tasks(blume)[second]
    assert later["statusReason"]["coding"][0]["code"] == "NOT_ALLOWED"
    assert later["businessStatus"]["text"] == "The appointment could not be sent to PowerServer"
    channels = {"appointment-to-powerserver", "appointment-feedback", "appointment-withdrawn"}
    assert {line["channel"] for line in told} == channels
    assert channels <= {channel["name"] for channel in shown}
