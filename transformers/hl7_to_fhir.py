"""HL7 v2 in, FHIR out: a mapping's plan compiled to closures. The transformer plug-in `hl7-to-fhir`.

What is made is one change to a FHIR server: a request as `connectors/fhir_envelope.py` describes it. Runs in the
workers: nothing here imports the YAML, pydantic or hl7apy libraries, which the check needs.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from messages.problem import Problem, Problems
from transformers import er7, unmapped
from transformers.base import Admission, Facts, Filtered, Given, Transformed
from transformers.fhir_body import findings, items, put
from transformers.hl7_scope import Loop, Scope, first, grouped
from transformers.hl7_values import DELETED, Give, Plan, Run, condition, problem, rule, source, text, texts, values_of

#: Name of the transformer in a mapping file, and of its plug-in.
KIND = "hl7-to-fhir"
#: Of plans; another one was made by another release and must be checked anew.
LANGUAGE = 1

Json = dict[str, Any]
Test = Callable[[Run, Scope], bool]


@dataclass(frozen=True, slots=True)
class Applied:
    """One rule at work."""

    plan: Plan
    #: What its source gave, before any conversion.
    found: list[Any]
    gave: list[Any]
    #: The object that it wrote into, and how many items its list had before.
    into: Json
    before: int


@dataclass(slots=True)
class Followed:
    """What one message did with the plan, for tests and explanations. Its values are the message's: never logged."""

    #: Rules in the order of the file.
    rules: list[Applied] = field(default_factory=list)
    #: The resource as far as it was written.
    body: Json = field(default_factory=dict)
    #: Place of a line of the route, and what its condition said.
    conditions: set[tuple[str, bool]] = field(default_factory=set)
    line: str | None = None
    #: Table and code of each row that was used.
    rows: set[tuple[str, str]] = field(default_factory=set)


@dataclass(frozen=True, slots=True)
class _Rule:
    plan: Plan
    when: Test | None
    give: Give


@dataclass(frozen=True, slots=True)
class _Block:
    plan: Plan
    when: Test | None
    loop: Loop | None
    rules: tuple[_Rule, ...]
    blocks: tuple[_Block, ...]


@dataclass(frozen=True, slots=True)
class _Line:
    plan: Plan
    when: Test | None


#: Called for each rule, before what it gave is written: the rule, where it looks, the object that it writes into.
Watch = Callable[[Plan, Scope, Json, list[Any]], None]


