"""Code tables come from FHIR ConceptMaps and go back to them."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner
from fhir.resources.R4B.conceptmap import ConceptMap

from host.command_line import plugin_host as front_door
from messages.problem import Problems
from transformers import code_table
from transformers.concept_map import concept_map, table_text

TABLES = Path(__file__).parents[1] / "mappings" / "tables"


def element(code: str, *targets: str, **more: str):
    return {"code": code, **more, "target": [{"code": target, "equivalence": "equal"} for target in targets]}


def of(*elements):
    return {"resourceType": "ConceptMap", "title": "Codes of\nthe RIS", "group": [{"element": list(elements)}]}


def run(*arguments: object):
    return CliRunner().invoke(front_door, ["table", *map(str, arguments)], prog_name="plugin-host")


def test_a_concept_map_becomes_a_table_with_a_row_for_each_code():
    unmatched = {"code": "X", "target": [{"equivalence": "unmatched"}]}
    text = table_text(of(element("CT01", "RCT", display='Head, "plain"'), element("#MR", "RMR"), unmatched))

    assert text == '# Codes of the RIS\ncode,text,target,target_text\nCT01,"Head, ""plain""",RCT,\n"#MR",,RMR,\n'


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"resourceType": "ValueSet"}, "no FHIR ConceptMap"),
        ([], "no FHIR ConceptMap"),
        (of(element("A", "B", "C")), "the code 'A' has 2 targets, and a table has one"),
        (of(element("A", "B"), element("A", "C")), "the code 'A' stands in it twice"),
    ],
)
def test_what_a_table_cannot_hold_is_refused_with_its_place(wrong, says):
    with pytest.raises(Problems, match=says):
        table_text(wrong)


@pytest.mark.parametrize("path", sorted(TABLES.glob("*.csv")), ids=lambda path: path.stem)
def test_a_shipped_table_becomes_a_fhir_concept_map_and_a_table_again(path, tmp_path):
    table = code_table.load(path)
    column = table.columns[1]
    made = concept_map(table, column, source="urn:a", target="urn:b")
    ConceptMap.model_validate(made)

    back = tmp_path / "back.csv"
    back.write_text(table_text(made))
    assert {code: row["target"] for code, row in code_table.load(back).rows.items()} == {
        code: row[column] for code, row in table.rows.items() if row[column]
    }


def test_import_writes_a_table_once_and_export_prints_it_again(tmp_path):
    (tmp_path / "map.json").write_text(json.dumps(of(element("CT01", "RCT", display="Head"))))
    to = tmp_path / "codes.csv"

    assert run("import", tmp_path / "map.json", "--to", to).exit_code == 0
    assert run("import", tmp_path / "map.json", "--to", to).exit_code == 6
    assert run("import", tmp_path / "map.json", "--to", to, "--force").exit_code == 0
    (group,) = json.loads(run("export", to, "--source", "urn:a", "--target", "urn:b").stdout)["group"]
    assert group == {
        "source": "urn:a",
        "target": "urn:b",
        "element": [{"code": "CT01", "display": "Head", "target": [{"code": "RCT", "equivalence": "equivalent"}]}],
    }


def test_what_cannot_be_read_is_said_in_a_line(tmp_path):
    (tmp_path / "no.json").write_text("{")
    (tmp_path / "no.csv").write_text("a,b\n1\n")

    assert "is not JSON" in run("import", tmp_path / "no.json").stderr
    assert "no.csv:2:" in run("export", tmp_path / "no.csv").stderr
    assert "has no column 'x'" in run("export", TABLES / "ordersets.csv", "--column", "x").stderr
