"""Our compiled FHIRPath gives what fhirpathpy gives, on generated expressions and resources.

Where fhirpathpy departs from the standard, the table `DEPARTURES` says where the standard says what; generated
expressions keep away from these.
"""

import copy
import json
import os
import re
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import fhirpathpy
import pytest
from fhirpathpy.models import models
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from transformers.fhir_path import PathError, Scope, compile_path
from transformers.fhir_path_choices import CHOICES
from transformers.fhir_path_parse import parse

R4 = models["r4"]
NOW = datetime(2025, 11, 20, 18, 30, tzinfo=UTC)
SAMPLE = json.loads((Path(__file__).parents[1] / "mappings/samples/appointment-request.json").read_text())


def ours(text, resource):
    tree = parse(text)
    assert tree[0] != "fallback", text
    return compile_path(json.loads(json.dumps(tree)))(Scope(resource, {}, NOW))


def theirs(text, resource):
    return fhirpathpy.compile(text, model=R4)(copy.deepcopy(resource), {})


def plain(values):
    """Values with what Python hides: True is not 1; a Decimal of a whole number is that number."""
    return [(isinstance(value, bool), value) for value in values]


# -- resources ---------------------------------------------------------------------------------------------------

WORDS = st.sampled_from(["a", "ab", "José", "da Silva", "MR", "x y", "Zé-1", "abc"])
CODES = {
    "use": st.sampled_from(["official", "usual", "nickname"]),
    "system": st.sampled_from(["phone", "email"]),
    "gender": st.sampled_from(["male", "female"]),
}


def some(strategy, most=3):
    return st.lists(strategy, min_size=1, max_size=most)


@st.composite
def without_some(draw, parts, lost):
    """All of these parts, but for a few."""
    gone = draw(st.sets(st.sampled_from(sorted(parts)), max_size=lost))
    return {name: draw(part) for name, part in parts.items() if name not in gone}


CODINGS = without_some({"system": WORDS, "code": WORDS}, 1)
NAMES = without_some({"use": CODES["use"], "family": WORDS, "given": some(WORDS)}, 2)
TYPES = without_some({"coding": some(CODINGS, 2), "text": WORDS}, 1)
IDENTIFIERS = without_some({"system": WORDS, "value": WORDS, "type": TYPES}, 2)
TELECOMS = without_some({"system": CODES["system"], "value": WORDS, "use": st.sampled_from(["home", "mobile"])}, 2)
CONTACTS = without_some({"name": NAMES, "telecom": some(TELECOMS, 2)}, 1)
PARTS = {
    "resourceType": st.just("Patient"),
    "name": some(NAMES),
    "identifier": some(IDENTIFIERS, 2),
    "telecom": some(TELECOMS),
    "gender": CODES["gender"],
    "active": st.booleans(),
    "contact": some(CONTACTS, 2),
}
CHOICE = st.sampled_from(
    [
        {},
        {"multipleBirthInteger": 2, "deceasedBoolean": False},
        {"multipleBirthBoolean": True, "deceasedDateTime": "2025-01-01T09:00:00-03:00"},
    ]
)


@st.composite
def patients(draw):
    gone = draw(st.sets(st.sampled_from(sorted(set(PARTS) - {"resourceType"})), max_size=2))
    return {name: draw(part) for name, part in PARTS.items() if name not in gone} | draw(CHOICE)


PATIENTS = patients()


@st.composite
def bundles(draw):
    """The sample with another patient, and an appointment that lacks some elements or has other ones."""
    bundle = copy.deepcopy(SAMPLE)
    entries = bundle["entry"]
    for entry in entries:
        resource = entry["resource"]
        if resource["resourceType"] == "Patient":
            entry["resource"] = draw(PATIENTS)
        if resource["resourceType"] == "Appointment":
            for name in draw(st.sets(st.sampled_from(sorted(set(resource) - {"resourceType"})))):
                del resource[name]
            resource["status"] = draw(st.sampled_from(["proposed", "booked", "cancelled"]))
    del entries[draw(st.integers(0, len(entries) - 1))]
    return bundle


# -- expressions: a grammar of the compiled subset, each line one way to write such a thing ----------------------

