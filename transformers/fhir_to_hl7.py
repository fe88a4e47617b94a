"""FHIR in, HL7 v2 out: a mapping's plan compiled to closures over plain dicts. The transformer plug-in `fhir-to-hl7`.

Runs in the workers: nothing here imports the YAML, pydantic, ANTLR or hl7apy libraries, which the check needs.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any
from zoneinfo import ZoneInfo

from messages.problem import Place, Problem, Problems
from transformers import er7, fhir_json, fhir_validation
from transformers.base import Admission, Filtered, Given, Transformed
from transformers.fhir_path import PathError, Scope, compile_path
from transformers.hl7_validation import Validator
from transformers.mapping_segments import Build, Builder, Watch
from transformers.mapping_values import Plan, Run, named, place, problem, test, texts

#: Name of the transformer in a mapping file, and of its plug-in.
KIND = "fhir-to-hl7"
#: Of plans; another one was made by another release and must be checked anew.
LANGUAGE = 1


@dataclass(frozen=True, slots=True)
class Explained:
    """One rule at work, for `try --explain`."""

    #: `SCH-11.4`.
    target: str
    #: `file:line:column` of the rule.
    place: str
    #: FHIRPath, or what the rule has instead.
    source: str
    #: What was done with it: a format, a table, or nothing.
    conversion: str
    #: What it gave, in er7's shapes. Of the message: shown, never logged.
    gave: list[Any]


@dataclass(frozen=True, slots=True)
class _Message:
    """What one destination sends for one action."""

    build: Build
    type: list[list[str]]
    version: str
    charset: str
    validator: Validator
    #: Field, such as `SCH-9`, to the place of the rule that writes it.
    rules: Mapping[str, Place]

    def placed(self, problems: Iterable[Problem]) -> list[Problem]:
        """Return problems of fields with the places of the rules that wrote them."""
        return [self._placed(problem) for problem in problems]

    def _placed(self, found: Problem) -> Problem:
        field = _FIELD.match(found.expression or "")
        where = self.rules.get(f"{field[1]}-{field[2]}") if field else None
        return replace(found, text=f"{found.expression}: {found.text}", place=where) if where else found


@dataclass(frozen=True, slots=True)
class _Line:
    """A line of the route."""

    when: Callable[[Scope], bool] | None
    do: str | None
    plan: Plan


class FhirToHl7:
    """One channel's mapping, compiled (see `transformers.base.Transformer`).

    Raises:
        ValueError: the plan was made for another release of the mapping language.
    """

    def __init__(self, plan: Plan) -> None:
        if plan.get("language") != LANGUAGE:
            raise ValueError(f"the plan is of mapping language {plan.get('language')}, not {LANGUAGE}: check it anew")
        self._plan = plan
        self._lets = {name: named(item) for name, item in plan["let"].items()}
        self._zone = _zone(plan["zone"])
        self._order = [(compile_path(tree), tree) for tree in plan["order"]]
        self._about = compile_path(plan["about"]) if plan["about"] else None
        self._index = {name: compile_path(tree) for name, tree in plan["index"].items()}
        self._each = compile_path(plan["from"]["each"]) if plan["from"]["each"] else None
        self._accept = test(plan["from"]["accept"]) if plan["from"]["accept"] else None
        self._route = [_Line(line["when"] and test(line["when"]), line["do"], line) for line in plan["route"]]
        self._validators = {name: Validator(rules) for name, rules in plan["validators"].items()}
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
        return fhir_json.load_strict(body)

    def admit(self, document: Any) -> Sequence[Admission]:
        """Return one admission for each thing of `from.each` that `from.accept` takes; raises Problems."""
        admissions = []
        for focus in self._focuses(document):
            scope = self._scope(document, focus)
            try:
                if self._accept is None or self._accept(scope):
                    admissions.append(self._admission(document, scope, focus))
            except PathError as error:
                raise Problems.one("E307", f"order, about or index: {error}", expression=_expression(focus)) from None
        return admissions

    def _focuses(self, document: Any) -> list[int | None]:
        """Return the entry numbers of the things that messages are made of; [None] for the whole document."""
        if self._each is None:
            return [None]
        try:
            things = self._each(Scope(document, {}, _NEVER))
        except PathError as error:
            raise Problems.one("E307", f"each: {error}") from None
        numbers: dict[int, int | None] = {id(document): None}
        for number, entry in enumerate(document.get("entry") or []):
            numbers[id(entry.get("resource"))] = number
        if not all(id(thing) in numbers for thing in things):
            raise Problems.one("E307", "each: gives something that is no resource of an entry")
        return [numbers[id(thing)] for thing in things]

    def _admission(self, document: Any, scope: Scope, focus: int | None) -> Admission:
        key = []
        for path, tree in self._order:
            found = texts(path(scope))
            if not found:
                text = f"the ordering key is empty: order: {_spoken(tree)} gave nothing"
                raise Problems([Problem(code="E307", text=text, expression=_expression(focus), issue_type="required")])
            key.append(found[0])
        index = {name: found[0] for name, path in self._index.items() if (found := texts(path(scope)))}
        about = texts(self._about(scope)) if self._about else []
        return Admission(
            key="|".join(key), index=index, focus=focus, about=about[0] if about else None, identity=_identity(document)
        )

    # -- on the way ------------------------------------------------------------------------------------------------

    def transform(self, document: Any, given: Given) -> Transformed | Filtered:
        """Map the document; raises Problems with the rule's place and the field."""
        run = self._start(document, given)
        try:
            line = self._line(run.scope)
            if line.do is None:
                return _not_sent(line.plan)
            message = self._messages[given.destination, line.do]
            segments = self._segments(run, message, given)
        except PathError as error:
            raise Problems([*run.problems, Problem(code="E302", text=str(error))]) from None
        if run.problems:
            raise Problems(run.problems)
        findings = [found for found in message.validator.validate(segments) if found.severity == "error"]
        if findings:
            raise Problems(message.placed(findings))
        try:
            encoded = er7.encode(segments, message.charset)
        except Problems as found:
            raise Problems(message.placed(found.problems)) from None
        return Transformed(encoded=encoded, control_id=given.control_id, action=line.do)

    def explain(self, document: Any, given: Given) -> list[Explained]:
        """Return what each rule gave, in the order of the message; nothing when the message is not sent."""
        seen: list[Explained] = []
        run = self._start(document, given)
        line = self._line(run.scope)
        if line.do is not None:
            part = self._plan["destinations"][given.destination]
            message = self._message(part, line.do, lambda rule, gave: seen.append(_explained(rule, gave)))
            self._segments(run, message, given)
        return seen

    def touched(self, document: Any, given: Given) -> set[str]:
        """Return the places of the rules that gave something, and of the route's line: a test's coverage."""
        run = self._start(document, given)
        line = self._line(run.scope)
        explained = self.explain(document, given) if line.do else []
        return {line.plan["at"], *(rule.place for rule in explained if rule.gave)}

    def _start(self, document: Any, given: Given) -> Run:
        scope = self._scope(document, given.focus, known=given.known, now=given.now)
        return Run(scope, self._zone)

    def _scope(self, document: Any, focus: int | None, *, known: bool = False, now: Any = None) -> Scope:
        thing = document if focus is None else document["entry"][focus]["resource"]
        return Scope(document, {**self._lets, "it": [thing], "known": [known]}, now or _NEVER)

    def _line(self, scope: Scope) -> _Line:
        for line in self._route:
            if line.when is None or line.when(scope):
                return line
        raise Problems.one("E308", "no line of the route is true")

    def _segments(self, run: Run, message: _Message, given: Given) -> list[er7.Segment]:
        segments: list[er7.Segment] = []
        message.build(run, run.scope, (), segments)
        if not segments or segments[0][0] != "MSH":
            segments.insert(0, ["MSH"])
        header = segments[0]
        header += [[] for _ in range(19 - len(header))]
        moment = given.now.astimezone(ZoneInfo(run.zone))
        header[1], header[2] = "|", "^~\\&"
        header[7] = [[[f"{moment:%Y%m%d%H%M%S}.{moment.microsecond // 1000:03}{moment:%z}"]]]
        header[9] = [message.type]
        header[10] = [[[given.control_id]]]
        header[11] = header[11] or [[[self._plan["processing_id"]]]]
        header[12] = [[[message.version]]]
        header[18] = [[[message.charset]]]
        return segments

    def _message(self, part: Plan, action: str, watch: Watch | None = None) -> _Message:
        version, key = part["hl7"], part["maps"][action]
        return _Message(
            build=Builder(action, self._plan, version, watch).group(self._plan["maps"][key]),
            type=[[text] for text in part["message"][action].split("^")],
            version=version,
            charset=part["charset"],
            validator=self._validators[part["validators"][action]],
            rules=dict(_rules(self._plan["maps"][key], action)),
        )


