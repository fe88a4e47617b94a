"""Bookable resources of both sides compared: the vendor's own drift, drifts that are made, and pairs that are equal."""

from __future__ import annotations

import copy
import shutil
import time
import unicodedata
from collections import Counter
from pathlib import Path

import pytest

from transformers import resource_export, resource_fhir
from transformers.mapping_site import RESOURCES_FILE, load_site
from transformers.resource_compare import compare
from transformers.resource_file import check_sync

SITE = Path(__file__).parents[1] / "mappings"
WEEK = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
DCM = "http://dicom.nema.org/resources/ontology/DCM"
HEADER = (
    "Facility,Department,Room,Type,Class,Resource,Start Time,End Time,Default Duration,Overbooking,Reservations,"
    "Time Multiplier"
)  # fmt: skip


@pytest.fixture(scope="module")
def plan():
    plan, problems = check_sync(SITE / RESOURCES_FILE, load_site(SITE, {}))
    assert problems == []
    return plan


ORGANIZATIONS = [
    {"resourceType": "Organization", "id": f"o{n}", "identifier": [{"system": "urn:omegaai:org", "value": f"org-{n}"}]}
    for n in (1, 9)
]


def service(name, number=1, /, **changes):
    """OmegaAI's resource as its editor makes it (domain §8.1); `changes` replace elements."""
    return {
        "resourceType": "HealthcareService",
        "id": f"hs-{number}",
        "active": True,
        "providedBy": {"reference": "Organization/o1"},
        "type": [{"coding": [{"system": DCM, "code": "CT"}]}],
        "name": name,
        "availableTime": [{"daysOfWeek": WEEK, "availableStartTime": "08:00:00", "availableEndTime": "23:00:00"}],
        "extension": extensions(60, overbooking=False),
    } | changes


def extensions(minutes, *, overbooking):
    return [
        {"url": "urn:omegaai:default-duration", "valueDuration": {"value": minutes, "unit": "min"}},
        {"url": "urn:omegaai:overbooking", "valueBoolean": overbooking},
    ]


def row(name, /, **changes):
    """The same resource as a row of PowerServer's grid."""
    cells = {
        "Facility": "BLUME TEST", "Department": "Radiology", "Room": "R1", "Type": "MODALITY", "Class": "CT",
        "Resource": name, "Start Time": "8:00 AM", "End Time": "11:00 PM", "Default Duration": "60",
        "Overbooking": "No", "Reservations": "No", "Time Multiplier": "1",
    }  # fmt: skip
    return cells | changes


def compared(plan, services, rows):
    text = "\n".join([HEADER, *(",".join(f'"{cell}"' for cell in one.values()) for one in rows)])
    return compare(
        resource_fhir.records([*ORGANIZATIONS, *services], plan),
        resource_export.records(resource_export.read_csv(text, "resources.csv"), plan),
        plan.rules,
    )


def found(plan, services, rows):
    return [(drift.category, drift.severity, drift.name) for drift in compared(plan, services, rows).drifts]


def test_the_vendor_s_own_pictures_drift_and_how_badly_is_said(plan):
    """BLUME CT: 30 min and overbooking in PowerServer, 01:00 and none in OmegaAI. BLUME XR ends early."""
    xr = [{"coding": [{"system": DCM, "code": "DX"}]}]
    services = [service("BLUME CT"), service("BLUME MR", 2), service("BLUME XR", 3, type=xr)]
    services[1]["type"] = [{"coding": [{"system": DCM, "code": "MR"}]}]
    rows = [
        row("BLUME CT", **{"Default Duration": "30", "Overbooking": "Yes"}),
        row("BLUME MR", Class="MR"),
        row("BLUME XR", **{"Class": "XR", "End Time": "10:59 PM"}),
    ]
    drifts = compared(plan, services, rows).drifts

    assert [(d.name, d.category, d.severity) for d in drifts] == [
        ("BLUME CT", "DURATION", "warning"),
        ("BLUME CT", "OVERBOOKING", "warning"),
        ("BLUME XR", "HOURS", "warning"),
    ]
    duration, overbooking, hours = drifts
    assert (duration.omegaai, duration.powerserver) == ("60", "30")
    assert (overbooking.omegaai_normal, overbooking.powerserver_normal) == ("no", "yes")
    assert (hours.field, hours.powerserver) == ("hours mon-sun", "8:00 AM - 10:59 PM")
    assert (hours.omegaai_normal, hours.powerserver_normal) == ("mon-sun 08:00-23:00", "mon-sun 08:00-22:59")
    assert duration.action == (
        "Settings > Users & Facilities > Imaging Facilities > BLUME TEST > Location > Resource > BLUME CT > "
        "Default Duration: write 60"
    )
    assert hours.action.endswith("Start Time and End Time: write mon-sun 8:00 AM to 11:00 PM")