GRAMMAR = {
    "expression": ["{people}", "{texts}", "{text}", "{number}", "{truth}", "iif({truth}, {texts}, {text})",
                   "{texts}.join(', ')", "{texts}.join()", "{texts}.first().split(' ')",
                   "{people}.select(given.first() & ' ' & family)"],
    "people": ["name", "contact.name", "(name | contact.name)", "name.where({of a name})", "name{subset}",
               "name.where({of a name} {logic} {of a name})", "contact.where({of a contact}).name"],
    "of a name": ["use = 'official'", "use != 'official'", "given.exists()", "family.empty()", "given.count() > 1",
                  "$index = 0", "use in ('usual' | 'old')", "family = {word}", "family.startsWith({word})",
                  "given.exists($this = {word})"],
    "of a contact": ["name.exists()", "$index = 1", "name.family = {word}", "telecom.where(value = {word}).exists()"],
    "subset": [".first()", ".last()", ".tail()", "[0]", "[1]", ".distinct()", ".skip({whole})", ".take({whole})"],
    "texts": ["gender", "identifier.value", "identifier.type.coding.code", "telecom.value", "telecom.system",
              "{people}.given", "{people}.family", "{people}.use", "identifier.select(system | value)",
              "identifier.where(type.coding.where(code = {word}).exists()).value", "{texts}{subset}",
              "telecom.where(system = 'phone' and use = 'home').value", "({texts} | {texts})",
              "{texts}.where($this > {word})"],
    "text": ["{word}", "{texts}.first()", "{texts}.last().upper()", "{texts}.first().lower()", "{text}.trim()",
             "{text}.substring({whole})", "{text}.substring({whole}, 2)", "{texts}.first().replace('a', 'b')",
             "({text} + {text})", "({text} & {text})", "{text}.replaceMatches('[aeiou]', '-')", "{text}.toString()",
             "{text}.replaceMatches('(b)(.)', '$2$1')"],
    "number": ["{whole}", "multipleBirth.ofType(integer)", "{texts}.count()", "{people}.count()", "{text}.length()",
               "{text}.indexOf('a')", "({number} {reckon} {number})"],
    "truth": ["active", "active.not()", "deceased is boolean", "deceased.exists()", "multipleBirth = true",
              "{people}.exists()", "{people}.empty()", "{people}.exists().not()", "{people}.exists({of a name})",
              "{people}.all(given.exists())", "({text} {compare} {text})", "({number} {compare} {number})",
              "({text} in ({word} | {word}))", "({texts} contains {word})", "{texts}.first().startsWith('a')",
              "{texts}.first().endsWith('b')", "{text}.contains('b')", "{text}.matches('a.*b?')",
              "{texts}.isDistinct()", "({truth} {logic} {truth})"],
    "word": ["'a'", "'ab'", "'José'", "'da Silva'", "'MR'", "'x y'"],
    "whole": ["0", "1", "2", "3"],
    "compare": ["=", "!=", "<", "<=", ">", ">=", "~"],
    "reckon": ["+", "-", "*"],
    "logic": ["and", "or", "xor", "implies"],
}  # fmt: skip
PLACES = re.compile(r"\{([a-z ]+)\}")


def write(draw, symbol, depth):
    ways = GRAMMAR[symbol]
    if depth == 0:
        ways = [way for way in ways if not PLACES.search(way)] or ways[:1]
    return PLACES.sub(lambda place: write(draw, place[1], max(0, depth - 1)), draw(st.sampled_from(ways)))


@st.composite
def expressions(draw):
    return write(draw, "expression", 4)


EXAMPLES = int(os.environ.get("FHIRPATH_EXAMPLES", "100"))
MANY = settings(max_examples=EXAMPLES, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))


def agree(text, resource):
    """Hold both results equal. Where ours is an error for several values, theirs may take the first."""
    try:
        expected = plain(ours(text, resource))
    except PathError as error:
        expected = str(error)
    if isinstance(expected, str):
        assert "works on one value" in expected, text
        return
    assert expected == plain(theirs(text, resource)), text


@MANY
@given(expressions(), PATIENTS)
def test_generated_expressions_on_generated_patients_give_the_same(text, patient):
    agree(text, patient)


@MANY
@given(expressions(), bundles())
def test_generated_expressions_on_changed_bundles_give_the_same(text, bundle):
    agree(f"Bundle.entry.resource.ofType(Patient).select({text})", bundle)


