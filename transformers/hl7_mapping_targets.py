"""The FHIR side of a mapping that reads HL7, checked: elements, types, how many, required codes, what is missing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from transformers import fhir_model
from transformers.fhir_model import Element
from transformers.fhir_sources import FhirSources
from transformers.hl7_mapping_complete import Held, hold
from transformers.hl7_mapping_complete import only as only_
from transformers.hl7_mapping_model import Block, Rule
from transformers.hl7_mapping_sources import TEXT, Plan, Sources
from transformers.hl7_values import WHOLE, typed
from transformers.mapping_desk import Desk, Where
from transformers.mapping_file import did_you_mean

#: Types that any text is.
_TEXTS = frozenset({"string", "markdown", "code", "uri", "url", "canonical", "id", "oid", "uuid"})
#: Types that text becomes when it is written so.
_WRITTEN = frozenset({*_TEXTS, *WHOLE, "boolean"})
#: What a format gives, and where else it fits.
_FITS = {"positiveInt": {"integer", "unsignedInt"}, "date": {"dateTime"}, "instant": {"dateTime"}, "string": _TEXTS}


@dataclass(slots=True)
class Target:
    """A checked left side."""

    steps: list[tuple[str, bool]]
    element: Element
    type: str
    #: Written with `[]`.
    many: bool


@dataclass(frozen=True, slots=True)
class Line:
    """A line of a map: its target, the block's plan that it goes into, and the object that it writes to."""

    target: Target
    text: str
    plan: Plan
    held: Held
    resource: str

    @property
    def name(self) -> str:
        """The target without its []."""
        return self.text.removesuffix("[]")


