"""Formats of times, durations and ends: HL7 times in the facility's zone, never guessed."""

import pytest

from tests.format_kit import convert
from transformers.formats import FormatContext


@pytest.mark.parametrize(
    ("value", "options", "expected"),
    [
        ("2025-12-01T12:00:00Z", {}, "20251201090000-0300"),
        ("2025-12-01T12:00:00.1239Z", {"milliseconds": True}, "20251201090000.123-0300"),
        ("2025-12-01T12:00:00Z", {"milliseconds": True}, "20251201090000.000-0300"),
        ("2025-12-01T12:00:00.9Z", {}, "20251201090000-0300"),
        ("2025-12-01T12:00:00Z", {"offset": False}, "20251201090000"),
        ("2025-12-01T01:30:00+05:30", {}, "20251130170000-0300"),
        ("2025-12-01", {}, "20251201"),
        ("2025-12", {}, "202512"),
        ("2025", {"milliseconds": True}, "2025"),
    ],
)
def test_a_time_is_written_in_the_facilitys_zone_and_a_date_keeps_its_precision(value, options, expected):
    assert convert("timestamp", [value], **options) == [expected]


@pytest.mark.parametrize(
    ("value", "expected"),
    [("2025-11-02T05:30:00Z", "20251102013000-0400"), ("2025-11-02T06:30:00Z", "20251102013000-0500")],
)
def test_the_hour_that_comes_twice_is_told_apart_by_its_offset(value, expected):
    assert convert("timestamp", [value], FormatContext(zone="America/Toronto")) == [expected]


@pytest.mark.parametrize(
    "value",
    [
        "2025-12-01T09:00:00",
        "2025-12-01T09:00Z",
        "2025-12-01T24:00:00Z",
        "2025-12-01T09:00:60Z",
        "2025-02-29T09:00:00Z",
        "2025-02-30",
        "2025-13",
        "20251201",
        "0001-01-01T00:00:00+14:00",
        "0000",
        "2025-12-01T09:00:00+1400",
        "2025-W01-1T09:00:00Z",
        "٢٠٢٥",
        "",
        20251201,
        None,
    ],
)
def test_a_time_without_offset_or_that_the_calendar_lacks_is_refused_without_its_value(value):
    with pytest.raises(ValueError, match=r"no FHIR|no such date") as refused:
        convert("timestamp", [value])

    assert not value or str(value) not in str(refused.value)


@pytest.mark.parametrize("value", ["1980-01-02T00:00:00Z", "1980-02-30", "80-01-02", "1980-1-2"])
def test_a_date_is_never_cut_out_of_something_else(value):
    with pytest.raises(ValueError, match=r"no FHIR date|no such date"):
        convert("date", [value])


def test_an_unknown_zone_is_refused():
    with pytest.raises(ValueError, match="IANA"):
        convert("timestamp", ["2025-12-01T12:00:00Z"], FormatContext(zone="Mars/Base"))


@pytest.mark.parametrize(
    ("value", "zone", "day", "time"),
    [
        ("2025-12-01T09:00:00-03:00", "America/Sao_Paulo", "mon", "09:00:00"),
        ("2025-12-01T02:30:00Z", "America/Sao_Paulo", "sun", "23:30:00"),
        ("2025-07-01T13:00:00.250Z", "America/Toronto", "tue", "09:00:00"),  # daylight saving time
        ("2025-12-01T13:00:00Z", "America/Toronto", "mon", "08:00:00"),
    ],
)
def test_a_time_has_its_weekday_and_its_time_of_day_in_the_facility_s_zone(value, zone, day, time):
    context = FormatContext(zone=zone)

    assert (convert("weekday", [value], context), convert("time-of-day", [value], context)) == ([day], [time])


@pytest.mark.parametrize("name", ["weekday", "time-of-day"])
def test_a_time_without_offset_has_no_weekday(name):
    with pytest.raises(ValueError, match="offset"):
        convert(name, ["2025-12-01T09:00:00"])


@pytest.mark.parametrize(
    ("value", "options", "expected"),
    [
        ({"minutesDuration": 60}, {}, "60"),
        ({"minutesDuration": 10}, {"at_least": 15}, "15"),
        ({"minutesDuration": 20, "start": "2025-12-01T09:00:00Z", "end": "2025-12-01T10:00:00Z"}, {}, "20"),
        ({"start": "2025-12-01T09:00:00Z", "end": "2025-12-01T07:30:00-03:00"}, {}, "90"),
        ({"start": "2025-12-01T09:00:00Z", "end": "2025-12-01T09:00:01Z"}, {}, "1"),
        # Toronto's clocks go back in between: 01:30 to 01:30 is an hour.
        ({"start": "2025-11-02T01:30:00-04:00", "end": "2025-11-02T01:30:00-05:00"}, {}, "60"),
        (7, {"at_least": 15}, "15"),
    ],
)
def test_a_duration_is_elapsed_minutes(value, options, expected):
    assert convert("minutes", [value], **options) == [expected]


@pytest.mark.parametrize(
    "value",
    [
        {},
        {"start": "2025-12-01T09:00:00Z"},
        {"start": "2025-12-01T09:00:00Z", "end": "2025-12-01T09:00:00Z"},
        0,
        True,
        "60",
    ],
)
def test_a_duration_that_cannot_be_known_is_refused(value):
    with pytest.raises(ValueError, match=r"minutes|after the start"):
        convert("minutes", [value])


@pytest.mark.parametrize(
    ("value", "options", "expected"),
    [
        ({"start": "2025-12-01T12:00:00Z", "end": "2025-12-01T13:00:00Z"}, {"at_least": 15}, "20251201100000-0300"),
        ({"start": "2025-12-01T12:00:00Z", "end": "2025-12-01T12:10:00Z"}, {"at_least": 15}, "20251201091500-0300"),
        ({"start": "2025-12-01T12:00:00Z", "minutesDuration": 10}, {"at_least": 15, "offset": False}, "20251201091500"),
        ({"start": "2025-12-01T12:00:00Z", "minutesDuration": 30}, {}, "20251201093000-0300"),
    ],
)
def test_the_end_moves_where_the_duration_was_raised(value, options, expected):
    assert convert("end", [value], **options) == [expected]


@pytest.mark.parametrize(
    "value", [{}, {"start": "2025-12-01T12:00:00Z"}, {"start": "2025-12-01T12:00:00Z", "end": "2025-12-01T11:00:00Z"}]
)
def test_an_end_that_cannot_be_known_is_refused(value):
    with pytest.raises(ValueError, match=r"start|end"):
        convert("end", [value], at_least=15)
