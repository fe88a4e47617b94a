"""Mistakes in mapping files are found before anything runs, each with its place, its line and what to do.

The cases are the files of tests/mapping_mistakes: an edit of tests/mapping_site/base.yaml and what is printed.
"""

import re
from pathlib import Path

import pytest

from channels import registry
from transformers.code_table import CODES as TABLE_CODES
from transformers.form_codes import CODES as FORM_CODES
from transformers.mapping_check import DIRECTIONS, Checked, check_mapping
from transformers.mapping_codes import CODES
from transformers.mapping_file import show
from transformers.mapping_site import load_site

HERE = Path(__file__).parent
SITE = HERE / "mapping_site"
BASE = (SITE / "base.yaml").read_text()
MISTAKES = {path: path.read_text() for path in sorted((HERE / "mapping_mistakes").glob("*.txt"))}


def _cases():
    for path, text in MISTAKES.items():
        for case in re.split(r"^## ", text, flags=re.MULTILINE)[1:]:
            name, replace, with_, printed = case.split("\n", 3)
            old, new = (line.partition(": ")[2].replace("\\n", "\n").replace("\\t", "\t") for line in (replace, with_))
            yield pytest.param(old, new, printed.strip("\n"), id=f"{path.stem}: {name}")


def check(folder: Path, text: str, site: Path = SITE) -> Checked:
    path = folder / "m.yaml"
    path.write_text(text)
    return check_mapping(path, load_site(site, {}), "m.yaml")


def printed(checked: Checked) -> str:
    return "\n".join(show(problem, checked.source) for problem in checked.problems)


@pytest.mark.parametrize(("old", "new", "expected"), list(_cases()))
def test_a_mistake_is_told_with_place_line_and_advice(tmp_path, old, new, expected):
    assert BASE.count(old) == 1

    checked = check(tmp_path, BASE.replace(old, new))

    assert printed(checked) == expected
    assert (checked.plan is None) == (" error " in expected)


def test_a_mapping_without_mistakes_has_none():
    checked = check_mapping(SITE / "base.yaml", load_site(SITE, {}))

    assert checked.problems == []
    assert checked.plan is not None


def test_all_mistakes_are_told_at_once_in_the_order_of_the_file(tmp_path):
    text = BASE.replace("endpoint.app", "endpoint.apps").replace("as: XPN", "as: XPNN").replace("SCH-9:", "SCH-99:")

    found = check(tmp_path, text).problems

    assert [(problem.place.line, problem.code) for problem in found] == [(22, "E130"), (25, "E403"), (30, "E120")]


def test_a_mistake_in_one_line_hides_none_in_another(tmp_path):
    text = BASE.replace("{ site: endpoint.app }", "{ sit: x, as: y }").replace("%patient.gender", "%patient.gendre")

    found = check(tmp_path, text).problems

    assert [problem.code for problem in found] == ["E020", "E103"]


def test_a_mistake_in_a_name_is_told_once_and_not_at_each_use(tmp_path):
    found = check(tmp_path, BASE.replace("appt.participant.actor", "appt.participnt.actor")).problems

    assert [(problem.place.line, problem.code) for problem in found] == [(16, "E103")]


def test_a_broken_table_is_told_at_its_own_line(tmp_path):
    site = tmp_path / "site"
    (site / "tables").mkdir(parents=True)
    for name in ("site.yaml", "tables/authorities.csv"):
        (site / name).write_text((SITE / name).read_text())
    (site / "tables/codes.csv").write_text("code,ris\nCT01,CTHEAD\nCT01,CTHEAD\n")
    (site / "samples").symlink_to(SITE / "samples")

    found = check(tmp_path, BASE, site).problems

    assert [(Path(problem.place.file).name, problem.place.line) for problem in found] == [("codes.csv", 3)]


def test_every_code_is_explained_and_every_explanation_has_its_code():
    rooms = HERE.parent / "transformers"
    files = [
        *rooms.glob("*mapping_*.py"),
        *(rooms / f"{name}.py" for name in ("fhir_to_hl7", "hl7_to_fhir", "hl7_values")),
    ]
    source = "".join(path.read_text() for path in files)
    raised = set(re.findall(r'"(E\d{3})"', source.replace((rooms / "mapping_codes.py").read_text(), "")))

    assert raised == set(CODES) | {code for code in FORM_CODES if code.startswith("E")}
    assert not set(CODES) & (set(TABLE_CODES) | set(FORM_CODES))
    assert all(row.cause and row.example and row.cure for row in CODES.values())


def test_every_mistake_that_the_check_can_see_has_a_case():
    backwards = "".join(path.read_text() for path in (HERE / "hl7_mapping_mistakes").glob("*.txt"))
    told = set(re.findall(r" (E\d{3}) ", "".join(MISTAKES.values()) + backwards))
    elsewhere = {
        "E001", "E005",  # test_mapping_file.py
        "E131",  # test_mapping_site.py
        "E160", "E161", "E162", "E163", "E164",  # test_mapping_fragments.py
        "E700", "E701", "E702", "E703", "E704", "E705", "E706", "E707",  # test_fhir_to_dicom.py
        "E450",  # below
        "E482", "E483",  # test_mapping_kind.py
    }  # fmt: skip

    assert {code for code in CODES if not code.startswith("E3")} - told - elsewhere == set()


@pytest.mark.parametrize(
    ("old", "new", "text"),
    [
        (
            "  - name: a request\n",
            "  - { name: a request, given: samples/request.json, expect: { SCH-6: NEW } }\n  - name: a request\n",
            "another test has this name, at line 45",
        ),
        (
            'order: "%patient.id"',
            "  pacs: { connector: mllp-sender, station: ris, message: SIU^S12 }\norder: '%patient.id'",
            "the test does not say which destination",
        ),
    ],
)
def test_a_test_must_be_one_of_its_own(tmp_path, old, new, text):
    found = check(tmp_path, BASE.replace(old, new)).problems

    assert [(problem.code, problem.text) for problem in found] == [("E450", text)]


def test_a_file_that_is_not_there_is_a_problem_and_no_traceback(tmp_path):
    checked = check_mapping(tmp_path / "none.yaml", load_site(SITE, {}), "none.yaml")

    assert printed(checked) == "none.yaml:1:1: error E001 cannot be read: No such file or directory"


def test_the_plan_is_plain_data_and_the_same_wherever_the_folder_lies(tmp_path):
    import json
    import shutil

    one = check_mapping(SITE / "base.yaml", load_site(SITE, {})).plan
    shutil.copytree(SITE, tmp_path / "mapping_site")
    other = check_mapping(tmp_path / "mapping_site/base.yaml", load_site(tmp_path / "mapping_site", {})).plan

    assert one == json.loads(json.dumps(one)) == other


def test_each_of_our_transformers_has_words_and_a_check():
    found = [plugin for plugin in registry.plugins() if plugin.kind == "transformer"]
    ours = [plugin.name for plugin in found if plugin.origin.startswith("plugin-host ")]

    assert sorted(DIRECTIONS) == ours
    for direction in DIRECTIONS.values():
        assert {"channel", "destinations", "tests"} <= set(direction.model.model_fields)
        assert callable(direction.plan)
