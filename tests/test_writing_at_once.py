"""The quick ways of a mapping give what the thorough ones give: text, bytes, documents, and the widths of formats."""

import json
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from messages.problem import Problems
from transformers import er7, fhir_json
from transformers.formats import FORMATS, FormatContext
from transformers.mapping_text import joined

#: Characters that must be escaped, that Unicode composes with their neighbours, and others.
texts = st.text(
    st.characters(exclude_categories=["Cs"])
    | st.sampled_from("|^~\\&\r\n\x0b\x1c%s\u0301\u0327\u0338\u1100\u1161eEc<=>"),
    max_size=12,
)
repetitions = st.lists(st.lists(texts, min_size=1, max_size=3), min_size=1, max_size=5)
HEADER = ["MSH", "|", "^~\\&", *([] for _ in range(15)), [[["UNICODE UTF-8"]]]]


def line(segment):
    """A segment as a mapping writes it."""
    fields = ["~".join(map(er7.written_repetition, field)).rstrip("~") for field in segment[1:]]
    return "|".join([segment[0], *fields]).rstrip("|")


@given(st.lists(st.lists(repetitions, max_size=3), max_size=4))
def test_text_that_is_written_at_once_is_what_the_encoder_writes(fields):
    segment = ["ZAP", *fields]
    lines = ["MSH|^~\\&||||||||||||||||UNICODE UTF-8", line(segment)]

    encoded = er7.to_bytes("\r".join(lines) + "\r", "UNICODE UTF-8")

    assert encoded == er7.encode([HEADER, segment])


@given(texts)
def test_a_leaf_is_escaped_as_in_a_field(text):
    assert er7.escaped(text) == er7.written_repetition([[text]])


def test_what_the_character_set_lacks_is_refused_by_field():
    with pytest.raises(Problems) as caught:
        er7.to_bytes("MSH|^~\\&\rPID|||1||Łukasz\r", "8859/1")

    assert caught.value.problems[0].expression == "PID-5"


@given(st.dictionaries(st.integers(0, 6), st.tuples(texts, st.booleans()), min_size=1))
def test_parts_stand_side_by_side_whether_they_are_known_before_or_given_later(parts):
    """A part is text without the separator; any other may stand in it."""
    plain = {position: text.replace("|", "") for position, (text, _) in parts.items()}
    mixed = {
        position: plain[position] if known else (lambda *_, text=plain[position]: text)
        for position, (_, known) in parts.items()
    }
    whole = joined("|", mixed)

    text = whole if isinstance(whole, str) else whole(None, None, ())

    assert text == "|".join(plain.get(position, "") for position in range(max(plain) + 1)).rstrip("|")


numbers = st.integers(-(10**12), 10**12) | st.decimals(-(10**6), 10**6, places=3)
documents = st.dictionaries(
    st.text("abc", min_size=1),
    st.recursive(
        st.text(max_size=20) | st.booleans() | numbers,
        lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(max_size=5), inner, max_size=5),
        max_leaves=20,
    ),
    max_size=5,
)


@given(documents)
def test_a_document_is_read_again_as_it_was_let_in(document):
    body = json.dumps(document | {"resourceType": "Basic"}, default=float).encode()

    again = fhir_json.load_again(body)

    assert again == fhir_json.load_strict(body)
    assert fhir_json.load_again(b'{"resourceType": "Basic", "n": 1.10}')["n"].as_tuple() == Decimal("1.10").as_tuple()


# ------------------------------------------------------------------------------------------------- widths of formats

maybe = texts | st.none()
codes = st.fixed_dictionaries(
    {}, optional={"code": texts, "system": st.sampled_from(["urn:a", "urn:b"]), "display": texts}
)
identifiers = st.fixed_dictionaries(
    {"value": texts, "system": st.sampled_from(["urn:a", "urn:b"])},
    optional={"type": st.fixed_dictionaries({"coding": st.lists(codes, max_size=2)})},
)
uses = st.sampled_from(["official", "home", "work", "mobile", "temp", "old"])
lists = st.lists(texts, max_size=3)
names = st.fixed_dictionaries(
    {"family": texts}, optional={"given": lists, "prefix": lists, "suffix": lists, "use": uses}
)
VALUES = {
    "XPN": names,
    "XAD": st.fixed_dictionaries(
        {}, optional={"line": st.lists(texts, min_size=1, max_size=3), "district": texts, "use": uses, "text": texts}
    ),
    "XTN": st.fixed_dictionaries(
        {"value": texts | st.just("+551133334444")},
        optional={"system": st.sampled_from(["phone", "fax", "email", "url"]), "use": uses},
    ),
    "CX": identifiers,
    "EI": identifiers,
    "HD": identifiers,
    "XCN": st.fixed_dictionaries(
        {"resourceType": st.just("Practitioner"), "name": st.lists(names, min_size=1, max_size=2)},
        optional={"identifier": st.lists(identifiers, max_size=2)},
    ),
    "CE": st.fixed_dictionaries({"coding": st.lists(codes, max_size=4)}, optional={"text": texts}),
    "CWE": codes,
}
ROW = {"namespace": "A", "universal_id": "1.2", "universal_id_type": "ISO", "identifier_type": "", "name": "L"}
TABLE = {"urn:a": ROW, "urn:b": ROW | {"universal_id": "", "universal_id_type": "", "identifier_type": "MR"}}


@settings(max_examples=60, deadline=None)
@pytest.mark.parametrize("name", [name for name, one in FORMATS.items() if one.gives != "text"])
@given(st.data(), st.sampled_from(["2.3.1", "2.5.1"]))
def test_a_format_gives_no_more_components_than_it_says(name, data, version):
    one, value = FORMATS[name], data.draw(VALUES[name])
    assert one.widths is not None
    try:
        found = one.function([value], {}, FormatContext(table=TABLE, table_name="t", version=version))
    except ValueError:
        return

    for repetition in found:
        assert len(repetition) <= len(one.widths)
        assert all(len(part) <= width for part, width in zip(repetition, one.widths, strict=False))