MORNING = {"availableStartTime": "08:00:00", "availableEndTime": "12:00:00"}
HALF_SATURDAY = [
    {"daysOfWeek": WEEK[:5] + WEEK[6:], "availableStartTime": "08:00:00", "availableEndTime": "23:00:00"},
    {"daysOfWeek": ["sat"], **MORNING},
]
NFC, NFD = (unicodedata.normalize(form, "RESSONÂNCIA") for form in ("NFC", "NFD"))
#: category → how it is made: changes of OmegaAI's resource, changes of PowerServer's row; None: the side has none.
MADE = [
    ("NAME_SPACE", {"name": "ROOM\u00a0{n}"}, {}),
    ("NAME_SPACE", {"name": "ROOM  {n}"}, {}),
    ("NAME_SPACE", {"name": "ROOM {n} "}, {}),
    ("NAME_SPACE", {}, {"Resource": " ROOM {n}"}),
    ("NAME_SPACE", {}, {"Resource": "ROOM{n}"}),
    ("NAME_SPACE", {"name": "ROOM\u200b {n}"}, {}),
    ("NAME_CASE", {"name": "Room {n}"}, {}),
    ("NAME_CASE", {}, {"Resource": "room {n}"}),
    ("NAME_CASE", {}, {"Resource": "ROOm {n}"}),
    ("NAME_UNICODE", {"name": NFC + " {n}"}, {"Resource": NFD + " {n}"}),
    ("NAME_UNICODE", {"name": NFD + " {n}"}, {"Resource": NFC + " {n}"}),
    ("DUPLICATE", {}, [{}, {"Class": "MR"}]),
    ("MODALITY", {}, {"Class": "MR"}),
    ("MODALITY", {"type": [{"coding": [{"system": DCM, "code": "US"}]}]}, {}),
    ("MODALITY", {"type": [{"coding": [{"system": DCM, "code": "DX"}]}]}, {}),
    ("DURATION", {"extension": extensions(45, overbooking=False)}, {}),
    ("DURATION", {}, {"Default Duration": "00:59"}),
    ("DURATION", {}, {"Default Duration": "an hour"}),
    ("OVERBOOKING", {}, {"Overbooking": "Yes"}),
    ("OVERBOOKING", {"extension": extensions(60, overbooking=True)}, {}),
    ("OVERBOOKING", {}, {"Overbooking": "perhaps"}),
    ("HOURS", {"availableTime": HALF_SATURDAY}, {}),
    ("HOURS", {}, {"End Time": "10:59 PM"}),
    ("HOURS", {}, {"Start Time": "8:15 AM"}),
    ("HOURS", {}, {"End Time": "8:00 AM"}),
    ("INACTIVE_MISMATCH", {"active": False}, {}),
    ("MIN_DURATION", {"extension": extensions(10, overbooking=False)}, {"Default Duration": "10"}),
    ("ROOM_EMPTY", {}, {"Room": ""}),
    ("ROOM_EMPTY", {}, {"Room": " "}),
    ("DEPARTMENT_EMPTY", {}, {"Department": ""}),
    ("MISSING_IN_PS", {}, None),
    ("MISSING_IN_OAI", None, {}),
    ("UNMAPPED_FACILITY", {"providedBy": {"reference": "Organization/o9"}}, None),
]


def put_in(changes, number):
    return {key: value.format(n=number) if isinstance(value, str) else value for key, value in changes.items()}


def test_sixty_drifts_and_more_are_found_each_as_what_it_is_and_none_is_invented(plan):
    services, rows, made = [], [], []
    for number, (category, here, there) in enumerate(MADE * 2, 100):
        name = f"ROOM {number}"
        services += [] if here is None else [service(name, number, **put_in(here, number))]
        several = there if isinstance(there, list) else [] if there is None else [there]
        rows += [row(name, **put_in(one, number)) for one in several]
        made.append((category, number))
    for number in range(40):  # what is equal, and stays so
        services.append(service(f"EQUAL {number}", number))
        rows.append(row(f"EQUAL {number}"))
    drifts = compared(plan, services, rows).drifts

    assert len(made) >= 60
    assert all(times >= 2 for times in Counter(category for category, _ in made).values())
    assert {category for category, _ in made} == set(plan.rules.severities)
    names = {(drift.category, int("".join(filter(str.isdigit, drift.name)))) for drift in drifts}
    assert names == set(made)
    # Two rows for what is too short on both sides.
    assert Counter(d.category for d in drifts)["MIN_DURATION"] == 4
    assert not any(drift.name.startswith("EQUAL") for drift in drifts)
    assert all(drift.action for drift in drifts)


