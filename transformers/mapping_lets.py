"""The named values of a mapping, checked: `let:`, and what else is a value by itself: zone, order, about, index."""

from __future__ import annotations

from typing import Any
from zoneinfo import available_timezones

from transformers.fhir_path_parse import names_used
from transformers.fhir_path_syntax import KEYWORDS, PathSyntaxError
from transformers.fhir_path_types import ANY, Typed
from transformers.mapping_desk import Where
from transformers.mapping_file import did_you_mean
from transformers.mapping_model import LetRule, Mapping
from transformers.mapping_paths import RESERVED, Expression, Paths, parsed
from transformers.mapping_rules import Plan, accepts, format_of, lookup, plain_types, sources
from transformers.mapping_site import is_zone


def lets(paths: Paths, mapping: Mapping) -> dict[str, Plan]:
    """Return the plan of `let:`; each name is read after the names it uses, whatever their order in the file."""
    plans: dict[str, Plan] = {}
    order: list[str] = []
    for name in mapping.let:
        _order(name, mapping, order, ())
    for name in order:
        paths.lets[name] = None
    for name in order:
        where = ("let", name)
        if name in KEYWORDS or name in RESERVED or name in paths.gives:
            text = f"the name {name} is taken: it is FHIRPath's or the mapping's own"
            paths.desk.add("E025", where, text, f"another name, such as {name}_", key=True)
        item = mapping.let[name]
        plan, gives = _item(paths, where, name, item)
        if gives is None or plan is None or _texts_names(item) & paths.broken:
            del paths.lets[name]
            paths.broken.add(name)
        else:
            paths.lets[name] = gives
            plans[name] = plan
    return plans


def _order(name: str, mapping: Mapping, order: list[str], around: tuple[str, ...]) -> None:
    """Put a name behind those that it needs; a circle is found when its expressions are read."""
    if name in order or name in around:
        return
    item = mapping.let[name]
    for text in [item] if isinstance(item, str) else item.from_:
        try:
            needed = names_used(parsed(text))
        except PathSyntaxError:
            continue
        for other in sorted(needed & mapping.let.keys()):
            _order(other, mapping, order, (*around, name))
    order.append(name)


def _texts_names(item: str | LetRule) -> frozenset[str]:
    """Return the names that a readable item uses."""
    return frozenset(
        name for text in ([item] if isinstance(item, str) else item.from_) for name in names_used(parsed(text))
    )


def _item(paths: Paths, where: Where, name: str, item: str | LetRule) -> tuple[Plan | None, Typed | None]:
    if isinstance(item, LetRule):
        return value(paths, where, name, item)
    expression = paths.read(where, item)
    if expression is None:
        return None, None
    return {"path": expression.tree}, expression.gives


def value(paths: Paths, where: Where, name: str, rule: LetRule) -> tuple[Plan | None, Typed | None]:
    """Return the plan of a value with a table or a format, and what it gives."""
    desk = paths.desk
    found = sources(paths, (*where, "from"), rule.from_)
    if len(found) < len(rule.from_):
        return None, None
    plan: Plan = {
        "at": desk.at(where),
        "name": name,
        "from": [expression.tree for expression in found],
        "source": ", ".join(rule.from_),
        "unmapped": rule.on_unmapped or "error",
        "code": rule.code,
        "default": rule.default,
    }
    gives = _either(found)
    if rule.as_ is not None:
        use = format_of(desk, (*where, "as"), rule.as_)
        if use is None:
            return None, None
        format_, options = use
        accepts(desk, format_, found)
        if format_.gives != "text":
            text = f"as: {format_.name} gives {format_.gives}; a name in let: needs a format that gives text"
            desk.add("E123", (*where, "as"), text)
        plan["as"], plan["options"] = format_.name, options
        gives = Typed(frozenset({"string"}), gives.minimum, gives.maximum)
    elif rule.table is not None:
        cells = lookup(paths, where, rule, found)
        plan["cells"] = {code: cell or None for code, cell in cells.items()}
        plan["table"] = rule.table if isinstance(rule.table, str) else "of this name"
        minimum = 0 if rule.on_unmapped == "skip" else gives.minimum
        gives = Typed(frozenset({"string"}), minimum, gives.maximum)
    if rule.default is not None:
        gives = Typed(gives.types, 1, gives.maximum)
    return plan, gives


def _either(found: list[Expression]) -> Typed:
    types = frozenset(name for expression in found for name in expression.gives.types) or ANY
    most = [expression.gives.maximum for expression in found]
    maximum = None if None in most else max(number or 0 for number in most)
    codes = found[0].gives.codes if len(found) == 1 else None
    return Typed(types, max(expression.gives.minimum for expression in found), maximum, codes=codes)


def zone(paths: Paths, mapping: Mapping) -> Plan:
    """Return the plan of `zone:`: a zone's name, or a value that gives one."""
    desk, item = paths.desk, mapping.zone
    if item is None:
        return {"zone": desk.site.time_zone}
    if isinstance(item, str):
        if is_zone(item):
            return {"zone": item}
        if not item.startswith("%"):
            near = did_you_mean(item, available_timezones())
            desk.add("E134", ("zone",), f"'{item}' is no time zone", near or "such as America/Sao_Paulo")
            return {}
        item = LetRule.model_validate({"from": item})
    plan, _ = value(paths, ("zone",), "zone", item)
    for code, cell in (plan or {}).get("cells", {}).items():
        if not is_zone(cell or ""):
            near = did_you_mean(cell, available_timezones()) if cell else "fill the cell"
            desk.add("E134", ("zone", "table"), f"'{cell}' (row {code}) is no time zone", near)
    return plan or {}


def one_text(paths: Paths, where: Where, text: str, *, several: bool = False) -> Any:
    """Return the tree of a path that must give one text at most, or `several`: for order, about, index and facts."""
    expression = paths.read(where, text)
    if expression is None:
        return None
    types = plain_types(expression.gives)
    complex_ = sorted(name for name in types if name[0].isupper())
    if complex_:
        told = f"{text} gives {' or '.join(complex_)}; a text is needed here"
        paths.desk.add("E121", where, told, "name the part that is meant, such as .value")
    elif not several and (expression.gives.maximum is None or expression.gives.maximum > 1):
        paths.desk.add("E105", where, f"{text} may give several values, and one is needed", "take one with .first()")
    return expression.tree
