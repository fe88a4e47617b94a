"""Whether a mapping gives all that HL7 requires, for every action; and the mapping as the plan keeps it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from transformers import hl7_tables
from transformers.mapping_desk import Desk, Where
from transformers.mapping_rules import Plan
from transformers.mapping_structure import Instance, applies
from transformers.mapping_target import HOST_FIELDS

#: MSH-11 is the host's too, unless a rule writes it (`endpoint.processing_id` of site.yaml).
_GIVEN = HOST_FIELDS | {11}


def certain(rule: Plan) -> bool:
    """Say whether a rule that applies always gives something or raises a problem."""
    if rule["tests"]:
        return False
    if "literal" in rule or "number" in rule or rule.get("required") or "default" in rule:
        return True
    return not rule["maybe"] and rule.get("unmapped") != "skip"


@dataclass(frozen=True, slots=True)
class Gap:
    """Something required that is missing, or may be; the actions are counted afterwards."""

    code: str
    where: Where
    text: str
    hint: str | None


@dataclass(slots=True)
class Completeness:
    """Walks a message, action by action."""

    desk: Desk
    version: str
    structure: str
    #: Keys of the map that have mistakes of their own.
    lost: frozenset[str]
    gaps: dict[Gap, list[str]] = field(default_factory=dict)

    def check(self, root: Instance, actions: list[str]) -> None:
        """Note a problem for each required segment and field that is not mapped, or may be left empty."""
        for action in actions:
            for gap in self._group(root, action):
                self.gaps.setdefault(gap, []).append(action)
        for gap, found in self.gaps.items():
            of = "" if len(found) == len(actions) else f" (action {', '.join(found)})"
            self.desk.add(gap.code, gap.where, gap.text + of, gap.hint, key=True)

    def _is_lost(self, name: str) -> bool:
        """Say whether a line with mistakes of its own was to write a group, a segment or a field."""
        return any(key == name or key.startswith((f"{name}-", f"{name}.", f"{name}[")) for key in self.lost)

    def _group(self, group: Instance, action: str) -> Iterator[Gap]:
        missing = []
        present = False
        for position, part in enumerate(group.part.parts):
            if part.name == "MSH":
                yield from self._msh(group.children.get(position, []), action)
                continue
            instances = [one for one in group.children.get(position, ()) if one.applies(action)]
            present = present or bool(instances)
            if not instances and part.minimum:
                missing.append(part)
            if instances and part.minimum and not any(self._certain(one, action) for one in instances):
                yield self._maybe_absent(instances[0])
            for instance in instances:
                yield from self._segment(instance, action) if part.is_segment else self._group(instance, action)
        if group.part.choice and present:
            return
        for part in missing:
            if any(self._is_lost(name) for name in (part.name, *part.segments())):
                continue
            what = "the segment" if part.is_segment else "the group"
            inside = "" if group.part.name == self.structure else f" in {group.part.name}"
            text = f"{self.structure} requires {what} {part.name}{inside}, and nothing maps it"
            first = next((name for name in part.segments() if name), part.name)
            yield Gap("E409", group.where, text, f"add rules for {first}, such as {first}-1")

    def _maybe_absent(self, instance: Instance) -> Gap:
        name = instance.part.name
        if instance.for_ is not None:
            text = f"{self.structure} requires {name}, and for: {instance.for_.text} may give nothing"
            return Gap("E408", (*instance.where, "for"), text, "add required: true to the block")
        text = f"{self.structure} requires {name}, and all its rules may give nothing"
        return Gap("E408", instance.where, text, "add required: true or default: to one of them")

    def _certain(self, instance: Instance, action: str) -> bool:
        if instance.tests:
            return False
        if instance.for_ is not None and not instance.for_.gives.minimum and not instance.required:
            return False
        if instance.part.is_segment:
            return any(certain(rule) for rule in instance.rules if applies(rule, action))
        inside = (child for children in instance.children.values() for child in children)
        return any(self._certain(child, action) for child in inside)

    def _msh(self, instances: list[Instance], action: str) -> Iterator[Gap]:
        for instance in instances:
            yield from self._segment(instance, action)

    def _segment(self, segment: Instance, action: str) -> Iterator[Gap]:
        name = segment.part.name
        if name.startswith("Z"):
            return
        rules = [rule for rule in segment.rules if applies(rule, action)]
        for one in hl7_tables.fields(self.version, name):
            if not one.minimum or not one.datatype or (name == "MSH" and one.number in _GIVEN):
                continue
            mine = [rule for rule in rules if rule["to"][0] == one.number]
            words = f"{name}-{one.number} {one.name}"
            if not mine and self._is_lost(f"{name}-{one.number}"):
                continue
            if not mine:
                text = f"{words} is required in HL7 {self.version}, and nothing maps it"
                yield Gap("E407", segment.where, text, f"add {name}-{one.number} to the map")
            elif not any(certain(rule) for rule in mine):
                yield self._maybe_empty(words, mine[0])

    def _maybe_empty(self, words: str, rule: Plan) -> Gap:
        if rule["tests"]:
            why, hint = "its 'when' may be false", "leave when: out, or add a line for the other case"
        else:
            why, hint = f"{rule['source']} may give nothing", "add required: true, or a default"
        return Gap("E408", rule["where"], f"{words} is required in HL7 {self.version}, and {why}", hint)


def parts(desk: Desk, group: Instance) -> list[dict[str, Any]]:
    """Return the segments and groups of a message as the plan keeps them, in the order of the structure."""
    return list(_parts(desk, group, ()))


def _parts(desk: Desk, group: Instance, above: tuple[bool, ...]) -> Iterator[dict[str, Any]]:
    """`above`: for each group around, from the outside, whether HL7 repeats it."""
    for position in sorted(group.children):
        for instance in group.children[position]:
            repeats = instance.part.maximum != 1
            levels = (*above, repeats)
            part: dict[str, Any] = {
                "at": desk.at(instance.where),
                "for": instance.for_ and instance.for_.tree,
                "source": instance.for_ and instance.for_.text,
                "var": instance.name,
                "tests": list(instance.tests),
                "required": instance.required,
                "code": instance.code,
            }
            if instance.part.is_segment:
                rules = [_counted(rule, levels) for rule in instance.rules]
                yield {"segment": instance.part.name, "rules": rules, **part}
            else:
                yield {"group": instance.part.name, "parts": list(_parts(desk, instance, levels)), **part}


def _counted(rule: Plan, levels: tuple[bool, ...]) -> Plan:
    """Say what `number: true` counts: steps up from the segment to the nearest part that HL7 repeats."""
    kept = {key: value for key, value in rule.items() if key not in ("where", "maybe")}
    if "parts" in rule:
        kept["parts"] = [_counted(one, (*levels, True)) for one in rule["parts"]]
    if "number" in rule:
        kept["number"] = next((up for up, repeats in enumerate(reversed(levels)) if repeats), len(levels))
    return kept
