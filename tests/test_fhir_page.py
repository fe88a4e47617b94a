"""docs/fhir.md says what the code does."""

import dataclasses
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from channels.settings import mistakes
from connectors.fhir_change import CHANGED_MEANWHILE, WRITE_CONFLICT
from connectors.fhir_poller import FhirPoller
from connectors.fhir_reply import read_reply
from connectors.fhir_sender import FhirSender
from connectors.http import HttpAnswer
from messages.lifecycle import Event

PAGE = (Path(__file__).parents[1] / "docs" / "fhir.md").read_text("utf-8")
_WORDS = {Event.ACCEPTED: "accepted", Event.DEFERRED: "deferred", Event.REFUSED: "refused"}


def _said(status):
    """Return what the page says that a status is: of its own row, or of its class's."""
    rows = [[cell.strip() for cell in line.strip("| ").split(" | ")] for line in PAGE.splitlines() if line[:2] == "| "]
    named = {number: row[1] for row in rows for number in row[0].split(", ") if number.isdigit()}
    classes = {row[0].removeprefix("other ")[0]: row[1] for row in rows if row[0].removeprefix("other ")[1:] == "xx"}
    return named.get(str(status), classes.get(str(status)[0]))


@pytest.mark.parametrize("connector", [FhirSender, FhirPoller])
def test_the_page_names_every_setting(connector):
    settings = {field.name for field in dataclasses.fields(connector) if field.init}

    assert {name for name in settings if f"`{name}`" not in PAGE} == set()


@pytest.mark.parametrize(
    "status", [200, 201, 301, 400, 401, 403, 404, 408, 409, 410, 412, 422, 423, 425, 429, 500, 501, 502, 503, 505]
)
def test_what_an_answer_means_is_what_the_page_says(status):
    answer = HttpAnswer(status=status, headers={"etag": 'W/"1"'}, body=b'{"resourceType": "Patient", "id": "1"}')

    assert _said(status) == _WORDS[read_reply(answer).event]


def test_the_codes_and_the_settings_of_the_page_are_the_codes():
    blocks = [YAML(typ="safe").load(block.split("```")[0]) for block in PAGE.split("```yaml\n")[1:]]
    server = blocks[0]["stations"]["omegaai"]
    poller = {name: value for name, value in blocks[1]["from"].items() if name not in {"connector", "station"}}

    assert f"`{CHANGED_MEANWHILE}`" in PAGE
    assert f"`{WRITE_CONFLICT}`" in PAGE
    assert mistakes(FhirSender, dict(server)) == []
    assert mistakes(FhirPoller, {**server, **poller}) == []
    assert mistakes(FhirPoller, {**server, **poller, "criteria": ["status"]}) != []
