"""PowerServer tells its resources by MFN^M05 on the line: acknowledged, kept, and compared."""

from __future__ import annotations

import shutil

from simulators import omegaai_resources
from simulators.omegaai import OmegaAI
from tests.cli.console_script import ROOT, RunningHost, free_ports
from tests.cli.test_powerserver_to_blume import line_to

WHOLE = (ROOT / "mappings/samples/powerserver-resources.hl7").read_bytes()


def update(number: int) -> bytes:
    """Return the first record alone, as an update with another duration."""
    lines = WHOLE.replace(b"000101", b"%06d" % number).split(b"\r")
    end = next(n for n, one in enumerate(lines) if n > 2 and one.startswith(b"MFE|"))
    text = b"\r".join([*lines[:end], b""]).replace(b"||REP|", b"||UPD|").replace(b"MFE|MAD|", b"MFE|MUP|")
    return text.replace(b"99PSRES|60", b"99PSRES|30")


def test_what_powerserver_tells_on_the_line_is_its_side_of_the_next_comparison(tmp_path):
    site = tmp_path / "mappings"
    shutil.copytree(ROOT / "mappings", site)
    shutil.copy(site / "examples/resources-from-powerserver.yaml", site)
    rules = site / "resource-sync.yaml"
    text = rules.read_text("utf-8").replace("    reader: folder\n", "    reader: channel\n")
    text = text.replace("    station: powerserver-resources\n", "    channel: resources-from-powerserver\n")
    rules.write_text(text, "utf-8")
    port, nobody = free_ports(2)
    with OmegaAI() as omegaai:
        omegaai_resources.load(omegaai.records)
        env = {"PLUGIN_HOST_MLLP_PORT": str(port), "OMEGAAI_FHIR_URL": omegaai.base}
        with RunningHost(tmp_path / "data", nobody, site=site, env=env) as host:
            before = host.command("drift", "--now")
            with line_to(port) as line:
                line.send(WHOLE)
                whole = line.answer()
                agreed = host.command("drift", "--now")
                line.send(update(102))
                changed = line.answer()
                drifted = host.command("drift", "--now", "--json")
            reconciled = host.command("reconcile")

    assert before.code == 4
    assert "has received no MFN^M05 yet" in before.out + before.err
    for answer in (whole, changed):
        assert b"\rMSA|AA|PS00000000" in answer
    assert (agreed.code, agreed.out) == (0, "")
    assert "3 on both sides" in agreed.err
    assert [(one["name"], one["category"]) for one in drifted.json["drifts"]] == [("BLUME CT", "DURATION")]
    assert reconciled.code == 0
