"""What `try --explain` says of a mapping from HL7 to FHIR is what is sent, and from where it came."""

import json
from datetime import datetime
from pathlib import Path

import pytest

from host.site import kinds
from transformers.base import Given, Transformed
from transformers.fhir_examples import at
from transformers.hl7_mapping_examples import changed
from transformers.hl7_to_fhir import compile_plan
from transformers.mapping_check import check_mapping
from transformers.mapping_follow import follow
from transformers.mapping_site import load_site

SHIPPED = Path(__file__).parents[1] / "mappings"
NOW = datetime.fromisoformat("2025-11-20T15:30:00-03:00")
SAID = {
    "book": {"change": "booked", "state": "PENDING", "status": "pending"},
    "confirm": {"change": "confirmed", "state": "CONFIRMED", "status": "booked"},
    "move": {"change": "requested", "state": "REQUESTED", "status": "proposed"},
    "cancel": {"change": "cancelled", "state": "CANCELLED", "status": "cancelled"},
    "no-show": {"change": "missed", "state": "NOSHOW", "status": "noshow"},
}
FILES = sorted((SHIPPED / "samples").glob("powerserver-*.hl7"))
SAMPLES = [path.name for path in FILES if b"|SIU^" in path.read_bytes()]


@pytest.fixture(scope="module")
def plan():
    path = next(SHIPPED.rglob("appointment-to-blume.yaml"))
    checked = check_mapping(path, load_site(SHIPPED, {}, kinds()))
    assert checked.plan is not None, "\n".join(map(str, checked.problems))
    return checked.plan


def explained(plan, sample, **changes):
    transformer = compile_plan(plan)
    document = transformer.load((SHIPPED / "samples" / sample).read_bytes())
    for name, value in changes.items():
        document = changed(document, name.replace("_", "-"), value)
    said = SAID[sample.removeprefix("powerserver-").removesuffix(".hl7")]
    given = Given(now=NOW, control_id="C", destination="omegaai", values=said)
    sent = transformer.transform(document, given)
    assert isinstance(sent, Transformed)
    found = [one for one in follow(plan, document, given).explained if one.gave]
    return json.loads(sent.encoded)["body"], found


def leaves(value, path):
    """Yield the path of each value, as the file names it: the first item of a list without its number."""
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from leaves(inner, f"{path}.{name}")
    elif isinstance(value, list):
        for number, inner in enumerate(value):
            yield from leaves(inner, f"{path}[{number}]" if number else path)
    else:
        yield path


@pytest.mark.parametrize("sample", SAMPLES)
def test_what_is_explained_is_what_is_sent(plan, sample):
    body, found = explained(plan, sample)
    targets = [one.target for one in found if not one.target.startswith("find: ")]

    for one in found:
        if one.target in targets:
            sent = at(body, one.target)
            assert one.gave == (sent if isinstance(sent, str) else json.dumps(sent, ensure_ascii=False))
    unexplained = [
        path
        for path in leaves(body, body["resourceType"])
        if not path.endswith(".resourceType")
        and not any(path == t or path.startswith((f"{t}.", f"{t}[")) for t in targets)
    ]
    assert unexplained == []


def test_a_rule_names_its_place_its_source_what_was_found_and_how_it_was_converted(plan):
    _, found = explained(plan, "powerserver-book.hl7")
    by_target = {one.target: one for one in found}
    service, second = by_target["Appointment.serviceType"], by_target["Appointment.participant[1].actor.display"]

    assert (service.source, service.conversion) == ("AIS-3", "as: CodeableConcept, table: code_systems")
    assert service.found == ("CT01^CT HEAD W/O CONTRAST^99ORDERSET",)
    assert (second.source, second.found, second.gave) == ("AIG-3.2, AIG-3.1", ("BLUME CT",), "BLUME CT")
    assert json.loads(by_target["find: identifier"].gave)["value"] == "PS-4712"
    lines = next(SHIPPED.rglob("appointment-to-blume.yaml")).read_text().splitlines()
    assert lines[int(service.place.split(":")[1]) - 1].strip() == "Appointment.serviceType[]:"


def test_what_hl7_deletes_is_explained_as_removed(plan):
    _, found = explained(plan, "powerserver-book.hl7", NTE_3='""')
    (comment,) = [one for one in found if one.target == "Appointment.comment"]

    assert (comment.found, comment.gave) == (('""',), "(removed)")


def test_a_default_is_told_from_what_was_found(plan):
    _, found = explained(plan, "powerserver-cancel.hl7", SCH_6="HOLIDAY")
    (code,) = [one for one in found if one.target == "Appointment.cancelationReason.coding.code"]

    assert (code.found, code.gave, code.conversion) == (("HOLIDAY",), "prov", "table: of this rule, default")
