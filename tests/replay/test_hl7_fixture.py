"""`plugin-host mapping fixture` of a message that came as HL7: without the people in it, and the same everywhere."""

from __future__ import annotations

import asyncio
import shutil
from datetime import date
from typing import Any

import pytest

from channels import channel as channels
from channels.door import Door
from connectors.base import Answer, Arrival
from store import directory
from tests.replay.kit import ROOT
from transformers import er7, hl7_deidentify
from transformers.deidentify import StillThere
from transformers.deidentify import deidentified as fhir_deidentified
from transformers.fhir_json import load_again

KEY = b"a key of this site that nobody knows"
SAMPLES = ROOT / "mappings" / "samples"
BOOKING = (SAMPLES / "powerserver-book.hl7").read_bytes()
CHANNEL = "appointment-to-blume"


def made(body: bytes = BOOKING, key: bytes = KEY):
    encoded, moved = hl7_deidentify.deidentified(er7.parse(body).segments, key)
    return {segment[0]: segment for segment in er7.parse(encoded).segments}, encoded.decode(), moved


def test_nothing_of_the_patient_is_left():
    _, text, _ = made()

    who = ("Conceição", "José", "da Silva", "12345", "19800102", "999990000", "jose@example.org", "Av. Brasil")
    what = ("Dor de cabeça", "sr-55", "PS-4712", "Booked at the desk", "12345678909", "São Paulo")
    assert [value for value in who + what if value in text] == []


def test_what_a_mapping_looks_at_stays():
    before = {segment[0]: segment for segment in er7.parse(BOOKING).segments}
    after, _, _ = made()

    for segment, fields in {"MSH": (3, 9, 10, 12, 18), "AIS": (2, 3, 7, 8), "AIG": (3, 4, 5), "AIL": (3, 4)}.items():
        for number in fields:
            assert after[segment][number] == before[segment][number], f"{segment}-{number}"
    assert after["PID"][8] == before["PID"][8]
    assert after["PID"][3][0][3:] == before["PID"][3][0][3:], "the issuer and the type of the identifier"
    assert after["SCH"][25] == before["SCH"][25]
    assert after["TQ1"][9] == before["TQ1"][9]


def test_what_lies_between_two_dates_stays():
    after, _, moved = made()
    start, birth = after["AIS"][4][0][0][0], after["PID"][7][0][0][0]

    def day(text: str) -> date:
        return date.fromisoformat(text[:8])

    assert day(start) - day(birth) == date(2025, 12, 1) - date(1980, 1, 2)
    assert start[8:] == "090000-0300", "the time of day and its offset stay"
    assert after["SCH"][11][0][3] == [start], "a time inside another type moves as well"
    assert moved.days % 7 == 0
    assert moved.days < 0


def test_the_same_patient_is_the_same_fake_one_in_samples_of_fhir_and_hl7():
    fhir, _ = fhir_deidentified(load_again((SAMPLES / "appointment-request.json").read_bytes()), KEY)
    patient = next(one["resource"] for one in fhir["entry"] if one["resource"]["resourceType"] == "Patient")
    after, _, _ = made()

    assert after["PID"][3][0][0][0] == patient["identifier"][0]["value"]
    assert after["PID"][5][0][0][0] == patient["name"][0]["family"]
    assert after["PID"][5][0][1][0] == patient["name"][0]["given"][0]
    assert after["PID"][7][0][0][0] == patient["birthDate"].replace("-", "")
    assert made(key=b"another")[0]["PID"] != after["PID"]


@pytest.mark.parametrize(
    ("line", "secret"),
    [
        (b"ZPI|Zoraide Quintela|A-77123", ("Zoraide", "77123")),
        (
            b"NK1|1|Quintela^Zoraide|SPO|Rua Augusta 99^^Recife|^PRN^PH^^55^81^98765432",
            ("Quintela", "Augusta", "98765432"),
        ),
        (b"OBX|1|TX|1^note||the patient says so much||||||F", ("says so",)),
        (b"OBX|1|XPN|1^name||Quintela^Zoraide||||||F", ("Quintela",)),
        (b"OBX|1|DT|1^day||20240229||||||F", ("20240229",)),
    ],
)
def test_other_segments_lose_their_people_too(line, secret):
    _, text, _ = made(BOOKING + line + b"\r")

    assert [word for word in secret if word in text] == []


def test_a_value_that_would_remain_is_refused_without_saying_it():
    body = BOOKING.replace(b"|M|||", b"|M||12345678909^x^L|")  # a code is never replaced
    assert body != BOOKING

    with pytest.raises(StillThere) as refused:
        made(body)
    assert "PID-10" in str(refused.value)
    assert "12345678909" not in str(refused.value)


def test_a_message_in_ascii_stays_one():
    body = BOOKING.replace(b"UNICODE UTF-8", b"ASCII").replace("ç".encode(), b"c").replace("ã".encode(), b"a")
    body = body.decode().encode("ascii", "ignore")

    assert made(body)[1].isascii()


# -- the command ---------------------------------------------------------------------------------------------------


def stored(site, body: bytes) -> str:
    """Take a message in, as the MLLP door does; return its id."""

    async def take() -> str:
        store = site.store()
        try:
            row = next(row for row in directory.channels(store.connection) if row.name == CHANNEL)
            door = Door("mllp-listener", store, [channels.load(store.connection, row)], lambda _lanes: None)
            ids: list[str] = []

            def compose(messages: Any) -> Answer:
                ids.extend(message.id for message in messages)
                return Answer(status=200, body=b"")

            await door.accept(Arrival(body=body, content_type="x-application/hl7-v2+er7", peer="test"), compose)
            return ids[0]
        finally:
            store.close()

    return asyncio.run(take())


def test_the_command_writes_a_sample_and_a_test_that_passes(site):
    mapping = site.folder / f"{CHANNEL}.yaml"
    if not mapping.exists():
        shutil.copy(site.folder / "examples" / mapping.name, mapping)
    site.start()
    message = stored(site, BOOKING)
    result = site.command("mapping", "fixture", message, "--out", site.folder / "samples" / "made.hl7")

    assert result.code == 0, result.err
    assert "given: samples/made.hl7" in result.out
    assert "expect: { action: book }" in result.out
    assert b"12345^" not in (site.folder / "samples" / "made.hl7").read_bytes()
    with mapping.open("a", encoding="utf-8") as file:
        file.write(f"\n{result.out}")
    tested = site.command("test", CHANNEL, "-k", "say in a sentence")
    assert (tested.code, tested.out.count("ok ")) == (0, 1), tested.out
