"""Checks a mapping file that reads FHIR and writes HL7, and makes its plan; `fhir_to_hl7.compile_plan` runs it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import Any

from transformers import mapping_facts, mapping_fragments
from transformers.fhir_path_types import Typed
from transformers.hl7_rules import compile_rules
from transformers.mapping_complete import Completeness, parts
from transformers.mapping_desk import Desk
from transformers.mapping_examples import check_examples
from transformers.mapping_file import Steps
from transformers.mapping_lets import lets, one_text, zone
from transformers.mapping_model import Mapping
from transformers.mapping_paths import IT, Paths
from transformers.mapping_route import OUTCOMES, destination, route, settings
from transformers.mapping_rules import is_condition
from transformers.mapping_structure import Placer

#: Of the plan. A worker refuses another one.
LANGUAGE = 1


def plan(desk: Desk, mapping: Mapping, left_out: set[Steps]) -> dict[str, Any]:
    """Return the plan of a mapping; what is wrong is noted at the desk."""
    paths = names(desk, left_out)
    made = reading(desk, paths, mapping)
    return made | writing(desk, paths, mapping, left_out)


def writing(desk: Desk, paths: Paths, mapping: Mapping, left_out: set[Steps]) -> dict[str, Any]:
    """Return what a plan says about the HL7 that is written, and what stands at its end."""
    desk.actions = tuple(dict.fromkeys(line.do for line in mapping.route if line.do))
    whole = not any(way[0] in ("map", "route", "destinations") for way in left_out)
    made: dict[str, Any] = {}
    made["destinations"], made["maps"] = _destinations(desk, paths, mapping, whole=whole)
    validators = {name for part in made["destinations"].values() for name in part.get("validators", {}).values()}
    made["validators"] = {name: compile_rules(*name.split(" ")) for name in sorted(validators)}
    check_examples(desk, mapping)
    made["processing_id"] = desk.site.value("endpoint.processing_id") or "P"
    return made | finished(desk, paths, mapping.let)


def names(desk: Desk, left_out: set[Steps]) -> Paths:
    """Return what reads the expressions of a file; names whose line was left out are no mistakes of others."""
    return Paths(desk, broken={str(way[1]) for way in left_out if way[0] == "let" and len(way) > 1})


def reading(desk: Desk, paths: Paths, mapping: Any) -> dict[str, Any]:
    """Return what a plan says about FHIR documents: the same, whatever they become."""
    words = mapping_facts.words_of(desk, mapping)
    paths.gives = {name: _text(codes) for name, (_, codes) in words.gives.items()}
    each = _each(paths, mapping)
    _follows_or_orders(desk, mapping)
    made: dict[str, Any] = {
        "language": LANGUAGE,
        "transformer": mapping.transformer,
        "channel": mapping.channel,
        "title": mapping.title,
        "kind": mapping.kind,
        "owner": mapping.owner,
        "file": desk.file,
        "let": lets(paths, mapping),
        "zone": zone(paths, mapping),
        "order": [one_text(paths, _step("order", n, desk), text) for n, text in enumerate(mapping.order or ())],
        "about": mapping.about and one_text(paths, ("about",), mapping.about),
        "index": {name: one_text(paths, ("index", name), text) for name, text in mapping.index.items()},
        "route": route(paths, mapping),
        "from": {
            "connector": mapping.from_.connector,
            "station": mapping.from_.station,
            "settings": settings(desk, ("from",), mapping.from_),
            "each": each,
            "accept": _accept(paths, mapping),
        },
    }
    found = mapping_facts.facts(
        desk, mapping, words, lambda where, text, many: one_text(paths, where, text, several=many)
    )
    made |= mapping_facts.part(desk, mapping, words, found)
    _at_the_door(desk, made)
    _door_lines(desk, made)
    return made


def _text(codes: tuple[str, ...] | None) -> Typed:
    return Typed(frozenset({"string"}), 0, 1, codes=None if codes is None else frozenset(codes))


def finished(desk: Desk, paths: Paths, lets_: Iterable[str]) -> dict[str, Any]:
    """Return what a plan holds of the site's files, once all its lines were read; name what nothing uses."""
    if not any(problem.severity == "error" for problem in desk.problems):
        for name in lets_:
            if name not in paths.used:
                desk.add("E107", ("let", name), f"nothing uses %{name}", key=True, severity="warning")
    return {"tables": desk.rows(), "inputs": inputs(desk)}


def _follows_or_orders(desk: Desk, mapping: Any) -> None:
    """Note what a channel that follows another one has from that one; and what the others must say for themselves."""
    if mapping.from_.connector != OUTCOMES:
        if mapping.order is None:
            desk.add("E021", (), "'order' is missing", "such as the patient's identifier", key=True)
        return
    given = {"order": mapping.order, "about": mapping.about, "index": mapping.index}
    given |= {"each": mapping.from_.each, "accept": mapping.from_.accept}
    for word, value in given.items():
        if value:
            where = ("from", word) if word in ("each", "accept") else (word,)
            text = f"'{word}' is that of the channel that is followed"
            desk.add("E139", where, text, "take it away", key=True)


#: What is not known yet when a document stands at the door, nor what the rules of a kind give.
_LATER = {"now": "now()", "today": "today()", "timeOfDay": "timeOfDay()"}