class Hl7ToFhir:
    """One channel's mapping, compiled (see `transformers.base.Transformer`).

    Raises:
        ValueError: the plan was made for another release of the mapping language.
    """

    def __init__(self, plan: Plan) -> None:
        if plan.get("language") != LANGUAGE:
            raise ValueError(f"the plan is of mapping language {plan.get('language')}, not {LANGUAGE}: check it anew")
        self._plan = plan
        tables = plan["tables"]
        self._lets = {name: rule(item, tables) for name, item in plan["let"].items()}
        self._zone = rule(plan["zone"], tables)
        self._order = [source(one) for one in plan["order"]]
        self._about = plan["about"] and source(plan["about"])
        self._index = {name: source(one) for name, one in plan["index"].items()}
        self._facts = {name: [source(one) for one in given] for name, given in plan.get("facts", {}).items()}
        self._route = lines(plan["route"])
        self._maps = blocks(plan["maps"], tables)

    # -- at the door -----------------------------------------------------------------------------------------------

    def check(self, body: bytes) -> Any:
        """Parse a message and look at its header and the segments it must have; raises Problems."""
        segments = er7.parse(body).segments
        problems = [_missing(number, words) for number, words in _HEADER if not _header(segments, number)]
        version = _header(segments, 12)
        if version and not version.startswith("2."):
            problems.append(_refused("MSH-12 names no version 2 of HL7", "MSH-12", "not-supported"))
        if f"{_header(segments, 9)}^{_header(segments, 9, 2)}" in self._plan["from"]["accept"]:
            present = {segment[0] for segment in segments}
            problems += [
                _refused(f"the segment {name} is missing", name, "required")
                for name in self._plan["from"]["required"]
                if name not in present
            ]
        if problems:
            raise Problems(problems)
        return segments

    def load(self, body: bytes) -> Any:
        """Parse what `check` has let in before."""
        return er7.parse(body).segments

    def admit(self, document: Any) -> Sequence[Admission]:
        """Return the message's admission, or none where `from.accept` does not name it; raises Problems."""
        if f"{_header(document, 9)}^{_header(document, 9, 2)}" not in self._plan["from"]["accept"]:
            return []
        run = self._start(document)
        key = []
        for give, spoken in zip(self._order, self._plan["spoken"], strict=True):
            found = texts(run, run.root, give)
            if not found:
                words = f"the ordering key is empty: order: {spoken} gave nothing"
                raise Problems([Problem(code="E307", text=words, expression=spoken, issue_type="required")])
            key.append(found[0])
        index = {name: found[0] for name, give in self._index.items() if (found := texts(run, run.root, give))}
        about = texts(run, run.root, self._about) if self._about else []
        facts = self._read_facts(run)
        if run.problems:
            raise Problems(run.problems)
        identity = "|".join(_whole(document, number) for number in (3, 4, 10))
        return [
            Admission(key="|".join(key), index=index, about=about[0] if about else None, identity=identity, facts=facts)
        ]

    def facts(self, document: Any, focus: int | None) -> Facts:  # noqa: ARG002 - an HL7 message is about one thing
        """Return the facts of a message; raises Problems."""
        run = self._start(document)
        facts = self._read_facts(run)
        if run.problems:
            raise Problems(run.problems)
        return facts

    def refusals(self, document: Any, focus: int | None, now: datetime) -> Sequence[Problem]:  # noqa: ARG002
        """Return a problem for each line of the route that says `at: door` and is true."""
        asked = [line for line in self._route if line.plan.get("door")]
        if not asked:
            return ()
        try:
            run = self._start(document)
        except Problems as found:
            return found.problems
        return [
            Problem(
                code=line.plan["code"] or "E308", text=line.plan["error"], expression=line.plan["about"],
                issue_type="business-rule",
            )
            for line in asked
            if line.when is None or line.when(run, run.root)
        ]  # fmt: skip

    def _read_facts(self, run: Run) -> Facts:
        found = {}
        for name, sources in self._facts.items():
            given = [one for give in sources for one in texts(run, run.root, give) if one]
            if given:
                found[name] = tuple(given) if name in self._plan["many"] else (given[0],)
        return found

    # -- on the way ------------------------------------------------------------------------------------------------

    def transform(self, document: Any, given: Given) -> Transformed | Filtered:
        """Map the message; raises Problems with the rule's place and the element."""
        run = self._start(document, given)
        line = self._line(run)
        action = line.plan["do"]
        if action is None:
            return not_sent(line.plan)
        envelope = self._envelope(run, given, action)
        if run.problems:
            raise Problems(run.problems)
        encoded = json.dumps(envelope, ensure_ascii=False, separators=(",", ":")).encode()
        return Transformed(encoded=encoded, control_id=given.control_id, action=action)

    def has_row(self, table: str, code: str) -> bool:
        """Say whether a table has a row for a code that a message was parked for (see `messages.problem.Unmapped`)."""
        return unmapped.has_row(self._plan, table, code)

    def follow(self, document: Any, given: Given) -> Followed:
        """Return what a message did with the plan, as far as it got: a problem on the way is not raised."""
        found = Followed()
        run = self._start(document, given)
        for line in self._route:
            said = line.when is None or line.when(run, run.root)
            if line.when is not None:
                found.conditions.add((line.plan["at"], said))
            if said:
                found.line, run.action = line.plan["at"], line.plan["do"] or ""
                break
        if run.action:
            part = self._plan["destinations"][given.destination]

            def watch(plan: Plan, scope: Scope, into: Json, gave: list[Any]) -> None:
                found.rules.append(Applied(plan, values_of(plan, run, scope), gave, into, items(into, plan["to"])))

            self._fill(self._maps[part["map"]], run, run.root, found.body, watch)
            for parameter, name in part["find"]:
                looked_for = {"at": part["at"], "name": f"find: {parameter}", "source": f"%{name}", "to": []}
                found.rules.append(Applied(looked_for, [], run.named(name), {}, 0))
        found.rows = run.rows
        found.conditions |= run.conditions
        return found

    def _start(self, document: Any, given: Given | None = None) -> Run:
        root = Scope((grouped(document, self._plan["groups"]),))
        lets = {**self._lets, "known": lambda *_: ["true"] if given is not None and given.known else []}
        for name in self._plan.get("gives", ()):
            said = [given.values[name]] if given is not None and name in given.values else []
            lets[name] = lambda *_, said=said: said
        run = Run(root, lets)
        zone = self._zone(run, root)
        if not zone:
            raise Problems([problem("E309", "the time zone is not known: zone: gave nothing", self._plan["zone"])])
        run.zone = text(zone[0])
        return run

    def _line(self, run: Run) -> _Line:
        for line in self._route:
            if line.when is None or line.when(run, run.root):
                return line
        raise Problems.one("E308", "no line of the route is true")

    def _envelope(self, run: Run, given: Given, action: str) -> Json:
        run.action = action
        part = self._plan["destinations"][given.destination]
        body: Json = {"resourceType": part["resource"]}
        self._fill(self._maps[part["map"]], run, run.root, body, None)
        searches = []
        for parameter, name in part["find"]:
            searches += [{parameter: _token(value)} for value in run.named(name) if value is not DELETED][:1]
        if not searches and not run.problems:
            names = " and ".join(f"%{name}" for _, name in part["find"])
            run.wrong("E301", part, f"find is required: {names} gave nothing")
        missing = part["missing"][action]
        if not run.problems:
            run.problems += findings(body, part, whole=missing == "create")
        envelope: Json = {"method": "PUT", "path": part["resource"], "find": searches, "missing": missing, "body": body}
        # Of a name that gives nothing nothing is asked.
        only_if = {element: found for element, given in part["only_if"].items() if (found := _allowed(run, given))}
        return envelope | {word: said for word, said in (("join", part["join"]), ("only_if", only_if)) if said}

    def _fill(self, block: _Block, run: Run, scope: Scope, into: Json, watch: Watch | None) -> None:
        for one in block.rules:
            if not _applies(one.plan, one.when, run, scope):
                continue
            values = one.give(run, scope)
            if watch is not None:
                watch(one.plan, scope, into, values)
            self._write(one.plan, run, into, values)
        for inner in block.blocks:
            if not _applies(inner.plan, inner.when, run, scope):
                continue
            found = []
            for each in [scope] if inner.loop is None else scope.each(inner.loop):
                element: Json = {}
                self._fill(inner, run, each, element, watch)
                found += [element] if element else []
            if found:
                put(into, inner.plan["to"], found)
            elif inner.plan["required"]:
                run.wrong("E301", inner.plan, f"{inner.plan['name']} is required: {inner.plan['source']} gave nothing")

    def _write(self, plan: Plan, run: Run, into: Json, values: list[Any]) -> None:
        kept = [value for value in values if value is not DELETED]
        if plan["required"] and not kept:
            run.wrong("E301", plan, f"{plan['name']} is required: {plan['source']} gave nothing")
        elif kept and not plan["many"] and len(kept) > 1:
            run.wrong("E305", plan, f"{plan['name']} takes one value: {plan['source']} gave {len(kept)}")
        elif kept:
            put(into, plan["to"], kept)
        elif values and plan["removes"]:
            into[plan["to"][0][0]] = None


