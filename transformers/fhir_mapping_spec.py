"""The interface specification of a mapping from FHIR to HL7: the channel, and each field of its messages."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import groupby
from typing import Any

from transformers import hl7_tables
from transformers.hl7_path import parse
from transformers.mapping_place import Place as Target
from transformers.mapping_spec_model import Line, Words, listed

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


def facts(plan: Mapping[str, Any], data: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield (name, value) of what concerns the whole channel."""
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
    yield "order kept for", ", ".join(listed(data.get("order")))
    zone = plan["zone"]
    yield "time zone", str(zone.get("zone") or f"{zone.get('source', '')} by table {zone.get('table', '')}")


def _sorted(lines: Iterable[Line]) -> Iterator[Line]:
    """Yield lines in the order of the file; those of one segment by their numbers."""
    for _, group in groupby(lines, lambda line: line.field[:3]):
        yield from sorted(group, key=_numbers)


def _numbers(line: Line) -> tuple[int, int, int]:
    path = parse(line.field)
    return path.field, path.repetition or 0, path.component or 0


def lines(plan: Mapping[str, Any], name: str, words: Words, examples: Mapping[str, str]) -> Iterator[Line]:
    """Yield the fields that one destination is sent, in the order of the file; those of a segment by their numbers."""
    yield from _sorted(_lines(plan, name, words, examples))


def _lines(plan: Mapping[str, Any], name: str, words: Words, examples: Mapping[str, str]) -> Iterator[Line]:
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


def _of_rule(destination: str, version: str, rule: Mapping[str, Any], words: Words, example: str) -> Line:
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
    for text in listed(block.get("when")):
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
        standard="required" if required else "optional", sent=sent, events=events, source=source, conversion=conversion,
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
