"""The DICOM side of a mapping, checked: keywords and tags, representations, how many values, what is missing."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from transformers.dicom_dictionary import Attribute, attribute, fits, nearest
from transformers.dicom_formats import DICOM_FORMATS
from transformers.dicom_objects import BY_THE_HOST, OBJECTS
from transformers.fhir_model import Element
from transformers.hl7_mapping_complete import Held
from transformers.hl7_mapping_model import Block, Rule
from transformers.hl7_mapping_sources import TEXT, Plan
from transformers.hl7_mapping_targets import Line, Target, Targets
from transformers.mapping_desk import Desk, Where

#: What a sequence, and the data set itself, is called where a type is asked for.
SEQUENCE = "SQ"


@dataclass(slots=True)
class DicomTargets(Targets):
    """Reads a `map:`."""

    def _target(self, where: Where, text: str, resource: str, start: str, at: str) -> Target | None:  # noqa: ARG002 - as its base says
        """Check a keyword, a tag, or the way through sequences to one; `at` is the sequence that a block is in."""
        many = text.endswith("[]")
        names = text.removesuffix("[]").split(".")
        inside = at.split(".") if at else []
        found = [self._attribute(where, name, text) for name in names]
        steps = [(one.keyword, one.vr == SEQUENCE or one.most != 1) for one in found if one is not None]
        if len(steps) < len(names):
            return None
        if [name for name, _ in steps][: len(inside)] != inside or len(names) == len(inside):
            self.desk.add("E460", where, f"'{text}' is not inside {at}", f"write the whole way: {at}.…", key=True)
            return None
        attributes = [one for one in found if one is not None]
        for one in attributes[:-1]:
            if one.vr != SEQUENCE:
                self.desk.add("E463", where, f"{one.keyword} is {one.vr}, no sequence: nothing is inside it", key=True)
                return None
        last = attributes[-1]
        if many and not steps[-1][1]:
            self.desk.add("E405", where, f"{text}: there is one {last.keyword} at most", "take the [] away", key=True)
            return None
        plain = [*steps[len(inside) : -1], (last.keyword, last.vr == SEQUENCE or many)]
        return Target(plain, Element(last.keyword, (last.vr,), 0, last.most), last.vr, many)

    def _attribute(self, where: Where, name: str, text: str) -> Attribute | None:
        found = attribute(name)
        if found is None:
            near = nearest(name)
            hint = f"did you mean '{near}'?" if near else "a keyword such as PatientName, or a tag such as (0010,0010)"
            self.desk.add("E700", where, f"DICOM has no attribute '{name}'", hint, key=True)
            return None
        if found.keyword in BY_THE_HOST or found.tag >> 16 == 2:
            words = f"{text} is written by the host: the destination's object says which class"
            self.desk.add("E702", where, words, "take the line away", key=True)
            return None
        if found.retired:
            words = f"{found.keyword} {found.shown} is retired from DICOM"
            self.desk.add("E703", where, words, "look for what stands in its place", key=True, severity="warning")
        return found

    def _inner(self, where: Where, block: Block, line: Line) -> None:
        if line.target.type != SEQUENCE:
            words = f"{line.name} is {line.target.type}, no sequence: it has no map of its own"
            self.desk.add("E463", where, words, key=True)
            return
        Targets._inner(self, where, block, line)  # noqa: SLF001  # a dataclass with slots has no zero-argument super

    def _fits_text(self, where: Where, text: str, target: Target, name: str, row: str = "") -> bool:
        of_row = f" (row {row})" if row else ""
        if target.type == SEQUENCE:
            self.desk.add(
                "E464", where, f"{name} is a sequence; a text cannot stand there{of_row}", "name an attribute inside"
            )
            return False
        if not fits(target.type, text):
            words = f"'{text}'{of_row} is no {target.type}; {name} takes one (DICOM PS3.5, 6.2)"
            self.desk.add("E701", where, words)
            return False
        return True

    def _from(self, where: Where, rule: Rule, target: Target, name: str) -> Plan | None:
        plan = Targets._from(self, where, rule, target, name)  # noqa: SLF001  # as above
        return None if plan is None else plan | {"vr": target.type}

    def _fits(self, where: Where, plan: Plan, gives: str, target: Target, name: str) -> bool:
        if target.type == SEQUENCE:
            words = f"{name} is a sequence, which is written by a block"
            self.desk.add("E464", (*where, "from"), words, f"write {name}: {{ map: … }}")
            return False
        if "as" in plan or "cells" in plan:
            return True
        needed = [one for one, its in DICOM_FORMATS.items() if target.type in its.fits and gives in its.accepts]
        if gives != TEXT and (needed or gives[:1].isupper()):
            words = f"{plan['source']} gives {gives}; {name} is {target.type}"
            self.desk.add("E464", (*where, "from"), words, f"add as: {needed[0]}" if needed else None)
            return False
        if target.type == "OB":
            words = f"{plan['source']} gives {gives}; {name} is bytes"
            self.desk.add("E464", (*where, "from"), words, "as: document")
            return False
        return True


def complete(desk: Desk, held: Held, name: str) -> None:
    """Note a problem for each attribute that must have a value and is not mapped, or may be left empty."""
    actions = list(desk.actions)
    for path in OBJECTS[name].required:
        lines = list(_lines(held, path.split(".")))
        if any(sure and (of is None or set(actions) <= of) for of, sure, _ in lines):
            continue
        covered = {action for of, sure, _ in lines if sure for action in (actions if of is None else of)}
        bare = [action for action in actions if action not in covered]
        of = "" if len(bare) == len(actions) else f" (action {', '.join(bare)})"
        if lines:
            words = f"{path} must have a value in object {name}, and its line may give nothing{of}"
            desk.add("E705", lines[0][2], words, "add required: true, or a default", key=True)
        else:
            words = f"{path} must have a value in object {name}, and nothing maps it{of}"
            desk.add("E704", held.where, words, f"add {path}", key=True)


def _lines(held: Held, steps: list[str]) -> Iterator[tuple[frozenset[str] | None, bool, Where]]:
    """Yield what writes an attribute: for which actions, whether it always gives something, and where it stands."""
    name, *rest = steps
    for of, sure, inside, where in held.parts.get(name, ()):
        if not rest:
            yield of, sure, where
        elif inside is not None:
            for inner_of, inner_sure, inner_where in _lines(inside, rest):
                both = inner_of if of is None else of if inner_of is None else of & inner_of
                yield both, sure and inner_sure, inner_where
