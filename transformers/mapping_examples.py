"""The tests of a mapping file, checked: their files are there, their changes fit, their fields exist."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any

from transformers import hl7_tables
from transformers.hl7_path import parse
from transformers.mapping_checked import Example
from transformers.mapping_desk import Desk, Where
from transformers.mapping_file import did_you_mean, safe_name
from transformers.mapping_model import Mapping, Test

#: Words of `expect:` beside HL7 paths.
WORDS = ("error", "refused", "filtered", "message", "action")


def examples(desk: Desk, mapping: Any) -> Iterator[Example]:
    """Return the tests of a mapping in which nothing is wrong."""
    for number, test in enumerate(mapping.tests):
        where = ("tests", number)
        yield Example(
            name=test.name,
            place=desk.document.place((*where, "name")),
            given=test.given,
            now=datetime.fromisoformat(test.now) if test.now else None,
            known=test.known == "true",
            values=dict(test.values),
            destination=test.destination,
            change=desk.document.typed((*where, "change")) if test.change else {},
            expect=dict(test.expect),
        )


def check_examples(desk: Desk, mapping: Any, expected: Callable[[Desk, Where, Test], None] | None = None) -> None:
    """Note what is wrong with the tests of a mapping that reads FHIR; they are run by mapping_tests.py.

    Args:
        desk: the check.
        mapping: as read.
        expected: checks what a test expects where that is no HL7 message.
    """
    names: dict[str, int] = {}
    for number, test in enumerate(mapping.tests):
        where = ("tests", number)
        if test.name in names:
            desk.add("E450", (*where, "name"), f"another test has this name, at line {names[test.name]}")
        names[test.name] = desk.document.place((*where, "name")).line
        check_given(desk, where, test)
        _now(desk, where, test)
        if test.destination is not None and test.destination not in mapping.destinations:
            hint = did_you_mean(test.destination, mapping.destinations)
            desk.add("E444", (*where, "destination"), f"there is no destination '{test.destination}'", hint)
        if test.destination is None and len(mapping.destinations) > 1:
            names_ = ", ".join(mapping.destinations)
            desk.add("E450", where, "the test does not say which destination", f"add destination: one of {names_}")
        if expected is None:
            _expect(desk, where, test, mapping)
        else:
            expected(desk, where, test)


def check_given(desk: Desk, where: Where, test: Test) -> None:
    """Note what is wrong with the document of a test and the changes to it."""
    document = _read(desk, (*where, "given"), test.given)
    if document is None or not test.change:
        return
    changes = desk.document.typed((*where, "change"))
    for pointer, value in changes.items():
        try:
            document = change(document, pointer, value)
        except ValueError as error:
            desk.add("E452", (*where, "change", pointer), str(error), key=True)


def _read(desk: Desk, where: Where, name: str) -> Any:
    if not safe_name(name):
        desk.add("E006", where, f"'{name}' is not a file inside the site's folder")
        return None
    path = desk.site.folder / name
    if not path.is_file():
        near = did_you_mean(
            name, (p.relative_to(desk.site.folder).as_posix() for p in desk.site.folder.rglob("*.json"))
        )
        desk.add("E451", where, f"there is no file {name}", near)
        return None
    try:
        return json.loads(path.read_bytes())
    except (ValueError, RecursionError):
        desk.add("E451", where, f"{name} is not JSON")
        return None


def _now(desk: Desk, where: Where, test: Test) -> None:
    if test.now is None:
        return
    try:
        given = datetime.fromisoformat(test.now)
    except ValueError:
        given = None
    if given is None or given.tzinfo is None:
        text = f"'{test.now}' is no time with an offset"
        desk.add("E453", (*where, "now"), text, "such as 2025-11-20T15:30:00-03:00")


def _expect(desk: Desk, where: Where, test: Test, mapping: Mapping) -> None:
    name = test.destination or next(iter(mapping.destinations))
    version = mapping.destinations[name].hl7 if name in mapping.destinations else "2.5.1"
    for word, value in test.expect.items():
        place = (*where, "expect", word)
        if word == "action" and value not in desk.actions:
            hint = did_you_mean(value, desk.actions)
            desk.add("E430", place, f"no line of the route does '{value}'", hint)
        elif word == "message" and not safe_name(value):
            desk.add("E006", place, f"'{value}' is not a file inside the site's folder")
        elif word == "message" and not (desk.site.folder / value).is_file():
            desk.add("E451", place, f"there is no file {value}")
        elif word not in WORDS:
            _path(desk, place, word, version)


def _path(desk: Desk, where: Where, text: str, version: str) -> None:
    try:
        path = parse(text)
    except ValueError as error:
        hint = did_you_mean(text, WORDS) or f"an HL7 path, or one of {', '.join(WORDS)}"
        desk.add("E401", where, str(error), hint, key=True)
        return
    if path.segment.startswith("Z"):
        return
    if version not in hl7_tables.VERSIONS:
        return
    try:
        fields = hl7_tables.fields(version, path.segment)
    except KeyError:
        desk.add("E402", where, f"HL7 {version} has no segment {path.segment}", key=True)
        return
    if path.field > len(fields):
        text = f"segment {path.segment} of HL7 {version} has {len(fields)} fields, no {path.segment}-{path.field}"
        desk.add("E403", where, text, key=True)


def change(document: Any, pointer: str, value: Any) -> Any:
    """Return a copy of a JSON document with one value replaced, added or (None) removed.

    Args:
        document: JSON.
        pointer: a JSON Pointer (RFC 6901) such as `/entry/9/resource/status`; `-` is the end of a list.
        value: the new value; None removes.

    Raises:
        ValueError: the pointer leads nowhere; with a sentence.
    """
    if not pointer.startswith("/"):
        raise ValueError(f"'{pointer}' is no JSON Pointer: it begins with /, such as /entry/0/resource/status")
    # What lies on the way is copied, and nothing else.
    document = around = copy.copy(document)
    *way, last = [step.replace("~1", "/").replace("~0", "~") for step in pointer[1:].split("/")]
    for depth, step in enumerate(way):
        inside = copy.copy(_step(around, step, "/" + "/".join(way[: depth + 1])))
        around[int(step) if isinstance(around, list) else step] = inside
        around = inside
    if isinstance(around, list):
        position = len(around) if last == "-" and value is not None else _position(around, last, pointer)
        around[position : position + 1] = [] if value is None else [value]
    elif not isinstance(around, dict):
        raise ValueError(f"{pointer} leads into a single value")  # noqa: TRY004 - callers show the sentence
    elif value is not None:
        around[last] = value
    elif last in around:
        del around[last]
    else:
        raise ValueError(f"{pointer} is not there, so it cannot be removed")
    return document


def _step(around: Any, step: str, so_far: str) -> Any:
    if isinstance(around, list):
        return around[_position(around, step, so_far)]
    if not isinstance(around, dict) or step not in around:
        raise ValueError(f"{so_far} is not there")
    return around[step]


def _position(items: list[Any], step: str, so_far: str) -> int:
    if not step.isdecimal() or int(step) >= len(items):
        raise ValueError(f"{so_far} is not there: the list has {len(items)} entries, from 0")
    return int(step)