def test_a_name_twice_is_a_duplicate_on_the_side_that_has_it_twice_and_nothing_else(plan):
    twice_there = found(plan, [service("A"), service("B", 2)], [row("A"), row("A", Class="MR"), row("B")])
    twice_here = found(plan, [service("A"), service("A", 2), service("B", 3)], [row("A"), row("B")])

    assert twice_there == twice_here == [("DUPLICATE", "blocker", "A")]


EQUAL = {
    "as it is": ({}, {}),
    "NFD on both sides": ({"name": NFD}, {"Resource": NFD}),
    "HH:MM here and minutes there": ({}, {"Default Duration": "01:00"}),
    "minutes with their unit": ({}, {"Default Duration": "60 min"}),
    "a clock of 24 hours": ({}, {"Start Time": "08:00", "End Time": "23:00"}),
    "midnight as the end": (
        {"availableTime": [{"daysOfWeek": WEEK, "allDay": True}]},
        {"Start Time": "12:00 AM", "End Time": "12:00 AM"},
    ),
    "closed on Sunday in OmegaAI, PowerServer has no days": (
        {"availableTime": [{"daysOfWeek": WEEK[:6], **MORNING}]},
        {"End Time": "12:00 PM"},
    ),
    "a modality of PowerServer's class": ({"type": [{"coding": [{"system": DCM, "code": "CR"}]}]}, {"Class": "XR"}),
    "OmegaAI says nothing about duration and overbooking": ({"extension": []}, {"Default Duration": "20"}),
    "PowerServer has no hours": ({}, {"Start Time": "", "End Time": ""}),
}


@pytest.mark.parametrize("case", EQUAL)
def test_what_is_equal_is_equal_however_it_is_written(plan, case):
    here, there = EQUAL[case]
    assert found(plan, [service("R", **here)], [row("R", **there)]) == []


def test_nfc_here_and_nfd_there_is_the_same_name_and_is_told_for_information(plan):
    (drift,) = compared(plan, [service(NFC)], [row(NFD)]).drifts

    assert (drift.category, drift.severity, drift.change) == ("NAME_UNICODE", "info", "powerserver")
    assert (drift.omegaai_normal, drift.powerserver_normal) == ("NFC", "not NFC")
    assert drift.name == NFC


@pytest.mark.parametrize(
    ("theirs", "category"),
    [("BLUME\u00a0CT", "NAME_SPACE"), ("BLUME  CT", "NAME_SPACE"), ("Blume CT", "NAME_CASE")],
)
def test_a_name_that_differs_in_spaces_or_case_alone_blocks(plan, theirs, category):
    assert found(plan, [service("BLUME CT")], [row(theirs)]) == [(category, "blocker", "BLUME CT")]


def test_what_one_side_does_not_tell_is_counted_and_not_guessed(plan):
    result = compared(plan, [service("R", extension=[])], [row("R")])

    assert result.pairs == 1
    assert result.looked_at == {"active": 1, "modality": 1, "duration": 0, "hours": 1, "overbooking": 0}


def test_hours_that_differ_on_one_day_name_that_day(plan):
    (drift,) = compared(plan, [service("R", availableTime=HALF_SATURDAY)], [row("R")]).drifts

    assert (drift.field, drift.omegaai_normal, drift.powerserver_normal) == (
        "hours sat", "sat 08:00-12:00", "sat 08:00-23:00",
    )  # fmt: skip


def test_a_name_that_several_could_be_is_nobody_s(plan):
    categories = Counter(category for category, _, _ in found(plan, [service("CT 1")], [row("ct 1"), row("Ct 1")]))

    assert categories == {"MISSING_IN_PS": 1, "MISSING_IN_OAI": 2}


def test_a_near_name_shows_what_nobody_sees(plan):
    (drift,) = compared(plan, [service("BLUME CT")], [row("BLUME\u00a0CT ")]).drifts

    assert drift.powerserver_normal == "BLUME<U+00A0>CT<space>"
    assert 'write "BLUME CT" instead of "BLUME<U+00A0>CT<space>"' in drift.action


def test_what_is_missing_says_how_to_make_it_and_what_may_be_meant(plan):
    drift = next(
        d for d in compared(plan, [service("BLUME CT 1")], [row("BLUME CT A")]).drifts if d.category == "MISSING_IN_PS"
    )

    assert "make the resource exactly as OmegaAI has it" in drift.action
    assert "Default Duration 60" in drift.action
    assert 'or is "BLUME CT A" meant' in drift.action


