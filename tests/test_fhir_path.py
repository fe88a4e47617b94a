"""Compiled FHIRPath gives what FHIRPath N1 says, on plain dicts, and asks neither the clock nor a parser."""

import json
import subprocess
import sys
import time
from datetime import datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path

import pytest

from transformers.fhir_path import PathError, Scope, compile_path, first_text
from transformers.fhir_path_parse import parse

HOUSE = Path(__file__).parents[1]
NOW = datetime(2025, 11, 20, 15, 30, tzinfo=timezone(timedelta(hours=-3)))
BUNDLE = json.loads((HOUSE / "mappings/samples/appointment-request.json").read_text())
PATIENT = {
    "resourceType": "Patient",
    "active": False,
    "identifier": [
        {"type": {"coding": [{"code": "MR"}]}, "system": "urn:oid:1", "value": "12345"},
        {"type": {"coding": [{"code": "NI"}, {"code": "TAX"}]}, "system": "urn:oid:2", "value": "777"},
    ],
    "name": [
        {"use": "official", "family": "Conceição", "given": ["José", "da Silva"]},
        {"use": "nickname", "given": ["Zé"]},
    ],
    "telecom": [{"system": "phone", "value": "+5511999990000"}, {"system": "email", "value": "jose@example.org"}],
    "birthDate": "1980-01-02",
    "_birthDate": {"extension": [{"url": "urn:time", "valueDateTime": "1980-01-02T06:30:00-03:00"}]},
    "gender": "male",
    "deceasedDateTime": "2025-01-01T23:00:00-03:00",
    "multipleBirthInteger": 2,
    "contact": [{"name": {"given": ["A", None, "B"], "_given": [None, {"extension": [{"url": "urn:none"}]}, None]}}],
    "extension": [
        {"url": "urn:a", "valueCode": "x"},
        {"url": "urn:b", "valueQuantity": {"value": 1.5, "unit": "kg"}},
        {"url": "urn:a", "valueCoding": {"code": "y"}},
    ],
}


def evaluate(text, resource=PATIENT, /, **names):
    tree = json.loads(json.dumps(parse(text)))
    return compile_path(tree)(Scope(resource, names, NOW))


