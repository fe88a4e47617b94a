"""What tests touch of a mapping, and what each field of a message comes from."""

import json
import shutil
from datetime import datetime
from pathlib import Path

import pytest

from host.site import kinds, mapping_files
from transformers.base import Given, Transformed
from transformers.er7 import parse, written
from transformers.fhir_to_hl7 import compile_plan
from transformers.mapping_check import check_mapping
from transformers.mapping_coverage import Coverage, coverage
from transformers.mapping_examples import change
from transformers.mapping_explain import trace
from transformers.mapping_follow import FOLLOWED
from transformers.mapping_site import load_site
from transformers.mapping_tests import run_tests

SHIPPED = Path(__file__).parents[1] / "mappings"
NOW = datetime.fromisoformat("2025-11-20T15:30:00-03:00")
SAMPLES = sorted(path.name for path in (SHIPPED / "samples").glob("appointment-*.json"))


def covered(folder: Path, edit=lambda text: text):
    (folder / "m.yaml").write_text(edit((SHIPPED / "appointment-to-powerserver.yaml").read_text()))
    checked = check_mapping(folder / "m.yaml", load_site(SHIPPED, {}, kinds()))
    assert checked.plan is not None, "\n".join(map(str, checked.problems))
    return coverage(checked.plan, [result.trace for result in run_tests(checked, SHIPPED)], SHIPPED)


def plan():
    checked = check_mapping(SHIPPED / "appointment-to-powerserver.yaml", load_site(SHIPPED, {}, kinds()))
    assert checked.plan is not None
    return checked.plan


def found_in(path):
    checked = check_mapping(path, load_site(SHIPPED, {}, kinds()))
    assert checked.plan is not None, "\n".join(map(str, checked.problems))
    if checked.plan["transformer"] not in FOLLOWED:
        pytest.skip("its transformer has no rules of a map")
    return coverage(checked.plan, [result.trace for result in run_tests(checked, SHIPPED)], SHIPPED)


#: An example that is run as strictly as what ships.
EXAMPLE = SHIPPED / "examples" / "appointment-to-blume.yaml"


@pytest.mark.parametrize("path", [*mapping_files(SHIPPED), EXAMPLE], ids=lambda path: path.stem)
def test_the_tests_of_a_shipped_mapping_touch_all_of_it(path):
    found = found_in(path)

    assert [f"{one.place} {one.text}" for kind, one in found.missing() if not kind.startswith("rows of tables")] == []
    assert found.figures()["rules"][1] > 10


def test_the_tests_of_the_shipped_site_touch_every_row_of_its_tables():
    site = Coverage()
    for path in mapping_files(SHIPPED):
        site.add(found_in(path))

    assert [f"{one.place} {one.text}" for _, one in site.missing()] == []


def test_without_a_test_what_it_alone_touches_is_missing_from_hl7_to_fhir_too(tmp_path):
    text = next(SHIPPED.rglob("appointment-to-blume.yaml")).read_text()
    head, tests = text.split("\ntests:\n")
    kept = [one for one in tests.split("\n\n") if "powerserver-cancel.hl7" not in one]
    (tmp_path / "m.yaml").write_text(head + "\ntests:\n" + "\n\n".join(kept) + "\n")
    checked = check_mapping(tmp_path / "m.yaml", load_site(SHIPPED, {}, kinds()))
    found = coverage(checked.plan, [result.trace for result in run_tests(checked, SHIPPED)], SHIPPED)

    missing = {(kind, item.text) for kind, item in found.missing()}
    assert ("rows in rules", "the row PATCAN of the table in the rule") in missing


@pytest.mark.parametrize(
    ("test", "kind", "missing"),
    [
        ("a woman is F", "rows in rules", "the row female of the table in the rule"),
        ("a cancellation for maintenance", "rows of tables/cancellations.csv", "the row maint"),
        ("what was entered in error in Blume is deleted in PowerServer", "lines of the route", "the line"),
        ("what was entered in error in Blume is deleted in PowerServer", "conditions", "the condition being true"),
    ],
)
def test_without_a_test_what_it_alone_touches_is_missing(tmp_path, test, kind, missing):
    def without(text: str) -> str:
        head, tests = text.split("\ntests:\n")
        kept = [one for one in tests.split("\n\n") if f"- name: {test}\n" not in one]
        return head + "\ntests:\n" + "\n\n".join(kept) + "\n"

    found = covered(tmp_path, without)

    assert (kind, missing) in [(kind, item.text) for kind, item in found.missing()]


