"""docs/mapping-language.md is right: every word and format is in it, and its examples are mappings."""

import re
import shutil
from pathlib import Path

import pytest

from transformers import mapping_model, site_model
from transformers.dicom_formats import DICOM_FORMATS
from transformers.dicom_objects import OBJECTS
from transformers.formats import FORMATS
from transformers.mapping_check import check_mapping
from transformers.mapping_file import parse
from transformers.mapping_site import load_site
from transformers.mapping_tests import run_tests

HOUSE = Path(__file__).parents[1]
PAGE = (HOUSE / "docs/mapping-language.md").read_text()
EXAMPLES = re.findall(r"```yaml\n(.*?)```", PAGE, flags=re.DOTALL)
PARTS = (
    mapping_model.Mapping,
    mapping_model.From,
    mapping_model.Destination,
    mapping_model.Retry,
    mapping_model.After,
    mapping_model.LetRule,
    mapping_model.Route,
    mapping_model.Rule,
    mapping_model.Block,
    mapping_model.Test,
    mapping_model.Fragment,
    site_model.SiteFile,
)


@pytest.mark.parametrize("part", PARTS)
def test_every_word_of_the_language_is_explained(part):
    words = [field.alias or name for name, field in part.model_fields.items()]

    assert [word for word in words if f"`{word}" not in PAGE and f"{word}:" not in PAGE] == []


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_is_named(name):
    assert f"`{name}`" in PAGE


def test_the_whole_file_is_fit_to_run_and_passes_its_tests(tmp_path):
    (tmp_path / "example.yaml").write_text(EXAMPLES[0])

    checked = check_mapping(tmp_path / "example.yaml", load_site(HOUSE / "mappings", {}))

    assert list(map(str, checked.problems)) == []
    assert [result.differences for result in run_tests(checked, HOUSE / "mappings")] == [()]


@pytest.mark.parametrize("example", EXAMPLES[1:], ids=lambda example: example.partition(":")[0])
def test_every_other_example_is_a_part_of_a_file(example):
    part = parse(example, "docs").data
    whole = parse(EXAMPLES[0], "docs").data

    mapping_model.Mapping.model_validate(whole | part)


def test_the_fragment_stands_for_its_lines_in_the_whole_file(tmp_path):
    site = Path(shutil.copytree(HOUSE / "mappings", tmp_path / "mappings"))
    fragment, use = (
        re.search(rf"```yaml {name}\n(.*?)```", PAGE, re.DOTALL)[1] for name in ("fragments/pid.yaml", "use")
    )
    (site / "fragments" / "pid.yaml").write_text(fragment)
    lines = [line for line in EXAMPLES[0].splitlines() if not line.startswith(("  PID-5", "  PID-8"))]
    whole = "\n".join(lines).replace("map:\n", use, 1)
    (site / "example.yaml").write_text(f"{whole}\n")

    checked = check_mapping(site / "example.yaml", load_site(site, {}))

    assert list(map(str, checked.problems)) == []
    assert [result.differences for result in run_tests(checked, site)] == [()]


def test_the_example_to_dicom_is_fit_to_run_and_passes_its_test(tmp_path):
    site = Path(shutil.copytree(HOUSE / "mappings", tmp_path / "mappings"))
    text = (site / "site.yaml").read_text()
    if "\n  pacs:" not in text:
        (site / "site.yaml").write_text(text.replace("stations:\n", "stations:\n  pacs: { host: 127.0.0.1 }\n", 1))
    (site / "example.yaml").write_text(re.search(r"```yaml fhir-to-dicom\n(.*?)```", PAGE, re.DOTALL)[1])

    checked = check_mapping(site / "example.yaml", load_site(site, {}))

    assert list(map(str, checked.problems)) == []
    assert [result.differences for result in run_tests(checked, site)] == [()]


@pytest.mark.parametrize("name", [*DICOM_FORMATS, *OBJECTS, "object", "sop_class"])
def test_every_word_to_dicom_is_explained(name):
    assert f"`{name}`" in PAGE
