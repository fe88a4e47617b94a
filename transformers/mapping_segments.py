"""The left side of a mapping at run time: the segments of one message, written by the rules of one action."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from transformers.fhir_path import Scope, compile_test, compile_values
from transformers.hl7_validation import FieldRule, SegmentRule, Validator
from transformers.mapping_fields import all_true, fields, things
from transformers.mapping_given import Compiler
from transformers.mapping_run import Plan, Run
from transformers.mapping_text import Numbers, Part, Write, joined, last_given, writer

#: Appends segments; is told how many of its kind there are before, and returns how many there are then.
Build = Callable[[Run, Scope, Numbers, list[str], int], int]


class Builder:
    """Compiles the parts of a plan for one action.

    Args:
        compiler: of the action.
        validator: of the message's structure.
        host: fields of MSH that the host writes, by number; what a rule gives for one of them goes before.
    """

    def __init__(self, compiler: Compiler, validator: Validator, host: Mapping[int, Part]) -> None:
        self._compiler = compiler
        self._validator = validator
        self._host = host

    def message(self, parts: Sequence[Plan]) -> Build:
        """Compile a whole message. It begins with an MSH, even where no rule writes one."""
        if not parts or parts[0].get("segment") != "MSH":
            parts = [{"segment": "MSH", "rules": [], "tests": [], "for": None}, *parts]
        return self._group(parts)

    def _group(self, parts: Sequence[Plan]) -> Build:
        """Compile the parts of a message or group, in order."""
        nodes: list[tuple[int, Build]] = []
        kinds: dict[str, int] = {}
        for part in parts:
            node = self._node(part)
            if node is not None:
                nodes.append((kinds.setdefault(_name(part), len(kinds)), node))

        if len(kinds) == len(nodes):
            return _each_once([node for _, node in nodes])

        def build(run: Run, scope: Scope, numbers: Numbers, out: list[str], before: int) -> int:
            inside = (*numbers, before + 1)
            counts = [0] * len(kinds)
            length = len(out)
            for kind, node in nodes:
                counts[kind] = node(run, scope, inside, out, counts[kind])
            return before + (len(out) > length)

        return build

    def _node(self, part: Plan) -> Build | None:
        """Compile a segment or group, with its `for:` and `when:`; None when no rule of it applies to the action."""
        if not self._applies(part):
            return None
        node = self._segment(part) if "segment" in part else self._group(part["parts"])
        if part["for"] is not None:
            node = _repeated(part, node)
        return _guarded(part, node) if part["tests"] else node

    def _applies(self, part: Plan) -> bool:
        if "segment" in part:
            return part["segment"] == "MSH" or any(map(self._compiler.applies, part["rules"]))
        return any(map(self._applies, part["parts"]))

    def _segment(self, part: Plan) -> Build:
        name = part["segment"]
        write = writer(self._text(name, [rule for rule in part["rules"] if self._compiler.applies(rule)]))

        def build(run: Run, scope: Scope, numbers: Numbers, out: list[str], before: int) -> int:
            text = write(run, scope, (*numbers, before + 1))
            if text == name:
                return before
            out.append(text)
            return before + 1

        return build

    def _text(self, name: str, rules: Sequence[Plan]) -> Part:
        """Compile what a segment's rules write."""
        hl7 = self._validator.segment(name)
        parts = fields(self._compiler, rules, lambda number: hl7.fields[number - 1] if hl7 else None)
        if name == "MSH":
            # MSH-1 is the separator between the segment's name and MSH-2.
            parts = {number - 1: part for number, part in self._with_host(parts).items()}
        elif hl7:
            self._look_at(parts, hl7)
        if name == "OBX" and 5 in parts:
            # Its type stands in OBX-2 of each message.
            self._compiler.doubtful = True
        return joined("|", {0: name, **parts})

    def _with_host(self, parts: dict[int, Part]) -> dict[int, Part]:
        """Return all fields of MSH by number."""
        hl7 = self._validator.segment("MSH")
        both = {number: [_tested(part, hl7.fields[number - 1]) if hl7 else part] for number, part in self._host.items()}
        for number, part in parts.items():
            both.setdefault(number, []).append(part)
        return {number: last_given(found) for number, found in both.items()}

    def _look_at(self, parts: dict[int, Part], hl7: SegmentRule) -> None:
        """Let no message pass the quick look without a required field of this segment."""
        for number in hl7.required:
            part = parts.get(number, "")
            if not isinstance(part, str):
                parts[number] = _needed(part)
            elif _is_missing(part):
                self._compiler.doubtful = True


def _each_once(nodes: Sequence[Build]) -> Build:
    """A message or group whose parts are all of different kinds, as nearly always."""

    def build(run: Run, scope: Scope, numbers: Numbers, out: list[str], before: int) -> int:
        inside = (*numbers, before + 1)
        length = len(out)
        for node in nodes:
            node(run, scope, inside, out, 0)
        return before + (len(out) > length)

    return build


def _name(part: Plan) -> str:
    name: str = part.get("segment") or part["group"]
    return name


def _is_missing(text: str) -> bool:
    return not text or '""' in text


def _tested(part: Part, hl7: FieldRule) -> Part:
    """Return a field that is one text, with a quick look at whether HL7 allows it."""
    if isinstance(part, str):
        return part
    tests = (hl7.type and hl7.type.tests(0, 0)) or ()

    def tested(run: Run, scope: Scope, numbers: Numbers) -> str:
        text = part(run, scope, numbers)
        if not all(test(text) for test in tests):
            run.doubtful = True
        return text

    return tested


def _needed(write: Write) -> Write:
    def needed(run: Run, scope: Scope, numbers: Numbers) -> str:
        text = write(run, scope, numbers)
        if _is_missing(text):
            run.doubtful = True
        return text

    return needed


def _repeated(part: Plan, node: Build) -> Build:
    """A segment or group that is built once for each thing of its `for:`."""
    path, name = compile_values(part["for"]), part["var"]

    def build(run: Run, scope: Scope, numbers: Numbers, out: list[str], before: int) -> int:
        count = before
        for thing in things(path, run, scope, part):
            count = node(run, scope.nested({name: [thing]}) if name else scope, numbers, out, count)
        if count == before and part["required"]:
            run.wrong("E301", part, f"{_name(part)} is required: {part['source']} gave nothing")
        return count

    return build


def _guarded(part: Plan, node: Build) -> Build:
    """A part with conditions of its own."""
    tests = [compile_test(tree) for tree in part["tests"]]

    def build(run: Run, scope: Scope, numbers: Numbers, out: list[str], before: int) -> int:
        return node(run, scope, numbers, out, before) if all_true(tests, run, scope, part) else before

    return build
