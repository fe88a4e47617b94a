"""Mistakes in mapping files that read HL7 are found before anything runs, each with its place and what to do.

The cases are those of tests/hl7_mapping_mistakes: an edit of tests/hl7_mapping_site/base.yaml and what is printed.
"""

import json
import re
from pathlib import Path

import pytest

from transformers.fhir_formats import FHIR_FORMATS
from transformers.hl7_mapping_model import Block, Destination, From, Hl7Mapping, Rule
from transformers.hl7_to_fhir import compile_plan
from transformers.mapping_check import check_mapping
from transformers.mapping_file import show
from transformers.mapping_site import load_site
from transformers.mapping_tests import run_tests, untouched

HERE = Path(__file__).parent
SITE = HERE / "hl7_mapping_site"
BASE = (SITE / "base.yaml").read_text()


def _cases():
    text = (HERE / "hl7_mapping_mistakes/all.txt").read_text()
    for case in re.split(r"^## ", text, flags=re.MULTILINE)[1:]:
        name, replace, with_, printed = case.split("\n", 3)
        old, new = (line.partition(": ")[2].replace("\\n", "\n") for line in (replace, with_))
        yield pytest.param(old, new, printed.strip("\n"), id=name)


@pytest.mark.parametrize(("old", "new", "expected"), list(_cases()))
def test_a_mistake_is_told_with_place_line_and_advice(tmp_path, old, new, expected):
    assert BASE.count(old) == 1
    path = tmp_path / "m.yaml"
    path.write_text(BASE.replace(old, new))

    checked = check_mapping(path, load_site(SITE, {}), "m.yaml")

    assert "\n".join(show(problem, checked.source) for problem in checked.problems) == expected
    assert (checked.plan is None) == (" error " in expected)


def test_a_mapping_without_mistakes_has_none_and_its_tests_pass():
    checked = check_mapping(SITE / "base.yaml", load_site(SITE, {}))

    assert checked.problems == []
    assert [result.differences for result in run_tests(checked, SITE)] == [()]
    assert len(untouched(checked.plan, run_tests(checked, SITE))) == 4


def test_the_plan_is_json():
    checked = check_mapping(SITE / "base.yaml", load_site(SITE, {}))

    compile_plan(json.loads(json.dumps(checked.plan)))


@pytest.mark.parametrize("cut", range(0, len(BASE), 97))
def test_a_file_that_lacks_a_character_is_valid_or_told(tmp_path, cut):
    path = tmp_path / "m.yaml"
    path.write_text(BASE[:cut] + BASE[cut + 1 :])

    checked = check_mapping(path, load_site(SITE, {}), "m.yaml")

    assert all(problem.place is not None for problem in checked.problems)


PAGE = (HERE.parent / "docs/mapping-language.md").read_text()


def test_the_page_s_file_is_fit_to_run_and_passes_its_test(tmp_path):
    (example,) = re.findall(r"```yaml hl7-to-fhir\n(.*?)```", PAGE, flags=re.DOTALL)
    (tmp_path / "example.yaml").write_text(example)
    site = HERE.parent / "mappings"

    checked = check_mapping(tmp_path / "example.yaml", load_site(site, {}))

    assert list(map(str, checked.problems)) == []
    assert [result.differences for result in run_tests(checked, site)] == [()]


@pytest.mark.parametrize("part", [Hl7Mapping, From, Destination, Rule, Block])
def test_the_page_explains_every_word(part):
    words = [field.alias or name for name, field in part.model_fields.items()]

    assert [
        word for word in words if f"`{word}" not in PAGE and f"{word}:" not in PAGE and f".{word}`" not in PAGE
    ] == []


@pytest.mark.parametrize("name", FHIR_FORMATS)
def test_the_page_names_every_format(name):
    assert f"`{name}`" in PAGE.partition("## From HL7 to FHIR")[2]