MEMBERS = [
    ("name.family", ["Conceição"]),
    ("name.given", ["José", "da Silva", "Zé"]),
    ("Patient.name.family", ["Conceição"]),
    ("Resource.gender", ["male"]),
    ("Observation.name", []),
    ("name.nothing.given", []),
    ("name.family.given", []),
    ("$this.gender", ["male"]),
    ("name[1].given", ["Zé"]),
    ("name[7]", []),
    ("name.given[0]", ["José"]),
    ("name[1 - 1].family", ["Conceição"]),
    ("name[-1]", []),
    ("deceased", ["2025-01-01T23:00:00-03:00"]),
    ("multipleBirth", [2]),
    ("extension.value", ["x", {"value": 1.5, "unit": "kg"}, {"code": "y"}]),
    ("extension.value.code", ["y"]),
    ("extension('urn:a').value.ofType(Coding).code", ["y"]),
    ("extension('urn:a').value.ofType(string)", ["x"]),
    ("extension('urn:a').url", ["urn:a", "urn:a"]),
    ("extension('urn:none')", []),
    ("birthDate.extension('urn:time').value", ["1980-01-02T06:30:00-03:00"]),
    ("birthDate.extension.url", ["urn:time"]),
    ("contact.name.given", ["A", "B"]),
    ("contact.name.given.extension.url", ["urn:none"]),
    ("`gender`", ["male"]),
    ("{}", []),
    ("'it\\'s'", ["it's"]),
    ("1.50", [Decimal("1.50")]),
    ("%ucum", ["http://unitsofmeasure.org"]),
    ("%resource.gender = %context.gender", [True]),
]
TYPES = [
    ("deceased is dateTime", [True]),
    ("deceased is boolean", [False]),
    ("deceased.is(dateTime)", [True]),
    ("deceased as dateTime", ["2025-01-01T23:00:00-03:00"]),
    ("deceased.as(boolean)", []),
    ("deceased.ofType(FHIR.dateTime)", ["2025-01-01T23:00:00-03:00"]),
    ("multipleBirth.ofType(boolean).not()", []),
    ("$this is Patient", [True]),
    ("$this is Resource", [True]),
    ("$this is DomainResource", [True]),
    ("$this is Appointment", [False]),
    ("photo is Patient", []),
]
COLLECTIONS = [
    ("name.where(use = 'nickname').given", ["Zé"]),
    ("name.where(use = 'official' and family = 'Conceição').given.first()", ["José"]),
    ("name.where(given = 'Zé').use", ["nickname"]),
    ("identifier.where(type.coding.code = 'MR').value", ["12345"]),
    ("identifier.where(type.coding.code = 'NI').value", []),
    ("identifier.where(type.coding.where(code = 'NI').exists()).value", ["777"]),
    ("identifier.where(type.coding.exists(code = 'TAX')).value", ["777"]),
    ("identifier.where('TAX' in type.coding.code).value", ["777"]),
    ("telecom.where($index = 1).value", ["jose@example.org"]),
    ("telecom.select(system & ':' & value.substring(0, 3))", ["phone:+55", "email:jos"]),
    ("telecom.select($index)", [0, 1]),
    ("name.where($index = 0).given.select($index)", [0, 1]),
    ("name.given.where($this.startsWith('d'))", ["da Silva"]),
    ("name.exists()", [True]),
    ("name.exists(use = 'old')", [False]),
    ("photo.exists()", [False]),
    ("photo.empty()", [True]),
    ("name.all(given.exists())", [True]),
    ("name.all(family.exists())", [False]),
    ("photo.all(url.exists())", [True]),
    ("active.not()", [True]),
    ("photo.not()", []),
    ("name.given.first()", ["José"]),
    ("name.given.last()", ["Zé"]),
    ("name.given.tail()", ["da Silva", "Zé"]),
    ("name.given.skip(2)", ["Zé"]),
    ("name.given.skip(-1)", ["José", "da Silva", "Zé"]),
    ("name.given.take(2)", ["José", "da Silva"]),
    ("name.given.take(0)", []),
    ("name.family.single()", ["Conceição"]),
    ("photo.single()", []),
    ("name.given.count()", [3]),
    ("(1 | 2 | 1 | 2.0)", [1, 2]),
    ("('b' | 'a' | 'b')", ["b", "a"]),
    ("name.use.combine(name.use).count()", [4]),
    ("name.use.union(name.use)", ["official", "nickname"]),
    ("name.use.combine(name.use).distinct()", ["official", "nickname"]),
    ("name.use.isDistinct()", [True]),
    ("name.use.intersect('official' | 'old')", ["official"]),
    ("name.use.exclude('official' | 'old')", ["nickname"]),
    ("name.use.subsetOf('official' | 'nickname' | 'old')", [True]),
    ("name.use.supersetOf('old')", [False]),
    ("iif(active, 'yes', 'no')", ["no"]),
    ("iif(photo.exists(), 'yes')", []),
    ("name.first().iif(use = 'official', family, 'none')", ["Conceição"]),
    ("photo.iif(true, $this, 'none')", []),
    ("coalesce(photo.url, name.text, name.family)", ["Conceição"]),
    ("(true | false).anyTrue()", [True]),
    ("(true | false).allTrue()", [False]),
    ("active.allFalse()", [True]),
    ("active.anyFalse()", [True]),
    ("birthDate.hasValue()", [True]),
    ("name.hasValue()", [False]),
    ("birthDate.getValue()", ["1980-01-02"]),
    ("name.first().children()", ["official", "Conceição", "José", "da Silva"]),
    ("identifier[0].descendants().where($this = 'MR')", ["MR"]),
]
STRINGS = [
    ("name.family.startsWith('Conc')", [True]),
    ("name.family.startsWith('')", [True]),
    ("name.family.endsWith('ção')", [True]),
    ("name.family.contains('cei')", [True]),
    ("photo.url.contains('cei')", []),
    ("name.family.indexOf('cei')", [3]),
    ("name.family.indexOf('x')", [-1]),
    ("'abcdef'.substring(2)", ["cdef"]),
    ("'abcdef'.substring(2, 2)", ["cd"]),
    ("'abcdef'.substring(6)", []),
    ("'abcdef'.substring(-1)", []),
    ("'abcdef'.substring(2, 0)", [""]),
    ("name.family.upper()", ["CONCEIÇÃO"]),
    ("name.family.lower()", ["conceição"]),
    ("name.family.length()", [9]),
    ("'a-b-c'.replace('-', '')", ["abc"]),
    ("'abc'.replace('', 'x')", ["xaxbxcx"]),
    ("''.replace('a', 'b')", [""]),
    ("name.given.join(', ')", ["José, da Silva, Zé"]),
    ("name.given.join()", ["Joséda SilvaZé"]),
    ("photo.url.join(',')", []),
    ("'a,b'.split(',')", ["a", "b"]),
    ("'  a b '.trim()", ["a b"]),
    ("'abc'.toChars()", ["a", "b", "c"]),
    ("'12345'.matches('^\\\\d+$')", [True]),
    ("'a\nb'.matches('a.b')", [True]),
    ("'xay'.matches('a')", [True]),
    ("'+55 11 9999'.replaceMatches('[^0-9]', '')", ["55119999"]),
    ("'11/30/1972'.replaceMatches('(\\\\d+)/(\\\\d+)/(\\\\d+)', '$3-$1-$2')", ["1972-11-30"]),
    ("'ab'.replaceMatches('(?P<first>a)', '${first}${first} $ ç')", ["aa $ çb"]),
    ("'a' + 'b'", ["ab"]),
    ("'a' + photo.url", []),
    ("'a' & photo.url & 'b'", ["ab"]),
    ("active.toString()", ["false"]),
    ("15.toString()", ["15"]),
    ("1.50.toString()", ["1.50"]),
    ("name.first().toString()", []),
    ("'15'.toInteger() + 1", [16]),
    ("'1.5'.toInteger()", []),
    ("true.toInteger()", [1]),
    ("'1.5'.toDecimal()", [Decimal("1.5")]),
    ("'yes'.toBoolean()", [True]),
    ("'maybe'.toBoolean()", []),
]
OPERATORS = [
    ("gender = 'male'", [True]),
    ("'male' = gender", [True]),
    ("gender != 'male'", [False]),
    ("photo.url = 'x'", []),
    ("name.given = name.given", [True]),
    ("name.given = ('José' | 'da Silva' | 'x')", [False]),
    ("name.given = 'José'", [False]),
    ("name[0] = name[0]", [True]),
    ("1 = 1.0", [True]),
    ("active = 0", [False]),
    ("'Jose' ~ ' JOSE'", [True]),
    ("'a b' ~ 'A  B'", [True]),
    ("1.55 ~ 1.6", [True]),
    ("('a' | 'b') ~ ('b' | 'a')", [True]),
    ("{} ~ {}", [True]),
    ("'a' !~ 'b'", [True]),
    ("gender in ('male' | 'female')", [True]),
    ("gender in name.use", [False]),
    ("photo.url in ('a' | 'b')", []),
    ("name.use contains 'official'", [True]),
    ("2 > 1", [True]),
    ("'b' >= 'a'", [True]),
    ("multipleBirth <= 1.5", [False]),
    ("photo.url < 'a'", []),
    ("true and photo.exists()", [False]),
    ("true and {}", []),
    ("false and {}", [False]),
    ("{} and false", [False]),
    ("true or {}", [True]),
    ("{} or true", [True]),
    ("false or {}", []),
    ("{} or false", []),
    ("true xor false", [True]),
    ("true xor {}", []),
    ("false implies {}", [True]),
    ("{} implies true", [True]),
    ("true implies {}", []),
    ("{} implies {}", []),
    ("gender and true", [True]),
    ("1 + 2 * 3", [7]),
    ("7 div 2", [3]),
    ("-7 div 2", [-3]),
    ("7 mod 2", [1]),
    ("-7 mod 2", [-1]),
    ("1 / 4", [Decimal("0.25")]),
    ("1 / 0", []),
    ("-multipleBirth", [-2]),
    ("extension.value.value * 2", [Decimal("3.0")]),
]
DATES = [
    ("birthDate = @1980-01-02", [True]),
    ("birthDate = @1980-01", []),
    ("birthDate = @1981", [False]),
    ("birthDate < @1981", [True]),
    ("birthDate > @1980-01-01", [True]),
    ("birthDate >= @1980", []),
    ("deceased = @2025-01-02T02:00:00Z", [True]),
    ("deceased = @2025-01-02T02:00:00.000Z", [True]),
    ("deceased > @2025-01-02T01:59:59Z", [True]),
    ("deceased = @2025-01-01T23:00:00", []),
    ("deceased > @2025-01-01", []),
    ("deceased < now()", [True]),
    ("birthDate < today()", [True]),
    ("@T09:30 < @T10:00", [True]),
    ("@T09:30 = @T09:30:00", []),
    ("now()", ["2025-11-20T15:30:00.000-03:00"]),
    ("today()", ["2025-11-20"]),
    ("timeOfDay()", ["15:30:00.000"]),
    ("deceased + 90 minutes", ["2025-01-02T00:30:00-03:00"]),
    ("birthDate + 1 month", ["1980-02-02"]),
    ("@2024-01-31 + 1 month", ["2024-02-29"]),
    ("@2024-02-29 + 1 year", ["2025-02-28"]),
    ("@2024-01-01 - 1 day", ["2023-12-31"]),
    ("@2024-12 + 2 months", ["2025-02"]),
    ("@2024 + 24 months", ["2026"]),
    ("@2024-03-01 + 36 hours", ["2024-03-02"]),
    ("@2024-03-01T10:00:00.250Z + 500 milliseconds", ["2024-03-01T10:00:00.750Z"]),
    ("@2024-03-01 + 2 weeks", ["2024-03-15"]),
    ("@T23:50 + 15 minutes", ["00:05"]),
]
CASES = MEMBERS + TYPES + COLLECTIONS + STRINGS + OPERATORS + DATES


