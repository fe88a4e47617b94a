"""FHIR's JSON is read strictly: what is refused, with which code, and where."""

import contextlib
import json
import random
import time
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from messages.problem import Problem, Problems
from transformers.fhir_json import MAX_DEPTH, load_strict

SAMPLE = Path(__file__).parent.parent / "mappings" / "samples" / "appointment-request.json"


def problems_of(body: bytes) -> tuple[Problem, ...]:
    with pytest.raises(Problems) as caught:
        load_strict(body)
    return caught.value.problems


def written_twice(value, path, here=()):
    """JSON of `value`, in which the name at `path` stands twice."""
    if isinstance(value, dict):
        members = [
            f"{json.dumps(name)}: {written_twice(child, path, (*here, name))}"
            for name, child in value.items()
            for _ in range(2 if (*here, name) == path else 1)
        ]
        return "{" + ", ".join(members) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(written_twice(child, path, (*here, n)) for n, child in enumerate(value)) + "]"
    return json.dumps(value, ensure_ascii=False)


def test_the_shipped_sample_is_read_as_it_stands():
    body = SAMPLE.read_bytes()

    assert load_strict(body) == json.loads(body)


def test_a_fraction_keeps_its_precision():
    document = load_strict(b'{"resourceType": "Observation", "valueQuantity": {"value": 1.10}, "id": "1.10"}')

    assert str(document["valueQuantity"]["value"]) == "1.10"
    assert isinstance(document["valueQuantity"]["value"], Decimal)


def test_an_integer_keeps_all_its_digits():
    document = load_strict(b'{"resourceType": "Basic", "a": 123456789012345678901234567890}')

    assert document["a"] == 123456789012345678901234567890


@pytest.mark.parametrize(
    ("path", "expression"),
    [
        (("resourceType",), "Bundle.resourceType"),
        (("type",), "Bundle.type"),
        (("entry",), "Bundle.entry"),
        (("entry", 0, "fullUrl"), "Bundle.entry[0].fullUrl"),
        (("entry", 0, "resource"), "Bundle.entry[0].resource"),
        (("entry", 0, "request"), "Bundle.entry[0].request"),
        (("entry", 0, "request", "method"), "Bundle.entry[0].request.method"),
        (("entry", 0, "resource", "resourceType"), "Bundle.entry[0].resource.resourceType"),
        (("entry", 0, "resource", "identifier"), "Bundle.entry[0].resource.identifier"),
        (("entry", 0, "resource", "identifier", 1, "value"), "Bundle.entry[0].resource.identifier[1].value"),
        (("entry", 0, "resource", "name", 0, "family"), "Bundle.entry[0].resource.name[0].family"),
        (("entry", 0, "resource", "gender"), "Bundle.entry[0].resource.gender"),
        (("entry", 0, "resource", "birthDate"), "Bundle.entry[0].resource.birthDate"),
        (("entry", 0, "resource", "address", 0, "line"), "Bundle.entry[0].resource.address[0].line"),
        (
            ("entry", 0, "resource", "identifier", 0, "type", "coding", 0, "code"),
            "Bundle.entry[0].resource.identifier[0].type.coding[0].code",
        ),
        (("entry", 5, "resource", "start"), "Bundle.entry[5].resource.start"),
        (("entry", 7, "resource", "class", 0, "value"), "Bundle.entry[7].resource.class[0].value"),
        (("entry", 9, "resource", "status"), "Bundle.entry[9].resource.status"),
        (("entry", 9, "resource", "minutesDuration"), "Bundle.entry[9].resource.minutesDuration"),
        (
            ("entry", 9, "resource", "participant", 2, "actor", "reference"),
            "Bundle.entry[9].resource.participant[2].actor.reference",
        ),
    ],
)
def test_a_name_that_stands_twice_is_refused_with_its_place(path, expression):
    body = written_twice(json.loads(SAMPLE.read_bytes()), path).encode()

    found = problems_of(body)

    assert [(p.code, p.expression, p.issue_type) for p in found] == [("JSON_DUPLICATE_NAME", expression, "structure")]


def test_all_names_that_stand_twice_are_told_at_once():
    found = problems_of(b'{"resourceType": "Patient", "id": "1", "id": "2", "name": [{"text": "a", "text": "b"}]}')

    assert [p.expression for p in found] == ["Patient.id", "Patient.name[0].text"]


