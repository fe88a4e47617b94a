"""FHIR in, HL7 v2 out: a mapping's plan compiled to closures over plain dicts. The transformer plug-in `fhir-to-hl7`.

Runs in the workers: nothing here imports the YAML, pydantic, ANTLR or hl7apy libraries, which the check needs.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from operator import itemgetter
from typing import Any

from messages import outcome
from messages.problem import Place, Problem, Problems
from transformers import er7, fhir_json, fhir_validation, unmapped
from transformers.base import Admission, Facts, Filtered, Given, Transformed
from transformers.fhir_path import PathError, Scope, compile_path, compile_test
from transformers.hl7_validation import Validator
from transformers.mapping_given import Compiler
from transformers.mapping_run import Plan, Run, conditional, place, problem
from transformers.mapping_segments import Build, Builder
from transformers.mapping_text import Numbers, Part
from transformers.mapping_values import named, texts
from transformers.steady import LastLook, steady_names
from transformers.timestamps import local

#: Name of the transformer in a mapping file, and of its plug-in.
KIND = "fhir-to-hl7"
#: The source of channels that receive the outcomes of another one (messages/outcome.py).
FOLLOWS = "outcomes"
#: Of plans; another one was made by another release and must be checked anew.
LANGUAGE = 1


@dataclass(frozen=True, slots=True)
class _Message:
    """What one destination sends for one action."""

    build: Build
    charset: str
    validator: Validator
    #: Every message is looked at thoroughly.
    doubtful: bool
    #: Field, such as `SCH-9`, to the place of the rule that writes it.
    rules: Mapping[str, Place]

    def encode(self, lines: Sequence[str], run: Run) -> bytes:
        """Return the message of these segments; raises Problems where HL7 does not allow it."""
        try:
            encoded = er7.to_bytes("\r".join(lines) + "\r", self.charset)
            if self.doubtful or run.doubtful or not self.validator.is_ordered(tuple(map(_NAME, lines))):
                self._look_at(encoded)
        except Problems as found:
            raise Problems(map(self._placed, found.problems)) from None
        return encoded

    def _look_at(self, encoded: bytes) -> None:
        """Look at a message thoroughly; raises Problems."""
        found = self.validator.validate(er7.parse(encoded).segments)
        if found:
            raise Problems(found)

    def _placed(self, found: Problem) -> Problem:
        """Return a problem of a field with the place of the rule that wrote it."""
        field = _FIELD.match(found.expression or "")
        where = self.rules.get(f"{field[1]}-{field[2]}") if field else None
        return replace(found, text=f"{found.expression}: {found.text}", place=where) if where else found


class FhirToHl7:
    """One channel's mapping, compiled (see `transformers.base.Transformer`).

    Raises:
        ValueError: the plan was made for another release of the mapping language.
    """

    def __init__(self, plan: Plan) -> None:
        if plan.get("language") != LANGUAGE:
            raise ValueError(f"the plan is of mapping language {plan.get('language')}, not {LANGUAGE}: check it anew")
        self._plan = plan
        zone = _zone(plan["zone"])
        self._lets = {name: named(item, zone) for name, item in plan["let"].items()}
        self._last = LastLook(steady_names(plan["let"], ("known", *plan.get("gives", ())), plan["zone"]))
        self._zone: Callable[[Run], str] = lambda run: zone(run.scope)
        self._order = [(compile_path(tree), tree) for tree in plan["order"]]
        self._about = compile_path(plan["about"]) if plan["about"] else None
        self._index = {name: compile_path(tree) for name, tree in plan["index"].items()}
        self._facts = {name: [compile_path(tree) for tree in trees] for name, trees in plan.get("facts", {}).items()}
        self._each = compile_path(plan["from"]["each"]) if plan["from"]["each"] else None
        self._accept = compile_test(plan["from"]["accept"]) if plan["from"]["accept"] else None
        self._route = [(compile_test(line["when"]) if line["when"] else _always, line) for line in plan["route"]]
        self._door = [(when, line) for when, line in self._route if line["door"]]
        self._lane = [(when, line) for when, line in self._route if not line["door"]]
        self._validators = {name: Validator(rules, warnings=False) for name, rules in plan["validators"].items()}
        self._messages = {
            (name, action): self._message(part, action)
            for name, part in plan["destinations"].items()
            for action in part["message"]
        }

    # -- at the door -----------------------------------------------------------------------------------------------

    def check(self, body: bytes) -> Any:
        """Parse and validate a document; raises Problems."""
        document = fhir_json.load_strict(body)
        problems = [found for found in fhir_validation.validate(document) if found.severity == "error"]
        if problems:
            raise Problems(problems)
        return document

    def load(self, body: bytes) -> Any:
        """Parse what `check` has let in before."""
        return fhir_json.load_again(body)

    def admit(self, document: Any) -> Sequence[Admission]:
        """Return one admission for each thing of `from.each` that `from.accept` takes; raises Problems."""
        admissions = []
        for focus in self._focuses(document):
            scope = self.scope(document, focus)
            try:
                if self._accept is None or self._accept(scope, scope.focus) is True:
                    admissions.append(self._admission(document, scope, focus))
            except PathError as error:
                raise Problems.one("E307", f"order, about or index: {error}", expression=_expression(focus)) from None
        return admissions

    def _focuses(self, document: Any) -> list[int | None]:
        """Return the entry numbers of the things that messages are made of; [None] for the whole document."""
        if self._plan["from"]["connector"] == FOLLOWS:
            return [outcome.focus_of(document)]
        if self._each is None:
            return [None]
        try:
            things = self._each(Scope(document, {}, _NEVER))
        except PathError as error:
            raise Problems.one("E307", f"each: {error}") from None
        numbers: dict[int, int | None] = {
            id(entry.get("resource")): number for number, entry in enumerate(document.get("entry") or ())
        }
        numbers[id(document)] = None
        try:
            return [numbers[id(thing)] for thing in things]
        except KeyError:
            raise Problems.one("E307", "each: gives something that is no resource of an entry") from None

    def _admission(self, document: Any, scope: Scope, focus: int | None) -> Admission:
        key = []
        for path, tree in self._order:
            text = _first_text(path(scope))
            if text is None:
                told = f"the ordering key is empty: order: {_spoken(tree)} gave nothing"
                raise Problems([Problem(code="E307", text=told, expression=_expression(focus), issue_type="required")])
            key.append(text)
        index = {name: text for name, path in self._index.items() if (text := _first_text(path(scope))) is not None}
        about = _first_text(self._about(scope)) if self._about else None
        facts = self._read_facts(scope) if self._facts else {}
        return Admission(
            key="|".join(key), index=index, focus=focus, about=about, identity=_identity(document), facts=facts
        )

    def facts(self, document: Any, focus: int | None) -> Facts:
        """Return the facts of one message of a document; raises Problems."""
        try:
            return self._read_facts(self.scope(document, focus))
        except PathError as error:
            raise Problems.one("E307", f"facts: {error}", expression=_expression(focus)) from None

    def _read_facts(self, scope: Scope) -> Facts:
        many = self._plan["many"]
        found = {}
        for name, paths in self._facts.items():
            given = [text for path in paths for text in texts(path(scope))]
            if given:
                found[name] = tuple(given) if name in many else (given[0],)
        return found

    def refusals(self, document: Any, focus: int | None, now: datetime) -> Sequence[Problem]:
        """Return a problem for each line of the route that says `at: door` and is true."""
        if not self._door:
            return ()
        scope = self.scope(document, focus, now=now)
        try:
            broken = [line for when, line in self._door if when(scope, scope.focus) is True]
            return [
                replace(
                    self._broken(line, scope), expression=_expression(focus), place=None, issue_type="business-rule"
                )
                for line in broken
            ]
        except PathError as error:
            return [Problem(code="E307", text=f"route: {error}", expression=_expression(focus))]
        except Problems as found:
            return found.problems

    # -- on the way ------------------------------------------------------------------------------------------------

    def transform(self, document: Any, given: Given) -> Transformed | Filtered:
        """Map the document; raises Problems with the rule's place and the field."""
        run = self._start(document, given)
        lines: list[str] = []
        try:
            line = self._line(run.scope, asked=given.asked)
            action = line["do"]
            if action is None:
                return self._not_sent(line, run.scope)
            message = self._messages[given.destination, action]
            message.build(run, run.scope, (), lines, 0)
        except PathError as error:
            raise Problems([*run.problems, Problem(code="E302", text=str(error))]) from None
        if run.problems:
            raise Problems(unmapped.completed(self._plan, run.scope, run.problems))
        return Transformed(encoded=message.encode(lines, run), control_id=given.control_id, action=action)

    def _not_sent(self, line: Plan, scope: Scope) -> Filtered:
        if line["filter"] is not None:
            return Filtered(reason=f"{line['filter']} ({line['at']})")
        raise Problems([self._broken(line, scope)])

    def _broken(self, line: Plan, scope: Scope) -> Problem:
        """Return what a line of the route says that is an error."""
        codes = unmapped.of_route(self._plan, line, scope)
        return Problem(
            code=line["code"] or "E308", text=line["error"], place=place(line["at"]), unmapped=codes,
            hint=unmapped.nearest(self._plan, codes),
        )  # fmt: skip

    def has_row(self, table: str, code: str) -> bool:
        """Say whether a table has a row for a code that a message was parked for (see `messages.problem.Unmapped`)."""
        return unmapped.has_row(self._plan, table, code)

    def _start(self, document: Any, given: Given) -> Run:
        scope = self.scope(document, given.focus, given)
        return Run(scope, given, self._zone)

    def scope(self, document: Any, focus: int | None, given: Given | None = None, now: datetime | None = None) -> Scope:
        """Return what the expressions see; without `given`, for what is asked at the door."""
        thing = document if focus is None else document["entry"][focus]["resource"]
        if given is None:
            scope = Scope(document, self._lets, now or _NEVER, values={"it": [thing], "known": [False]})
        else:
            scope = Scope(document, self._lets, given.now, values={"it": [thing], **conditional(self._plan, given)})
        self._last.give(scope, focus)
        return scope

    def _line(self, scope: Scope, *, asked: bool) -> Any:
        """Return the line of the route that decides; those that the door has asked are known not to be true."""
        focus = scope.focus
        for when, line in self._lane if asked else self._route:
            if when(scope, focus) is True:
                return line
        raise Problems.one("E308", "no line of the route is true")

    def _message(self, part: Plan, action: str) -> _Message:
        everywhere = frozenset({*self._plan["let"], *self._plan.get("gives", ()), *_EVERYWHERE})
        parts, validator = self._plan["maps"][part["maps"][action]], self._validators[part["validators"][action]]
        header = self._header(part, action)
        compiler = Compiler(action, part["hl7"], self._plan["tables"], everywhere)
        Builder(compiler, validator, header).message(parts)  # shows what rules write alike
        compiler = compiler.again()
        return _Message(
            build=Builder(compiler, validator, header).message(parts),
            charset=part["charset"],
            validator=validator,
            doubtful=compiler.doubtful,
            rules=dict(_rules(parts, action)),
        )

    def _header(self, part: Plan, action: str) -> dict[int, Part]:
        """Return the fields of MSH that the host writes. MSH-11 may be a rule's."""
        return {
            2: er7.DEFAULT_SEPARATORS[1:],
            7: _moment,
            9: part["message"][action],
            10: _control_id,
            11: er7.escaped(self._plan["processing_id"]),
            12: part["hl7"],
            18: part["charset"],
        }