@pytest.mark.parametrize(("text", "values"), CASES, ids=[text for text, _ in CASES])
def test_a_compiled_expression_gives_what_the_standard_says(text, values):
    result = evaluate(text)

    assert parse(text)[0] != "fallback"
    assert result == values
    assert [type(value) for value in result] == [type(value) for value in values]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("name.given.upper()", "upper() works on one value, and here are 3"),
        ("birthDate.upper() & name.given", "'&' works on one value, and here are 3"),
        ("active.upper()", "upper() works on a string"),
        ("name.given < 'a'", "'<' works on one value, and here are 3"),
        ("multipleBirth < 'a'", "'<' compares numbers with numbers, strings with strings and dates with dates"),
        ("gender > @2020", "a date can only be compared with a date"),
        ("gender + 1", "'+' works on numbers, or on two strings"),
        ("gender + 1 day", "a time can only be added to a date"),
        ("multipleBirth & 'a'", "'&' works on strings"),
        ("-gender", "'-' works on a number"),
        ("name.given.single()", "single() works on one value, and here are 3"),
        ("name.where(given)", "a condition works on one value, and here are 2"),
        ("name.given is Patient", "'is' works on one value, and here are 3"),
        ("name.given in ('a' | 'b')", "'in' works on one value, and here are 3"),
        ("name.given.take('a')", "take() takes a whole number"),
        ("gender.matches('(?=a)')", "RE2 cannot read the regular expression"),
        ("gender.replaceMatches('a', '$7')", "replaceMatches(): the regular expression has no group '7'"),
        ("gender.allTrue()", "allTrue() works on Booleans"),
        ("%nothing", "there is no %nothing"),
    ],
)
def test_an_expression_that_meets_values_it_cannot_work_on_says_so_without_the_values(text, sentence):
    with pytest.raises(PathError) as refused:
        evaluate(text)

    assert str(refused.value) == sentence


