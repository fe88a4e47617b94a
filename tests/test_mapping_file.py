"""YAML files of analysts: every value has its place, and what is not plain YAML 1.2 is refused."""

import json
import re
from pathlib import Path

import jsonschema_rs
import pytest
from ruamel.yaml import YAML

from messages.problem import Place, Problem, Problems
from transformers import mapping_file
from transformers.hl7_mapping_model import Hl7Mapping
from transformers.mapping_file import did_you_mean, load, parse, safe_name, show
from transformers.mapping_model import Mapping
from transformers.mapping_schema import json_schema


def test_scalars_are_the_text_that_stands_there():
    document = parse("a: 0001\nb: NO\nc: 1.10\nd: 10:30\ne: true\nf: ~\ng:\nh: 'null'\n", "m.yaml")

    assert document.data == {
        "a": "0001", "b": "NO", "c": "1.10", "d": "10:30", "e": "true", "f": None, "g": None, "h": "null",
    }  # fmt: skip


def test_where_types_are_asked_for_they_are_those_of_yaml_1_2():
    document = parse("a: [1, -2.5, 1e3, true, null, 08, yes, 0x1F, '7', 2025-11-20]\n", "m.yaml")

    assert document.typed(("a",)) == [1, -2.5, 1000.0, True, None, "08", "yes", "0x1F", "7", "2025-11-20"]


def test_every_key_and_value_has_its_place():
    document = parse('map:\n  PID-3: { from: "%mrn.value", as: [CX] }\n', "m.yaml")

    assert document.key(("map", "PID-3")) == Place("m.yaml", 2, 3)
    assert document.place(("map", "PID-3", "from")) == Place("m.yaml", 2, 18)
    assert document.within(("map", "PID-3", "from"), 5) == Place("m.yaml", 2, 24)
    assert document.place(("map", "PID-3", "as", 0)) == Place("m.yaml", 2, 37)
    assert document.place(("map", "PID-3", "nothing", "there")) == Place("m.yaml", 2, 10)
    assert document.place(("nothing",)) == Place("m.yaml", 1, 1)


def test_a_place_inside_folded_text_is_where_the_text_begins():
    document = parse('when: >\n  %a and\n  %b\nescaped: "\\x25name"\n', "m.yaml")

    assert document.within(("when",), 8) == document.place(("when",))
    assert document.within(("escaped",), 3) == document.place(("escaped",))


def test_an_empty_value_is_placed_at_its_key():
    assert parse("a:\n\n\nb: 1\n", "m.yaml").place(("a",)) == Place("m.yaml", 1, 1)


@pytest.mark.parametrize(
    ("text", "code", "line", "column", "words"),
    [
        ("", "E002", 1, 1, "the file must be a list of `key: value` lines"),
        ("- a\n", "E002", 1, 1, "the file must be a list of `key: value` lines"),
        ("a: \x01\n", "E002", 1, 4, "a control character stands here"),
        ("a: @x\n", "E002", 1, 4, "text cannot begin with this character"),
        ("a: *x\n", "E002", 1, 4, "anchors and aliases (&x, *x) are not used here"),
        ('a: "\\q"\n', "E002", 1, 6, "this backslash escapes nothing"),
        ("a: [1\nb: 2\n", "E002", 1, 4, "the [ that opens here is never closed, or a comma is missing"),
        ("? [a]\n: b\n", "E002", 1, 3, "a key must be one word"),
        ("a: 1\n<<: { b: 2 }\n<<: { c: 3 }\n", "E003", 3, 1, "'<<' stands twice; first at line 2"),
        ("a: " + "[" * 50 + "]" * 50, "E005", 1, 44, "nested deeper than 40 levels"),
        ("a: " + "[" * 5000, "E005", 1, 1, "brackets are nested too deeply"),
    ],
)  # fmt: skip
def test_what_is_no_mapping_is_refused_with_its_place(text, code, line, column, words):
    with pytest.raises(Problems) as caught:
        parse(text, "m.yaml")

    problem = caught.value.problems[0]
    assert (problem.code, problem.place, problem.text) == (code, Place("m.yaml", line, column), words)


def test_a_quote_left_open_is_told_where_it_opens_even_if_a_later_quote_seems_to_close_it():
    text = 'title: it\'s "here"\norder: "%mrn\n# a "comment"\nabout: "%booking"\n'

    with pytest.raises(Problems) as caught:
        parse(text, "m.yaml")

    assert caught.value.problems[0].place == Place("m.yaml", 2, 8)


def test_a_file_that_is_not_utf_8_is_told_with_the_byte_s_place(tmp_path):
    (tmp_path / "m.yaml").write_bytes("a: 1\nb: Concei\u00e7\u00e3o\n".encode("latin-1"))

    with pytest.raises(Problems) as caught:
        load(tmp_path / "m.yaml", "m.yaml")

    assert str(caught.value) == "m.yaml:2:10: error E001 this byte is not UTF-8\n    save the file as UTF-8"


