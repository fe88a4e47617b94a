"""What PowerServer refuses, or a rule cannot map, is a failed Task in Blume: the whole host and both peers."""

from __future__ import annotations

import json
import shutil

from simulators.blume import make_bundle
from simulators.omegaai import OmegaAI
from simulators.powerserver import PowerServer
from tests.cli.console_script import ROOT, RunningHost, wait_until


def booking(number, **changes):
    """A booking of its own, with some elements of its Appointment changed: (body, appointment's placer id)."""
    bundle = json.loads(make_bundle(number))
    appointment = next(e["resource"] for e in bundle["entry"] if e["resource"]["resourceType"] == "Appointment")
    appointment |= changes
    return json.dumps(bundle).encode(), appointment["identifier"][0]["value"]


def feedback_site(folder, **changed):
    """A copy of the shipped site with the example that tells Blume."""
    site = folder / "mappings"
    shutil.copytree(ROOT / "mappings", site)
    shutil.copy(site / "examples/appointment-feedback.yaml", site)
    return site


def tasks(blume):
    return {task["focus"]["identifier"]["value"]: task for task in blume.records.all("Task")}


def test_a_refusal_of_powerserver_travels_back_as_a_failed_task(tmp_path):
    site = feedback_site(tmp_path)
    with PowerServer(["AR", "accept"]) as powerserver, OmegaAI() as blume:
        env = {"OMEGAAI_FHIR_URL": blume.base}
        with RunningHost(tmp_path / "data", powerserver.port, site=site, env=env) as host:
            refused, appointment = booking(7001)
            first = host.book(refused)
            host.wait_for_status(first, "ERROR")
            wait_until(lambda: tasks(blume), "the failed Task is there")
            told = host.command("messages", "find", appointment, "--json").json["messages"]
            accepted = host.book(booking(7002)[0])
            host.wait_for_status(accepted, "SENT")
            assert host.command("reconcile").code == 0
            shown = host.command("status", "--json").json["channels"]

    (task,) = blume.records.all("Task")
    assert task["focus"]["identifier"]["value"] == appointment
    assert (task["status"], task["businessStatus"]["text"]) == ("failed", "PowerServer refused the appointment")
    assert task["statusReason"]["text"] == "AR: Application reject"
    assert task["identifier"][0]["value"] == f"{first}.powerserver"
    assert {line["channel"] for line in told} == {"appointment-to-powerserver", "appointment-feedback"}
    assert {channel["name"] for channel in shown} == {"appointment-to-powerserver", "appointment-feedback"}