@dataclass(slots=True)
class Targets:
    """Reads a `map:`."""

    desk: Desk
    sources: Sources | FhirSources
    events: tuple[str, ...]

    def block(self, where: Where, targets: Mapping[str, Any], resource: str, start: Held, at: str) -> Plan:
        """Check the lines of a map; `at` is the path of the object they are in, such as Appointment.participant."""
        plan: Plan = {"rules": [], "parts": [], "when": None, "for": None, "actions": None, "tests": []}
        plan["at"] = self.desk.at(where)
        self._overlaps(where, targets)
        for text, item in targets.items():
            here = (*where, text)
            target = self._target(here, text, resource, start.type, at)
            if target is None:
                continue
            line = Line(target, text, plan, start, resource)
            items = item if isinstance(item, list) else [item]
            for number, one in enumerate(items):
                place = (*here, number) if isinstance(item, list) else here
                if isinstance(one, Block):
                    self._inner(place, one, line)
                else:
                    self._rules(place, one, line)
            if isinstance(item, list) and not target.many:
                self.desk.add("E405", here, f"a list of lines needs [] at {text}", f"write {text}[]", key=True)
        return plan

    def _overlaps(self, where: Where, targets: Mapping[str, Any]) -> None:
        names = [(text, text.removesuffix("[]")) for text in targets]
        for text, name in names:
            for other, longer in names:
                if text != other and (longer == name or longer.startswith(f"{name}.")):
                    words = f"{other} and {text} write the same place"
                    self.desk.add("E414", (*where, other), words, "put them together, or keep one", key=True)

    def _target(self, where: Where, text: str, resource: str, start: str, at: str) -> Target | None:
        many = text.endswith("[]")
        names = text.removesuffix("[]").split(".")
        desk = self.desk
        if names[0] != resource:
            hint = f"write {at}.{text}" if names[0][:1].islower() else f"the destination's resource is {resource}"
            desk.add("E460", where, f"'{text}' does not begin with {resource}", hint, key=True)
            return None
        inside = at.split(".")
        if names[: len(inside)] != inside or len(names) == len(inside):
            words = f"'{text}' is not inside {at}" if len(inside) > 1 else f"'{text}' names no element"
            desk.add("E460", where, words, f"write the whole path: {at}.…", key=True)
            return None
        kind, steps, element = start, [], None
        for number, name in enumerate(names[len(inside) :], len(inside)):
            element = self._element(where, kind, name, ".".join(names[:number]), text)
            if element is None:
                return None
            kind = element.types[0]
            steps.append((element.name, element.maximum is None or element.maximum > 1))
        assert element is not None  # noqa: S101 - there is at least one name
        if many and not steps[-1][1]:
            desk.add("E405", where, f"{text}: there is one {names[-1]} at most", "take the [] away", key=True)
            return None
        return Target(steps, element, kind, many)

    def _element(self, where: Where, kind: str, name: str, before: str, text: str) -> Element | None:
        element = fhir_model.element(kind, name)
        if "[" in name:
            words = f"{text}: [] stands at the end only"
            self.desk.add("E460", where, words, f"make {before}.{name.partition('[')[0]}[] a block with map:", key=True)
            return None
        if element is None:
            words = f"{before} has no element '{name}'"
            if kind in fhir_model.primitive_types():
                words, hint = f"{before} is {_a(kind)}; it has no parts", None
            else:
                hint = did_you_mean(name, fhir_model.names(kind))
            self.desk.add("E461", where, words, hint, key=True)
            return None
        if len(element.types) > 1:
            choices = [fhir_model.choice_name(name, one) for one in element.types]
            hint = f"write {' or '.join(choices)}" if len(choices) < 5 else f"write one of them, such as {choices[0]}"
            self.desk.add("E462", where, f"{before}.{name} is of several types", hint, key=True)
            return None
        return element

    def _inner(self, where: Where, block: Block, line: Line) -> None:
        target, text, name = line.target, line.text, line.name
        desk = self.desk
        if target.type in fhir_model.primitive_types():
            desk.add("E463", where, f"{text} is {_a(target.type)}: it has no map of its own", key=True)
            return
        loop, taken = None, ()
        if block.for_ is not None:
            if not target.many:
                desk.add("E405", where, f"for: needs [] at {text}", f"write {text}[]", key=True)
            entered = self.sources.entered(where, block)
            if entered is None:
                return
            loop, taken = entered
        actions, when = self._when(where, block.when)
        held = Held(target.type, where, name)
        outside = self.sources.inside
        self.sources.inside = (*outside, *taken)
        inner = self.block((*where, "map"), block.map, line.resource, held, name)
        self.sources.inside = outside
        required = block.required == "true"
        line.plan["parts"].append(
            inner
            | {
                "at": desk.at(where),
                "name": name,
                "to": target.steps,
                "for": loop,
                "source": block.for_ or "the map",
                "actions": actions,
                "when": when,
                "tests": [],
                "required": required,
                "code": block.code,
            }
        )
        certain = when is None and (required or loop is None)
        hold(line.held, target.steps, only_(actions), certain=certain, inside=held, where=where)

    def _rules(self, where: Where, item: Any, line: Line) -> None:
        if isinstance(item, Rule):
            self._rule(where, item, None, line)
            return
        for action, one in item.items():
            place = (*where, action)
            if action not in self.desk.actions:
                hint = did_you_mean(action, [*self.desk.actions, *(f.alias or n for n, f in Rule.model_fields.items())])
                words = f"'{action}' is no word of a rule and no action of the route"
                self.desk.add("E430", place, words, hint, key=True)
                continue
            rule = Rule(value=one) if isinstance(one, str) else one
            self._rule(place, rule, [action], line)

    def _rule(self, where: Where, rule: Rule, actions: list[str] | None, line: Line) -> None:
        target, name = line.target, line.name
        desk = self.desk
        named = [word for word in ("from_", "value", "site") if _word(rule, word) is not None]
        if len(named) != 1:
            words = "a rule has one source: from, value or site"
            desk.add("E024", where, words, f"it has {' and '.join(w.strip('_') for w in named) or 'none'}", key=True)
            return
        only, when = self._when(where, rule.when)
        found: Plan | None
        if rule.from_ is None:
            found = self._literal(where, rule, target, name)
        else:
            found = self._from(where, rule, target, name)
        if found is None:
            hold(line.held, target.steps, only_(actions or only), certain=True, inside=None, where=where)
            return
        depth = name.count(".")
        found |= {
            "at": desk.at(where), "name": name, "to": target.steps, "many": target.many, "actions": actions or only,
            "when": when, "tests": [], "required": rule.required == "true",
            "removes": depth == 1 and "literal" not in found,
        }  # fmt: skip
        line.plan["rules"].append(found)
        certain = when is None and ("literal" in found or rule.required == "true" or rule.default is not None)
        hold(line.held, target.steps, only_(actions or only), certain=certain, inside=None, where=where)

    def _literal(self, where: Where, rule: Rule, target: Target, name: str) -> Plan | None:
        extra = [word for word in ("table", "as_", "default", "on_unmapped") if _word(rule, word) is not None]
        if extra:
            words = f"'{extra[0].strip('_')}' goes with from only"
            self.desk.add("E024", (*where, extra[0].strip("_")), words, key=True)
            return None
        word = "value" if rule.value is not None else "site"
        place = (*where, word) if (*where, word) in self.desk.document else where
        if rule.value == NULL:
            return self._null(place, name)
        text = rule.value if rule.value is not None else self.desk.site_value(place, rule.site or "")
        if text is None or not self._fits_text(place, str(text), target, name):
            return None
        return {"literal": typed(target.type, str(text)), "source": "value" if rule.site is None else rule.site}

    def _null(self, where: Where, name: str) -> Plan | None:
        """Return what removes an element."""
        if name.count(".") > 1:
            words = f"{name} is inside an element, and only a whole element of the resource can be removed"
            self.desk.add("E464", where, words, f"remove {'.'.join(name.split('.')[:2])}")
            return None
        return {"null": True, "source": "value"}

    def _fits_text(self, where: Where, text: str, target: Target, name: str, row: str = "") -> bool:
        """Say whether a text of the file can stand in an element; a problem is noted when not."""
        of_row = f" (row {row})" if row else ""
        if target.type not in fhir_model.primitive_types():
            parts = ", ".join(fhir_model.names(target.type)[2:6])
            words = f"{name} is {_a(target.type)}; a text cannot stand there{of_row}"
            self.desk.add("E464", where, words, f"name one of its parts: {parts}")
            return False
        codes = target.element.codes
        if codes is not None and text not in codes:
            hint = did_you_mean(text, codes) or f"its codes are {', '.join(sorted(codes))}"
            self.desk.add("E465", where, f"'{text}'{of_row} is no code of {name}", hint)
            return False
        try:
            typed(target.type, text)
        except ValueError:
            self.desk.add("E464", where, f"'{text}'{of_row} is no {target.type}; {name} takes one")
            return False
        return True

    def _from(self, where: Where, rule: Rule, target: Target, name: str) -> Plan | None:
        desk = self.desk
        value = self.sources.value(where, rule, name=name, wanted=target.type)
        if value is None:
            return None
        plan, gives, repeats = value
        if repeats and not target.many:
            texts = [text for text in rule.from_ or [] if not text.startswith("%")]
            hint = self.sources.one_of(texts[0] if texts else "", name)
            desk.add("E105", (*where, "from"), f"{plan['source']} repeats, and {name} takes one value", hint)
            return None
        for code, cell in plan.get("cells", {}).items():
            place = (*where, "table", code) if (*where, "table", code) in desk.document else (*where, "table")
            if cell and not self._fits_text(place, cell, target, name, row=code):
                return None
        if rule.default is not None:
            if not self._fits_text((*where, "default"), rule.default, target, name):
                return None
            plan["default"] = typed(target.type, rule.default)
        if not self._fits(where, plan, gives, target, name):
            return None
        plan["type"] = target.type if gives == TEXT else plan["type"]
        if target.many:
            plan["from"] = [[*one[:2], True] if one[0] == "path" else one for one in plan["from"]]
        return plan

    def _fits(self, where: Where, plan: Plan, gives: str, target: Target, name: str) -> bool:
        place = (*where, "from")
        if gives != TEXT:
            if gives == target.type or target.type in _FITS.get(gives, ()):
                return True
            what = f"as: {plan['as']}" if "as" in plan else plan["source"]
            self.desk.add(
                "E464", (*where, "as") if "as" in plan else place, f"{what} gives {gives}; {name} is {_a(target.type)}"
            )
            return False
        if target.type not in _WRITTEN:
            hint = f"add as: {target.type}" if target.type in ("instant", "date", "dateTime") else None
            if target.type not in fhir_model.primitive_types():
                hint = f"add a format, or name one of its parts: {', '.join(fhir_model.names(target.type)[2:6])}"
            self.desk.add("E464", place, f"{plan['source']} is text; {name} is {_a(target.type)}", hint)
            return False
        if target.element.codes is not None and "cells" not in plan and plan["source"][:1] != "%":
            words = f"{name} takes only FHIR's codes, and {plan['source']} gives HL7's"
            self.desk.add("E465", place, words, "add a table: { M: male, … }")
            return False
        return True

    def _when(self, where: Where, when: Any) -> tuple[list[str] | None, list[Any] | None]:
        """Return the actions, and the condition, of a `when:`."""
        return self.sources.when((*where, "when"), when, self.events)


#: As HL7 writes that a value is removed (v2.5.1 chapter 2, 2.5.3).
NULL = '""'


def _a(type_name: str) -> str:
    return f"an {type_name}" if type_name[:1] in "aeiouAEIOU" else f"a {type_name}"


def _word(rule: Rule, word: str) -> Any:
    """Return one of a rule's own words: never a name that an analyst wrote."""
    return {
        "from_": rule.from_, "value": rule.value, "site": rule.site, "table": rule.table, "as_": rule.as_,
        "default": rule.default, "on_unmapped": rule.on_unmapped,
    }[word]  # fmt: skip
