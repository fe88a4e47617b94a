"""A mapping of a kind names the facts that the rules look at, and uses the names that they give."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from messages.problem import Problems
from transformers.base import Fact, Given, KindWords
from transformers.fhir_to_hl7 import compile_plan
from transformers.mapping_check import check_mapping
from transformers.mapping_file import show
from transformers.mapping_site import load_site
from transformers.mapping_tests import run_tests

SITE = Path(__file__).parent / "mapping_site"
KINDS = {
    "visit": {
        "fhir-to-hl7": KindWords(
            facts={
                "number": Fact(help="what it is known by", required=True),
                "status": Fact(help="its status"),
                "other": Fact(help="what else counts", many=True),
            },
            gives={"change": ("what happened", ("book", "end")), "before": ("the visit before", None)},
        )
    }
}
BASE = (
    (SITE / "base.yaml")
    .read_text()
    .replace("channel: base", "channel: base\nkind: visit")
    .replace("route:", 'facts:\n  number: "%appt.status"\n  other: ["%patient.id", "%orders.code.coding.code"]\nroute:')
    .replace("%appt.status = 'cancelled'", "%change = 'end'")
)


def check(folder, text, kinds=KINDS):
    (folder / "m.yaml").write_text(text)
    checked = check_mapping(folder / "m.yaml", load_site(SITE, {}, kinds), "m.yaml")
    return checked, "\n".join(show(problem, checked.source) for problem in checked.problems)


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ('  number: "%appt.status"\n', "", "E482 the kind visit needs the fact 'number': what it is known by"),
        ("  number:", "  numbr: '%appt.id'\n  number:", "did you mean 'number'?"),
        ('"%appt.status"', '"%appt.identifier.value"', "E105 %appt.identifier.value may give several values"),
        ('"%appt.status"', '"%appt.identifer.value.first()"', "E103"),
        ('"%appt.status"', '"%known.toString()"', "E108 %known cannot be used here"),
        ('"%appt.status"', '"%change"', "E108 %change cannot be used here"),
        ("%change = 'end'", "%change = 'ended'", "ended"),
        ("%change = 'end'", "%changed = 'end'", "did you mean '%change'?"),
        ("let:\n", "let:\n  change: '%it'\n", "E025 the name change is taken"),
        ("kind: visit", "kind: visits", "did you mean 'visit'?"),
        ("    change: {", "    values: { change: begun }\n    change: {", "E483 %change is never 'begun'"),
        ("    change: {", "    values: { chnge: book }\n    change: {", "did you mean 'change'?"),
    ],
)
def test_a_mistake_about_the_kind_is_told_before_anything_runs(tmp_path, old, new, told):
    assert old in BASE

    checked, printed = check(tmp_path, BASE.replace(old, new, 1))

    assert told in printed
    assert checked.plan is None


@pytest.mark.parametrize("kind", ["visits", "no-such-kind"])
def test_a_wrong_kind_is_one_mistake_however_often_its_names_are_used(tmp_path, kind):
    text = BASE.replace("    change: {", "    values: { change: book }\n    change: {", 1)
    assert text.count("%change") + text.count("{ change: book }") > 1
    checked, printed = check(tmp_path, text.replace("kind: visit", f"kind: {kind}"))

    assert [problem.code for problem in checked.problems] == ["E480"], printed


def test_a_kind_without_rules_for_the_direction_is_refused(tmp_path):
    _, printed = check(tmp_path, BASE, {"visit": {"hl7-to-fhir": KINDS["visit"]["fhir-to-hl7"]}})

    assert "E480 the kind visit has no rules for the transformer fhir-to-hl7" in printed


def test_facts_are_read_at_the_door_and_what_the_rules_give_chooses_the_action(tmp_path):
    checked, printed = check(tmp_path, BASE)
    assert printed == ""
    transformer = compile_plan(checked.plan)
    document = transformer.check((SITE / "samples/request.json").read_bytes())

    admission = transformer.admit(document)[0]

    assert transformer.facts(document, admission.focus) == admission.facts
    assert len(admission.facts["number"]) == 1
    assert len(admission.facts["other"]) > 1
    noon = datetime(2025, 1, 1, 12, tzinfo=UTC)
    given = Given(now=noon, control_id="1", destination="ris", focus=admission.focus, values={"change": "end"})
    assert transformer.transform(document, given).action == "cancel"


def test_a_test_of_the_mapping_says_what_the_rules_would_say(tmp_path):
    text = BASE.replace("    change: {", "    values: { change: end }\n    change: {", 1).replace(
        "expect: { SCH-6: NEW }", "expect: { action: cancel }"
    )
    checked, printed = check(tmp_path, text)

    assert printed == ""
    assert [result.differences for result in run_tests(checked, SITE)] == [()]


def test_a_channel_without_a_kind_has_no_facts(tmp_path):
    checked, _ = check(tmp_path, (SITE / "base.yaml").read_text())
    transformer = compile_plan(checked.plan)
    document = transformer.check((SITE / "samples/request.json").read_bytes())

    assert "facts" not in checked.plan
    assert transformer.admit(document)[0].facts == {}
    with pytest.raises(Problems):
        transformer.check(b"{}")