def _at_the_door(desk: Desk, plan: dict[str, Any]) -> None:
    """Note a problem for what decides at the door by something that a resend would find changed."""
    ways: list[tuple[Steps, Any]] = [(("from", word), plan["from"][word]) for word in ("each", "accept")]
    ways += [(_step("order", number, desk), tree) for number, tree in enumerate(plan["order"])]
    ways += [(("about",), plan["about"]), *((("index", name), tree) for name, tree in plan["index"].items())]
    ways += [(("facts", name), tree) for name, trees in plan.get("facts", {}).items() for tree in trees]
    names_ = frozenset({"known", *plan.get("gives", ())})
    for where, tree in ways:
        for word in sorted(_later(tree, plan["let"], names_, frozenset())):
            told = _LATER.get(word, f"%{word}")
            text = f"{told} cannot be used here: a resend of the document must be the same message"
            desk.add("E108", where, text, "leave it to the route, or to a rule")


def _door_lines(desk: Desk, plan: dict[str, Any]) -> None:
    """Note a problem for each line of the route that is asked at the door and needs what is known only later."""
    names_ = frozenset({"known", *plan.get("gives", ())})
    for number, line in enumerate(plan["route"]):
        if line["door"]:
            for word in sorted(_later(line["when"], plan["let"], names_, frozenset()) & names_):
                text = f"%{word} is not known at the door"
                desk.add("E109", ("route", number), text, "take at: door away: the error is told by what follows later")


def _later(value: Any, lets: dict[str, Any], names_: frozenset[str], seen: frozenset[str]) -> set[str]:
    """Return the words of _LATER and the names that an expression uses, itself or through names of let:."""
    if isinstance(value, dict):
        return set().union(*(_later(part, lets, names_, seen) for part in value.values()))
    if not isinstance(value, list):
        return set()
    found = set().union(*(_later(part, lets, names_, seen) for part in value))
    if len(value) > 3 and value[0] == "call" and value[2] is None and value[3] in _LATER:
        found.add(value[3])
    if len(value) == 3 and value[0] == "name":
        name = value[2]
        found |= {name} & names_
        found |= _later(lets[name], lets, names_, seen | {name}) if name in lets and name not in seen else set()
    return found


def _step(word: str, position: int, desk: Desk) -> tuple[str | int, ...]:
    return (word, position) if (word, position) in desk.document else (word,)


def _each(paths: Paths, mapping: Any) -> Any:
    if mapping.from_.connector == OUTCOMES:
        paths.it = Typed(frozenset({"any"}), 1, 1)
    if mapping.from_.each is None:
        return None
    where = ("from", "each")
    paths.it = Typed(frozenset({"any"}), 1, 1)
    expression = paths.read(where, mapping.from_.each)
    if expression is None:
        return None
    paths.it = Typed(expression.gives.types, 1, 1)
    if IT in paths.used:
        paths.desk.add("E102", where, "each: says what %it is; it cannot use it")
    return expression.tree


def _accept(paths: Paths, mapping: Any) -> Any:
    if mapping.from_.accept is None:
        return None
    expression = paths.read(("from", "accept"), mapping.from_.accept)
    return expression.tree if expression is not None and is_condition(paths.desk, expression) else None


def _destinations(
    desk: Desk, paths: Paths, mapping: Mapping, *, whole: bool
) -> tuple[dict[str, Any], dict[str, list[dict[str, Any]]]]:
    plans: dict[str, Any] = {}
    maps: dict[str, list[dict[str, Any]]] = {}
    for name, part in mapping.destinations.items():
        plan = plans[name] = destination(desk, name, part, mapping)
        targets = part.map if part.map is not None else mapping.map
        where: Steps = ("destinations", name, "map") if part.map is not None else ("map",)
        if targets is None:
            desk.add("E021", ("destinations", name), f"there is no 'map' for {name}", "add map: to the file", key=True)
            continue
        structures: dict[str, list[str]] = {}
        for action, message in plan["message"].items():
            structures.setdefault(message.rsplit("^", 1)[1], []).append(action)
        plan["maps"], plan["validators"] = {}, {}
        for structure, actions in structures.items():
            key = f"{'.'.join(str(step) for step in where)} {part.hl7} {structure}"
            placer = Placer(paths, part.hl7, structure, frozenset(actions))
            root = placer.place(where, targets)
            if whole and len(plan["message"]) == len(desk.actions):
                Completeness(desk, part.hl7, structure, frozenset(placer.lost)).check(root, actions)
            maps[key] = parts(desk, root)
            plan["maps"] |= dict.fromkeys(actions, key)
            plan["validators"] |= dict.fromkeys(actions, f"{part.hl7} {structure}")
    return plans, maps


def inputs(desk: Desk) -> dict[str, Any]:
    """Return digests of the files that went in; what counts of site.yaml is in the plan itself."""
    tables = {name: desk.site.folder / "tables" / f"{name}.csv" for name, table in desk.tables.items() if table}
    return {
        "mapping": hashlib.sha256(desk.document.text.encode()).hexdigest(),
        "tables": {name: hashlib.sha256(path.read_bytes()).hexdigest() for name, path in sorted(tables.items())},
        "fragments": mapping_fragments.digests(desk.document),
    }
