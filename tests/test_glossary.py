"""docs/glossary.md has the words of the code, and means by them what the code means."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from messages.lifecycle import SHARES, Event, Status
from store.directory import STATES
from transformers import mapping_model

ROOT = Path(__file__).resolve().parents[1]
PAGE = (ROOT / "docs" / "glossary.md").read_text("utf-8")
LIFECYCLE = (ROOT / "messages" / "lifecycle.py").read_text("utf-8")


def _row(word: str) -> str | None:
    found = re.search(rf"^\| (?:[\w ]+, )*\**{re.escape(word)}\**(?:, [\w ]+)* \| (.+) \|$", PAGE, re.MULTILINE)
    return found and found[1]


@pytest.mark.parametrize("status", Status)
def test_every_status_means_what_the_code_says(status):
    meaning = re.search(rf'{status.name} = "{status.name}"  #: (.+)', LIFECYCLE)[1]

    assert _row(status) == meaning


@pytest.mark.parametrize("event", Event)
def test_every_event_has_a_row(event):
    assert _row(event.value)


@pytest.mark.parametrize("share", SHARES)
def test_every_share_of_the_balance_is_named(share):
    assert share in _row("Reconcile")


@pytest.mark.parametrize("state", STATES)
def test_every_state_of_a_channel_is_named(state):
    assert state in _row("Channel").lower()


@pytest.mark.parametrize(
    "word",
    ["Channel", "Source connector", "Destination", "Transformer", "Filter", "Message", "Delivery", "Status", "Lane",
     "Event", "Problem", "Place", "Plan", "Station", "Site value", "Mapping file", "Route", "Rule", "Format"],
)  # fmt: skip
def test_every_word_of_the_design_has_a_row(word):
    assert _row(word)


def test_every_part_of_a_mapping_file_has_its_word():
    parts = {"From": "Source connector", "Destination": "Destination", "Route": "Route", "Rule": "Rule"}

    for part, word in parts.items():
        assert hasattr(mapping_model, part)
        assert _row(word)


def test_no_word_has_two_rows():
    words = re.findall(r"^\| \*\*([^*]+)\*\* \|", PAGE, re.MULTILINE)

    assert sorted(words) == sorted(set(words))
