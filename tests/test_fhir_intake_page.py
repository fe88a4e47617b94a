"""docs/fhir-intake.md says what the door does: its examples are sent, its tables are compared with the code."""

import json
import re
import sys
from dataclasses import fields
from itertools import pairwise
from pathlib import Path

import pytest

from connectors.fhir_answers import task
from connectors.fhir_listener import FhirListener
from connectors.fhir_refusals import REFUSALS
from messages.lifecycle import Status
from tests.fhir_listener_kit import CheckedIntake, Door, delivery

PAGE = Path(__file__).parents[1] / "docs" / "fhir-intake.md"
EXAMPLE = re.compile(r"(<!-- the store is full -->\n\n)?```http\n(.*?)\n```", re.DOTALL)
ULID = re.compile(r"\b[0-9A-HJKMNP-TV-Z]{26}\b")


def exchanges():
    """(request, answer, is the store full) in the order of the page."""
    examples = EXAMPLE.findall(PAGE.read_text("utf-8"))
    return [
        (request, answer, bool(full))
        for (full, request), (_, answer) in pairwise(examples)
        if not request.startswith("HTTP/1.1") and answer.startswith("HTTP/1.1")
    ]


def parts(text):
    head, _, body = text.partition("\n\n")
    first, *lines = head.split("\n")
    return first, dict(line.split(": ", 1) for line in lines), body


def unnumbered(text):
    return ULID.sub("ULID", text)


def send(door, request):
    """Send an example; a Task is asked for by an id that exists."""
    first, headers, body = parts(request)
    method, path, _ = first.split()
    if door.intake.messages:
        path = ULID.sub(door.intake.messages[-1].id, path)
    return door.request(method, path, body.encode() or None, headers)


def refusal_table():
    rows = [f"| {r.status} | `{r.code}` | {r.text} | {'final' if r.final else 'send again'} |" for r in REFUSALS]
    return "\n".join(["| status | code | text | |", "|---|---|---|---|", *rows])


def limit_table():
    limits = ("max_bytes", "max_bytes_at_once", "max_head_bytes", "head_within", "body_within", "idle_within")
    named = {field.name: field for field in fields(FhirListener)}
    rows = [f"| `{name}` | {named[name].default:,} | {named[name].metadata['help']} |" for name in limits]
    rows.append(f"| `connections` | {named['connections'].default:,} | {named['connections'].metadata['help']} |")
    return "\n".join(["| setting | as shipped | |", "|---|---|---|", *rows])


def test_every_example_is_answered_as_the_page_says():
    found = exchanges()
    assert len(found) == 8

    with Door(CheckedIntake()) as door:
        for request, answer, store_is_full in found:
            door.intake.disk_full = store_is_full
            first, headers, body = parts(answer)

            status, got_headers, got_body = send(door, request)

            assert first.startswith(f"HTTP/1.1 {status} ")
            for name, value in headers.items():
                assert (name, unnumbered(got_headers[name.lower()])) == (name, unnumbered(value))
            assert json.loads(unnumbered(got_body.decode())) == json.loads(unnumbered(body))


@pytest.mark.parametrize("table", [refusal_table, limit_table])
def test_the_tables_of_the_page_are_those_of_the_code(table):
    assert table() in PAGE.read_text("utf-8"), f"docs/fhir-intake.md is behind; it should have:\n\n{table()}"


def test_the_page_explains_every_status_a_task_can_have():
    alone = {json.loads(task("1", [delivery("powerserver", status, 0)]))["status"] for status in Status}

    section = PAGE.read_text("utf-8").partition("## How it stands")[2].partition("\n## ")[0]
    assert set(re.findall(r"^\| `([a-z-]+)` \|", section, re.MULTILINE)) == alone


if __name__ == "__main__":
    sys.stdout.write(f"{refusal_table()}\n\n{limit_table()}\n")
