"""A parsed HL7 v2 message as its groups, and the values that stand at a path. For mappings that read HL7.

The groups are those of the message structure; a segment goes to the innermost open group that has it. Segments that
the structure does not have (Z-segments) stay where they come. Source: HL7 v2.5.1 chapter 2, 2.12 and 2.5.3 (null).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from transformers.er7 import Segment
from transformers.format import Repetition

#: `""`, HL7's "delete what you have": not the same as empty, which is "no news" (2.5.3).
NULL = '""'

#: The groups of a structure: name, group around, own segments in order; the whole message first, as "".
Groups = Sequence[tuple[str, str, Sequence[str]]]
#: What a block stands in: `["field", segment, number]`, `["segment", group, segment]` or `["group", name]`.
Loop = Sequence[Any]


@dataclass(slots=True)
class Node:
    """One occurrence of a group."""

    group: str
    segments: list[Segment] = field(default_factory=list)
    children: list[Node] = field(default_factory=list)
    #: What was looked for in it before.
    _found: dict[tuple[str, str], list[Segment]] = field(default_factory=dict)

    def all(self) -> Iterator[Node]:
        """Return this occurrence and those inside it, in the order of the message."""
        yield self
        for child in self.children:
            yield from child.all()

    def find(self, group: str, name: str) -> list[Segment]:
        """Return the segments of this name that stand directly in a group here; "*" is any group."""
        key = (group, name)
        if key not in self._found:
            inside = [node for node in self.all() if group in ("*", node.group)]
            self._found[key] = [segment for node in inside for segment in node.segments if segment[0] == name]
        return self._found[key]


def grouped(segments: Sequence[Segment], groups: Groups) -> Node:
    """Return the message as a tree of its groups."""
    own = {name: tuple(names) for name, _, names in groups}
    above = {name: around for name, around, _ in groups}
    root = Node("")
    stack = [root]
    for segment in segments:
        name = segment[0]
        depth = _taker(stack, own, name)
        if depth is None and (group := next((group for group, names in own.items() if name in names), None)):
            while stack[-1].group and not _is_inside(group, stack[-1].group, above):
                stack.pop()
            for step in _way(group, stack[-1].group, above):
                node = Node(step)
                stack[-1].children.append(node)
                stack.append(node)
        elif depth is not None:
            del stack[depth + 1 :]
        stack[-1].segments.append(segment)
    return root


def _taker(stack: Sequence[Node], own: Mapping[str, Sequence[str]], name: str) -> int | None:
    """Return the position of the innermost open group that takes a segment; one that it begins anew takes it not."""
    for depth in range(len(stack) - 1, -1, -1):
        node = stack[depth]
        begins = bool(node.group) and own[node.group][:1] == (name,)  # a group may hold groups alone
        if name in own[node.group] and not (begins and node.segments):
            return depth
    return None


def _is_inside(group: str, around: str, above: Mapping[str, str]) -> bool:
    while group and group != around:
        group = above[group]
    return group == around and bool(group)


def _way(group: str, start: str, above: Mapping[str, str]) -> list[str]:
    """Return the groups to open, from the outside, to get from `start` into `group`."""
    way: list[str] = []
    while group and group != start:
        way.insert(0, group)
        group = above[group]
    return way or [group]


@dataclass(frozen=True, slots=True)
class Scope:
    """Where a rule looks: the whole message, or one repetition of a block's `for:`."""

    #: The groups around, the innermost last.
    nodes: tuple[Node, ...]
    #: Segments and fields that `for:` has taken: "NTE" or ("PID", 3).
    taken: Mapping[Any, Any] = field(default_factory=dict)

    def segments(self, group: str, name: str) -> list[Segment]:
        """Return the segments of this name that stand directly in a group; of the nearest group around."""
        if name in self.taken:
            return [self.taken[name]]
        for node in reversed(self.nodes):
            found = node.find(group, name)
            if found:
                return found
        return []

    def repetitions(self, group: str, segment: str, number: int) -> list[list[Repetition]]:
        """Return the repetitions of a field, for each of its segments."""
        if (segment, number) in self.taken:
            return [[self.taken[segment, number]]]
        return [one[number] for one in self.segments(group, segment) if number < len(one)]

    def each(self, loop: Loop) -> Iterator[Scope]:
        """Return the scopes of a block, one for each thing of its `for:`."""
        if loop[0] == "group":
            for node in self.nodes[-1].all():
                if node.group == loop[1]:
                    yield Scope((*self.nodes, node), self.taken)
        elif loop[0] == "segment":
            for segment in self.segments(loop[1], loop[2]):
                yield Scope(self.nodes, {**self.taken, loop[2]: segment})
        else:
            for repetition in next(iter(self.repetitions(*loop[1:])), []):
                if not is_empty(repetition):
                    yield Scope(self.nodes, {**self.taken, (loop[2], loop[3]): repetition})


def read(scope: Scope, path: Sequence[Any], *, every: bool) -> list[Repetition]:
    """Return what stands at `[group, segment, field, repetition, component, subcomponent]`, empty ones left out.

    Each is a repetition; a component is given as the components of its own data type. `every`: of all segments of this
    name, not of the first.
    """
    group, segment, number, repetition, component, subcomponent = path
    fields = scope.repetitions(group, segment, number)
    found = [one for field_ in (fields if every else fields[:1]) for one in _chosen(field_, repetition)]
    parts = [_part(one, component, subcomponent) for one in found]
    return [part for part in parts if not is_empty(part)]


def _chosen(repetitions: list[Repetition], number: int | None) -> list[Repetition]:
    return repetitions if number is None else repetitions[number - 1 : number]


def _part(repetition: Repetition, component: int | None, subcomponent: int | None) -> Repetition:
    if component is None or is_null(repetition):
        return repetition
    subcomponents = repetition[component - 1] if component <= len(repetition) else [""]
    if subcomponent is None:
        return [[text] for text in subcomponents]
    return [[subcomponents[subcomponent - 1]]] if subcomponent <= len(subcomponents) else []


def is_empty(repetition: Repetition) -> bool:
    """Say whether a repetition holds nothing."""
    return not any(text for component in repetition for text in component)


def is_null(repetition: Repetition) -> bool:
    """Say whether a repetition is HL7's null."""
    return first(repetition) == NULL and not any(text for component in repetition[1:] for text in component)


def first(repetition: Repetition) -> str:
    """Return the first component's first part."""
    return repetition[0][0] if repetition and repetition[0] else ""
