"""Where values come from in a mapping that reads HL7, checked: paths, names, conditions, formats, tables."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from transformers import hl7_path, hl7_tables
from transformers.fhir_formats import FHIR_FORMATS, FhirFormat
from transformers.hl7_mapping_paths import at_key, first_of, steps, within
from transformers.hl7_mapping_systems import systems
from transformers.hl7_path import HL7Path
from transformers.mapping_desk import Desk, Where
from transformers.mapping_file import did_you_mean
from transformers.mapping_model import FormatUse, LetRule

Plan = dict[str, Any]

#: Type of a value that is text; others are HL7 data types (with a leading `HL7 `) or FHIR types.
TEXT = "text"
#: HL7 types whose first component is all that they say.
_SIMPLE = frozenset({"TS", "varies", ""})
KNOWN = "known"


@dataclass(frozen=True, slots=True)
class Source:
    """A checked source."""

    text: str
    plan: list[Any]
    #: TEXT, a complex HL7 data type, or a FHIR type that a name gives.
    type: str
    is_hl7: bool
    repeats: bool
    #: HL7's data type, "" for a name.
    datatype: str = ""


@dataclass(slots=True)
class Sources:
    """The message that a mapping reads, and its names."""

    desk: Desk
    version: str
    structure: str
    #: (group, the group around, its segments); the message itself is "".
    groups: list[tuple[str, str, list[str]]] = field(default_factory=list)
    #: Type that each name gives, and whether it may give several; None for one that is broken.
    lets: dict[str, tuple[str, bool] | None] = field(default_factory=dict)
    used: set[str] = field(default_factory=set)
    #: What the rules of the mapping's kind give: the texts that each may be; None for any.
    gives: dict[str, tuple[str, ...] | None] = field(default_factory=dict)
    #: What `for:` of the blocks around has taken: a group, a segment, or a field as (segment, number).
    inside: tuple[Any, ...] = ()

    def __post_init__(self) -> None:
        if self.structure:
            self._group("", "", hl7_tables.structure(self.version, self.structure).parts)

    def _group(self, name: str, around: str, parts: Iterable[hl7_tables.Part]) -> None:
        at = len(self.groups)
        self.groups.append((name, around, []))
        for part in parts:
            if part.is_segment:
                self.groups[at][2].append(part.name)
            else:
                self._group(part.name, name, part.parts)

    def read(self, where: Where, text: str) -> Source | None:
        """Check a path or %name; None with a problem noted."""
        if text.startswith("%"):
            return self._name(where, text)
        try:
            path = hl7_path.parse(text)
        except ValueError as error:
            self.desk.add("E401", where, str(error))
            return None
        return self._path(where, text, path)

    def _name(self, where: Where, text: str) -> Source | None:
        name = text[1:]
        if name == KNOWN or name in self.gives:
            return Source(text, ["name", name], TEXT, is_hl7=False, repeats=False)
        if name not in self.lets:
            hint = did_you_mean(text, [f"%{known}" for known in (*self.lets, *self.gives, KNOWN)])
            self.desk.add("E102", where, f"unknown name {text}", hint)
            return None
        self.used.add(name)
        gives = self.lets[name]
        return None if gives is None else Source(text, ["name", name], gives[0], is_hl7=False, repeats=gives[1])

    def _path(self, where: Where, text: str, path: HL7Path) -> Source | None:
        if path.segment.startswith("Z"):
            return Source(text, ["path", ["*", *steps(path)], False], TEXT, is_hl7=True, repeats=False)
        group = self.group_of(where, path.segment)
        if group is None:
            return None
        found = self._datatype(where, text, path)
        if found is None:
            return None
        datatype, repeats = found
        taken = (path.segment, path.field) in self.inside
        kind = TEXT if datatype in _SIMPLE or not hl7_tables.components(self.version, datatype) else datatype
        plan = ["path", [group, *steps(path)], False]
        return Source(text, plan, kind, is_hl7=True, repeats=repeats and not taken, datatype=datatype)

    def group_of(self, where: Where, segment: str) -> str | None:
        """Return the group that a segment is read from: the innermost around, what is inside it, or the first."""
        own = {name: names for name, _, names in self.groups}
        around = {name: outer for name, outer, _ in self.groups}
        start = next((name for name in reversed(self.inside) if name in own), "")
        while True:
            below = [name for name in own if within(name, start, around) and segment in own[name]]
            if below:
                return below[0]
            if not start:
                break
            start = around[start]
        if segment not in hl7_tables.segment_names(self.version):
            near = hl7_tables.nearest(segment, hl7_tables.segment_names(self.version))
            hint = f"did you mean '{near}'?" if near else "own segments begin with Z"
            self.desk.add("E402", where, f"HL7 {self.version} has no segment {segment}", hint)
        else:
            names = dict.fromkeys(name for names in own.values() for name in names)
            hint = f"it has {', '.join(names)}"
            self.desk.add("E406", where, f"{self.structure} has no segment {segment}", hint)
        return None

    def _datatype(self, where: Where, text: str, path: HL7Path) -> tuple[str, bool] | None:
        """Return the data type at a path and whether it repeats."""
        fields = hl7_tables.fields(self.version, path.segment)
        if path.field > len(fields):
            words = f"segment {path.segment} of HL7 {self.version} has {len(fields)} fields, no {text}"
            self.desk.add("E403", where, words)
            return None
        one = fields[path.field - 1]
        repeats = one.maximum != 1 and path.repetition is None
        if one.maximum == 1 and (path.repetition or 1) > 1:
            self.desk.add("E405", where, f"{path.segment}-{path.field} {one.name} does not repeat")
            return None
        datatype = one.datatype
        for number in (path.component, path.subcomponent):
            if number is None or datatype in ("varies", ""):
                break
            components = hl7_tables.components(self.version, datatype)
            if number > max(len(components), 1):
                has = f"has {len(components)} components" if components else "has no components"
                self.desk.add("E404", where, f"{text}: {datatype} {has}")
                return None
            datatype = components[number - 1].datatype if components else datatype
        return datatype, repeats

    def loop(self, where: Where, text: str) -> list[Any] | None:  # noqa: PLR0911 - each a mistake of its own
        """Check `for:`; return what the plan keeps: a group, a segment or a field."""
        own = {name: names for name, _, names in self.groups if name}
        if text in own:
            return ["group", text]
        if "-" in text:
            source = self.read(where, text)
            if source is None:
                return None
            path = hl7_path.parse(text) if source.is_hl7 else None
            if path is None or path.repetition or path.component or not source.repeats:
                self.desk.add("E405", where, f"for: {text} does not repeat", "name a field that repeats, as in PID-3")
                return None
            return ["field", source.plan[1][0], path.segment, path.field]
        begun = next((name for name, names in own.items() if names[:1] == [text]), None)
        if begun is not None:
            return ["group", begun]
        if len(text) != 3:
            hint = did_you_mean(text, [*own, *(name for names in own.values() for name in names)])
            self.desk.add("E406", where, f"{self.structure} has no group or segment {text}", hint)
            return None
        group = self.group_of(where, text)
        return None if group is None else ["segment", group, text]

    def entered(self, where: Where, block: Any) -> tuple[list[Any], tuple[Any, ...]] | None:
        """Check `for:` of a block; return what the plan keeps, and what stands for the thing inside."""
        loop = self.loop((*where, "for"), block.for_)
        if loop is None:
            return None
        return loop, ((loop[-2], loop[-1]),) if loop[0] == "field" else (loop[-1],)

    def when(self, where: Where, when: Any, events: tuple[str, ...]) -> tuple[list[str] | None, list[Any] | None]:
        """Return the actions, or the condition, of a `when:`."""
        if isinstance(when, dict):
            return None, self.condition(where, when, events)
        for number, action in enumerate(when or ()):
            if action not in self.desk.actions:
                at = (*where, number) if (*where, number) in self.desk.document else where
                hint = did_you_mean(action, self.desk.actions)
                self.desk.add("E430", at, f"no line of the route does '{action}'", hint)
        return when, None

    def one_of(self, text: str, name: str) -> str:
        """Return how to take one value of several."""
        one = text.partition(".")[0]
        return f"take one, as in {one}[1], or write {name}[]" if one else f"write {name}[]"

    def condition(self, where: Where, lines: Mapping[str, list[str]], events: Iterable[str]) -> list[Any]:
        """Check `when: { SCH-25.4: CONFIRMED }`."""
        found = []
        for place, values in lines.items():
            here = (*where, place)
            before = len(self.desk.problems)
            source = self.read(here, place)
            if source is None:
                self.desk.problems[before:] = [at_key(self.desk, here, one) for one in self.desk.problems[before:]]
                continue
            if source.type != TEXT:
                self._complex(here, source, key=True)
                continue
            for number, value in enumerate(values):
                one = (*here, number) if (*here, number) in self.desk.document else here
                self._possible(one, source, value, tuple(events))
            word = values[0] if values[0] in ("exists", "absent") and len(values) == 1 else "in"
            found.append([source.plan, word, [] if word != "in" else list(values)])
        return found

    def _possible(self, where: Where, source: Source, value: str, events: tuple[str, ...]) -> None:
        codes = self.gives.get(source.text[1:])
        if codes is not None and value not in (*codes, "exists", "absent"):
            hint = did_you_mean(value, codes) or f"it is one of {', '.join(codes)}"
            self.desk.add("E483", where, f"{source.text} is never '{value}'", hint)
        if source.text == "MSH-9.2" and value not in events and value not in ("exists", "absent"):
            hint = did_you_mean(value, events) or f"from.accept has {', '.join(events)}"
            self.desk.add("E476", where, f"no accepted message has the event {value}", hint)

    def _complex(self, where: Where, source: Source, *, key: bool = False) -> None:
        if not source.is_hl7:
            self.desk.add("E121", where, f"{source.text} gives {source.type}; a text is needed here", key=key)
            return
        number = len(hl7_tables.components(self.version, source.type))
        words = f"{source.text} is a {source.type} with {number} components; a text is needed here"
        self.desk.add("E121", where, words, f"name one, such as {source.text}.1", key=key)

    def one_text(self, where: Where, text: str, *, several: bool = False) -> list[Any] | None:
        """Check a source that must give one text, or `several`."""
        source = self.read(where, text)
        if source is None:
            return None
        if source.type != TEXT and source.type[:1].isupper():
            self._complex(where, source)
        elif source.repeats and not several:
            self.desk.add("E105", where, f"{text} repeats, and one value is needed", first_of(text))
        return source.plan

    def value(self, where: Where, rule: Any, *, name: str, wanted: str | None = None) -> tuple[Plan, str, bool] | None:
        """Check `from`, `as`, `table` and `default` of a rule.

        Args:
            where: of the rule.
            rule: a LetRule or a Rule with `from`.
            name: the target's.
            wanted: the FHIR type of the target; None for a name of let:.

        Returns:
            The plan, the type that it gives, and whether it may give several.
        """
        desk = self.desk
        texts = rule.from_ or []
        found = []
        for number, text in enumerate(texts):
            at = (*where, "from", number) if (*where, "from", number) in desk.document else (*where, "from")
            found.append(self.read(at, text))
        plan: Plan = {
            "at": desk.at(where),
            "name": name,
            "source": ", ".join(texts),
            "default": rule.default,
            "unmapped": rule.on_unmapped or "error",
            "code": rule.code,
            "type": "string",
        }
        sources = [source for source in found if source is not None]
        gives: str | None = None
        if rule.as_ is not None:
            gives = self._format(where, rule, sources, plan)
        elif rule.table is not None:
            gives = self._table(where, rule, sources, plan)
        elif sources:
            gives = self._as_it_is(where, sources, wanted)
        if gives is None or len(sources) < len(texts):
            return None
        joined = plan.get("as") == "lines"
        plan["from"] = [[*source.plan[:2], joined] if source.is_hl7 else source.plan for source in sources]
        return plan, gives, any(source.repeats for source in sources) and not joined

    def _as_it_is(self, where: Where, sources: list[Source], wanted: str | None) -> str | None:
        first = sources[0]
        for source in sources:
            if source.is_hl7 and source.type != TEXT:
                makes = [name for name, one in FHIR_FORMATS.items() if source.type in one.accepts]
                fits = [name for name in makes if wanted in (None, FHIR_FORMATS[name].gives)]
                if fits:
                    words = f"{source.text} is a {source.type}; it needs a format"
                    self.desk.add("E121", (*where, "from"), words, f"add as: {' or '.join(fits)}")
                else:
                    self._complex((*where, "from"), source)
                return None
            if source.type != first.type:
                words = f"{first.text} gives {first.type}, {source.text} gives {source.type}"
                self.desk.add("E121", (*where, "from"), words, "all of a list must give the same")
                return None
        return first.type

    def _format(self, where: Where, rule: Any, sources: list[Source], plan: Plan) -> str | None:
        use: FormatUse = rule.as_
        desk, place = self.desk, (*where, "as")
        format_ = FHIR_FORMATS.get(use.format)
        at = (*place, "format") if (*place, "format") in desk.document else place
        if format_ is None:
            hint = did_you_mean(use.format, FHIR_FORMATS) or f"formats are {', '.join(FHIR_FORMATS)}"
            desk.add("E120", at, f"there is no format '{use.format}' from HL7 to FHIR", hint)
            return None
        for source in sources:
            kind = source.datatype or source.type
            if kind not in format_.accepts and not ("text" in format_.accepts and source.type == TEXT):
                takes = " or ".join(sorted(format_.accepts))
                words = f"{source.text} is {kind}; as: {use.format} takes {takes}"
                desk.add("E123", at, words)
                return None
        plan["as"], plan["type"] = use.format, format_.gives
        plan["options"], plan["asked"] = self._options(place, use, format_)
        if use.format == "Identifier" and sources:
            plan["options"]["datatype"] = sources[0].datatype
        if format_.columns:
            plan["rows"] = systems(self.desk, where, rule, use.format, format_)
        return format_.gives

    def _options(self, where: Where, use: FormatUse, format_: FhirFormat) -> tuple[Plan, Plan]:
        fixed: Plan = {}
        asked: Plan = {}
        for name, value in (use.model_extra or {}).items():
            at = (*where, name)
            if name not in format_.options:
                known = ", ".join(format_.options) or "none"
                hint = did_you_mean(name, format_.options) or f"its options: {known}"
                self.desk.add("E122", at, f"the format {use.format} has no option '{name}'", hint, key=True)
            elif name in format_.paths:
                texts = value if isinstance(value, list) else [str(value)]
                plans = [self.one_text(at, str(text)) for text in texts]
                asked[name] = [plan for plan in plans if plan is not None]
            elif name == "at_least" and not str(value).isdecimal():
                self.desk.add("E122", at, f"the option '{name}' of the format {use.format} must be a whole number")
            else:
                fixed[name] = str(value)
        return fixed, asked

    def _table(self, where: Where, rule: Any, sources: list[Source], plan: Plan) -> str | None:
        for source in sources:
            if source.type != TEXT:
                self._complex((*where, "from"), source)
                return None
        cells = rule.table if isinstance(rule.table, dict) else self.desk.column((*where, "table"), rule.table)
        if cells is None:
            return None
        plan["cells"] = dict(cells)
        plan["table"] = rule.table if isinstance(rule.table, str) else f"of {plan['name']}"
        return TEXT


def zone_rule(item: str) -> LetRule:
    """Return the rule of a zone that is a name or a path."""
    return LetRule.model_validate({"from": item})