def compile_plan(plan: Plan) -> FhirToHl7:
    """Return the transformer of a plan; raises ValueError for a plan of another language."""
    return FhirToHl7(plan)


#: `AIS[2]-3.1`: segment and field.
_FIELD = re.compile(r"([A-Z][A-Z0-9]{2})(?:\[\d+\])?-(\d+)")
#: What now() says where a message is only ordered and indexed: nothing there may depend on the time.
_NEVER: Any = None


def _zone(plan: Plan) -> Callable[[Run], str]:
    if "zone" in plan:
        constant: str = plan["zone"]
        return lambda _: constant
    value = named(plan)

    def of(run: Run) -> str:
        found = value(run.scope)
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


def _not_sent(line: Plan) -> Filtered:
    if line["filter"] is not None:
        return Filtered(reason=f"{line['filter']} ({line['at']})")
    raise Problems([Problem(code=line["code"] or "E308", text=line["error"], place=place(line["at"]))])


def _identity(document: Any) -> str | None:
    """Return the identity that the sender gave a Bundle (FHIR R4, Bundle.identifier)."""
    identifier = document.get("identifier") if document.get("resourceType") == "Bundle" else None
    if not isinstance(identifier, Mapping) or not identifier.get("value"):
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


def _explained(rule: Plan, gave: list[Any]) -> Explained:
    conversion = f"as: {rule['as']}" if "as" in rule else f"table: {rule['table']}" if "table" in rule else ""
    source = rule.get("source") or ("number" if "number" in rule else "value")
    return Explained(rule["name"], rule["at"], source, conversion, gave)
