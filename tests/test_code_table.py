"""Code tables: every mistake in a file is found, with its line and column, and nothing is trimmed or guessed."""

from pathlib import Path

import pytest

from messages.problem import Problems
from transformers.code_table import CODES, load


@pytest.fixture
def table(tmp_path):
    """A function that writes a file and loads it."""

    def write(content, key=(), name="procedures.csv"):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return load(path, key, file="tables/procedures.csv")

    return write


def problems(table, content, key=()):
    with pytest.raises(Problems) as refused:
        table(content, key)
    return [(p.code, p.place.line, p.place.column) for p in refused.value.problems]


def test_rows_are_found_by_the_first_column(table):
    procedures = table("# Blume's codes\n\ncode,text\nCT01,CT HEAD\n\n# more\nMR01,MR HEAD\n")

    assert procedures.name == "procedures"
    assert procedures.columns == ("code", "text")
    assert procedures.rows == {"CT01": {"code": "CT01", "text": "CT HEAD"}, "MR01": {"code": "MR01", "text": "MR HEAD"}}
    assert procedures.lines == {"CT01": 4, "MR01": 7}
    assert procedures.notes == ()


def test_the_key_may_be_made_of_several_columns(table):
    procedures = table("system,code,text\nurn:a,1,One\nurn:b,1,Two\n", ("system", "code"))

    assert {key: row["text"] for key, row in procedures.rows.items()} == {"urn:a|1": "One", "urn:b|1": "Two"}


@pytest.mark.parametrize("separator", [",", ";", "\t"])
@pytest.mark.parametrize("ending", ["\n", "\r\n", "\r"])
def test_a_spreadsheet_of_any_country_can_save_it(table, separator, ending):
    content = ending.join(["code,text", "0001,NO", 'x,"a, b; c\td"', "y,1.10", ""]).replace(",", separator, 2)
    content = content.replace("x,", "x" + separator).replace("y,", "y" + separator)
    rows = table(content).rows

    assert [row["text"] for row in rows.values()] == ["NO", "a, b; c\td", "1.10"]
    assert list(rows) == ["0001", "x", "y"]


def test_quotes_keep_separators_line_breaks_comment_signs_and_spaces(table):
    procedures = table('code,text\n"#1","a ""b"", c"\n2,"two\nlines"\n3," x "\n4,last')

    assert [row["text"] for row in procedures.rows.values()] == ['a "b", c', "two\nlines", " x ", "last"]
    assert procedures.lines == {"#1": 2, "2": 3, "3": 5, "4": 6}


def test_an_empty_last_cell_is_a_cell(table):
    assert table("code,text\nCT01,").rows["CT01"]["text"] == ""


def test_a_byte_order_mark_is_tolerated_with_a_note(table):
    procedures = table(b"\xef\xbb\xbfcode,text\nCT01,x\n")

    assert procedures.columns == ("code", "text")
    assert [(note.code, note.severity) for note in procedures.notes] == [("E203", "warning")]


@pytest.mark.parametrize(
    ("content", "found"),
    [
        ("code,text\nCT01,a\nMR01,b\nCT01,c\n", [("E209", 4, 1)]),
        ("code,text\nCT01,a,b\nMR01\n", [("E207", 2, 6), ("E207", 3, 1)]),
        ("code,text\n,a\n", [("E208", 2, 1)]),
        ("code,text\nCT01 ,a\n CT02,b\nCT03,c \n", [("E211", 2, 5), ("E211", 3, 1), ("E211", 4, 7)]),
        ("code,text\nBLUME\u00a0CT,a\n", [("E212", 2, 1)]),
        ('code,text\nCT01,5" screen\n', [("E210", 2, 6)]),
        ('code,text\nCT01,"a" b\n', [("E210", 2, 6)]),
        ('code,text\nCT01,"never closed\n', [("E210", 2, 6)]),
        ("", [("E204", 1, 1)]),
        ("# only\n\n", [("E204", 1, 1)]),
        ("code,,code\nx,y,z\n", [("E205", 1, 6), ("E205", 1, 7)]),
        (b"code,text\nCT01,Concei\xe7\xe3o\n", [("E202", 2, 12)]),
        ("code,text\na,b,c\n,d\na ,e\na,f\na,g\n", [("E207", 2, 3), ("E208", 3, 1), ("E211", 4, 2), ("E209", 6, 1)]),
    ],
)
def test_every_mistake_is_reported_with_line_and_column(table, content, found):
    assert problems(table, content) == found


def test_a_key_column_that_is_not_there_is_reported(table):
    assert problems(table, "code,text\na,b\n", ("system",)) == [("E206", 1, 1)]


def test_a_duplicate_names_the_line_of_the_first(table):
    with pytest.raises(Problems, match="'CT01' stands in line 2 already"):
        table("code,text\nCT01,a\nCT01,b\n")


def test_a_file_that_is_not_there_is_a_problem():
    with pytest.raises(Problems, match=r"tables/none\.csv:1:1: error E201"):
        load(Path("tables/none.csv"))


def test_every_code_has_a_cause_an_example_and_a_cure():
    assert all(code[:2] == "E2" and len(entry) == 3 and all(entry) for code, entry in CODES.items())
