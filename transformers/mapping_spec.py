"""The interface specification of a channel, written from its mapping file: every field, what it is and whence it comes.

For people of both sides to read and to sign. Examples are those of the file's own tests.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import astuple, dataclass, fields
from itertools import groupby
from pathlib import Path
from typing import Any

from transformers import hl7_tables, mapping_fragments
from transformers.fhir_to_hl7 import KIND
from transformers.hl7_path import parse
from transformers.mapping_check import Checked
from transformers.mapping_file import Document, Steps, load
from transformers.mapping_place import Place as Target
from transformers.mapping_tests import run_tests

#: Fields that the host writes by itself, and what stands in them.
BY_THE_HOST = {
    "MSH-1": "|",
    "MSH-2": "^~\\&",
    "MSH-7": "the moment of the mapping, in the zone of the channel",
    "MSH-9": "message: of the destination",
    "MSH-10": "an identity of 20 characters, the same when the message is sent again",
    "MSH-11": "endpoint.processing_id of site.yaml",
    "MSH-12": "hl7: of the destination",
    "MSH-18": "charset: of the destination",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One field of the message that is sent."""

    destination: str
    #: `PID-3`.
    field: str
    #: "Patient Identifier List".
    name: str
    #: HL7 data type.
    datatype: str
    #: required or optional, by HL7.
    hl7: str
    #: always, or when the source gives something.
    sent: str
    #: Actions of the route; "all".
    events: str
    source: str
    #: Format, table, default.
    conversion: str
    condition: str
    note: str
    #: From a test.
    example: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """A line of the route."""

    when: str
    then: str
    note: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Specification:
    """All that the two sides agree on."""

    channel: str
    title: str
    owner: str
    #: The text at the head of the file.
    file: str
    #: (name, value) of what concerns the whole channel.
    facts: tuple[tuple[str, str], ...]
    events: tuple[Event, ...]
    #: (name, what it stands for) of `let:`.
    names: tuple[tuple[str, str], ...]
    lines: tuple[Line, ...]
    #: Table -> its rows, each with the code first, under the header.
    tables: Mapping[str, tuple[tuple[str, ...], ...]]
    #: Tests, each a sentence.
    examples: tuple[str, ...]


class NotDescribable(ValueError):
    """There is no specification for this kind of mapping."""


def specification(checked: Checked, path: Path, folder: Path) -> Specification:
    """Return the specification of a file that is fit to run.

    Args:
        checked: of the file.
        path: the file.
        folder: the site's.

    Raises:
        NotDescribable: another transformer than FHIR to HL7.
    """
    plan = checked.plan or {}
    if plan.get("transformer") != KIND:
        raise NotDescribable("a specification is written for mappings from FHIR to HL7 only")
    document = load(path)
    mapping_fragments.put_in(document, folder)
    examples: dict[str, str] = {}
    for result in run_tests(checked, folder):
        for rule in result.trace.explained:
            if rule.gave:
                examples.setdefault(rule.place, rule.gave)
    words = _Words(document, plan["file"], folder)
    return Specification(
        channel=plan["channel"],
        title=plan["title"],
        owner=plan["owner"] or "",
        file=path.name,
        facts=tuple(_facts(plan, document.data)),
        events=tuple(_events(document.data)),
        names=tuple((f"%{name}", _meaning(item)) for name, item in (document.data.get("let") or {}).items()),
        lines=tuple(line for name in plan["destinations"] for line in _sorted(_lines(plan, name, words, examples))),
        tables={name: tuple(_table(rows)) for name, rows in plan["tables"].items()},
        examples=tuple(test.name for test in checked.tests),
    )


def as_csv(found: Specification) -> str:
    """Return the fields as CSV, with a header; UTF-8, comma, CR LF (RFC 4180)."""
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(field.name for field in fields(Line))
    writer.writerows(map(_harmless, astuple(line)) for line in found.lines)
    return out.getvalue()