def test_a_resource_that_is_closed_and_that_powerserver_does_not_have_stops_nobody(plan):
    assert found(plan, [service("OLD", active=False)], []) == [("MISSING_IN_PS", "info", "OLD")]


def test_five_thousand_resources_are_compared_in_under_two_seconds(plan):
    services = [service(f"R {n}", n) for n in range(5_000)]
    rows = [row(f"R {n}", **({"Default Duration": "30"} if n % 10 == 0 else {})) for n in range(5_000)]
    text = "\n".join([HEADER, *(",".join(one.values()) for one in rows)])
    ours = resource_fhir.records([*ORGANIZATIONS, *services], plan)
    theirs = resource_export.records(resource_export.read_csv(text, "r.csv"), plan)
    began = time.process_time()
    result = compare(ours, theirs, plan.rules)
    took = time.process_time() - began

    assert len(result.drifts) == 500
    assert took < 2, f"{took:.2f} s"


def test_slots_schedules_and_rooms_are_found_by_what_they_refer_to(plan):
    schedule = {
        "resourceType": "Schedule", "id": "s1", "actor": [{"reference": "https://oai.example/HealthcareService/hs-1"}],
        "planningHorizon": {"end": "2026-01-01"},
    }  # fmt: skip
    room = {"resourceType": "Location", "id": "l1", "name": "R1"}
    one = service("R", location=[{"reference": "Location/l1"}])
    (record,) = resource_fhir.records([*ORGANIZATIONS, one, schedule, room], plan)

    assert record.values["horizon"].raw == "2026-01-01"
    assert record.values["room"].raw == "R1"
    assert (record.facility, record.where) == ("BLUME TEST", "HealthcareService/hs-1")


REFERRING = {
    "slots": (
        [{"resourceType": "Schedule", "id": "s1", "actor": [{"reference": "HealthcareService/hs-1"}]},
         {"resourceType": "Slot", "id": "t1", "schedule": {"reference": "Schedule/s1"}, "overbooked": True}],
        "%slots.overbooked.first()", "Slot",
    ),
    "devices": (
        [{"resourceType": "Location", "id": "l1"},
         {"resourceType": "Device", "id": "d1", "location": {"reference": "Location/l1"},
          "deviceName": [{"name": "true"}]}],
        "%devices.deviceName.name.first()", "Device",
    ),
    "roles": (
        [{"resourceType": "PractitionerRole", "id": "p1", "active": True,
          "healthcareService": [{"reference": "HealthcareService/hs-1"}]}],
        "%roles.active.first()", "PractitionerRole",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", REFERRING)
def test_what_refers_to_a_resource_is_compared_where_the_file_lists_it(tmp_path, name):
    """Overbooking is taken from a slot, a device's name, a role: PowerServer says no, the other resource has none."""
    others, path, kind = REFERRING[name]
    site = Path(shutil.copytree(SITE, tmp_path / "mappings"))
    rules = (site / RESOURCES_FILE).read_text("utf-8")
    text = rules.replace("      Schedule: []\n", f"      Schedule: []\n      {kind}: []\n")
    old = "\"extension.where(url = 'urn:omegaai:overbooking').value.ofType(boolean).first()\""
    assert old in text
    (site / RESOURCES_FILE).write_text(text.replace(old, f'"{path}"'), "utf-8")
    plan, problems = check_sync(site / RESOURCES_FILE, load_site(site, {}))
    services = [service("R", location=[{"reference": "Location/l1"}]), service("S", 2)]

    assert problems == []
    assert found(plan, [*services, *others], [row("R"), row("S")]) == [("OVERBOOKING", "warning", "R")]
    assert found(plan, [*services, *others], [row("R", Overbooking="Yes"), row("S")]) == []


def test_json_is_read_as_csv_is(plan):
    body = b'{"resources": [{"Facility": "BLUME TEST", "Resource": "R", "Overbooking": false, "Default Duration": 60}]}'
    (record,) = resource_export.records(resource_export.read_json(body, "r.json"), plan)

    assert {name: value.normal for name, value in record.values.items()} == {
        "name": "R", "active": True, "duration": 60, "overbooking": False,
    }  # fmt: skip


def test_comparing_changes_nothing(plan):
    services, rows = [service("R", active=False)], [row("r")]
    before = copy.deepcopy((services, rows))
    compared(plan, services, rows)

    assert (services, rows) == before
