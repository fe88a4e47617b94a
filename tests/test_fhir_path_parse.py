"""A FHIRPath expression is read from its first character to its last, or refused with a sentence and a column."""

import json

import pytest

from transformers.fhir_path import is_compiled
from transformers.fhir_path_parse import names_used, parse
from transformers.fhir_path_syntax import PathSyntaxError

MISTAKES = [
    ("", 1, "the expression is empty"),
    ("   ", 1, "the expression is empty"),
    ("birthDate garbage here", 11, "'garbage' cannot follow 'birthDate'; an operator or a dot is missing"),
    ("name.given)", 11, "this ')' closes nothing"),
    ("(name.given", 1, "the '(' that opens here is never closed"),
    ("name.where(use = 'official'.given", 11, "the '(' that opens here is never closed"),
    ("name[0", 5, "the '[' that opens here is never closed"),
    ("name.where(use = 'official']", 28, "']' cannot close the '(' of column 11"),
    ("{name", 1, "the '{' that opens here is never closed"),
    ("name..given", 6, "'.' cannot stand after '.'; a value is missing"),
    ("name.", 6, "the expression ends after a dot; a name is missing"),
    ("gender =", 9, "the expression ends after '='; a value is missing"),
    ("%appt.status = 'booked' and", 28, "the expression ends after 'and'; a value is missing"),
    ("gender == 'male'", 8, "FHIRPath compares with one '='"),
    ("active && deceased", 8, "FHIRPath has no '&&'; write 'and'"),
    ("active || deceased", 8, "FHIRPath has no '||'; write 'or'"),
    ("gender <> 'male'", 8, "FHIRPath has no '<>'; write '!='"),
    ("gender !== 'male'", 8, "FHIRPath has no '!=='; write '!='"),
    ("!active", 1, "FHIRPath has no '!'; write .not() after the expression, or '!='"),
    ('gender = "male"', 10, "a string stands in single quotes ('text'), not in double ones"),
    ("gender = \u2018male\u2019", 10, "a string stands in plain quotes ('text'), not in typographic ones"),
    ("gender = 'male", 10, "the string that begins here has no closing quote"),
    ("`given", 1, "the name that begins here has no closing back quote"),
    ("name.0", 6, "a position stands in brackets: [0] is the first"),
    ("name.given.1.first()", 12, "a position stands in brackets: [0] is the first"),
    ("active AND deceased", 8, "FHIRPath writes 'and' in small letters"),
    ("active = TRUE or", 17, "the expression ends after 'or'; a value is missing"),
    ("%", 2, "after '%' stands a name, such as %patient"),
    ("% = 3", 3, "after '%' stands a name, such as %patient"),
    (
        "$it.name",
        1,
        "after '$' only $this, $index and $total are known; site values and let: names begin with '%'",
    ),
    ("name.$this", 6, "'$this' begins an expression; it cannot stand after a dot"),
    ("name # given", 6, "the character '#' has no meaning in FHIRPath"),
    ("repeat.day", 8, "'day' is a word of FHIRPath; as a name it is written `day`"),
    ("and active", 1, "an expression cannot begin with 'and'"),
    ("name, telecom", 5, "',' cannot stand after 'name'"),
    ("name.where(, 'x')", 12, "',' cannot stand after '('; a value is missing"),
    ("(name) (given)", 8, "'(' cannot stand after ')'"),
    ("birthDate > @20", 13, "a date is written @2025-12-01, a time @T09:30, both @2025-12-01T09:30:00-03:00"),
    ("value.matches('\\d+')", 16, "'\\d' is no escape of FHIRPath; a backslash itself is written '\\\\'"),
    ("'\\u12'", 2, "after '\\u' stand four hexadecimal digits"),
    ("value.ofType('string')", 14, "here stands the name of a type, such as Patient, and no other expression"),
    ("value as", 9, "the expression ends after 'as'; a value is missing"),
    ("1 + * 2", 5, "'*' cannot stand after '+'; a value is missing"),
    ("name given", 6, "'given' cannot follow 'name'; an operator or a dot is missing"),
    ("name.given.first() 'x'", 20, "'x' cannot follow ')'; an operator or a dot is missing"),
]


