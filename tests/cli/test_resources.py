"""The bookable resources on a whole host: a drift stops bookings, and its cure lets go of what waited."""

from __future__ import annotations

import json
import os
import shutil
import time
from datetime import UTC, datetime, timedelta

from simulators import omegaai_resources
from simulators.blume import make_bundle
from simulators.omegaai import OmegaAI
from simulators.powerserver import PowerServer
from store import drift
from store.connection import connect
from tests.cli.console_script import ROOT, RunningHost, free_ports, wait_until


class Export:
    """PowerServer's export of its resources, as its administrator drops it."""

    def __init__(self, folder):
        folder.mkdir()
        self.folder = folder
        self.text = (ROOT / "mappings/samples/powerserver-resources/resources.csv").read_text("utf-8")
        self.drop(self.text)

    def drop(self, text):
        path = self.folder / "resources.csv"
        path.write_text(text, "utf-8")
        os.utime(path, (time.time() - 60, time.time() - 60))


def test_a_drift_refuses_bookings_with_its_reason_and_cured_it_lets_the_parked_one_go(tmp_path):
    export = Export(tmp_path / "export")
    (port,) = free_ports(1)
    with OmegaAI() as omegaai:
        omegaai_resources.load(omegaai.records)
        env = {"OMEGAAI_FHIR_URL": omegaai.base, "POWERSERVER_RESOURCES": str(export.folder)}
        with RunningHost(tmp_path / "data", port, env=env) as host:
            agreed = host.command("drift", "--now")
            # PowerServer is away: the first is mapped and waits, the same patient's second waits unmapped behind it.
            first, second = (host.book(make_bundle(number, patient=0)) for number in (1, 2))
            wait_until(lambda: host.status_of(first) == "QUEUED", "the first is mapped")

            export.drop(export.text.replace("CT,BLUME CT,8", "CT,Blume CT,8"))
            drifted = host.command("drift", "--now")
            status, _, outcome = host.post(make_bundle(3, patient=1))
            with PowerServer(port=port):
                host.wait_for_status(first, "SENT")
                parked = host.wait_for_status(second, "ERROR")
                waiting = host.command("unmapped")
                # What PowerServer holds already may be confirmed; it may not be moved on this resource.
                confirmed, _, _ = host.post(make_bundle(1, patient=0, status="booked"))
                later = datetime.now(UTC).replace(hour=14) + timedelta(days=3)
                moved, _, _ = host.post(make_bundle(1, patient=0, start=later))

                export.drop(export.text)
                cured = host.command("drift", "--now", "--history", "--json")
                host.wait_for_status(second, "SENT")
                taken, _, _ = host.post(make_bundle(3, patient=1))

    assert (agreed.code, drifted.code, cured.code) == (0, 1, 0)
    assert "NAME_CASE  BLUME TEST / BLUME CT" in drifted.out
    assert status == 422
    assert outcome["resourceType"] == "OperationOutcome"
    (issue,) = outcome["issue"]
    assert issue["code"] == "business-rule"
    assert "differs between OmegaAI and PowerServer in letter case (NAME_CASE)" in json.dumps(issue)
    assert "NAME_CASE" in parked["deliveries"][0]["reason"]
    assert "bookable resources  BLUME TEST|BLUME CT" in waiting.out
    assert "1 parked booking(s) are mapped anew" in cured.err
    (line,) = cured.json["drifts"]
    assert line["cured"] is not None
    assert (confirmed, moved, taken) == (202, 422, 202)


def test_the_running_host_compares_by_the_clock(tmp_path):
    export = Export(tmp_path / "export")
    site = tmp_path / "mappings"
    shutil.copytree(ROOT / "mappings", site)
    text = (site / "site.yaml").read_text("utf-8").replace("  resources: 15m ", "  resources: 1s ")
    (site / "site.yaml").write_text(text.replace("  doctor: 1h ", "  doctor: off "), "utf-8")
    export.drop(export.text.replace("CT,BLUME CT,8", "CT,Blume CT,8"))
    with OmegaAI() as omegaai, PowerServer() as powerserver:
        omegaai_resources.load(omegaai.records)
        env = {"OMEGAAI_FHIR_URL": omegaai.base, "POWERSERVER_RESOURCES": str(export.folder)}
        with RunningHost(tmp_path / "data", powerserver.port, site=site, env=env) as host:
            link = connect(host.data)
            found = wait_until(lambda: drift.open_drifts(link), "the drift was found", within=60)
            link.close()

    assert [line.drift.category for line in found] == ["NAME_CASE"]