#: Names that mean the same in every block, beside those of `let:`.
_EVERYWHERE = ("it", "known", "resource", "rootResource", "context", "ucum", "sct", "loinc")


def _moment(run: Run, _scope: Scope, _numbers: Numbers) -> str:
    return local(run.given.now, run.zone, milliseconds=True)


def _control_id(run: Run, _scope: Scope, _numbers: Numbers) -> str:
    return er7.escaped(run.given.control_id)


def compile_plan(plan: Plan) -> FhirToHl7:
    """Return the transformer of a plan; raises ValueError for a plan of another language."""
    return FhirToHl7(plan)


def _always(_scope: Scope, _focus: Any) -> bool:
    return True


#: Of a segment's line.
_NAME: Callable[[str], str] = itemgetter(slice(0, 3))
#: `AIS[2]-3.1`: segment and field.
_FIELD = re.compile(r"([A-Z][A-Z0-9]{2})(?:\[\d+\])?-(\d+)")
#: What now() says where a message is only ordered and indexed: nothing there may depend on the time.
_NEVER: Any = None


def _zone(plan: Plan) -> Callable[[Scope], str]:
    if "zone" in plan:
        constant: str = plan["zone"]
        return lambda _: constant
    value = named(plan)

    def of(scope: Scope) -> str:
        found = value(scope)
        if not found:
            raise Problems([problem("E309", f"the time zone is not known: {plan['source']} gave nothing", plan)])
        return str(found[0])

    return of