def lines(route: Sequence[Plan]) -> list[_Line]:
    """Compile a route."""
    return [_Line(line, line["when"] and condition(line["when"])) for line in route]


def blocks(maps: Plan, tables: Plan) -> dict[str, _Block]:
    """Compile the maps of a plan."""
    return {key: _block(part, tables) for key, parts in maps.items() for part in parts}


def compile_plan(plan: Plan) -> Hl7ToFhir:
    """Return the transformer of a plan; raises ValueError for a plan of another language."""
    return Hl7ToFhir(plan)


#: What each message must say of itself. HL7 v2.5.1 chapter 2, 2.15.9.
_HEADER = ((9, "Message Type"), (10, "Message Control ID"), (12, "Version ID"))


def _header(segments: Sequence[er7.Segment], number: int, component: int = 1) -> str:
    """Return a component of a field of MSH; "" when it is not there."""
    header = segments[0]
    repetition = header[number][0] if number < len(header) and header[number] else []
    return first(repetition[component - 1 : component])


def _whole(segments: Sequence[er7.Segment], number: int) -> str:
    header = segments[0]
    repetition = header[number][0] if number < len(header) and header[number] else []
    return "^".join("&".join(component) for component in repetition)


def _missing(number: int, words: str) -> Problem:
    return _refused(f"MSH-{number} {words} is empty", f"MSH-{number}", "required")


def _refused(words: str, expression: str, issue_type: str) -> Problem:
    return Problem(code="HL7_INVALID", text=words, expression=expression, issue_type=issue_type)


def _block(plan: Plan, tables: Plan) -> _Block:
    return _Block(
        plan,
        plan["when"] and condition(plan["when"]),
        plan["for"],
        tuple(_Rule(one, one["when"] and condition(one["when"]), rule(one, tables)) for one in plan["rules"]),
        tuple(_block(one, tables) for one in plan["parts"]),
    )


def _applies(plan: Plan, when: Test | None, run: Run, scope: Scope) -> bool:
    if plan["actions"] is not None and run.action not in plan["actions"]:
        return False
    if when is None:
        return True
    said = when(run, scope)
    run.conditions.add((plan["at"], said))
    return said


def _allowed(run: Run, given: Sequence[str]) -> list[str]:
    """Return the values of `only_if`, those of names put in."""
    return [found for one in given for found in (map(text, run.named(one[1:])) if one.startswith("%") else [one])]


def _token(value: Any) -> Any:
    """Return a value of `find`: an Identifier by its system, anything else as text."""
    if isinstance(value, Mapping):
        return {"system": value.get("system", ""), "value": value["value"]}
    return text(value)


def not_sent(line: Plan) -> Filtered:
    """Return what a line of the route says that has no action; raises Problems where it says error."""
    if line["filter"] is not None:
        return Filtered(reason=f"{line['filter']} ({line['at']})")
    raise Problems([problem(line["code"] or "E308", line["error"], line)])
