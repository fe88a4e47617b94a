"""The times of appointments, both ways, where clocks are changed and where they are not: each with its message."""

from __future__ import annotations

import json
import shutil
from datetime import datetime
from pathlib import Path

import pytest

from host.site import kinds
from messages.problem import Problems
from transformers.base import Given
from transformers.mapping_check import check_mapping
from transformers.mapping_site import load_site

SITE = Path(__file__).parents[1] / "mappings"
NOW = datetime.fromisoformat("2025-11-20T15:30:00-03:00")


def compiled(folder, name, zone):
    """The transformer of a shipped mapping at a site in a zone."""
    from transformers import fhir_to_hl7, hl7_to_fhir

    site = shutil.copytree(SITE, folder / "mappings")
    settings = site / "site.yaml"
    text = settings.read_text("utf-8").replace("time_zone: America/Sao_Paulo", f"time_zone: {zone}")
    settings.write_text(text, "utf-8")
    checked = check_mapping(site / name, load_site(site, {}, kinds()))
    assert checked.plan is not None, [str(problem) for problem in checked.problems]
    room = hl7_to_fhir if checked.plan["transformer"] == hl7_to_fhir.KIND else fhir_to_hl7
    return room.compile_plan(json.loads(json.dumps(checked.plan)))


@pytest.fixture(scope="module")
def from_powerserver(tmp_path_factory):
    """Zone -> the transformer."""
    found = {}

    def of(zone):
        if zone not in found:
            folder = tmp_path_factory.mktemp("back")
            found[zone] = compiled(folder, "examples/appointment-to-blume.yaml", zone)
        return found[zone]

    return of


def booked(transformer, time, minutes="60"):
    """The appointment that PowerServer's booking at a time is."""
    lines = (SITE / "samples/powerserver-book.hl7").read_text("utf-8").replace("\n", "\r").strip("\r").split("\r")
    lines = [line for line in lines if not line.startswith("TQ1")]
    changed = []
    for line in lines:
        fields = line.split("|")
        if fields[0] == "AIS":
            fields[4], fields[7] = time, minutes
        if fields[0] == "SCH":
            fields[9], fields[11] = minutes, ""
        changed.append("|".join(fields))
    document = transformer.check("\r".join(changed).encode() + b"\r")
    values = {"change": "booked", "state": "PENDING", "status": "pending"}
    given = Given(now=NOW, control_id="1", destination="omegaai", values=values)
    body = json.loads(transformer.transform(document, given).encoded)["body"]
    return body["start"], body["end"]


@pytest.mark.parametrize(
    ("zone", "time", "start", "end"),
    [
        ("America/Toronto", "20260309093000", "2026-03-09T09:30:00-04:00", "2026-03-09T10:30:00-04:00"),
        ("America/Toronto", "20260308013000", "2026-03-08T01:30:00-05:00", "2026-03-08T03:30:00-04:00"),
        ("America/Toronto", "20261101013000", "2026-11-01T01:30:00-04:00", "2026-11-01T01:30:00-05:00"),
        ("America/Toronto", "20261101013000-0500", "2026-11-01T01:30:00-05:00", "2026-11-01T02:30:00-05:00"),
        ("America/Sao_Paulo", "20260308023000", "2026-03-08T02:30:00-03:00", "2026-03-08T03:30:00-03:00"),
        ("America/Sao_Paulo", "20261101003000", "2026-11-01T00:30:00-03:00", "2026-11-01T01:30:00-03:00"),
        ("America/Sao_Paulo", "20260115090000", "2026-01-15T09:00:00-03:00", "2026-01-15T10:00:00-03:00"),
        ("America/Toronto", "20251201000000", "2025-12-01T00:00:00-05:00", "2025-12-01T01:00:00-05:00"),
        ("America/Toronto", "20251130233000", "2025-11-30T23:30:00-05:00", "2025-12-01T00:30:00-05:00"),
    ],
    ids=[
        "summer time", "across the gap an hour is an hour", "the hour that comes twice is the earlier one",
        "its offset tells it apart", "Sao Paulo has no gap", "nor an hour that comes twice", "nor a summer time",
        "midnight", "past midnight",
    ],
)  # fmt: skip
def test_a_time_of_powerserver_is_of_the_facility_s_zone(from_powerserver, zone, time, start, end):
    assert booked(from_powerserver(zone), time) == (start, end)


@pytest.mark.parametrize(
    ("zone", "time", "code", "words"),
    [
        ("America/Toronto", "20260308023000", "TIME_NONEXISTENT", "the clocks of the zone skip this local time"),
        ("America/Toronto", "20251201240000", "TIME_INVALID", "the calendar has no such time"),
        ("America/Toronto", "20251201235960", "TIME_INVALID", "the calendar has no such time"),
        ("America/Toronto", "20251201", "TIME_INVALID", "the value has no time of day"),
    ],
    ids=["in the gap", "24:00", "second 60", "a day without a time"],
)
def test_a_time_that_no_clock_shows_is_told(from_powerserver, zone, time, code, words):
    with pytest.raises(Problems) as found:
        booked(from_powerserver(zone), time)

    assert code in {problem.code for problem in found.value.problems}
    assert words in str(found.value)
    assert time not in str(found.value)


def asked(transformer, **times):
    """SCH-11.4 and .5 of a request at a time."""
    bundle = json.loads((SITE / "samples/appointment-request.json").read_bytes())
    bundle["entry"][9]["resource"] |= times
    del bundle["entry"][9]["resource"]["minutesDuration"]
    bundle["entry"][3]["resource"]["availableTime"] = [{"allDay": True}]
    document = transformer.check(json.dumps(bundle).encode())
    (admission,) = transformer.admit(document)
    values = {"change": "request", "state": "REQUESTED"}
    given = Given(now=NOW, control_id="1", destination="powerserver", focus=admission.focus, values=values)
    lines = transformer.transform(document, given).encoded.decode().split("\r")
    return next(line for line in lines if line.startswith("SCH")).split("|")[11].split("^")[2:5]


@pytest.fixture(scope="module")
def to_powerserver(tmp_path_factory):
    folder = tmp_path_factory.mktemp("out")
    return compiled(folder, "appointment-to-powerserver.yaml", "America/Sao_Paulo")


@pytest.mark.parametrize(
    ("start", "end", "sent"),
    [
        ("2025-12-01T12:00:00Z", "2025-12-01T13:00:00Z", ["M60", "20251201090000-0300", "20251201100000-0300"]),
        ("2025-12-01T03:00:00Z", "2025-12-01T03:10:00Z", ["M15", "20251201000000-0300", "20251201001500-0300"]),
        (
            "2026-11-01T01:30:00-04:00",
            "2026-11-01T01:30:00-05:00",
            ["M60", "20261101023000-0300", "20261101033000-0300"],
        ),
    ],
    ids=["UTC", "midnight, raised to 15 minutes", "an hour between two times that look the same"],
)
def test_a_time_of_blume_is_written_in_the_facility_s_zone(to_powerserver, start, end, sent):
    assert asked(to_powerserver, start=start, end=end) == sent


@pytest.mark.parametrize("start", ["2025-12-01T09:00:00", "2025-12-01", "2025-12-01T24:00:00-03:00"])
def test_a_time_of_blume_without_offset_or_that_no_clock_shows_is_refused_at_the_door(to_powerserver, start):
    with pytest.raises(Problems) as found:
        asked(to_powerserver, start=start, end="2025-12-01T10:00:00-03:00")

    assert {problem.code for problem in found.value.problems} == {"FHIR_INVALID"}
    assert "Appointment.start" in found.value.problems[0].expression or "start" in found.value.problems[0].expression