def _harmless(cell: str) -> str:
    """Return a cell that no spreadsheet takes for a formula."""
    return f"'{cell}" if cell[:1] in {"=", "+", "-", "@", "\t"} else cell


class _Words:
    """What the file says at a place beside the rule itself: notes and conditions, of the blocks around it too."""

    def __init__(self, document: Document, file: str, folder: Path) -> None:
        """`file` is how the plan names the mapping file."""
        self._data = document.data
        fragments = {name: f"{folder.resolve().name}/{part[0]}" for name, part in document.fragments.items()}
        self._paths = {
            f"{fragments.get(place.file, file)}:{place.line}:{place.column}": path
            for path, place in document.keys.items()
        }

    def at(self, place: str) -> list[Mapping[str, Any]]:
        """Return the mappings around a place, from the outside; the rule itself is the last."""
        path = self._paths.get(place, ())
        found = []
        for length in range(1, len(path) + 1):
            value = _follow(self._data, path[:length])
            if isinstance(value, Mapping):
                found.append(value)
        return found


def _follow(data: Any, path: Steps) -> Any:
    for step in path:
        data = data[step]
    return data


def _facts(plan: Mapping[str, Any], data: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    source = plan["from"]
    yield "received by", f"{source['connector']} ({source['station']})"
    for name, part in plan["destinations"].items():
        yield f"sent to {name} by", f"{part['connector']} ({part['station']})"
        yield "HL7 version, character set", f"{part['hl7']}, {part['charset']}"
        messages = dict.fromkeys(part["message"].values())
        yield "messages", ", ".join(messages)
        yield (
            "sent without an answer",
            {"resend": "the same bytes go again", "hold": "a person decides"}[part["when_unanswered"]],
        )
        yield "answered 'not now' (AE)", f"tried again up to {part['retry']['refused']} times, then parked"
    yield "order kept for", ", ".join(_listed(data.get("order")))
    zone = plan["zone"]
    yield "time zone", str(zone.get("zone") or f"{zone.get('source', '')} by table {zone.get('table', '')}")


def _meaning(item: Any) -> str:
    """Return what a name of `let:` stands for, as the file says it."""
    if isinstance(item, str):
        return item
    words = {word: value for word, value in item.items() if word != "note"}
    return ", ".join(f"{word}: {_spoken(value)}" for word, value in words.items())


def _spoken(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{word} → {_spoken(inner)}" for word, inner in value.items())
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def _table(rows: Mapping[str, Mapping[str, str]]) -> Iterator[tuple[str, ...]]:
    columns = next(iter(rows.values()), {})
    yield ("code", *columns)
    for code, row in rows.items():
        yield (code, *row.values())


def _sorted(lines: Iterable[Line]) -> Iterator[Line]:
    """Yield lines in the order of the file; those of one segment by their numbers."""
    for _, group in groupby(lines, lambda line: line.field[:3]):
        yield from sorted(group, key=_numbers)


def _numbers(line: Line) -> tuple[int, int, int]:
    path = parse(line.field)
    return path.field, path.repetition or 0, path.component or 0


def _listed(value: Any) -> list[str]:
    return [value] if isinstance(value, str) else [str(item) for item in value or []]


def _events(data: Mapping[str, Any]) -> Iterator[Event]:
    for line in data.get("route") or []:
        when = str(line.get("when") or "otherwise")
        if "do" in line:
            then = str(line["do"])
        elif "filter" in line:
            then = f"not sent: {line['filter']}"
        else:
            then = f"error {line.get('code', '')}: {line.get('error', '')}".replace("error :", "error:")
        yield Event(when=when, then=then, note=str(line.get("note") or ""))


def _lines(plan: Mapping[str, Any], name: str, words: _Words, examples: Mapping[str, str]) -> Iterator[Line]:
    part = plan["destinations"][name]
    version = part["hl7"]
    ours = {rule["name"] for key in part["maps"].values() for rule in _rules(plan["maps"][key])}
    for field, what in BY_THE_HOST.items():
        if field not in ours:
            yield _line(name, field, version, sent="always", source=f"the host: {what}")
    seen: set[tuple[str, str]] = set()
    for key in dict.fromkeys(part["maps"].values()):
        for rule in _rules(plan["maps"][key]):
            if (rule["name"], rule["at"]) not in seen and "parts" not in rule:
                seen.add((rule["name"], rule["at"]))
                yield _of_rule(name, version, rule, words, examples.get(rule["at"], ""))


def _of_rule(destination: str, version: str, rule: Mapping[str, Any], words: _Words, example: str) -> Line:
    around = words.at(rule["at"])
    own = around[-1] if around else {}
    conversion = [f"as {rule['as']}"] if "as" in rule else []
    table = rule.get("rows") or rule.get("table")
    if table in {"of this rule", "of this name"}:
        conversion.append(", ".join(f"{code} → {_written(rule, cell)}" for code, cell in rule["cells"].items()))
    elif table:
        conversion.append(f"table {table}")
    conversion += [f"default {_written(rule, rule['default'])}"] if rule.get("default") is not None else []
    always = "from" not in rule or rule.get("required") or rule.get("default") is not None
    notes = [str(block["note"]) for block in around if block.get("note")]
    conditions = [text for block in around for text in _conditions(block, rule)]
    return _line(
        destination, rule["name"], version,
        sent="always" if always and not conditions else "when its condition is true" if always else "when there is one",
        events=", ".join(rule["actions"]) if rule["actions"] is not None else "all",
        source=_source(rule, own), conversion=", ".join(conversion), condition=" and ".join(dict.fromkeys(conditions)),
        note="; ".join(dict.fromkeys(notes)), example=example,
    )  # fmt: skip


def _source(rule: Mapping[str, Any], own: Mapping[str, Any]) -> str:
    if "number" in rule:
        return "number, from 1"
    if "literal" in rule:
        site = f" (site.yaml: {own['site']})" if "site" in own else ""
        return f"“{_written(rule, rule['literal'])}”{site}"
    same = f" (as {own['same']})" if "same" in own else ""
    return f"{rule['source']}{same}"


def _written(rule: Mapping[str, Any], value: Any) -> str:
    return Target(rule, None).text(value)


def _conditions(block: Mapping[str, Any], rule: Mapping[str, Any]) -> Iterator[str]:
    """Yield what must be true at a block, without the actions that are in a column of their own."""
    for text in _listed(block.get("when")):
        if text not in (rule["actions"] or ()) and "%" in text:
            yield text
    if isinstance(block.get("for"), str):
        yield f"once for each of {block['for']}"


def _line(  # noqa: PLR0913 - a line has that many cells
    destination: str, field: str, version: str, *, sent: str, source: str, events: str = "all", conversion: str = "",
    condition: str = "", note: str = "", example: str = "",
) -> Line:  # fmt: skip
    name, datatype, required = _definition(field, version)
    return Line(
        destination=destination, field=field, name=name, datatype=datatype,
        hl7="required" if required else "optional", sent=sent, events=events, source=source, conversion=conversion,
        condition=condition, note=note, example=example,
    )  # fmt: skip


def _definition(field: str, version: str) -> tuple[str, str, bool]:
    """Return name, data type and whether HL7 requires a field or component."""
    path = parse(field)
    try:
        found = hl7_tables.fields(version, path.segment)[path.field - 1]
    except (KeyError, IndexError):
        return "", "", False
    if path.component is None:
        return found.name, found.datatype, found.minimum > 0
    components = hl7_tables.components(version, found.datatype)
    if path.component > len(components):
        return found.name, "", False
    component = components[path.component - 1]
    return f"{found.name}: {component.name}", component.datatype, False


def _rules(parts: Iterable[Mapping[str, Any]]) -> Iterator[Mapping[str, Any]]:
    for part in parts:
        for rule in part.get("rules", ()):
            yield rule
            yield from rule.get("parts", ())
        yield from _rules(part.get("parts", ()))