@pytest.mark.parametrize(
    "body",
    [
        rb'{"resourceType": "Patient", "id": "1", "\u0069d": "2"}',
        b'{"resourceType": "Patient", "id": "1", "id" \n : "2"}',
        # A colon written as an escape appears when the document is written again: it must not make up for the name.
        rb'{"resourceType": "Patient", "id": "1", "id": "\u003a"}',
        rb'{"resourceType": "Patient", "id": 1, "language": "\u003A", "id": 1}',
        b'{"resourceType": "Patient", "id": ":", "id": "1"}',
    ],
)
def test_a_name_that_stands_twice_cannot_hide(body):
    assert [p.expression for p in problems_of(body)] == ["Patient.id"]


@pytest.mark.parametrize(
    "body",
    [
        rb'{"resourceType": "Patient", "language": "\u003a\u003A:\":", "id": "\":"}',
        rb'{"resourceType": "Patient", "a:b": ":", "contact": [{"id": "1"}, {"id": "2"}], ":": "\\"}',
    ],
)
def test_colons_and_escapes_in_strings_are_no_names(body):
    assert load_strict(body) == json.loads(body)


def test_a_name_that_no_element_can_have_is_not_shown():
    found = problems_of('{"resourceType": "Patient", "Müller, Erika": 1, "Müller, Erika": 2}'.encode())

    assert [p.expression for p in found] == ["Patient"]
    assert "Müller" not in str(found)


@pytest.mark.parametrize(
    ("what", "body"),
    [
        ("empty", b""),
        ("blank", b" \n"),
        ("trailing garbage", b'{"resourceType": "Patient"}x'),
        ("a second document", b'{"resourceType": "Patient"}{}'),
        ("cut short", b'{"resourceType": "Patient", "id": "1'),
        ("a comma too many", b'{"resourceType": "Patient",}'),
        ("a comment", b'{"resourceType": "Patient" /* one */}'),
        ("single quotes", b"{'resourceType': 'Patient'}"),
        ("a name without quotes", b'{resourceType: "Patient"}'),
        ("byte order mark", b'\xef\xbb\xbf{"resourceType": "Patient"}'),
        ("UTF-16 with mark", '{"resourceType": "Patient"}'.encode("utf-16")),
        ("UTF-16 LE", '{"resourceType": "Patient"}'.encode("utf-16-le")),
        ("UTF-16 BE", '{"resourceType": "Patient"}'.encode("utf-16-be")),
        ("UTF-32", '{"resourceType": "Patient"}'.encode("utf-32-le")),
        ("ISO 8859-1", '{"resourceType": "Patient", "id": "é"}'.encode("latin-1")),
        ("overlong UTF-8", b'{"resourceType": "Patient", "id": "\xc0\xaf"}'),
        ("a surrogate in UTF-8", b'{"resourceType": "Patient", "id": "\xed\xa0\x80"}'),
        ("a lone high surrogate", rb'{"resourceType": "Patient", "id": "\ud800"}'),
        ("a lone low surrogate", rb'{"resourceType": "Patient", "id": "\udc00"}'),
        ("surrogates in the wrong order", rb'{"resourceType": "Patient", "id": "\udc00\ud800"}'),
        ("a raw control character", b'{"resourceType": "Patient", "id": "\x01"}'),
        ("an unknown escape", rb'{"resourceType": "Patient", "id": "\x41"}'),
        ("NaN", b'{"resourceType": "Patient", "id": NaN}'),
        ("Infinity", b'{"resourceType": "Patient", "id": -Infinity}'),
        ("a number that is infinite", b'{"resourceType": "Patient", "id": 1e999}'),
        ("a number that is almost nothing", b'{"resourceType": "Patient", "id": 1e-999999999}'),
        ("a leading zero", b'{"resourceType": "Patient", "id": 01}'),
        ("a leading plus", b'{"resourceType": "Patient", "id": +1}'),
        ("a fraction without digits", b'{"resourceType": "Patient", "id": 1.}'),
        ("a hundred digits", b'{"resourceType": "Patient", "id": ' + b"9" * 100 + b"}"),
        ("a million digits", b'{"resourceType": "Patient", "id": ' + b"9" * 1_000_000 + b"}"),
        ("a million decimals", b'{"resourceType": "Patient", "id": 0.' + b"1" * 1_000_000 + b"}"),
    ],
)
def test_what_is_no_json_is_refused(what, body):
    assert [(p.code, p.issue_type) for p in problems_of(body)] == [("JSON_INVALID", "structure")]