def test_site_values_are_names_inside_names():
    assert evaluate("%site.endpoint.`sending-app`", site=[{"endpoint": {"sending-app": "BLUME"}}]) == ["BLUME"]


def test_a_regular_expression_that_would_never_end_elsewhere_ends_at_once():
    started = time.perf_counter()

    assert evaluate("%text.matches('^(a+)+$')", text=["a" * 50_000 + "!"]) == [False]
    assert evaluate("%text.replaceMatches('(a*)*b', '')", text=["a" * 50_000]) == ["a" * 50_000]
    assert time.perf_counter() - started < 2


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("(1 | 2 | 3).aggregate($this + $total, 0)", [6]),
        ("'Jo'.encode('hex')", ["4a6f"]),
        ("gender.ofType(code)", ["male"]),
        ("%word.matches('^(a+)+$') and 3 'mg' = 3 'mg'", [False]),
        ("today() & ' ' & 4 days.toString()", ["2025-11-20 4 days"]),
        ("16.sqrt()", [Decimal(4)]),
    ],
)
def test_what_we_do_not_compile_is_evaluated_by_fhirpathpy_with_the_same_names_clock_and_re2(text, values):
    assert parse(text)[0] == "fallback"
    assert evaluate(text, word=["a" * 5_000 + "!"]) == values


def test_an_error_of_the_fallback_shows_no_value():
    with pytest.raises(PathError) as refused:
        evaluate("name.given.encode('base64') & name.given & 1 'mg'.toString()")

    assert "José" not in str(refused.value)
    assert refused.value.__cause__ is None


def test_running_a_compiled_expression_imports_no_parser():
    tree = json.dumps(parse("Bundle.entry.resource.ofType(Patient).name.where(use = 'official').family"))
    code = (
        "import json, sys\n"
        "from datetime import datetime, UTC\n"
        "from transformers.fhir_path import Scope, compile_path\n"
        f"path = compile_path(json.loads({tree!r}))\n"
        "path(Scope(json.load(open('mappings/samples/appointment-request.json')), {}, datetime.now(UTC)))\n"
        "heavy = {'antlr4', 'fhirpathpy', 'ruamel', 'pydantic', 'hl7apy', 're2'} & set(sys.modules)\n"
        "sys.exit(str(heavy) if heavy else 0)\n"
    )
    ran = subprocess.run([sys.executable, "-c", code], cwd=HOUSE, capture_output=True, text=True, check=False)

    assert (ran.returncode, ran.stderr) == (0, "")


def test_the_first_value_as_text():
    assert first_text([True, False]) == "true"
    assert first_text([{"value": 1}]) is None
    assert first_text([]) is None
