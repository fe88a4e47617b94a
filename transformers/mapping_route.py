"""The route and the destinations of a mapping, checked."""

from __future__ import annotations

import re
from typing import Any

from transformers import hl7_mapping_model as inward
from transformers import hl7_tables
from transformers.character_sets import codec
from transformers.fhir_to_fhir_model import FhirMapping
from transformers.mapping_desk import Desk, Where
from transformers.mapping_file import did_you_mean
from transformers.mapping_model import Destination, From, Mapping, Route
from transformers.mapping_paths import Paths
from transformers.mapping_rules import is_condition

#: A mapping of any direction.
HasDestinations = Mapping | inward.Hl7Mapping | FhirMapping

#: The connector of channels that follow another one (connectors/outcomes.py).
OUTCOMES = "outcomes"

_WAIT = re.compile(r"(\d+)(ms|s|m|h|d)\.\.(\d+)(ms|s|m|h|d)")
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}


def route(paths: Paths, mapping: Mapping) -> list[dict[str, Any]]:
    """Return the plan of `route:`."""
    lines = []
    for number, line in enumerate(mapping.route):
        where = ("route", number)
        route_shape(paths.desk, where, line, last=number == len(mapping.route) - 1)
        tree = None
        if line.when is not None:
            expression = paths.read((*where, "when"), line.when)
            if expression is not None and is_condition(paths.desk, expression):
                tree = expression.tree
        if line.at is not None and line.error is None:
            paths.desk.add("E432", (*where, "at"), "'at' goes with 'error' only", key=True)
        lines.append(
            {
                "at": paths.desk.at(where),
                "door": line.at == "door",
                "when": tree,
                "do": line.do,
                "filter": line.filter,
                "error": line.error,
                "code": line.code,
            }
        )
    if not any(line.otherwise for line in mapping.route):
        text = "the route does not say what happens when no line is true"
        paths.desk.add("E431", ("route",), text, 'add a last line such as { otherwise: true, error: "…" }', key=True)
    return lines


def route_shape(desk: Desk, where: Where, line: Route | inward.Route, *, last: bool) -> None:
    """Note what is wrong with the shape of one line of the route."""
    if (line.when is None) == (line.otherwise is None):
        desk.add("E432", where, "a line of the route has either 'when' or 'otherwise: true'")
    chosen = [word for word in ("do", "filter", "error") if getattr(line, word) is not None]
    if len(chosen) != 1:
        desk.add("E432", where, "a line of the route says one of do, filter and error")
    if line.code is not None and line.error is None:
        desk.add("E432", (*where, "code"), "'code' goes with 'error' only", key=True)
    if line.otherwise and not last:
        desk.add("E433", where, "'otherwise' is always true: the lines after it are never reached", "put it last")


def settings(desk: Desk, where: Where, part: From | Destination | inward.From | inward.Destination) -> dict[str, Any]:
    """Return a connector's settings: those of the station, overridden by further words of the mapping."""
    own = {name: desk.document.typed((*where, name)) for name in part.model_extra or {}}
    if part.station is None:
        if part.connector != OUTCOMES:
            desk.add("E021", where, "'station' is missing", "which station of site.yaml", key=True)
        return own
    station = desk.site.stations.get(part.station)
    if station is None:
        hint = did_you_mean(part.station, desk.site.stations) or f"stations are {', '.join(desk.site.stations)}"
        desk.add("E133", (*where, "station"), f"site.yaml has no station '{part.station}'", hint)
    return {**(station or {}), **own}


def delivering(
    desk: Desk, name: str, part: Destination | inward.Destination, mapping: HasDestinations
) -> dict[str, Any]:
    """Return what the plan of every destination says, whatever is delivered there: to whom, when, and again when."""
    where = ("destinations", name)
    return {
        "connector": part.connector,
        "station": part.station,
        "settings": settings(desk, where, part),
        "when_unanswered": part.when_unanswered,
        "retry": {
            "wait": _wait_seconds(desk, (*where, "retry", "wait"), part.retry.wait),
            "refused": part.retry.refused,
        },
        "parked": part.parked,
        "connections": part.connections,
        "after": _waits(desk, where, name, part, mapping),
        "after_channel": _waits_for_channel(desk, where, part, mapping),
    }