def test_a_byte_order_mark_is_taken(tmp_path):
    (tmp_path / "m.yaml").write_bytes(b"\xef\xbb\xbfa: 1\n")

    assert load(tmp_path / "m.yaml").data == {"a": "1"}


@pytest.mark.parametrize(("limit", "text"), [("MAX_BYTES", "bytes"), ("MAX_NODES", "values")])
def test_a_file_beyond_all_measure_is_refused(tmp_path, monkeypatch, limit, text):
    monkeypatch.setattr(mapping_file, limit, 10)
    (tmp_path / "m.yaml").write_text("".join(f"key{n}: 1\n" for n in range(20)))

    with pytest.raises(Problems) as caught:
        load(tmp_path / "m.yaml", "m.yaml")

    assert caught.value.problems[0].code == "E005"
    assert text in caught.value.problems[0].text


@pytest.mark.parametrize(
    ("name", "is_safe"),
    [
        ("samples/a.json", True), ("a", True), ("../a", False), ("samples/../../a", False), ("/etc/passwd", False),
        ("C:\\a", False), ("a\\b", False), ("", False), (" a", False), ("a\0", False), ("C:a", False),
    ],
)  # fmt: skip
def test_only_files_inside_the_folder_may_be_named(name, is_safe):
    assert safe_name(name) is is_safe


def test_a_near_word_is_suggested_whatever_its_case():
    assert did_you_mean("BIRTHDATE", ["birthDate", "name"]) == "did you mean 'birthDate'?"
    assert did_you_mean("zzz", ["birthDate"]) is None


def test_a_problem_is_shown_with_its_line_and_a_caret():
    problem = Problem(code="E103", text="no such element", hint="did you mean 'b'?", place=Place("m.yaml", 2, 4))

    assert show(problem, "a: 1\nb: %x\n") == (
        "m.yaml:2:4: error E103 no such element\n     2 | b: %x\n       |    ^\n    did you mean 'b'?"
    )
    assert show(Problem(code="E1", text="nowhere"), "") == "error E1 nowhere"


def test_the_schema_for_editors_knows_every_word():
    schema = json_schema()

    assert json.loads(json.dumps(schema)) == schema
    for model in (Mapping, Hl7Mapping):
        part = schema["definitions"][model.__name__]
        assert set(part["properties"]) == {field.alias or name for name, field in model.model_fields.items()}
        assert part["additionalProperties"] is False
        assert part["properties"]["version"]["enum"] == [1, "1"]


SHIPPED = Path(__file__).parents[1] / "mappings"


def as_an_editor_sees(text: str):
    return json.loads(json.dumps(YAML(typ="safe", pure=True).load(text), default=str))


@pytest.mark.parametrize(
    "path",
    sorted([*SHIPPED.glob("*.yaml"), *SHIPPED.glob("examples/*.yaml"), *SHIPPED.glob("fragments/*.yaml")]),
    ids=lambda path: path.stem,
)
def test_a_shipped_file_names_its_schema_and_keeps_to_it(path):
    text = path.read_text()
    name = re.match(r"# yaml-language-server: \$schema=(\S+)\n", text)[1]
    schema = json.loads((path.parent / name).read_text())

    errors = [
        f"{e.instance_path}: {e.message}"
        for e in jsonschema_rs.validator_for(schema).iter_errors(as_an_editor_sees(text))
    ]
    assert errors == []


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("channel:", "chanel:"),
        ("as: XCN", "as: XCM"),
        ("required: true", "required: maybe"),
        ("do: cancel", "dont: cancel"),
    ],
)
def test_the_schema_finds_what_is_misspelt(old, new):
    text = (SHIPPED / "appointment-to-powerserver.yaml").read_text()
    assert old in text
    schema = jsonschema_rs.validator_for(json_schema())

    assert schema.is_valid(as_an_editor_sees(text))
    assert not schema.is_valid(as_an_editor_sees(text.replace(old, new, 1)))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("order: [", "oder: ["),
        ("as: CodeableConcept", "as: CodableConcept"),
        ("resource: Appointment", "message: SIU^S12"),
        ("do: no_show", "dont: no_show"),
    ],
)
def test_the_schema_knows_the_words_of_a_mapping_that_reads_hl7(old, new):
    text = (SHIPPED / "examples" / "appointment-to-blume.yaml").read_text()
    assert old in text
    schema = jsonschema_rs.validator_for(json_schema())

    assert schema.is_valid(as_an_editor_sees(text))
    assert not schema.is_valid(as_an_editor_sees(text.replace(old, new, 1)))
