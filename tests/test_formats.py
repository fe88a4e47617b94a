"""Formats: FHIR values as they stand in HL7 fields, byte for byte as in the worked messages."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.format_kit import BY_AUTHORITY, BY_SYSTEM, SAO_PAULO, convert, written
from transformers import formats, telephone
from transformers.formats import FORMATS, FormatContext, UnknownCode

HL7 = Path(__file__).parent / "hl7"

BUNDLE = json.loads((HL7 / "appointment-proposed.json").read_text())
RESOURCES = {entry["resource"]["resourceType"]: entry["resource"] for entry in BUNDLE["entry"]}
PATIENT, APPOINTMENT = RESOURCES["Patient"], RESOURCES["Appointment"]


def golden(segment, number):
    line = next(line for line in (HL7 / "appointment-s12.hl7").read_bytes().decode().split("\r") if line[:3] == segment)
    return line.split("|")[number]


# --------------------------------------------------------------------------------------- the worked message, S12


@pytest.mark.parametrize(
    ("segment", "number", "name", "values", "context"),
    [
        ("PID", 3, "CX", PATIENT["identifier"], BY_AUTHORITY),
        ("PID", 5, "XPN", PATIENT["name"], SAO_PAULO),
        ("PID", 7, "date", [PATIENT["birthDate"]], SAO_PAULO),
        ("PID", 8, "sex", [PATIENT["gender"]], SAO_PAULO),
        ("PID", 11, "XAD", PATIENT["address"], SAO_PAULO),
        ("PID", 13, "XTN", PATIENT["telecom"], SAO_PAULO),
        ("PV1", 8, "XCN", [RESOURCES["Practitioner"]], BY_AUTHORITY),
        ("SCH", 1, "EI", APPOINTMENT["identifier"], BY_AUTHORITY),
        ("SCH", 9, "minutes", [APPOINTMENT], SAO_PAULO),
        ("SCH", 26, "EI", RESOURCES["ServiceRequest"]["identifier"], BY_AUTHORITY),
        ("TQ1", 7, "timestamp", [APPOINTMENT["start"]], SAO_PAULO),
        ("TQ1", 8, "end", [APPOINTMENT], SAO_PAULO),
        ("NTE", 3, "text", [APPOINTMENT["comment"]], SAO_PAULO),
        ("AIS", 3, "CE", [RESOURCES["ServiceRequest"]["code"]], BY_SYSTEM),
        ("AIG", 5, "CE", RESOURCES["HealthcareService"]["type"], BY_SYSTEM),
    ],
)
def test_the_worked_message_comes_out_byte_for_byte(segment, number, name, values, context):
    assert written(name, values, context) == golden(segment, number - (segment == "MSH"))


def test_msh_3_comes_from_the_authority_table():
    assert written("HD", ["urn:oid:2.25.1001"], BY_AUTHORITY) == golden("MSH", 2)


# ----------------------------------------------------------------------------------------------------------- names


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ({"family": "Silva", "given": ["Ana"]}, "Silva^Ana^^^^^L"),
        ({"use": "usual", "family": "da Silva", "given": ["Ana", "B.", "C."]}, "da Silva^Ana^B. C.^^^^D"),
        ({"use": "old", "family": "X", "suffix": ["Jr", "MD"], "prefix": ["Dr"]}, "X^^^Jr MD^Dr^^U"),
        ({"use": "maiden", "family": "O'Neil & Co"}, "O'Neil \\T\\ Co^^^^^^M"),
        ({"use": "nickname", "given": ["Zé"]}, "^Zé^^^^^N"),
        ({"use": "anonymous", "family": "Doe"}, "Doe^^^^^^S"),
        ({"use": "temp", "family": "Doe"}, "Doe^^^^^^U"),
    ],
)
def test_a_name_is_an_xpn(name, expected):
    assert written("XPN", [name]) == expected


def test_the_official_name_comes_first():
    people = [{"use": "old", "family": "A"}, {"use": "official", "family": "B"}, {"family": "C"}]

    assert written("XPN", people) == "B^^^^^^L~A^^^^^^U~C^^^^^^L"


def test_a_name_that_is_only_text_is_not_divided():
    with pytest.raises(ValueError, match="cannot be divided") as refused:
        convert("XPN", [{"text": "Ana Silva"}])

    assert "Silva" not in str(refused.value)


@pytest.mark.parametrize(
    ("person", "expected"),
    [
        ({"family": "Silva", "given": ["Ana"]}, "^Silva^Ana^^^^^^^L"),
        ({"resourceType": "Practitioner", "name": [{"family": "Silva"}]}, "^Silva^^^^^^^^L"),
        (
            {
                "resourceType": "Practitioner",
                "name": [{"use": "old", "family": "Old"}, {"use": "official", "family": "Silva"}],
                "identifier": [
                    {"system": "urn:x", "value": "1"},
                    {"system": "http://hl7.org/fhir/sid/us-npi", "value": "2"},
                ],
            },
            "2^Silva^^^^^^^NPI&2.16.840.1.113883.4.6&ISO^L^^^NPI",
        ),
    ],
)
def test_a_person_is_an_xcn(person, expected):
    assert written("XCN", [person], BY_AUTHORITY) == expected


def test_a_person_whose_identifiers_are_all_of_unknown_systems_is_an_unknown_code():
    person = {
        "resourceType": "Practitioner",
        "name": [{"family": "S"}],
        "identifier": [{"system": "urn:x", "value": "1"}],
    }
    with pytest.raises(UnknownCode, match="authorities"):
        convert("XCN", [person], BY_AUTHORITY)


# ------------------------------------------------------------------------------------------- addresses, telephones


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ({"use": "work", "line": ["A", "B", "C"], "city": "Y", "district": "D"}, "A^B C^Y^^^^B^^D"),
        ({"use": "home", "type": "postal", "line": ["PO 1"]}, "PO 1^^^^^^M"),
        ({"use": "billing", "postalCode": "1"}, "^^^^1^^BI"),
        ({"use": "old", "country": "BRA"}, "^^^^^BRA^BA"),
        ({"use": "temp", "text": "Av. Brasil 100, São Paulo"}, "Av. Brasil 100, São Paulo^^^^^^C"),
        ({"use": "home"}, ""),
    ],
)
def test_an_address_is_an_xad(address, expected):
    assert written("XAD", [address]) == expected


@pytest.mark.parametrize(
    ("point", "expected"),
    [
        ({"system": "phone", "use": "home", "value": "+1 (416) 555-0100"}, "^PRN^PH^^1^416^5550100"),
        ({"system": "phone", "use": "work", "value": "tel:+551133334444"}, "^WPN^PH^^55^11^33334444"),
        ({"system": "fax", "value": "+44 20 7946 0000"}, "^PRN^FX^^^^^^^^^+44 20 7946 0000"),
        ({"system": "phone", "use": "mobile", "value": "11 99999-0000"}, "^PRN^CP^^^^^^^^^11 99999-0000"),
        ({"system": "sms", "use": "temp", "value": "+61412345678"}, "^ORN^CP^^61^4^12345678"),
        ({"system": "pager", "value": "123"}, "^PRN^BP^^^^^^^^^123"),
        ({"system": "email", "use": "work", "value": "a&b@example.org"}, "^NET^Internet^a\\T\\b@example.org"),
        ({"system": "url", "value": "https://example.org"}, "^^^^^^^^https://example.org"),
        ({"system": "phone", "use": "home"}, ""),
    ],
)
def test_a_contact_point_is_an_xtn(point, expected):
    assert written("XTN", [point]) == expected


def test_before_2_5_a_number_that_cannot_be_split_stands_in_xtn_1():
    context = FormatContext(version="2.3.1")

    assert written("XTN", [{"system": "phone", "value": "123"}], context) == "123^PRN^PH"


@given(st.from_regex(r"\+?[0-9 ()-]{1,20}", fullmatch=True))
def test_a_split_number_has_all_its_digits_in_their_order(number):
    split = telephone.split(number)

    assert split is None or "".join(split) == "".join(filter(str.isdigit, number))


# ------------------------------------------------------------------------------------------- identifiers and codes


def test_an_identifier_takes_the_type_of_its_authority_else_its_own():
    own = {"type": {"coding": [{"system": formats.datatypes.IDENTIFIER_TYPE_SYSTEM, "code": "VN"}]}, "value": "7"}

    assert written("CX", [own | {"system": "urn:oid:2.25.1001"}], BY_AUTHORITY) == "7^^^BLUME&2.25.1001&ISO^VN"
    assert written("CX", [own | {"system": "urn:oid:2.25.2001"}], BY_AUTHORITY) == "7^^^BLUME TEST&2.25.2001&ISO^MR"


def test_an_authority_without_an_oid_is_its_namespace_alone():
    filler = {"system": "urn:powerserver", "value": "PS-4711"}

    assert written("EI", [filler], BY_AUTHORITY) == "PS-4711^POWERSERVER"
    assert written("CX", [filler], BY_AUTHORITY) == "PS-4711^^^POWERSERVER"


@pytest.mark.parametrize("name", ["CX", "EI", "HD"])
@pytest.mark.parametrize("system", ["urn:secret-clinic", None])
def test_a_system_that_is_not_in_the_table_is_an_unknown_code_that_names_only_the_table(name, system):
    with pytest.raises(UnknownCode) as refused:
        convert(name, [{"system": system, "value": "12345"}], BY_AUTHORITY)

    assert refused.value.table == "authorities"
    assert "authorities" in str(refused.value)
    assert "12345" not in str(refused.value)
    assert "secret" not in str(refused.value)


def test_an_identifier_without_a_value_is_refused():
    with pytest.raises(ValueError, match="has no value"):
        convert("CX", [{"system": "urn:oid:2.25.2001"}], BY_AUTHORITY)


@pytest.mark.parametrize("name", ["CE", "CWE"])
@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({"text": "Cefaleia"}, "^Cefaleia"),
        ({"system": "urn:ps", "code": "A", "display": "Alpha"}, "A^Alpha^99PS"),
        ({"code": "A"}, "A"),
        ({"coding": [{"system": "urn:ps", "code": "A"}], "text": "said so"}, "A^said so^99PS"),
        (
            {
                "coding": [
                    {"system": "urn:x", "code": "0"},
                    {"system": "urn:blume:orderset", "code": "CT01", "display": "Head"},
                    {"system": "urn:ps", "code": "77"},
                ]
            },
            "CT01^Head^99ORDERSET^77^^99PS",
        ),
        ({"coding": [{"display": "only shown"}], "text": "t"}, "^t"),
    ],
)
def test_a_code_is_a_coded_element(name, value, expected):
    assert written(name, [value], BY_SYSTEM) == expected


def test_a_code_of_an_unknown_system_is_an_unknown_code():
    with pytest.raises(UnknownCode, match="systems"):
        convert("CWE", [{"system": "urn:x", "code": "A"}], BY_SYSTEM)


# ----------------------------------------------------------------------------------------------------------- texts


@pytest.mark.parametrize(
    ("name", "value", "options", "expected"),
    [
        ("sex", "female", {}, "F"),
        ("sex", "other", {}, "O"),
        ("sex", "unknown", {}, "U"),
        ("indicator", True, {}, "Y"),
        ("indicator", False, {}, "N"),
        ("text", "a\nb | c", {}, "a\\.br\\b \\F\\ c"),
        ("text", True, {}, "true"),
        ("text", 1.5, {}, "1.5"),
        ("text", 1e-7, {}, "0.0000001"),
        ("ST", " a\r\nb\tc\u2028d ", {}, "a b c d"),
        ("upper", "São", {}, "SÃO"),
        ("digits", "123.456.789-09", {}, "12345678909"),
        ("max", "abcdefgh", {"length": 8}, "abcdefgh"),
        ("max", "abcdefghi", {"length": 8}, "abcde..."),
        ("max", "abcdefghi", {"length": 2}, ".."),
        ("number", 12, {}, "12"),
        ("number", 1e-7, {}, "0.0000001"),
        ("number", "-1.50", {}, "-1.50"),
    ],
)
def test_a_text_is_written_as_its_format_says(name, value, options, expected):
    assert written(name, [value], **options) == expected


@pytest.mark.parametrize("value", ["1,5", "1.234,5", "", "x", "1e", "NaN", "Infinity", "1 000"])
def test_a_number_with_a_comma_or_words_is_refused(value):
    with pytest.raises(ValueError, match="is no number"):
        convert("number", [value])


@pytest.mark.parametrize(("name", "value"), [("sex", "M"), ("indicator", "yes"), ("text", {"a": 1}), ("XPN", "Silva")])
def test_a_value_of_another_kind_is_refused(name, value):
    with pytest.raises(ValueError, match="the value"):
        convert(name, [value])


def test_what_has_nothing_to_say_gives_nothing():
    assert convert("digits", ["no digits", "7"]) == ["7"]
    assert convert("ST", [" "]) == []
    assert all(one.function([], {"length": 5} if one.required else {}, SAO_PAULO) == [] for one in FORMATS.values())


# -------------------------------------------------------------------------------------------------------- registry


@pytest.mark.parametrize("one", FORMATS.values(), ids=tuple(FORMATS))
def test_every_format_says_what_it_takes_and_gives_and_where_that_is_written(one):
    assert one.summary.endswith(".")
    assert one.source
    assert one.accepts
    assert set(one.options) == set(one.option_types)
    assert set(one.required) <= set(one.options)


@pytest.mark.parametrize(
    ("name", "options", "complaint"),
    [
        ("timestamp", {"miliseconds": True}, "has no option 'miliseconds' (its options: milliseconds, offset)"),
        ("timestamp", {"offset": "no"}, "the option 'offset' of the format timestamp must be true or false"),
        ("minutes", {"at_least": True}, "the option 'at_least' of the format minutes must be a whole number"),
        ("minutes", {"at_least": 0}, "the option 'at_least' of the format minutes must be 1 or more"),
        ("max", {}, "the format max needs the option 'length': the most characters that may be written"),
        ("XPN", {"x": 1}, "(its options: none)"),
    ],
)
def test_a_wrong_option_is_told_in_a_sentence(name, options, complaint):
    assert complaint in FORMATS[name].complaints(options)[0]