def destination(desk: Desk, name: str, part: Destination, mapping: Mapping) -> dict[str, Any]:
    """Return the plan of one destination, without its map."""
    where = ("destinations", name)
    plan = delivering(desk, name, part, mapping) | {
        "hl7": part.hl7,
        "charset": part.charset,
        "message": {},
    }
    if part.hl7 not in hl7_tables.VERSIONS:
        hint = f"versions are {', '.join(hl7_tables.VERSIONS)}"
        desk.add("E441", (*where, "hl7"), f"HL7 version '{part.hl7}' is not known here", hint)
        return plan
    if codec(part.charset) is None:
        hint = "such as UNICODE UTF-8 or 8859/1 (HL7 table 0211)"
        desk.add("E442", (*where, "charset"), f"'{part.charset}' is no character set that can be written", hint)
    plan["message"] = _messages(desk, where, part)
    return plan


def _wait_seconds(desk: Desk, where: Where, text: str) -> list[float]:
    """Return the shortest and the longest wait of `retry.wait`, in seconds."""
    match = _WAIT.fullmatch(text)
    if match is None:
        desk.add("E443", where, f"'{text}' is no wait", "write the shortest and the longest: 1s..5m")
        return []
    wait = [int(match[1]) * _SECONDS[match[2]], int(match[3]) * _SECONDS[match[4]]]
    if not 0 < wait[0] <= wait[1]:
        desk.add("E443", where, f"'{text}': the first wait must be above zero and not above the second")
    return wait


def _waits(
    desk: Desk, where: Where, name: str, part: Destination | inward.Destination, mapping: HasDestinations
) -> dict[str, str]:
    """Return the destinations that one waits for (`after:`), each with the status that ends the wait."""
    found: dict[str, str] = {}
    if part.after is None:
        return found
    for word, status in (("sent", "SENT"), ("verified", "VERIFIED")):
        other = getattr(part.after, word)
        if other is None:
            continue
        place = (*where, "after", word) if (*where, "after", word) in desk.document else (*where, "after")
        if other not in mapping.destinations:
            hint = did_you_mean(other, mapping.destinations)
            desk.add("E444", place, f"there is no destination '{other}'", hint)
        elif _waits_for(other, name, mapping):
            each = "itself" if other == name else f"{other}, and {other} for {name}"
            desk.add("E444", place, f"{name} waits for {each}: it would never go")
        found[other] = status
    return found


def _waits_for_channel(
    desk: Desk, where: Where, part: Destination | inward.Destination, mapping: HasDestinations
) -> str | None:
    """Return the channel whose message of the same document a destination waits for."""
    other = part.after.channel if part.after is not None else None
    if other is not None and other == mapping.channel:
        desk.add("E444", (*where, "after", "channel"), f"{other} waits for itself: it would never go")
    return other


def _waits_for(one: str, other: str, mapping: HasDestinations, seen: tuple[str, ...] = ()) -> bool:
    if one == other:
        return True
    if one in seen or one not in mapping.destinations or (after := mapping.destinations[one].after) is None:
        return False
    return any(_waits_for(next_, other, mapping, (*seen, one)) for next_ in (after.sent, after.verified) if next_)


def _messages(desk: Desk, where: Where, part: Destination) -> dict[str, str]:
    """Return MSH-9 for each action, its structure filled in."""
    place = (*where, "message")
    given = dict.fromkeys(desk.actions, part.message) if isinstance(part.message, str) else part.message
    found = {}
    for action, text in given.items():
        here = place if isinstance(part.message, str) else (*place, action)
        if action not in desk.actions:
            hint = did_you_mean(action, desk.actions) or f"actions of the route are {', '.join(desk.actions)}"
            desk.add("E430", here, f"no line of the route does '{action}'", hint, key=True)
            continue
        message = _message(desk, here, text, part.hl7)
        if message:
            found[action] = message
    for action in desk.actions:
        if action not in given:
            text = f"no message for the action {action}"
            desk.add("E445", place, text, f"add {action}: with a message such as SIU^S12^SIU_S12", key=True)
    return found


def _message(desk: Desk, where: Where, text: str, version: str) -> str | None:
    code, _, rest = text.partition("^")
    event, _, structure = rest.partition("^")
    right = hl7_tables.message_structures(version, f"{code}^{event}")
    if right is None:
        near = hl7_tables.nearest(f"{code}^{event}", hl7_tables.message_names(version))
        hint = f"did you mean '{near}'?" if near else "written as in SIU^S12^SIU_S12"
        desk.add("E446", where, f"HL7 {version} has no message {code}^{event}", hint)
        return None
    if structure and structure != right:
        desk.add(
            "E446", where, f"{code}^{event} has the structure {right}, not {structure}", f"write {code}^{event}^{right}"
        )
        return None
    return f"{code}^{event}^{right}"
