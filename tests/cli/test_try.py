"""`plugin-host try`: the door's checks, the channel's mapping, nothing is sent, no patient's value in a refusal."""

from __future__ import annotations

import json
import re

import pytest

from tests.cli.console_script import CHANNEL, ROOT, SAMPLE, edit, plugin_host, run

GOLDEN = ROOT / "mappings" / "samples" / "golden" / "appointment-request.hl7"
WORKED = ROOT / "tests" / "peers" / "siu_s12.hl7"
NOW = "2025-11-20T15:30:00-03:00"


def masked(message: bytes) -> bytes:
    """Without MSH-7 and MSH-10, which the host writes."""
    header, *rest = message.split(b"\r")
    fields = header.split(b"|")
    fields[6] = fields[9] = b""
    return b"\r".join([b"|".join(fields), *rest])


@pytest.mark.parametrize("golden", [GOLDEN, WORKED], ids=["golden", "worked example"])
def test_try_prints_the_s12_of_the_worked_example(golden):
    result = plugin_host("try", CHANNEL, "mappings/samples/appointment-request.json")

    assert (result.code, result.err) == (0, "")
    assert masked(result.out.encode().replace(b"\n", b"\r")) == masked(golden.read_bytes())


def test_try_pretends_a_time():
    assert "|20251120153000.000-0300||SIU^S12^SIU_S12|" in run("try", CHANNEL, SAMPLE, "--now", NOW).stdout


def test_try_as_json_names_destination_action_and_message():
    (result,) = json.loads(run("try", CHANNEL, SAMPLE, "--json").stdout)["results"]

    assert set(result) == {"destination", "action", "message"}
    assert (result["destination"], result["action"]) == ("powerserver", "request")


def test_try_explains_each_rule_with_its_place():
    result = run("try", CHANNEL, SAMPLE, "--explain")

    rule = rf"PID-8 +M +male +%patient\.gender +table: of this rule +mappings/{CHANNEL}\.yaml:\d+:3"
    assert re.search(f"^{rule}$", result.stdout, re.MULTILINE)


def test_try_knows_what_was_sent_before(tmp_path):
    confirm = ROOT / "mappings" / "samples" / "appointment-confirm.json"

    assert "SIU^S14" in run("try", CHANNEL, confirm, "--known").stdout


def test_try_names_the_rule_that_filters(tmp_path):
    document = json.loads(SAMPLE.read_bytes())
    document["entry"][9]["resource"]["status"] = "entered-in-error"
    file = tmp_path / "booking.json"
    file.write_text(json.dumps(document))
    result = run("try", CHANNEL, file)

    assert result.exit_code == 0
    assert result.stdout == "powerserver: filtered: ended before PowerServer knew it\n"


CANARY = "CANARY-Conceição-12345678909"


#: What is wrong with the document → a change of it, given the Bundle, its Patient and its Appointment.
_CHANGES = {
    "gender": lambda _, patient, __: patient.update(gender=CANARY),
    "unknown element": lambda _, patient, __: patient["name"][0].update({CANARY: CANARY}),
    "name": lambda _, patient, __: patient.update(name=CANARY),
    "birth date": lambda _, patient, __: patient.update(birthDate=CANARY),
    "issuer": lambda _, patient, __: patient["identifier"][0].update(system=f"urn:oid:{CANARY}"),
    "reference": lambda _, __, booking: booking["participant"][0]["actor"].update(reference=f"urn:uuid:{CANARY}"),
    "start": lambda _, __, booking: booking.update(start=CANARY),
    "resource": lambda bundle, _, __: bundle["entry"][3]["resource"].update(name=CANARY),
    "no patient": lambda bundle, _, __: bundle["entry"].pop(0),
    "searchset": lambda bundle, _, __: bundle.update(type="searchset"),
}
#: What is no such document at all.
_BODIES = {
    "no JSON": b'{"resourceType": "Bundle", "type": "' + CANARY.encode(),
    "twice": b'{"' + CANARY.encode() + b'": 1, "' + CANARY.encode() + b'": 2}',
    "latin-1": f'{{"resourceType": "Bundle", "id": "{CANARY}"}}'.encode("latin-1"),
    "other resource": json.dumps({"resourceType": "Patient", "name": [{"family": CANARY}]}).encode(),
    "nothing": b"",
}


def _refused(wrong: str) -> bytes:
    if wrong in _BODIES:
        return _BODIES[wrong]
    bundle = json.loads(SAMPLE.read_bytes())
    _CHANGES[wrong](bundle, bundle["entry"][0]["resource"], bundle["entry"][9]["resource"])
    return json.dumps(bundle).encode()


@pytest.mark.parametrize("wrong", [*_CHANGES, *_BODIES])
def test_try_refuses_what_the_door_refuses_and_says_where_without_a_patients_value(wrong, tmp_path):
    file = tmp_path / "booking.json"
    file.write_bytes(_refused(wrong))
    text, data = run("try", CHANNEL, file), run("try", CHANNEL, file, "--json")
    told = text.stdout + text.stderr + data.stdout + data.stderr

    assert text.exit_code == data.exit_code == 1
    assert text.stdout == ""
    assert text.stderr.startswith("error ") or re.match(r"mappings/\S+:\d+:\d+: error ", text.stderr)
    for part in ("CANARY", "Conceição", "12345678909"):
        assert part not in told
    refused = json.loads(data.stdout)["refused"]
    assert refused
    assert all(problem["code"] for problem in refused)


def test_a_mapping_with_a_mistake_is_not_tried(site):
    edit(site / f"{CHANNEL}.yaml", '"%patient.gender"', '"%patient.gendre"')
    result = run("try", CHANNEL, SAMPLE, "--site", site)

    assert (result.exit_code, result.stdout) == (3, "")
    assert "did you mean 'gender'?" in result.stderr


def test_a_channel_is_found_by_its_name_whatever_its_file_is_called(site):
    (site / f"{CHANNEL}.yaml").rename(site / "bookings.yaml")

    assert run("try", CHANNEL, SAMPLE, "--site", site).stdout.startswith("MSH|")
