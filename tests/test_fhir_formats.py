"""HL7 data types become FHIR's, and what went out comes back the same."""

import pytest

from transformers import datatypes
from transformers.fhir_formats import FHIR_FORMATS, Context
from transformers.format import FormatContext, UnknownCode
from transformers.hl7_times import NoSuchTime, date_of, date_time, instant

AUTHORITIES = [
    {"system": "urn:mrn", "namespace": "CLINIC", "universal_id": "2.25.1", "universal_id_type": "ISO"},
    {"system": "urn:ps", "namespace": "PS", "universal_id": "", "universal_id_type": ""},
]
SYSTEMS = [{"system": "urn:study", "name": "99STUDY"}, {"system": "http://loinc.org", "name": "LN"}]


def hl7(text):
    return [part.split("&") for part in text.split("^")]


def convert(name, text, rows=(), **options):
    return FHIR_FORMATS[name].function(hl7(text), Context(rows=rows, table="t", options=options))


@pytest.mark.parametrize(
    ("text", "name"),
    [
        (
            "Silva^Ana^Maria Rita^Jr^Dra^^L",
            {
                "use": "official",
                "family": "Silva",
                "given": ["Ana", "Maria", "Rita"],
                "prefix": ["Dra"],
                "suffix": ["Jr"],
            },
        ),
        ("Silva", {"family": "Silva"}),
        ("Silva^^^^^^MSK", {"use": "anonymous", "family": "Silva"}),
        ('""^Ana', {"given": ["Ana"]}),
        ("^^^^^^L", None),
    ],
)
def test_a_name(text, name):
    assert convert("HumanName", text) == name


@pytest.mark.parametrize(
    ("text", "address"),
    [
        (
            "Rua A&1^B^São Paulo^SP^01000^BRA^H^^Centro",
            {
                "use": "home",
                "line": ["Rua A", "B"],
                "city": "São Paulo",
                "district": "Centro",
                "state": "SP",
                "postalCode": "01000",
                "country": "BRA",
            },
        ),
        ("PO Box 1^^^^^^M", {"type": "postal", "line": ["PO Box 1"]}),
        ("^^^^^^H", None),
    ],
)
def test_an_address(text, address):
    assert convert("Address", text) == address


@pytest.mark.parametrize(
    ("text", "point"),
    [
        ("^PRN^CP^^55^11^999990000", {"system": "phone", "value": "+5511999990000", "use": "mobile"}),
        ("^WPN^PH^^^^^^^^^5133", {"system": "phone", "value": "5133", "use": "work"}),
        ("5133^PRN^FX", {"system": "fax", "value": "5133", "use": "home"}),
        ("^NET^Internet^a@example.org", {"system": "email", "value": "a@example.org"}),
        ("^PRN^PH", None),
    ],
)
def test_a_telephone_or_email(text, point):
    assert convert("ContactPoint", text) == point


def test_an_identifier_has_the_system_of_its_authority():
    assert convert("Identifier", "7^^^OTHER&2.25.1&ISO^MR", AUTHORITIES, datatype="CX") == {
        "type": {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/v2-0203", "code": "MR"}]},
        "system": "urn:mrn",
        "value": "7",
    }
    assert convert("Identifier", "7^PS", AUTHORITIES, datatype="EI") == {"system": "urn:ps", "value": "7"}


@pytest.mark.parametrize("text", ["7", "7^ELSEWHERE", "7^^2.25.9^ISO"])
def test_an_identifier_of_nobody_known_is_never_guessed(text):
    with pytest.raises(UnknownCode):
        convert("Identifier", text, AUTHORITIES, datatype="EI")


@pytest.mark.parametrize(
    ("text", "concept"),
    [
        ("CT01^Head^99STUDY", {"coding": [{"system": "urn:study", "code": "CT01", "display": "Head"}], "text": "Head"}),
        (
            "X^x^99OTHER^1-8^y^LN",
            {"coding": [{"system": "http://loinc.org", "code": "1-8", "display": "y"}], "text": "x"},
        ),
        ("CT01", {"coding": [{"code": "CT01"}]}),
        ("^only words", {"text": "only words"}),
    ],
)
def test_a_code(text, concept):
    assert convert("CodeableConcept", text, SYSTEMS) == concept


def test_a_code_of_no_known_system_is_never_guessed():
    with pytest.raises(UnknownCode):
        convert("Coding", "X^x^99OTHER", SYSTEMS)


@pytest.mark.parametrize(
    ("text", "minutes"), [("60", 60), ("0.5", 1), ("59.1", 60), ("M60", 60), ("H1", 60), ("S90", 2)]
)
def test_minutes_are_whole(text, minutes):
    assert convert("minutes", text) == minutes


@pytest.mark.parametrize("text", ["0", "-5", "1e9", "inf", "nan", "1,5", "soon"])
def test_what_is_no_duration_is_refused(text):
    with pytest.raises(ValueError, match=r"the value is no (number|duration)"):
        convert("minutes", text)


@pytest.mark.parametrize(
    "name",
    [
        {"use": "official", "family": "Conceição", "given": ["José", "da", "Silva"]},
        {"use": "nickname", "given": ["Zé"]},
    ],
)
def test_a_name_that_went_out_comes_back_the_same(name):
    written = datatypes.xpn(name, FormatContext())

    assert FHIR_FORMATS["HumanName"].function(written, Context()) == name


def test_times_keep_their_precision():
    assert [date_of(text) for text in ("1980", "198001", "19800102", "198001021530")] == [
        "1980", "1980-01", "1980-01-02", "1980-01-02",
    ]  # fmt: skip
    assert date_time("1980", "UTC") == "1980"
    assert date_time("198001021530", "America/Sao_Paulo") == "1980-01-02T15:30:00-03:00"


@pytest.mark.parametrize(
    "text", ["", "19", "19800230", "2025-01-01", "20250101 0900", "２０２５", "20251201090000-9900"]
)
def test_what_is_no_time_is_refused_without_being_shown(text):
    with pytest.raises(ValueError, match=r"^(the value|the calendar|no such offset)"):
        instant(text, "UTC")


def test_sao_paulo_has_no_daylight_saving_time_and_toronto_has():
    assert instant("20250309023000", "America/Sao_Paulo") == "2025-03-09T02:30:00-03:00"
    with pytest.raises(NoSuchTime):
        instant("20250309023000", "America/Toronto")
