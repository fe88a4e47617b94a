"""The left side of a mapping at run time: the segments of one message, written by the rules of one action."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence

from transformers.fhir_path import Scope, compile_test, compile_values
from transformers.hl7_validation import FieldRule, SegmentRule, Validator
from transformers.mapping_fields import all_true, fields, things
from transformers.mapping_given import Compiler
from transformers.mapping_run import Plan, Run
from transformers.mapping_text import Levels, Numbers, Part, Write, joined, last_given, writer

#: Appends segments; is told how many of its kind there are before, and returns how many there are then.
Build = Callable[[Run, Scope, Numbers, list[str], int], int]
#: A part of a message, and what its kind is counted under where the kind has more than one part.
Node = tuple[object, Build]


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
        return _in_order(self._nodes(parts, ()), counted=False)

    def _nodes(self, parts: Sequence[Plan], levels: Levels) -> list[Node]:
        """Compile the parts of a message or group, in order, without those that no rule of the action writes."""
        parts = [part for part in parts if self._applies(part)]
        kinds = Counter(map(_name, parts))
        nodes: list[Node] = []
        for part in parts:
            several = kinds[_name(part)] > 1
            counted = several or part["for"] is not None
            inside = (*levels, counted)
            if "segment" in part:
                node = self._segment(part, inside)
            elif counted or part["tests"]:
                node = _in_order(self._nodes(part["parts"], inside), counted=counted)
            else:
                # Its segments stand as they would without the group.
                nodes += self._nodes(part["parts"], inside)
                continue
            if part["for"] is not None:
                node = _repeated(part, node)
            if part["tests"]:
                node = _guarded(part, node)
            nodes.append(((id(parts), _name(part)) if several else None, node))
        return nodes

    def _applies(self, part: Plan) -> bool:
        if "segment" in part:
            return part["segment"] == "MSH" or any(map(self._compiler.applies, part["rules"]))
        return any(map(self._applies, part["parts"]))

    def _segment(self, part: Plan, levels: Levels) -> Build:
        name, counted = part["segment"], levels[-1]
        rules = [rule for rule in part["rules"] if self._compiler.applies(rule)]
        write = writer(self._text(name, rules, levels))

        def build(run: Run, scope: Scope, numbers: Numbers, out: list[str], before: int) -> int:
            text = write(run, scope, (*numbers, before + 1) if counted else numbers)
            if text == name:
                return before
            out.append(text)
            return before + 1

        return build

    def _text(self, name: str, rules: Sequence[Plan], levels: Levels) -> Part:
        """Compile what a segment's rules write."""
        hl7 = self._validator.segment(name)
        parts = fields(self._compiler, rules, levels, lambda number: hl7.fields[number - 1] if hl7 else None)
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
            elif not part or '""' in part:
                self._compiler.doubtful = True


def _in_order(nodes: Sequence[Node], *, counted: bool) -> Build:
    """Return what builds the parts of a message or group."""
    build_all = _counting(nodes) if any(kind for kind, _ in nodes) else _each_once([node for _, node in nodes])

    def build(run: Run, scope: Scope, numbers: Numbers, out: list[str], before: int) -> int:
        length = len(out)
        build_all(run, scope, (*numbers, before + 1) if counted else numbers, out)
        return before + (len(out) > length)

    return build


def _each_once(nodes: Sequence[Build]) -> Callable[[Run, Scope, Numbers, list[str]], None]:
    """Build parts that are all of different kinds, as nearly always."""

    def build(run: Run, scope: Scope, numbers: Numbers, out: list[str]) -> None:
        for node in nodes:
            node(run, scope, numbers, out, 0)

    return build


def _counting(nodes: Sequence[Node]) -> Callable[[Run, Scope, Numbers, list[str]], None]:
    """Build parts of which some are of one kind: they are numbered together."""

    def build(run: Run, scope: Scope, numbers: Numbers, out: list[str]) -> None:
        counts: Counter[object] = Counter()
        for kind, node in nodes:
            counts[kind] = node(run, scope, numbers, out, counts[kind] if kind else 0)

    return build


def _name(part: Plan) -> str:
    name: str = part.get("segment") or part["group"]
    return name


def _tested(part: Part, hl7: FieldRule) -> Part:
    """Return a field that is one text, with a quick look at whether HL7 allows it."""
    if isinstance(part, str) or hl7.type is None:
        return part
    tests = hl7.type.tests(0, 0) or ()

    def tested(run: Run, scope: Scope, numbers: Numbers) -> str:
        text = part(run, scope, numbers)
        for test in tests:
            if not test(text):
                run.doubtful = True
        return text

    return tested


def _needed(write: Write) -> Write:
    def needed(run: Run, scope: Scope, numbers: Numbers) -> str:
        text = write(run, scope, numbers)
        if not text or '""' in text:
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