@pytest.mark.parametrize(
    "text",
    [
        "Bundle.entry.resource.ofType(Appointment).status",
        "Bundle.entry.resource.ofType(Appointment).participant.where(status = 'accepted').actor.reference",
        "Bundle.entry.where(resource is Appointment).fullUrl",
        "Bundle.entry.resource.where($this is Slot or $this is Schedule).id",
        "Bundle.entry.request.where(method = 'POST').url.distinct()",
        "Bundle.entry.resource.ofType(HealthcareService).availableTime.daysOfWeek.count()",
    ],
)
@settings(MANY, max_examples=15)
@given(bundle=bundles())
def test_paths_of_mappings_on_changed_bundles_give_the_same(text, bundle):
    agree(text, bundle)


# -- where fhirpathpy departs from the standard ------------------------------------------------------------------

P = {
    "resourceType": "Patient",
    "active": False,
    "name": [{"given": ["A", "B"]}, {"given": ["C"], "family": "F"}],
    "birthDate": "1980-01-02",
    "_birthDate": {"extension": [{"url": "u", "valueCode": "c"}]},
    "extension": [{"url": "u", "valueCode": "1"}, {"url": "u", "valueCode": "2"}],
    "period": {"start": "2025-01-01T09:00:00-03:00", "end": "2025-01-01T10:00:00Z"},
}
DEPARTURES = [
    # text, by the standard, what it says
    ("Patient.where(active).count()", [0], "5.2.1: a criterion that is false does not hold"),
    ("name.given = ('A' | 'x' | 'y')", [False], "6.1.1: every item is compared, not only the first"),
    ("('A' | 'b') ~ ('b' | 'A')", [True], "6.1.2: order does not count"),
    ("active.toString()", ["false"], "5.5.6: a Boolean as text is 'true' or 'false'"),
    ("-7 mod 2", [-1], "6.6.6: mod is the rest of div, which truncates toward zero"),
    ("''.startsWith('')", [True], "5.6.3: true if the prefix is the empty string"),
    ("''.replace('a', 'b')", [""], "5.6.9: the string with all matches replaced; there are none"),
    ("extension('u').value", ["1", "2"], "FHIR R4 2.9.1.5: all extensions with the url"),
    ("birthDate.count()", [1], "FHIR R4 2.9.1.1: value and extensions of a primitive are one element"),
    ("period.start < period.end", [False], "6.2.1: times are compared as instants, not as text"),
    ("period.start + 1 day", ["2025-01-02T09:00:00-03:00"], "6.6.7: the offset stays"),
    ("name.given.where($this = 'A').combine(name.family).count()", [2], "5.4.2: $this is that of the expression"),
    ("(name.last().select(family & '') | name.family).count()", [1], "6.5.1: | leaves no duplicates"),
    ("1 in (true | 2)", [False], "6.1.1: an Integer is never a Boolean"),
]


@pytest.mark.parametrize(("text", "standard", "section"), DEPARTURES, ids=[text for text, _, _ in DEPARTURES])
def test_where_fhirpathpy_departs_from_the_standard_we_do_not(text, standard, section):
    assert ours(text, P) == standard
    with pytest.raises((AssertionError, TypeError)):
        assert plain(theirs(text, P)) == plain(standard), section


def test_the_choices_are_those_of_the_model_of_r4():
    model = {}
    for path, types in R4["choiceTypePaths"].items():
        name = path.rpartition(".")[2]
        model.setdefault(name, set()).update(name + type_ for type_ in types)

    assert {name: set(names) for name, names in CHOICES.items()} == model


def test_no_element_is_mistaken_for_a_choice_of_another():
    """`value` may be looked for as valueString only where no type has an element valueString beside a plain value."""
    paths = set(R4["path2Type"])
    clashes = {
        path
        for path in paths
        for name in CHOICES.get(path.rpartition(".")[2], ())
        if f"{path.rpartition('.')[0]}.{name}" in paths and path not in R4["choiceTypePaths"]
    }

    assert clashes == set()


def test_decimals_are_reckoned_exactly():
    assert ours("0.1 + 0.2", P) == [Decimal("0.3")]
    assert ours("$this.value + 0.2 = 0.3", {"value": 0.1}) == [True]