def test_a_rule_that_no_test_touches_is_named_with_its_place(tmp_path):
    found = covered(
        tmp_path, lambda text: text.replace("  PID-8:", '  PID-19: { from: "%patient.language" }\n  PID-8:')
    )
    line = (tmp_path / "m.yaml").read_text().splitlines().index('  PID-19: { from: "%patient.language" }') + 1

    ((kind, item),) = found.missing()
    assert (kind, item.text, item.line, item.column) == ("rules", "the rule of PID-19", line, 3)


def test_a_row_is_missing_at_its_line_of_the_table(tmp_path):
    site = shutil.copytree(SHIPPED, tmp_path / "mappings")
    table = site / "tables" / "resources.csv"
    table.write_text(table.read_text() + "BLUME US,US,yes,BLUME TEST,BLUME US\n")
    checked = check_mapping(site / "appointment-to-powerserver.yaml", load_site(site, {}, kinds()))
    found = coverage(checked.plan, [result.trace for result in run_tests(checked, site)], site)

    line = len(table.read_text().splitlines())
    ((kind, item),) = found.missing()
    assert (kind, item.place) == ("rows of tables/resources.csv", f"mappings/tables/resources.csv:{line}:1")


def test_two_files_that_share_a_table_touch_it_together(tmp_path):
    one, other = covered(tmp_path), covered(tmp_path)
    for item in list(one.touched["rows of tables/resources.csv"])[:1]:
        one.touched["rows of tables/resources.csv"].discard(item)
    one.add(other)

    assert one.missing() == []


# -- explain ----------------------------------------------------------------------------------------------------------

CHANGES = [
    {},
    {"/entry/9/resource/comment": r"a|b^c~d\e&f"},
    {"/entry/0/resource/telecom/-": {"system": "phone", "use": "work", "value": "+551133334444"}},
]


@pytest.mark.parametrize("changes", CHANGES, ids=["as it is", "HL7's own characters", "more"])
@pytest.mark.parametrize("sample", SAMPLES)
def test_what_is_explained_is_what_is_sent(sample, changes):
    shipped = plan()
    document = json.loads((SHIPPED / "samples" / sample).read_bytes())
    for pointer, value in changes.items():
        document = change(document, pointer, value)
    transformer = compile_plan(shipped)
    given = Given(now=NOW, control_id="C", destination="powerserver", focus=9, known=sample != SAMPLES[3])
    sent = transformer.transform(document, given)
    assert isinstance(sent, Transformed)

    fields = {}
    counts = {}
    for segment in parse(sent.encoded).segments:
        counts[segment[0]] = counts.get(segment[0], 0) + 1
        name = segment[0] if counts[segment[0]] == 1 else f"{segment[0]}[{counts[segment[0]]}]"
        fields |= {f"{name}-{n}": field for n, field in enumerate(segment) if n and field}
    host = {f"MSH-{number}" for number in (1, 2, 7, 9, 10, 11, 12, 18)}
    explained = [one for one in trace(shipped, document, given).explained if one.gave]

    assert {one.target.partition(".")[0] for one in explained} == set(fields) - host
    for one in explained:
        field, _, component = one.target.partition(".")
        value = fields[field] if not component else [[fields[field][0][int(component) - 1]]]
        assert one.gave == written(value), one.target


def test_explain_tells_what_was_found_how_it_was_converted_and_by_which_rule():
    document = json.loads((SHIPPED / "samples" / "appointment-request.json").read_bytes())
    given = Given(now=NOW, control_id="C", destination="powerserver", focus=9)
    explained = {one.target: one for one in trace(plan(), document, given).explained}

    birth, facility, reason = explained["PID-7"], explained["MSH-4"], explained["SCH-7"]
    assert (birth.found, birth.conversion, birth.gave) == (("1980-01-02",), "as: date", "19800102")
    assert (facility.found, facility.conversion) == (("org-1",), "table: organizations.name")
    assert (reason.found, reason.conversion) == ((), "as: CE, table: code_systems, default")
    assert birth.place.startswith("mappings/fragments/pid.yaml:")
    assert facility.place.startswith("mappings/appointment-to-powerserver.yaml:")


def test_the_second_segment_of_a_kind_is_numbered():
    document = json.loads((SHIPPED / "samples" / "appointment-request.json").read_bytes())
    order = json.loads(json.dumps(document["entry"][8]))
    order["fullUrl"] = "urn:uuid:00000000-0000-4000-8000-000000000099"
    document["entry"].append(order)
    document["entry"][9]["resource"]["basedOn"].append({"reference": order["fullUrl"]})
    given = Given(now=NOW, control_id="C", destination="powerserver", focus=9)
    explained = {one.target: one.gave for one in trace(plan(), document, given).explained}

    assert (explained["AIS-1"], explained["AIS[2]-1"]) == ("1", "2")
