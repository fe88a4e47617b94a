"""What PowerServer's people write arrives in Blume letter by letter, in every character set that HL7 names."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from host.site import kinds
from tests.mllp_listener_kit import DictIntake, Line, listening
from transformers.base import Given
from transformers.hl7_to_fhir import compile_plan
from transformers.mapping_check import check_mapping
from transformers.mapping_site import load_site

SITE = Path(__file__).parents[1] / "mappings"
WORDS = "João D'Ávila: não pôde vir – sala nº 3"
LATIN = WORDS.replace("–", "-")


@pytest.fixture(scope="module")
def transformer():
    checked = check_mapping(SITE / "examples/appointment-to-blume.yaml", load_site(SITE, {}, kinds()))
    assert checked.plan is not None
    return compile_plan(json.loads(json.dumps(checked.plan)))


def told(declared, words):
    """PowerServer's booking with a note, as text; MSH-18 says `declared`."""
    lines = (SITE / "samples/powerserver-book.hl7").read_text("utf-8").replace("\n", "\r").strip("\r").split("\r")
    head = lines[0].split("|")
    head += [""] * (18 - len(head))
    head[17] = declared
    notes = [line for line in lines if not line.startswith("NTE")]
    return "\r".join(["|".join(head), notes[1], f"NTE|1||{words}", *notes[2:]]) + "\r"


@pytest.mark.parametrize(
    ("declared", "encoding", "words"),
    [
        ("UNICODE UTF-8", "utf-8", WORDS),
        ("UTF-8", "utf-8", WORDS),
        ("UTF8", "utf-8", WORDS),
        ("8859/1", "latin-1", LATIN),
        ("8859-1", "latin-1", LATIN),
        ("ISO-8859-1", "latin-1", LATIN),
        ("8859/15", "iso-8859-15", LATIN + " €"),
        ("8859/2", "iso-8859-2", "Dvořák Łukasz"),
        ("8859/5", "iso-8859-5", "Иванов"),
        ("8859/7", "iso-8859-7", "Παπαδόπουλος"),
        ("8859/9", "iso-8859-9", "Yağmur Şahin"),
        ("", "utf-8", WORDS),
        ("", "cp1252", WORDS),
        ("ASCII", "cp1252", WORDS),
        ("UNICODE UTF-8", "cp1252", WORDS),
        ("ASCII", "ascii", "Joao"),
    ],
    ids=lambda value: value if len(value) < 15 else "",
)
def test_a_note_arrives_letter_by_letter(transformer, declared, encoding, words):
    assert words.encode(encoding)
    intake = DictIntake()
    with listening(intake) as port, Line(port) as line:
        line.send(told(declared, words).encode(encoding, "replace"))  # the patient's name is not in all of the sets
        assert b"\rMSA|AA|" in line.answer()

    (message,) = intake.messages
    document = transformer.check(message.body)
    given = Given(
        now=datetime(2025, 11, 20, tzinfo=UTC), control_id="1", destination="omegaai",
        values={"change": "booked", "state": "PENDING", "status": "pending"},
    )  # fmt: skip
    assert json.loads(transformer.transform(document, given).encoded)["body"]["comment"] == words
