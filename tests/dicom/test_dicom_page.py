"""docs/dicom.md says what the code does."""

import dataclasses
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from channels.settings import mistakes
from connectors import dicom_status
from connectors.dicom_listener import DicomListener
from connectors.dicom_peer import DimseStation
from connectors.dicom_sender import DicomSender

PAGE = (Path(__file__).parents[2] / "docs" / "dicom.md").read_text("utf-8")


def status_lines(table):
    """Return the lines that the page must have for a table."""
    rows = getattr(dicom_status, table)
    if isinstance(rows, dict):
        return [f"| `{code:04X}` | {words} |" for code, words in rows.items()]
    return [f"| `{_span(row)}` | {row.verdict} | {row.words} |" for row in rows]


def _span(row):
    return f"{row.first:04X}" if row.first == row.last else f"{row.first:04X}`–`{row.last:04X}"


@pytest.mark.parametrize("table", ["STORE", "FIND", "MOVE", "GENERAL", "FAILURE_REASONS"])
def test_the_page_has_each_table_of_statuses_as_the_code_has_it(table):
    assert "\n".join(status_lines(table)) in PAGE


@pytest.mark.parametrize("connector", [DimseStation, DicomSender, DicomListener])
def test_the_page_names_every_setting(connector):
    settings = {field.name for field in dataclasses.fields(connector) if field.init}

    assert {name for name in settings if f"`{name}`" not in PAGE and f"  {name}: " not in PAGE} == set()


def test_the_settings_on_the_page_are_right():
    blocks = [block.split("```")[0] for block in PAGE.split("```yaml\n")[1:]]
    read = [YAML(typ="safe").load(block) for block in blocks]

    assert [mistakes(DimseStation, dict(station)) for station in read[0]["stations"].values()] == [[], []]
    assert mistakes(DicomListener, dict(read[1]["dicom"])) == []