@pytest.mark.parametrize(("text", "column", "sentence"), MISTAKES, ids=[text for text, _, _ in MISTAKES])
def test_what_is_not_fhirpath_is_refused_with_a_sentence_and_a_column(text, column, sentence):
    with pytest.raises(PathSyntaxError) as refused:
        parse(text)

    assert (refused.value.message, refused.value.column) == (sentence, column)


TREES = [
    ("name", ["member", 1, None, "name"]),
    ("name.family", ["member", 6, ["member", 1, None, "name"], "family"]),
    ("%appt.start", ["member", 7, ["name", 1, "appt"], "start"]),
    ("%`us-zip`", ["name", 1, "us-zip"]),
    ("%'vs-name'", ["name", 1, "vs-name"]),
    ("$this", ["this", 1]),
    ("$index", ["position", 1]),
    ("{}", ["none", 1]),
    ("'it\\'s \\u00e7'", ["literal", 1, "String", "it's ç"]),
    ("true", ["literal", 1, "Boolean", True]),
    ("42", ["literal", 1, "Integer", 42]),
    ("4.20", ["literal", 1, "Decimal", "4.20"]),
    ("@2025-12-01", ["literal", 1, "Date", "2025-12-01"]),
    ("@2025-12-01T09:30:00-03:00", ["literal", 1, "DateTime", "2025-12-01T09:30:00-03:00"]),
    ("@T09:30", ["literal", 1, "Time", "09:30"]),
    ("a = 'b'", ["op", 3, "=", ["member", 1, None, "a"], ["literal", 5, "String", "b"]]),
    ("-a", ["sign", 1, "-", ["member", 2, None, "a"]]),
    ("a[0]", ["index", 2, ["member", 1, None, "a"], ["literal", 3, "Integer", 0]]),
    ("a.first()", ["call", 3, ["member", 1, None, "a"], "first", []]),
    ("exists()", ["call", 1, None, "exists", []]),
    ("a is Patient", ["type", 3, "is", ["member", 1, None, "a"], "Patient"]),
    ("a.ofType(FHIR.Patient)", ["call", 3, ["member", 1, None, "a"], "ofType", [["typename", 10, "FHIR.Patient"]]]),
    ("`div`", ["member", 1, None, "div"]),
    ("a.contains", ["member", 3, ["member", 1, None, "a"], "contains"]),
    (" a // said\n .b /* once */", ["member", 14, ["member", 2, None, "a"], "b"]),
]


@pytest.mark.parametrize(("text", "tree"), TREES, ids=[text for text, _ in TREES])
def test_an_expression_becomes_a_tree_with_columns(text, tree):
    assert parse(text) == tree
    assert json.loads(json.dumps(parse(text))) == tree


def test_operators_bind_as_the_grammar_says():
    tree = parse("a or b and c = d | e + f * -g")

    assert [tree[2], tree[4][2], tree[4][4][2], tree[4][4][4][2]] == ["or", "and", "=", "|"]
    assert parse("(1 + 2) * 3")[2] == "*"


def test_the_column_of_a_later_line_counts_all_characters_before_it():
    with pytest.raises(PathSyntaxError) as refused:
        parse("name\n  .given)")

    assert refused.value.column == 14


@pytest.mark.parametrize(
    "text",
    [
        "value > 5 'mg'",
        "value = 4 days",
        "children().aggregate($this + $total, 0)",
        "x.type().name",
        "weight.value.round(1)",
        "status.ofType(code)",
        "x.toQuantity('mg')",
        "x.convertsToInteger()",
        "x is System.String",
    ],
)
def test_what_we_do_not_compile_is_marked_for_the_whole_expression(text):
    kind, column, kept, tree = parse(text)

    assert (kind, column, kept) == ("fallback", 1, text)
    assert not is_compiled(tree)


def test_the_names_that_an_expression_uses_are_found_wherever_they_stand():
    assert names_used(parse("%a.where(x = %b.c).y | iif(%d, 1 'mg', %a)")) == {"a", "b", "d"}
