"""One rule of a mapping, checked: where it takes its value from, how it is converted, whether it fits its target."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from transformers import hl7_tables
from transformers.fhir_path_types import Typed
from transformers.format import Format
from transformers.formats import FORMATS, PRIMITIVES
from transformers.mapping_desk import Desk, Where
from transformers.mapping_file import did_you_mean
from transformers.mapping_model import RULE_WORDS, FormatUse, LetRule, Rule
from transformers.mapping_paths import Expression, Paths
from transformers.mapping_target import TargetDef, literal

Plan = dict[str, Any]

_SOURCES = ("from", "value", "site", "same", "number")
_TIMES = frozenset({"date", "dateTime", "instant", "time"})
#: FHIRPath's own types beside FHIR's: string literals, results of functions.
_SYSTEM = {"String": "string", "Integer": "integer", "Decimal": "decimal", "Boolean": "boolean"} | {
    "Date": "date",
    "DateTime": "dateTime",
    "Time": "time",
}
#: HL7 data types that take each other's content.
_FAMILIES = (frozenset({"CE", "CWE", "CNE", "CF"}), frozenset({"XCN", "PPN", "CN"}), frozenset({"TS", "DTM", "DT"}))


@dataclass(frozen=True, slots=True)
class Conditions:
    """When a rule applies: for which actions (None: all), and which expressions must be true."""

    actions: frozenset[str] | None = None
    tests: tuple[Any, ...] = ()

    def both(self, other: Conditions) -> Conditions:
        """Return the conditions of a block and of a rule inside it."""
        if self.actions is None or other.actions is None:
            actions = self.actions if other.actions is None else other.actions
        else:
            actions = self.actions & other.actions
        return Conditions(actions, self.tests + other.tests)


@dataclass(frozen=True, slots=True)
class Context:
    """Where a rule stands: the names of the blocks around it, and their conditions."""

    inside: Mapping[str, Typed] = field(default_factory=dict)
    when: Conditions = Conditions()


def conditions(paths: Paths, where: Where, when: list[str] | None, context: Context) -> Conditions:
    """Return a `when:` together with those of the blocks around it."""
    desk = paths.desk
    if when is None:
        return context.when
    words = [text for text in when if text.replace("_", "").isalnum() and text == text.lower()]
    if len(words) == len(when) and not (len(when) == 1 and when[0] in ("true", "false")):
        for position, word in enumerate(when):
            if word not in desk.actions:
                hint = did_you_mean(word, desk.actions) or f"actions of the route are {', '.join(desk.actions)}"
                desk.add("E430", (*where, position), f"no line of the route does '{word}'", hint)
        return context.when.both(Conditions(frozenset(when)))
    tests = []
    for position, text in enumerate(when):
        place = (*where, position) if (*where, position) in desk.document else where
        expression = paths.read(place, text, context.inside)
        if expression is not None and is_condition(desk, expression):
            tests.append(expression.tree)
    return context.when.both(Conditions(None, tuple(tests)))


def is_condition(desk: Desk, expression: Expression) -> bool:
    """Say whether an expression is true or false, with a problem noted when it is not."""
    types = plain_types(expression.gives)
    if types and types != {"boolean"}:
        text = f"a condition is expected, and this gives {_words(types)}"
        desk.add("E104", expression.where, text, "compare it with something, or write .exists()")
        return False
    return True


def per_action(
    paths: Paths, where: Where, goal: TargetDef, words: Mapping[str, str | Rule], context: Context
) -> list[Plan]:
    """Return the plans of `{ request: NEW, cancel: {from: …} }`."""
    desk = paths.desk
    plans = []
    for action, word in words.items():
        place = (*where, action)
        if action not in desk.actions:
            hint = did_you_mean(action, [*desk.actions, *RULE_WORDS]) or f"actions are {', '.join(desk.actions)}"
            desk.add("E430", place, f"'{action}' is no word of a rule and no action of the route", hint, key=True)
            continue
        one = replace(context, when=context.when.both(Conditions(frozenset({action}))))
        rule = Rule(value=word) if isinstance(word, str) else word
        plans += _plan(paths, place, goal, rule, one, literal_at=place if isinstance(word, str) else None)
    return plans


def single(paths: Paths, where: Where, goal: TargetDef, rule: Rule, context: Context) -> list[Plan]:
    """Return the plan of one rule, in a list; empty with problems noted."""
    return _plan(paths, where, goal, rule, context)


def _plan(  # noqa: PLR0913 - where it stands
    paths: Paths,
    where: Where,
    goal: TargetDef,
    rule: Rule,
    context: Context,
    *,
    literal_at: Where | None = None,
) -> list[Plan]:
    desk = paths.desk
    given = [word for word in _SOURCES if getattr(rule, "from_" if word == "from" else word) is not None]
    if len(given) != 1:
        _not_one_source(desk, where, given, rule)
        return []
    when = conditions(paths, (*where, "when"), rule.when, context)
    path = goal.path
    plan: Plan = {
        "at": desk.at(where),
        "where": tuple(where),
        "name": str(path),
        "words": goal.words,
        "to": [path.field, path.repetition, path.component, path.subcomponent],
        "all": goal.repeats,
        "actions": None if when.actions is None else sorted(when.actions),
        "tests": list(when.tests),
    }
    if rule.value is not None:
        plan["literal"] = literal(desk, literal_at or (*where, "value"), goal, rule.value)
    elif rule.site is not None:
        value = desk.site_value((*where, "site"), rule.site)
        plan["literal"] = None if value is None else literal(desk, (*where, "site"), goal, str(value))
    elif rule.number is not None:
        plan["number"] = 0
    else:
        _source(paths, where, goal, rule, context, plan)
    if "from" not in plan:
        _only_with_from(desk, where, rule)
    return [plan]


def _not_one_source(desk: Desk, where: Where, given: list[str], rule: Rule) -> None:
    if given:
        text = f"{' and '.join(given)} cannot stand together: a rule has one source"
        desk.add("E024", (*where, given[1]), text, key=True)
    elif rule.model_fields_set - {"note"}:
        text = f"the rule says no source: one of {', '.join(_SOURCES)} is needed"
        desk.add("E024", where, text)
    else:
        desk.add("E024", where, "the rule is empty", "write { from: … } or { value: … }", key=True)


def _only_with_from(desk: Desk, where: Where, rule: Rule) -> None:
    for word in ("table", "as", "default", "required", "on_unmapped", "code"):
        name = "as_" if word == "as" else word
        if name in rule.model_fields_set:
            desk.add("E024", (*where, word), f"'{word}' goes with 'from' only", key=True)


def _source(  # noqa: PLR0913, PLR0917 - where it stands
    paths: Paths, where: Where, goal: TargetDef, rule: Rule, context: Context, plan: Plan
) -> None:
    """Fill in what a rule with `from:` does."""
    desk = paths.desk
    found = sources(paths, (*where, "from"), rule.from_ or [], context.inside)
    plan["from"] = [expression.tree for expression in found]
    plan["source"] = ", ".join(rule.from_ or [])
    plan["required"] = rule.required == "true"
    plan["code"] = rule.code
    plan["unmapped"] = rule.on_unmapped or "error"
    plan["maybe"] = any(expression.gives.minimum == 0 for expression in found[-1:])
    if not goal.repeats:
        _one_value(desk, found, goal)
    if rule.as_ is not None:
        _converted(desk, where, goal, rule, found, plan)
    elif rule.table is not None:
        cells = lookup(paths, where, rule, found)
        plan["cells"] = {
            code: literal(desk, (*where, "table"), goal, cell) if cell else None for code, cell in cells.items()
        }
        plan["table"] = rule.table if isinstance(rule.table, str) else "of this rule"
    else:
        _plain(desk, found, goal)
        if rule.on_unmapped:
            desk.add("E024", (*where, "on_unmapped"), "'on_unmapped' goes with 'table' only", key=True)
    if rule.default is not None:
        plan["default"] = literal(desk, (*where, "default"), goal, rule.default)


def sources(
    paths: Paths, where: Where, texts: list[str], inside: Mapping[str, Typed] | None = None
) -> list[Expression]:
    """Return the expressions of a `from:`; those with problems are left out."""
    desk = paths.desk
    found = []
    for position, text in enumerate(texts):
        place = (*where, position) if (*where, position) in desk.document else where
        expression = paths.read(place, text, inside)
        if expression is not None:
            found.append(expression)
    return found


def _one_value(desk: Desk, found: Iterable[Expression], goal: TargetDef) -> None:
    for expression in found:
        if expression.gives.maximum is None or expression.gives.maximum > 1:
            repeats = goal.level == "field" and _may_repeat(goal)
            other = f", or write {goal.path}[] for all of them" if repeats else ""
            text = f"{expression.text} may give several values, and {goal.path} takes one"
            desk.add("E105", expression.where, text, f"take one with .first() or [0]{other}")


def _may_repeat(goal: TargetDef) -> bool:
    try:
        fields = hl7_tables.fields(goal.version, goal.path.segment)
    except KeyError:
        return True
    return goal.path.repetition is None and fields[goal.path.field - 1].maximum != 1


def plain_types(gives: Typed) -> set[str]:
    """Return the FHIR types that an expression gives, FHIRPath's own types under FHIR's names."""
    return {_SYSTEM.get(name, name) for name in gives.types if name != "any"}


def _plain(desk: Desk, found: Iterable[Expression], goal: TargetDef) -> None:
    """Check a value that goes into its target as it is."""
    for expression in found:
        types = plain_types(expression.gives)
        complex_ = sorted(types - PRIMITIVES)
        if complex_:
            hint = _suggest(complex_[0], goal) or "name the part that is meant, such as .value"
            text = f"{expression.text} gives {_words(types)}; {goal.words} needs text"
            desk.add("E121", expression.where, text, hint)
        elif types & _TIMES:
            text = f"{expression.text} gives {_words(types)}; HL7 writes dates and times another way"
            desk.add("E121", expression.where, text, "as: date" if types == {"date"} else "as: timestamp")
        elif "boolean" in types:
            text = f"{expression.text} gives true or false; {goal.words} needs a code"
            desk.add("E121", expression.where, text, "as: indicator, or table: { true: Y, false: N }")


def _suggest(fhir_type: str, goal: TargetDef) -> str | None:
    for format_ in FORMATS.values():
        if fhir_type in format_.accepts and _fits(format_, goal):
            return f"as: {format_.name}"
    near = [format_.name for format_ in FORMATS.values() if fhir_type in format_.accepts]
    return f"formats for {fhir_type}: {', '.join(near)}" if near else None


def format_of(desk: Desk, where: Where, use: FormatUse) -> tuple[Format, dict[str, Any]] | None:
    """Return the format that an `as:` names and its options, typed; None with problems noted."""
    place = (*where, "format") if (*where, "format") in desk.document else where
    format_ = FORMATS.get(use.format)
    if format_ is None:
        hint = did_you_mean(use.format, FORMATS) or f"formats are {', '.join(FORMATS)}"
        desk.add("E120", place, f"there is no format '{use.format}'", hint)
        return None
    options = {name: desk.document.typed((*where, name)) for name in use.model_extra or {}}
    complaints = format_.complaints(options)
    for complaint in complaints:
        desk.add("E122", where, complaint)
    return None if complaints else (format_, options)


def _converted(  # noqa: PLR0913, PLR0917 - where it stands
    desk: Desk, where: Where, goal: TargetDef, rule: Rule, found: list[Expression], plan: Plan
) -> None:
    use = rule.as_ and format_of(desk, (*where, "as"), rule.as_)
    if not use:
        return
    format_, options = use
    accepts(desk, format_, found)
    if not _fits(format_, goal):
        gives = format_.primitive if format_.gives == "text" else format_.gives
        hint = did_you_mean(goal.datatype, FORMATS)
        text = f"as: {format_.name} gives {gives}, and {goal.words} is {goal.datatype}"
        desk.add("E123", (*where, "as"), text, hint)
    plan["as"], plan["options"] = format_.name, options
    if rule.table is None:
        if format_.columns:
            text = f"as: {format_.name} needs a table with the columns {', '.join(format_.columns)}"
            desk.add("E124", where, text, "add table: with the name of a file in tables/")
    elif not isinstance(rule.table, str) or not format_.columns:
        desk.add("E124", (*where, "table"), f"as: {format_.name} takes no table of codes", key=True)
    else:
        plan["rows"] = _format_table(desk, (*where, "table"), format_, rule.table)


def accepts(desk: Desk, format_: Format, found: Iterable[Expression]) -> None:
    """Note a problem for each expression whose type the format does not take."""
    for expression in found:
        types = plain_types(expression.gives)
        wrong = sorted(types - format_.accepts) if "*" not in format_.accepts else []
        if wrong:
            takes = ", ".join(sorted(format_.accepts))
            text = f"as: {format_.name} takes {takes}, and {expression.text} gives {_words(wrong)}"
            near = [one.name for one in FORMATS.values() if set(wrong) <= one.accepts]
            desk.add("E121", expression.where, text, f"formats for it: {', '.join(near)}" if near else None)


def _format_table(desk: Desk, where: Where, format_: Format, name: str) -> str | None:
    table = desk.table(where, name)
    if table is None:
        return None
    missing = [column for column in format_.columns if column not in table.columns]
    if missing:
        text = f"as: {format_.name} needs the columns {', '.join(format_.columns)}; {name} lacks {', '.join(missing)}"
        desk.add("E124", where, text)
        return None
    desk.columns.setdefault(name, set()).update(format_.columns)
    return name


def _fits(format_: Format, goal: TargetDef) -> bool:
    """Say whether what a format gives may stand in a target."""
    if not goal.datatype:
        return True
    if format_.gives == "text":
        given, wanted = format_.primitive, _first_leaf(goal)
        if wanted in ("TS", "DTM", "DT", "TM"):
            return given in ("TS", "DT", "DTM")
        return wanted not in ("NM", "SI") or given in ("NM", "SI", "ST")
    same = goal.datatype == format_.gives
    return same or any(goal.datatype in family and format_.gives in family for family in _FAMILIES)


def _first_leaf(goal: TargetDef) -> str:
    datatype = goal.datatype
    while datatype not in ("TS", "") and (parts := hl7_tables.components(goal.version, datatype)):
        datatype = parts[0].datatype
    return datatype


def lookup(paths: Paths, where: Where, rule: Rule | LetRule, found: list[Expression]) -> dict[str, str]:
    """Return the cells of a rule's `table:` by code, checked against the codes that its source can give."""
    desk = paths.desk
    table = rule.table
    cells = desk.column((*where, "table"), table) if isinstance(table, str) else dict(table or {})
    for expression in found:
        types = plain_types(expression.gives)
        if types - PRIMITIVES:
            text = f"a table looks up codes, and {expression.text} gives {_words(types)}"
            desk.add("E121", expression.where, text, "name the part that is meant, such as .coding.code.first()")
    if cells is None:
        return {}
    total = rule.on_unmapped is not None or rule.default is not None
    for expression in found:
        codes = expression.gives.codes
        missing = sorted((codes or frozenset()) - cells.keys())
        if missing and not total:
            text = f"{expression.text} may be {', '.join(missing)}, and the table has no row for it"
            desk.add("E112", (*where, "table"), text, "add the rows, or say on_unmapped: error, skip or keep", key=True)
        for code in sorted(cells.keys() - codes if codes else ()):
            hint = did_you_mean(code, codes or ())
            place = (*where, "table") if isinstance(table, str) else (*where, "table", code)
            desk.add("E113", place, f"'{code}' is no code that {expression.text} can have", hint, key=True)
    return cells


def _words(types: Iterable[str]) -> str:
    return " or ".join(sorted(types))
