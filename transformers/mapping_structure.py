"""Where the lines of a mapping stand in the structure of their message: segments, groups and their repetitions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from transformers import hl7_path, hl7_tables
from transformers.fhir_path_types import ANY, Typed
from transformers.mapping_desk import Desk, Where
from transformers.mapping_model import Block, Rule
from transformers.mapping_paths import Expression, Paths
from transformers.mapping_rules import Conditions, Context, Plan, conditions, per_action, single
from transformers.mapping_target import TargetDef, target

Targets = Mapping[str, Any]


@dataclass(slots=True)
class Instance:
    """A segment or group that a mapping writes: once, or once for each thing of its `for:`."""

    part: hl7_tables.Part
    where: Where
    for_: Expression | None = None
    name: str | None = None
    tests: tuple[Any, ...] = ()
    required: bool = False
    code: str | None = None
    #: Written with `[]`, or an item of a list of blocks: stands beside others of its kind.
    explicit: bool = False
    rules: list[Plan] = field(default_factory=list)
    #: By the position of the part in the structure.
    children: dict[int, list[Instance]] = field(default_factory=dict)

    def applies(self, action: str) -> bool:
        """Say whether any rule in it applies to an action."""
        inside = (child for children in self.children.values() for child in children)
        return any(applies(rule, action) for rule in self.rules) or any(child.applies(action) for child in inside)


@dataclass(slots=True)
class Level:
    """A `map:` and what is around it: where its lines go, and where `same:` may look."""

    instance: Instance
    where: Where
    targets: Targets
    context: Context
    around: Level | None = None


def applies(rule: Plan, action: str) -> bool:
    """Say whether a rule applies to an action, whatever its other conditions say."""
    return rule["actions"] is None or action in rule["actions"]


@dataclass(slots=True)
class Placer:
    """Puts the lines of a mapping into one message structure."""

    paths: Paths
    version: str
    #: Such as SIU_S12.
    structure: str
    #: The actions whose messages have this structure.
    actions: frozenset[str]
    #: Keys of lines and blocks that could not be placed: their mistakes are noted, and what they leave empty is not.
    lost: set[str] = field(default_factory=set)

    @property
    def desk(self) -> Desk:
        """The check that this is a part of."""
        return self.paths.desk

    def place(self, where: Where, targets: Targets) -> Instance:
        """Return the message as the mapping makes it; problems are noted."""
        root = Instance(hl7_tables.structure(self.version, self.structure), where)
        self._fill(Level(root, where, targets, Context()))
        return root

    def _fill(self, level: Level) -> None:
        for key, goal in level.targets.items():
            where = (*level.where, key)
            if isinstance(goal, Block):
                self._block(level, where, key, goal)
            elif isinstance(goal, list):
                for position, block in enumerate(goal):
                    self._block(level, (*where, position), key, block, one_of=len(goal))
            else:
                self._line(level, where, key, goal)

    # -- lines -----------------------------------------------------------------------------------------------------

    def _line(self, level: Level, where: Where, key: str, rule: Rule | Mapping[str, str | Rule]) -> None:
        repeats = key.endswith("[]")
        goal = target(self.desk, where, key.removesuffix("[]"), self.version, repeats=repeats)
        plans = self._plans(level, where, goal, rule) if goal else []
        if goal is None or not plans:
            self.lost.add(key)
            return
        plans = [plan for plan in plans if any(applies(plan, action) for action in self.actions)]
        if plans:
            instance = self._single(level, where, goal.path.segment)
            if instance is None:
                self.lost.add(key)
            else:
                self._write(where, instance, plans)

    def _plans(self, level: Level, where: Where, goal: TargetDef, rule: Rule | Mapping[str, str | Rule]) -> list[Plan]:
        if not isinstance(rule, Rule):
            return per_action(self.paths, where, goal, rule, level.context)
        if rule.same is None:
            return single(self.paths, where, goal, rule, level.context)
        return self._same(level, where, goal, rule)

    def _same(self, level: Level, where: Where, goal: TargetDef, rule: Rule) -> list[Plan]:
        """Return the plans of `same:`; the other target is looked for in this `map:` and in those around it."""
        place = (*where, "same")
        if rule.model_fields_set - {"same", "when", "note"}:
            self.desk.add("E024", where, "'same' takes the other rule as it is: only 'when' may stand with it")
        around: Level | None = level
        while around is not None:
            found = around.targets.get(rule.same or "")
            if isinstance(found, Rule | Mapping):
                break
            around = around.around
        else:
            known = [key for key, value in level.targets.items() if isinstance(value, Rule | Mapping)]
            near = hl7_tables.nearest(rule.same or "", known)
            self.desk.add("E026", place, f"no rule for {rule.same} here", f"did you mean '{near}'?" if near else None)
            return []
        if isinstance(found, Rule) and found.same is not None:
            self.desk.add("E026", place, f"{rule.same} is 'same' itself", f"write same: {found.same}")
            return []
        when = conditions(self.paths, (*where, "when"), rule.when, level.context)
        there = replace(level, context=replace(level.context, when=when))
        before = list(self.desk.problems)
        plans = self._plans(there, (*around.where, rule.same or ""), goal, found)
        said = {(problem.code, problem.place) for problem in before}
        new = [problem for problem in self.desk.problems if problem not in before]
        self.desk.problems[:] = before + [one for one in new if (one.code, one.place) not in said]
        return [plan | {"at": self.desk.at(where), "where": tuple(where)} for plan in plans]

    def _write(self, where: Where, instance: Instance, plans: list[Plan]) -> None:
        """Add rules to a segment, unless another writes the same place of the same message."""
        for plan in plans:
            twice = next((other for other in instance.rules if self._clash(plan, other)), None)
            if twice is None:
                instance.rules.append(plan)
            else:
                line = twice["at"].rsplit(":", 2)[1]
                self.desk.add("E414", where, f"{plan['name']} is written twice: see line {line}", key=True)

    def _clash(self, one: Plan, other: Plan) -> bool:
        if (one["tests"] or other["tests"]) and one["to"] == other["to"]:
            return False
        both = [action for action in self.actions if applies(one, action) and applies(other, action)]
        places = zip(_address(one), _address(other), strict=True)
        return bool(both) and all(a is None or b is None or a == b for a, b in places)

    # -- blocks ----------------------------------------------------------------------------------------------------

    def _block(self, level: Level, where: Where, key: str, block: Block, one_of: int = 0) -> None:
        before = len(self.desk.problems)
        self._place_block(level, where, key, block, one_of)
        if len(self.desk.problems) > before:
            self.lost |= {key, *_keys(block)}

    def _place_block(self, level: Level, where: Where, key: str, block: Block, one_of: int) -> None:
        try:
            named = hl7_path.parse_block(key)
        except ValueError as error:
            self.desk.add("E401", where, str(error), key=True)
            return
        if block.for_ is None and named.repeats and not one_of:
            hint = f"write {key.removesuffix('[]')} for a single one"
            self.desk.add("E021", where, f"{key} repeats: 'for' is missing", hint, key=True)
            return
        if block.for_ is not None and not named.repeats:
            text = f"'for' goes with [] on the name: {named.name}[]"
            self.desk.add("E405", (*where, "for"), text, key=True)
            return
        if block.name and (block.name in self.paths.lets or block.name in level.context.inside):
            self.desk.add("E025", (*where, "name"), f"the name {block.name} is taken")
            return
        when = conditions(self.paths, (*where, "when"), block.when, level.context)
        if when.actions is not None and not when.actions & self.actions:
            return
        context = replace(level.context, when=when)
        if named.field:
            self._field_block(level, where, key, block, context)
        elif named.repeats:
            self._repeated(level, where, named.name, block, context)
        else:
            self._plain_block(level, where, named.name, block, context)

    def _plain_block(self, level: Level, where: Where, name: str, block: Block, context: Context) -> None:
        """A block without `[]` is its rules, each under the block's `when`."""
        instance = self._single(level, where, name)
        if instance is not None:
            self._fill(Level(instance, (*where, "map"), block.map, context, level))

    def _repeated(self, level: Level, where: Where, name: str, block: Block, context: Context) -> None:
        way = self._way(level.instance, where, name)
        if way is None:
            return
        # A segment that begins a group and does not repeat itself stands for its group: AIS[] is SERVICE[].
        if len(way) > 1 and way[-1] == 0 and _part(level.instance.part, way).maximum == 1:
            way = way[:-1]
        part = _part(level.instance.part, way)
        if part.maximum == 1:
            text = f"{name} does not repeat in {self.structure} of HL7 {self.version}"
            self.desk.add("E405", where, text, f"write {name} without [] and without for", key=True)
            return
        context, for_ = self._for(where, block, context)
        parent = self._implicit(level.instance, where, way[:-1])
        if parent is None:
            return
        outside = next((one for one in parent.children.get(way[-1], ()) if not one.explicit), None)
        if outside is not None:
            self._outside(outside.where, where, part.name)
            return
        instance = Instance(
            part,
            where,
            for_=for_,
            name=block.name,
            tests=context.when.tests,
            required=block.required == "true",
            code=block.code,
            explicit=True,
        )
        parent.children.setdefault(way[-1], []).append(instance)
        inner = replace(context, when=Conditions(context.when.actions))
        self._fill(Level(instance, (*where, "map"), block.map, inner, level))

    def _for(self, where: Where, block: Block, context: Context) -> tuple[Context, Expression | None]:
        """Return the context inside a block, and its `for:`."""
        if block.for_ is None:
            return context, None
        expression = self.paths.read((*where, "for"), block.for_, context.inside)
        if block.name is None:
            return context, expression
        gives = Typed(expression.gives.types if expression else ANY, 1, 1)
        return replace(context, inside={**context.inside, block.name: gives}), expression

    def _field_block(self, level: Level, where: Where, key: str, block: Block, context: Context) -> None:
        whole = target(self.desk, where, key.removesuffix("[]"), self.version, repeats=True)
        instance = whole and self._single(level, where, whole.path.segment)
        if not whole or not instance:
            return
        context, for_ = self._for(where, block, context)
        inner = Level(Instance(instance.part, where), (*where, "map"), block.map, replace(context, when=Conditions()))
        for name, rule in block.map.items():
            place = (*where, "map", name)
            goal = target(self.desk, place, name, self.version, repeats=False)
            if goal is None:
                continue
            inside = (goal.path.segment, goal.path.field) == (whole.path.segment, whole.path.field)
            if not inside or not goal.path.component or isinstance(rule, Block | list):
                text = f"inside {key} stand components of it, such as {whole.path}.1"
                self.desk.add("E418", place, text, key=True)
                continue
            self._write(place, inner.instance, self._plans(inner, place, goal, rule))
        when = context.when
        self._write(
            where,
            instance,
            [
                {
                    "at": self.desk.at(where),
                    "where": tuple(where),
                    "name": str(whole.path),
                    "words": whole.words,
                    "to": [whole.path.field, None, None, None],
                    "all": True,
                    "actions": None if when.actions is None else sorted(when.actions),
                    "tests": list(when.tests),
                    "for": for_ and for_.tree,
                    "var": block.name,
                    "required": block.required == "true",
                    "code": block.code,
                    "source": block.for_ or "",
                    "maybe": for_ is None or for_.gives.minimum == 0,
                    "parts": inner.instance.rules,
                }
            ],
        )

    # -- the structure ---------------------------------------------------------------------------------------------

    def _single(self, level: Level, where: Where, name: str) -> Instance | None:
        way = self._way(level.instance, where, name)
        return None if way is None else self._implicit(level.instance, where, way)

    def _way(self, start: Instance, where: Where, name: str) -> tuple[int, ...] | None:
        """Return the positions that lead from a group to a segment or group in it, the shortest; () is itself."""
        if start.part.name == name:
            return ()
        if name.startswith("Z") and len(name) == 3 and start.part.name == self.structure:
            return (self._own_segment(start, name),)
        ways = [way for way, part in _walk(start.part) if part.name == name]
        shortest = [way for way in ways if len(way) == min(map(len, ways))]
        if len(shortest) == 1 or (shortest and len({way[:-1] for way in shortest}) == 1):
            return shortest[0]
        if shortest:
            groups = ", ".join(_part(start.part, way[:-1]).name for way in shortest)
            text = f"{name} stands in several groups of {self.structure}: {groups}"
            self.desk.add("E406", where, text, "write it inside the block of its group", key=True)
            return None
        here = self.structure if start.part.name == self.structure else f"{start.part.name} of {self.structure}"
        names = [part.name for _, part in _walk(start.part)]
        near = hl7_tables.nearest(name, names)
        hint = f"did you mean '{near}'?" if near else f"it has {', '.join(dict.fromkeys(names)) or 'nothing inside'}"
        self.desk.add("E406", where, f"{here} has no {name} (HL7 {self.version})", hint, key=True)
        return None

    def _outside(self, where: Where, block: Where, name: str) -> None:
        line = self.desk.document.key(block).line
        text = f"this stands in {name}, which has a block of its own at line {line}"
        self.desk.add("E417", where, text, "write it inside that block", key=True)

    def _own_segment(self, root: Instance, name: str) -> int:
        """Return the position of a Z-segment: behind all that HL7 knows, in the order of the file."""
        names = [part.name for part in root.part.parts]
        if name not in names:
            own = hl7_tables.Part(name, 0, None)
            root.part = replace(root.part, parts=(*root.part.parts, own))
            return len(names)
        return names.index(name)

    def _implicit(self, start: Instance, where: Where, way: tuple[int, ...]) -> Instance | None:
        """Return the one instance at the end of a way, made where it is not there."""
        instance = start
        for position in way:
            found = instance.children.setdefault(position, [])
            blocks = [one for one in found if one.explicit]
            if blocks:
                self._outside(where, blocks[0].where, blocks[0].part.name)
                return None
            if not found:
                found.append(Instance(instance.part.parts[position], where))
            instance = found[0]
        return instance


def _keys(block: Block) -> Iterator[str]:
    """Return all keys inside a block."""
    for key, inner in block.map.items():
        yield key
        for one in inner if isinstance(inner, list) else [inner]:
            if isinstance(one, Block):
                yield from _keys(one)


def _part(start: hl7_tables.Part, way: tuple[int, ...]) -> hl7_tables.Part:
    for position in way:
        start = start.parts[position]
    return start


def _walk(part: hl7_tables.Part, way: tuple[int, ...] = ()) -> Iterator[tuple[tuple[int, ...], hl7_tables.Part]]:
    for position, child in enumerate(part.parts):
        yield (*way, position), child
        yield from _walk(child, (*way, position))


def _address(rule: Plan) -> tuple[int | None, ...]:
    field_, repetition, component, subcomponent = rule["to"]
    return (field_, None if rule["all"] else repetition or 1, component, subcomponent)
