"""A share from the door to the link: the whole host, whose jobs process is killed with -9 on the way."""

from __future__ import annotations

import json
import os
import signal

import pytest

from simulators.omegaai import OmegaAI
from tests.cli.console_script import RunningHost, edit, free_ports, wait_until
from tests.dicom import peers
from tests.share import kit
from tests.share.cutter import Cutter

ISSUER = "urn:oid:2.25.2001"


def share_site(folder, dicom_port):
    """A copy of the shipped site whose only channel is the example that shares studies, and a door for DICOM."""
    site = kit.site_with(folder, "study-share")
    edit(
        site / "site.yaml",
        "    proof: instances\n",
        "    proof: commitment\n    settle_after: 0\n    retry_after: 0.2\n",
    )
    edit(site / "site.yaml", "\nvalues:\n", (
        f"\ndicom:\n  ae_title: {peers.US}\n  port: {dicom_port}\n  peers: [{peers.OMEGAAI}@127.0.0.1]\n\nvalues:\n"
    ))  # fmt: skip
    return site


def request(study, task):
    """The Bundle that asks for a share."""
    found = kit.task(study, key=f"r-{task}", method="email-link")
    found["id"] = task
    found["code"] = {"coding": [{"code": "share-study"}]}
    found["for"]["identifier"]["system"] = ISSUER
    for one in found["input"]:
        value = next(one.pop(name) for name in ("valueCode", "valueString") if name in one)
        one["valueString"] = value
    return json.dumps({"resourceType": "Bundle", "type": "collection", "entry": [{"resource": found}]}).encode()


@pytest.fixture
def omega():
    with kit.fhir() as server:
        server.records.write({"resourceType": "Task", "status": "requested", "intent": "order"}, "t-9")
        yield server


def test_a_share_survives_kill_9_is_committed_and_tells_its_task(tmp_path, omega: OmegaAI):
    (dicom_port,) = free_ports(1)
    files = peers.study(tmp_path / "study", 24)
    with (
        peers.orthanc(tmp_path / "oai", {peers.US: dicom_port}) as omegaai,
        Cutter(omegaai.port, every=16, cuts=1) as line,
        peers.dcmqrscp(tmp_path / "ps", {peers.OMEGAAI: line.port}) as powerserver,
    ):
        peers.fill(powerserver, files)
        env = {
            "OMEGAAI_FHIR_URL": omega.base, "OMEGAAI_SHARE_ENABLED": "true", "OMEGAAI_SHARE_URL": kit.URL,
            "POWERSERVER_DICOM_PORT": str(powerserver.port), "OMEGAAI_DICOM_PORT": str(omegaai.port),
        }  # fmt: skip
        with RunningHost(tmp_path / "data", 1, site=share_site(tmp_path, dicom_port), env=env) as host:
            host.book(request(kit.study_of(files), "t-9"))
            wait_until(lambda: line.cut == 1, "the association was cut")
            os.kill(host.pids()["jobs"], signal.SIGKILL)

            wait_until(lambda: kit.job_state(host, 1) == "SHARED", "the study is shared", within=120)
            told = wait_until(
                lambda: (task := omega.records.read("Task", "t-9"))["status"] == "completed" and task, "it is told", 20
            )
            (job,) = host.command("share", "list", "--json").json["jobs"]
            shown = host.command("share", "show", job["number"], "--json").json
        assert omegaai.instances() == peers.uids(files)

    assert job["proof"] == "commitment"
    assert shown["instances"] == {"committed": 24}
    assert sum(line.sent.values()) <= 24 + 2  # what was cut off, and what was under way when the process was killed
    output = {one["type"]["coding"][0]["code"]: one for one in told["output"]}
    assert output["committed"]["valueInteger"] == 24
    assert output["proof"]["valueString"] == "commitment"
    assert not [text for text in (kit.PATIENT, kit.study_of(files), "bo@example.org") if text in str(told)]
