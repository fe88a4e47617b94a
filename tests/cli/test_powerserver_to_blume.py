"""The whole host, from PowerServer to Blume: MLLP listener, store, mapping, FHIR sender, a FHIR server."""

import shutil
import time

from simulators.omegaai import OmegaAI
from tests.cli.console_script import ROOT, RunningHost, free_ports, wait_until
from tests.mllp_listener_kit import Line

SAMPLES = ROOT / "mappings/samples"
PROPOSED = {
    "resourceType": "Appointment",
    "status": "proposed",
    "identifier": [{"system": "urn:oid:2.25.1001", "value": "appt-77"}],
    "comment": "the patient's own words",
    "participant": [{"actor": {"reference": "Patient/1"}, "status": "accepted"}],
}


def line_to(port):
    """The door opens a moment after the host is ready."""
    deadline = time.monotonic() + 20

    def opened():
        try:
            return Line(port)
        except ConnectionRefusedError:
            assert time.monotonic() < deadline
            return None

    return wait_until(opened, "the MLLP door is open")


def test_what_staff_do_in_powerserver_is_what_the_patient_sees(tmp_path):
    site = tmp_path / "mappings"
    shutil.copytree(ROOT / "mappings", site)
    shutil.copy(site / "examples/appointment-to-blume.yaml", site)
    (port,) = free_ports(1)
    with OmegaAI() as blume:
        blume.records.write(PROPOSED)
        env = {"PLUGIN_HOST_MLLP_PORT": str(port), "OMEGAAI_FHIR_URL": blume.base}
        with RunningHost(tmp_path / "data", free_ports(1)[0], site=site, env=env) as host:
            with line_to(port) as line:
                for name in ("confirm", "book", "confirm"):
                    line.send((SAMPLES / f"powerserver-{name}.hl7").read_bytes())
                    assert b"\rMSA|AA|" in line.answer()
                line.send((SAMPLES / "powerserver-confirm.hl7").read_bytes().replace(b"|PS-4711^POWERSERVER|", b"||"))
                told = line.answer()
                assert b"\rMSA|AE|" in told
                assert b"\rERR||SCH^1^2^1^1|207^Application internal error^HL70357|E|FILLER_MISSING" in told
                line.send((SAMPLES / "powerserver-confirm.hl7").read_bytes().replace(b"SIU^S14", b"SIU^S18"))
                assert b"\rMSA|AR|" in line.answer()

            def done():
                held = {one["identifier"][-1]["value"]: one for one in blume.records.all("Appointment")}
                return held if held.keys() == {"PS-4711", "PS-4712"} else None

            held = wait_until(done, "both appointments are there")
            assert host.command("reconcile").code == 0

    assert (held["PS-4711"]["status"], held["PS-4711"]["comment"]) == ("booked", "the patient's own words")
    assert held["PS-4712"]["status"] == "pending"