def _rules(parts: Sequence[Plan], action: str) -> Iterator[tuple[str, Place]]:
    for part in parts:
        for rule in part.get("rules", ()):
            if rule["actions"] is None or action in rule["actions"]:
                yield f"{part['segment']}-{rule['to'][0]}", place(rule["at"])
        yield from _rules(part.get("parts", ()), action)


def _first_text(values: list[Any]) -> str | None:
    """Return the first of the values that has a text, as FHIR writes it."""
    if values and isinstance(values[0], str):
        return values[0]
    return next(iter(texts(values)), None)


def _identity(document: Any) -> str | None:
    """Return the identity that the sender gave a Bundle (FHIR R4, Bundle.identifier)."""
    identifier = document.get("identifier") if document.get("resourceType") == "Bundle" else None
    if not isinstance(identifier, dict) or not identifier.get("value"):
        return None
    return f"{identifier.get('system', '')}|{identifier['value']}"


def _expression(focus: int | None) -> str | None:
    return None if focus is None else f"Bundle.entry[{focus}].resource"


def _spoken(tree: Any) -> str:
    """Return a path as it reads, where it is a run of names; for a person."""
    if tree[0] == "name":
        return f"%{tree[2]}"
    if tree[0] == "member":
        return f"{_spoken(tree[2])}.{tree[3]}" if tree[2] else str(tree[3])
    return "the expression"
