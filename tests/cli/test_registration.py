"""A patient whom only Blume knows: registered in PowerServer, then booked; PowerServer's number learnt. Whole host."""

from __future__ import annotations

import json
import shutil

from simulators.blume import make_bundle
from simulators.omegaai import OmegaAI
from simulators.powerserver import PowerServer
from tests.cli.console_script import ROOT, RunningHost, edit, free_ports, wait_until
from tests.cli.test_powerserver_to_blume import line_to

SAMPLES = ROOT / "mappings/samples"
BLUMES = {"type": {"coding": [{"code": "PI"}]}, "system": "urn:oid:2.25.1001", "value": "blume-7"}


def booking(number, *, known):
    bundle = json.loads(make_bundle(number, patient=0))
    if not known:
        patient = next(e["resource"] for e in bundle["entry"] if e["resource"]["resourceType"] == "Patient")
        patient["identifier"][0] = BLUMES
    return json.dumps(bundle).encode()


def registering_site(folder):
    site = shutil.copytree(ROOT / "mappings", folder / "mappings")
    shutil.copy(site / "examples/patient-to-powerserver.yaml", site)
    shutil.copy(site / "examples/patient-to-blume.yaml", site)
    edit(
        site / "appointment-to-powerserver.yaml",
        "    when_unanswered: resend\n",
        "    when_unanswered: resend\n    after: { channel: patient-to-powerserver }\n",
    )
    return site


def test_an_unknown_patient_is_registered_before_the_first_appointment(tmp_path):
    site = registering_site(tmp_path)
    (port,) = free_ports(1)
    # Registration is slow, and refused once: the appointment must not overtake it.
    with PowerServer(["AE", "late 0.5", "accept"]) as powerserver, OmegaAI() as blume:
        blume.records.write({"resourceType": "Patient", "identifier": [BLUMES]})
        env = {"OMEGAAI_FHIR_URL": blume.base, "PLUGIN_HOST_MLLP_PORT": str(port)}
        with RunningHost(tmp_path / "data", powerserver.port, site=site, env=env) as host:
            host.book(booking(9001, known=False))
            powerserver.wait_for(3, 30)
            host.book(booking(9002, known=True))
            powerserver.wait_for(4, 30)
            sent = [one.payload.decode() for one in powerserver.received]

            # PowerServer tells its number of the patient, and Blume learns it.
            with line_to(port) as line:
                line.send((SAMPLES / "powerserver-patient.hl7").read_bytes())
                assert b"\rMSA|AA|" in line.answer()

            def learnt():
                (patient,) = blume.records.all("Patient")
                return patient if len(patient["identifier"]) == 2 else None

            patient = wait_until(learnt, "PowerServer's number is in Blume")
            assert host.command("reconcile").code == 0

    events = [text.split("\r")[0].split("|")[8].split("^")[1] for text in sent]
    assert events == ["A28", "A28", "S12", "S12"], "the first try was refused, and the second one counts"
    assert sent[0] == sent[1], "resent byte for byte"
    assert all("|blume-7^^^BLUME&2.25.1001&ISO~" in text for text in sent[:3])
    assert {one["value"] for one in patient["identifier"]} == {"blume-7", "12345"}
