"""The interface specification of a mapping to FHIR or DICOM: the channel, and each element that it writes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from transformers import fhir_model
from transformers.dicom_objects import OBJECTS
from transformers.mapping_spec_model import Line, Words, condition, listed, spoken

_MISSING = {"create": "it is created", "refuse": "the message is refused"}


def facts(plan: Mapping[str, Any], data: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield (name, value) of what concerns the whole channel."""
    source = plan["from"]
    yield "received by", f"{source['connector']} ({source['station']})"
    if "hl7" in source:
        yield "HL7 version", source["hl7"]
        yield "messages", ", ".join(source["accept"])
    for name, part in plan["destinations"].items():
        yield f"sent to {name} by", f"{part['connector']} ({part['station']})"
        if "object" in part:
            yield "object", f"{part['object']} ({part['sop_class_uid']}), a Part 10 file in UTF-8"
            continue
        yield "resource", part["resource"]
        yield "found by", ", then ".join(f"{parameter} %{value}" for parameter, value in part["find"])
        for what, words in _MISSING.items():
            actions = [action for action, missing in part["missing"].items() if missing == what]
            if actions:
                yield f"when it is not there, {words}", ", ".join(actions)
        if part["join"]:
            yield "lists that are merged", spoken(part["join"])
        if part["only_if"]:
            yield "changed only if the server has", spoken(part["only_if"])
    yield "order kept for", ", ".join(listed(data.get("order")))
    zone = plan["zone"]
    yield "time zone", str(zone.get("literal") or zone.get("zone") or zone.get("source", ""))


def lines(plan: Mapping[str, Any], name: str, words: Words, examples: Mapping[str, str]) -> Iterator[Line]:
    """Yield the elements or attributes that one destination is sent, in the order of the file."""
    part = plan["destinations"][name]
    for rule in _rules(plan["maps"][part["map"]]):
        around = words.at(rule["at"])
        own = around[-1] if around else {}
        conversion = [f"as {rule['as']}"] if "as" in rule else []
        table = rule.get("rows") or rule.get("table")
        if "cells" in rule and str(table).startswith("of "):
            conversion.append(spoken(rule["cells"]))
        elif table:
            conversion.append(f"table {table}")
        conversion += [f"default {rule['default']}"] if rule.get("default") is not None else []
        always = "literal" in rule or rule["required"] or rule.get("default") is not None
        conditions = dict.fromkeys(text for block in around for text in _conditions(block, plan))
        called, datatype, required = _attribute(rule["name"], part) if "object" in part else _element(rule["name"])
        yield Line(
            destination=name, field=rule["name"], name=called, datatype=datatype,
            standard="required" if required else "optional",
            sent=("when its condition is true" if conditions else "always") if always else "when there is one",
            events=_events(rule, around, plan), source=_source(rule, own), conversion=", ".join(conversion),
            condition=" and ".join(conditions),
            note="; ".join(dict.fromkeys(str(block["note"]) for block in around if block.get("note"))),
            example=examples.get(rule["at"], ""),
        )  # fmt: skip


def _rules(parts: Iterable[Mapping[str, Any]]) -> Iterator[Mapping[str, Any]]:
    """Yield the rules of blocks in the order of the file."""
    found = [rule for part in parts for rule in _in(part)]
    yield from sorted(found, key=lambda rule: (rule["at"].rsplit(":", 2)[0], *map(int, rule["at"].rsplit(":", 2)[1:])))


def _in(part: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    yield from part["rules"]
    for inner in part["parts"]:
        yield from _in(inner)


def _source(rule: Mapping[str, Any], own: Mapping[str, Any]) -> str:
    if "literal" not in rule:
        return str(rule["source"])
    site = f" (site.yaml: {own['site']})" if "site" in own else ""
    return f"“{spoken(rule['literal'])}”{site}"


def _events(rule: Mapping[str, Any], around: Iterable[Mapping[str, Any]], plan: Mapping[str, Any]) -> str:
    """Return the actions for which a rule is at work: its own and those of the blocks around it."""
    actions = [line["do"] for line in plan["route"] if line["do"]]
    left = dict.fromkeys(actions if rule["actions"] is None else rule["actions"])
    for block in around:
        when = block.get("when")
        if isinstance(when, str | list) and set(listed(when)) <= set(actions):
            left = {action: None for action in left if action in listed(when)}
    return "all" if set(left) == set(actions) else ", ".join(left)


def _conditions(block: Mapping[str, Any], plan: Mapping[str, Any]) -> Iterator[str]:
    """Yield what must be so at a block, without the actions, which have a column of their own."""
    when = block.get("when")
    if isinstance(when, Mapping):
        yield condition(when)
    else:
        actions = {line["do"] for line in plan["route"]}
        yield from (text for text in listed(when) if text not in actions)
    if isinstance(block.get("for"), str):
        yield f"once for each {block['for']}"


def _attribute(path: str, part: Mapping[str, Any]) -> tuple[str, str, bool]:
    """Return name with tag, representation, and whether the object must have it with a value."""
    from transformers.dicom_dictionary import attribute  # noqa: PLC0415  # pydicom only where DICOM is written

    found = [attribute(step) for step in path.split(".")]
    keywords = ".".join(one.keyword for one in found if one is not None)
    last = found[-1]
    if last is None:
        return "", "", False
    return f"{last.name} {last.shown}", last.vr, keywords in OBJECTS[part["object"]].required


def _element(path: str) -> tuple[str, str, bool]:
    """Return a name ("": FHIR has but one), the type, and whether FHIR requires an element."""
    resource, *names = path.split(".")
    kind: str = resource
    found: fhir_model.Element | None = None
    for name in names:
        found = fhir_model.element(kind, name)
        if found is None:
            return "", "", False
        kind = found.types[0]
    return "", kind, found is not None and found.minimum > 0
