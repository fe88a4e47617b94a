"""Checks a mapping file that reads HL7 and writes FHIR, and makes its plan; `hl7_to_fhir.compile_plan` runs it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from zoneinfo import available_timezones

from transformers import fhir_model, hl7_tables, mapping_facts
from transformers.fhir_mapping_check import inputs
from transformers.fhir_sources import FhirSources
from transformers.fhir_to_fhir_model import FhirMapping
from transformers.hl7_mapping_complete import Held, complete, required
from transformers.hl7_mapping_examples import check_examples
from transformers.hl7_mapping_model import Destination, Hl7Mapping, Route
from transformers.hl7_mapping_sources import KNOWN, TEXT, Plan, Sources, zone_rule
from transformers.hl7_mapping_targets import Targets
from transformers.mapping_desk import Desk, Where
from transformers.mapping_file import Steps, did_you_mean
from transformers.mapping_model import LetRule
from transformers.mapping_route import delivering, route_shape, settings
from transformers.mapping_site import is_zone

LANGUAGE = 1


def plan(desk: Desk, mapping: Hl7Mapping, left_out: set[Steps]) -> Plan:
    """Return the plan of a mapping; what is wrong is noted at the desk."""
    desk.actions = tuple(dict.fromkeys(line.do for line in mapping.route if line.do))
    version = mapping.from_.hl7
    if version not in hl7_tables.VERSIONS:
        hint = f"versions are {', '.join(hl7_tables.VERSIONS)}"
        desk.add("E441", ("from", "hl7"), f"HL7 version '{version}' is not known here", hint)
        version = "2.5.1"
    accept, structure = _accept(desk, mapping, version)
    events = tuple(message.partition("^")[2] for message in accept)
    sources = Sources(desk, version, structure)
    if not structure:
        return {}
    words = mapping_facts.words_of(desk, mapping)
    sources.gives = {name: codes for name, (_, codes) in words.gives.items()}
    lets = _lets(sources, mapping)
    made: Plan = {
        "language": LANGUAGE,
        "transformer": mapping.transformer,
        "channel": mapping.channel,
        "title": mapping.title,
        "kind": mapping.kind,
        "owner": mapping.owner,
        "file": desk.file,
        "let": lets,
        "zone": _zone(sources, mapping),
        "order": [sources.one_text(_step(desk, n), text) for n, text in enumerate(mapping.order)],
        "spoken": list(mapping.order),
        "about": mapping.about and sources.one_text(("about",), mapping.about),
        "index": {name: sources.one_text(("index", name), text) for name, text in mapping.index.items()},
        "route": _route(sources, mapping, events),
        "groups": sources.groups,
        "from": {
            "connector": mapping.from_.connector,
            "station": mapping.from_.station,
            "settings": settings(desk, ("from",), mapping.from_),
            "accept": accept,
            "hl7": version,
            "required": [p.name for p in hl7_tables.structure(version, structure).parts if p.is_segment and p.minimum],
        },
        "processing_id": "P",
    }
    found = mapping_facts.facts(
        desk, mapping, words, lambda where, text, many: sources.one_text(where, text, several=many)
    )
    made |= mapping_facts.part(desk, mapping, words, found)
    _door_lines(desk, made)
    made["destinations"], made["maps"] = destinations(sources, mapping, left_out, events)
    made["tables"] = _rows(desk)
    check_examples(desk, mapping)
    if not any(problem.severity == "error" for problem in desk.problems):
        for name in mapping.let:
            if name not in sources.used:
                desk.add("E107", ("let", name), f"nothing uses %{name}", key=True, severity="warning")
    made["inputs"] = inputs(desk)
    return made


def _accept(desk: Desk, mapping: Hl7Mapping, version: str) -> tuple[list[str], str]:
    found: dict[str, str] = {}
    for number, text in enumerate(mapping.from_.accept):
        where = ("from", "accept", number) if ("from", "accept", number) in desk.document else ("from", "accept")
        structure = hl7_tables.message_structures(version, text)
        if structure is None or "^" not in text:
            near = hl7_tables.nearest(text, hl7_tables.message_names(version))
            hint = f"did you mean '{near}'?" if near else "written as in SIU^S12"
            desk.add("E446", where, f"HL7 {version} has no message {text}", hint)
        elif found and structure not in found.values():
            first = next(iter(found))
            words = f"{text} has the structure {structure}, {first} has {found[first]}"
            desk.add("E475", where, words, "one file reads one structure: make another file for it")
        else:
            found[text] = structure
    return list(found), next(iter(found.values()), "")


def _lets(sources: Sources, mapping: Hl7Mapping) -> dict[str, Plan]:
    """Return the plan of `let:`. A name uses only names above it, so that there is no circle."""
    plans: dict[str, Plan] = {}
    for name, item in mapping.let.items():
        where: Where = ("let", name)
        if name == KNOWN or name in sources.gives:
            sources.desk.add("E025", where, f"the name {name} is taken", f"another name, such as {name}_", key=True)
        if isinstance(item, str):
            item = LetRule.model_validate({"from": item})  # noqa: PLW2901 - the same in its long form
        value = sources.value(where, item, name=name)
        if value is None:
            sources.lets[name] = None
            continue
        plans[name], gives, repeats = value
        sources.lets[name] = (gives, repeats)
    return plans


def _zone(sources: Sources, mapping: Hl7Mapping) -> Plan:
    desk, item = sources.desk, mapping.zone
    if item is None:
        return {"literal": desk.site.time_zone, "at": desk.at(()), "name": "zone"}
    if isinstance(item, str):
        if is_zone(item):
            return {"literal": item, "at": desk.at(("zone",)), "name": "zone"}
        if not item.startswith("%"):
            near = did_you_mean(item, available_timezones())
            desk.add("E134", ("zone",), f"'{item}' is no time zone", near or "such as America/Sao_Paulo")
            return {}
        item = zone_rule(item)
    value = sources.value(("zone",), item, name="zone")
    for code, cell in (value[0] if value else {}).get("cells", {}).items():
        if not is_zone(cell or ""):
            near = did_you_mean(cell, available_timezones()) if cell else "fill the cell"
            desk.add("E134", ("zone", "table"), f"'{cell}' (row {code}) is no time zone", near)
    return value[0] if value else {}


def _step(desk: Desk, number: int) -> Where:
    return ("order", number) if ("order", number) in desk.document else ("order",)


def _route(sources: Sources, mapping: Hl7Mapping, events: tuple[str, ...]) -> list[Plan]:
    desk, lines = sources.desk, []
    for number, line in enumerate(mapping.route):
        where = ("route", number)
        route_shape(desk, where, line, last=number == len(mapping.route) - 1)
        when = None if line.when is None else sources.condition((*where, "when"), line.when, events)
        if line.at is not None and line.error is None:
            desk.add("E432", (*where, "at"), "'at' goes with 'error' only", key=True)
        lines.append(_line(desk, where, line) | {"when": when, "door": line.at == "door", "about": _place(line.when)})
    if not any(line.otherwise for line in mapping.route):
        text = "the route does not say what happens when no line is true"
        desk.add("E431", ("route",), text, 'add a last line such as { otherwise: true, error: "…" }', key=True)
    return lines


def _place(when: Mapping[str, Sequence[str]] | None) -> str | None:
    """Return the place of the message that a condition looks at first; None where it looks at names only."""
    return next((place for place in when or () if not place.startswith("%")), None)


def _door_lines(desk: Desk, plan: Plan) -> None:
    """Note a problem for each line of the route that is asked at the door and needs what is known only later."""
    later = frozenset({"known", *plan.get("gives", ())})
    for number, line in enumerate(plan["route"]):
        if line["door"]:
            for name in sorted(_names(line["when"], plan["let"]) & later):
                text = f"%{name} is not known at the door"
                desk.add("E109", ("route", number), text, "take at: door away: the error is told by what follows later")


def _names(part: Any, lets: Mapping[str, Any], seen: frozenset[str] = frozenset()) -> set[str]:
    """Return the names that a part of a plan uses, itself or through names of let:."""
    if isinstance(part, Mapping):
        return {name for value in part.values() for name in _names(value, lets, seen)}
    if not isinstance(part, list | tuple):
        return set()
    if len(part) == 2 and part[0] == "name" and isinstance(part[1], str):
        name = part[1]
        return {name} | (_names(lets[name], lets, seen | {name}) if name in lets and name not in seen else set())
    return {name for value in part for name in _names(value, lets, seen)}


def _line(desk: Desk, where: Where, line: Route) -> Plan:
    return {"at": desk.at(where), "do": line.do, "filter": line.filter, "error": line.error, "code": line.code}


def destinations(
    sources: Sources | FhirSources, mapping: Hl7Mapping | FhirMapping, left_out: set[Steps], events: tuple[str, ...]
) -> tuple[dict[str, Plan], dict[str, list[Plan]]]:
    """Return the plans of the destinations, and of the map for each type of resource."""
    desk = sources.desk
    plans: dict[str, Plan] = {}
    maps: dict[str, list[Plan]] = {}
    resources = {part.resource for part in mapping.destinations.values()}
    for name, part in mapping.destinations.items():
        where = ("destinations", name)
        plans[name] = _destination(sources, name, part, mapping)
        if part.resource not in fhir_model.resource_types():
            hint = did_you_mean(part.resource, fhir_model.resource_types())
            desk.add("E460", (*where, "resource"), f"there is no resource {part.resource} here", hint)
            continue
        if part.resource not in maps and len(resources) == 1:
            before = len(desk.problems)
            held = Held(part.resource, ("map",), part.resource)
            block = Targets(desk, sources, events).block(("map",), mapping.map, part.resource, held, part.resource)
            block |= {"name": part.resource, "to": [], "required": False, "source": "the map"}
            maps[part.resource] = [block]
            lost = frozenset(str(way[1]) for way in left_out if way[0] == "map" and len(way) > 1)
            keys = [text for text in mapping.map if _has_problem(desk, before, ("map", text))]
            lost |= {text.removesuffix("[]") for text in keys}
            whole = [action for action, missing in plans[name]["missing"].items() if missing == "create"]
            complete(desk, held, list(desk.actions), whole, lost)
    if len(resources) > 1:
        words = f"the destinations write {' and '.join(sorted(resources))}"
        desk.add("E460", ("destinations",), words, "one file writes one resource", key=True)
    return plans, maps


def _has_problem(desk: Desk, before: int, where: Where) -> bool:
    return any(one.place == desk.document.key(where) for one in desk.problems[before:])


def _destination(
    sources: Sources | FhirSources, name: str, part: Destination, mapping: Hl7Mapping | FhirMapping
) -> Plan:
    desk, where = sources.desk, ("destinations", name)
    find = []
    for parameter, texts in part.find.items():
        for number, text in enumerate(texts):
            at: Where = (*where, "find", parameter, number)
            at = at if at in desk.document else (*where, "find", parameter)
            if not text.startswith("%"):
                desk.add(
                    "E472", at, f"find: takes names of let:, not '{text}'", "give it a name in let:, and write %name"
                )
                continue
            source = sources.read(at, text)
            if source is None:
                continue
            if source.type not in (TEXT, "Identifier"):
                desk.add("E472", at, f"{text} gives {source.type}; find: takes an Identifier or a text")
            find.append([parameter, text[1:]])
    needs = [one for _, names in required(part.resource) for one in names]
    return {
        "at": desk.at(where),
        "name": name,
        **delivering(desk, name, part, mapping),
        "resource": part.resource,
        "map": part.resource,
        "find": find,
        "missing": _missing(desk, (*where, "missing"), part),
        "join": _elements(sources, (*where, "join"), part, part.join, codes=False),
        "only_if": _elements(sources, (*where, "only_if"), part, part.only_if, codes=True),
        "needs": needs,
    }


def _missing(desk: Desk, where: Where, part: Destination) -> dict[str, str]:
    if isinstance(part.missing, str):
        return dict.fromkeys(desk.actions, part.missing)
    for action in part.missing:
        if action not in desk.actions:
            hint = did_you_mean(action, desk.actions)
            desk.add("E430", (*where, action), f"no line of the route does '{action}'", hint, key=True)
    return {action: part.missing.get(action, "create") for action in desk.actions}


def _elements(
    sources: Sources | FhirSources, where: Where, part: Destination, given: dict[str, list[str]], *, codes: bool
) -> dict[str, list[str]]:
    desk = sources.desk
    for name, values in given.items() if part.resource in fhir_model.resource_types() else ():
        element = fhir_model.element(part.resource, name)
        if element is None:
            hint = did_you_mean(name, fhir_model.names(part.resource))
            desk.add("E461", (*where, name), f"{part.resource} has no element '{name}'", hint, key=True)
        elif not codes and element.maximum == 1:
            desk.add("E473", (*where, name), f"{part.resource}.{name} is no list: there is nothing to join", key=True)
            continue
        for number, value in enumerate(values):
            at = (*where, name, number) if (*where, name, number) in desk.document else (*where, name)
            if codes and value.startswith("%"):
                sources.read(at, value)
                continue
            if codes and element is not None and element.codes is not None and value not in element.codes:
                hint = did_you_mean(value, element.codes)
                desk.add("E465", at, f"'{value}' is no code of {part.resource}.{name}", hint)
            first = value.partition(".")[0]
            if not codes and element is not None and fhir_model.element(element.types[0], first) is None:
                hint = did_you_mean(first, fhir_model.names(element.types[0]))
                desk.add("E461", at, f"{part.resource}.{name} has no element '{first}'", hint)
    return {name: list(values) for name, values in given.items()}


def _rows(desk: Desk) -> dict[str, Any]:
    """Return the tables of formats as lists of rows, which are read backwards."""
    found: dict[str, Any] = {}
    for name, rows in desk.rows().items():
        table = desk.tables[name]
        key = table.columns[0] if table is not None else ""
        found[name] = [{key: code, **row} for code, row in rows.items()]
    return found