def test_the_place_of_a_syntax_error_is_told_and_nothing_of_the_content():
    (found,) = problems_of('{"resourceType": "Patient",\n "id": Müller}'.encode())

    assert "line 2, column 8" in found.text
    assert "Müller" not in found.text


@pytest.mark.parametrize(
    ("body", "issue_type"),
    [
        (b"[]", "structure"),
        (b"null", "structure"),
        (b'"Patient"', "structure"),
        (b"7", "structure"),
        (b"{}", "required"),
        (b'{"resourceType": null}', "required"),
        (b'{"resourceType": ["Patient"]}', "required"),
    ],
)
def test_what_is_no_resource_is_refused(body, issue_type):
    assert [(p.code, p.issue_type) for p in problems_of(body)] == [("FHIR_INVALID", issue_type)]


@pytest.mark.parametrize("nested", [b'{"a":%s}', b"[%s]"])
def test_depth_is_limited(nested):
    def body(depth):
        before, _, after = nested.partition(b"%s")
        return b'{"resourceType": "Patient", "a": ' + before * (depth - 1) + b"1" + after * (depth - 1) + b"}"

    assert load_strict(body(MAX_DEPTH))
    for depth in (MAX_DEPTH + 1, 300, 1_000, 100_000):
        assert [p.code for p in problems_of(body(depth))] == ["JSON_TOO_DEEP"]


def test_the_number_of_tokens_is_limited():
    def body(values):
        return b'{"resourceType": "Patient", "a": [' + b"1,".rjust(6) * (values - 1) + b"1]}"

    assert load_strict(body(999_990))
    assert [p.code for p in problems_of(body(1_000_010))] == ["JSON_TOO_LARGE"]


def test_a_large_attachment_is_no_matter_of_tokens():
    body = b'{"resourceType": "Binary", "contentType": "application/pdf", "data": "' + b"QUJD" * 2_000_000 + b'"}'
    begun = time.perf_counter()
    document = load_strict(body)

    assert len(document["data"]) == 8_000_000
    assert time.perf_counter() - begun < 2


ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**40), 10**40) | st.text(),
    lambda children: st.lists(children, max_size=4) | st.dictionaries(st.text(), children, max_size=4),
    max_leaves=20,
)


@given(st.dictionaries(st.text(), ANY_JSON, max_size=4), st.booleans(), st.sampled_from([None, 0, 3]))
def test_every_resource_of_unique_names_is_read_as_it_stands(members, ascii_only, indent):
    document = members | {"resourceType": "Patient"}

    assert load_strict(json.dumps(document, ensure_ascii=ascii_only, indent=indent).encode()) == document


@given(st.dictionaries(st.text(), ANY_JSON, max_size=4), st.booleans(), st.randoms(use_true_random=False))
def test_wherever_a_name_stands_twice_the_document_is_refused(members, ascii_only, chance: random.Random):
    document = members | {"resourceType": "Patient", "id": "\u003a"}
    places = []

    def encoded(value, doubled):
        if isinstance(value, dict):
            written = []
            for name, child in value.items():
                places.append(name)
                times = 2 if len(places) == doubled else 1
                member = json.dumps(name, ensure_ascii=ascii_only) + ":" + encoded(child, doubled)
                written += [member] * times
            return "{" + ",".join(written) + "}"
        if isinstance(value, list):
            return "[" + ",".join(encoded(child, doubled) for child in value) + "]"
        return json.dumps(value, ensure_ascii=ascii_only)

    encoded(document, 0)
    doubled = chance.randint(1, len(places))
    places.clear()
    body = encoded(document, doubled).encode()

    assert {p.code for p in problems_of(body)} == {"JSON_DUPLICATE_NAME"}


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(body):
    with contextlib.suppress(Problems):
        assert isinstance(load_strict(body), dict)
