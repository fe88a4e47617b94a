"""What two lists of bookable resources have differently: a pure function of the two and of the rules.

The key is the facility and the name. Names are compared letter by letter in Unicode NFC; what differs in letter case
or in spaces only is the same resource with a name that a booking does not find. A field is compared only where both
sides say something about it: what one side does not tell is counted, not guessed.
"""

from __future__ import annotations

import difflib
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from messages.resource import NAMES, Drift, Record, Severity, Side, Value
from transformers import resource_values as values

#: Spaces of every kind, and characters that nobody sees.
_SPACES = re.compile(r"[\s\u00a0\u1680\u2000-\u200d\u2028-\u202f\u205f\u2060\u3000\ufeff]+")
#: Resources for which a near name is looked for; beyond that something else is wrong.
_GUESSES = 200

OTHER: Mapping[Side, Side] = {"omegaai": "powerserver", "powerserver": "omegaai"}


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldRule:
    """How a field is compared."""

    name: str
    #: text, minutes, yes_no, modality or hours.
    kind: str
    #: Category of the drift; None: the field is shown, not compared.
    category: str | None
    #: The side that is right where they differ: the other one is to be changed.
    truth: Side = "omegaai"
    #: What each side calls the field on its screen.
    labels: Mapping[str, str] = field(default_factory=dict)
    #: Category where PowerServer has the field empty; None: it may be empty.
    empty: str | None = None
    #: Below this many minutes a duration is a drift of category MIN_DURATION; None: no bound.
    at_least: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """The rules of a site."""

    fields: tuple[FieldRule, ...]
    #: category → severity.
    severities: Mapping[str, Severity]
    #: side → where a resource is edited; `{name}` and `{facility}` are put in.
    menus: Mapping[str, str]
    #: The side whose name is right.
    name_truth: Side = "omegaai"

    def menu(self, side: Side, record: Record, name: str = "") -> str:
        """Return the menu path to a resource on a side, and to a field of it."""
        menu = self.menus[side].replace("{name}", _visible(record.name)).replace("{facility}", record.facility or "")
        return f"{menu} > {self.label(name, side)}" if name else menu

    def label(self, name: str, side: Side) -> str:
        """Return what a side calls a field on its screen."""
        return next((rule.labels.get(side, name) for rule in self.fields if rule.name == name), name)


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """What a comparison found, and how much it could look at."""

    drifts: tuple[Drift, ...]
    #: Resources that both sides have.
    pairs: int
    #: field → pairs of which both sides said something.
    looked_at: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class _Pair:
    omegaai: Record
    powerserver: Record

    def of(self, side: Side) -> Record:
        return self.omegaai if side == "omegaai" else self.powerserver


def compare(omegaai: Sequence[Record], powerserver: Sequence[Record], rules: Rules) -> Compared:
    """Return every drift, in the order of facilities and names."""
    mapped = [record for record in omegaai if record.facility is not None]
    found: list[Drift] = [_unmapped(record, rules) for record in omegaai if record.facility is None]
    ours, twice = _by_key(mapped)
    theirs, twice_there = _by_key(powerserver)
    found += [_duplicate(records, "omegaai", rules) for records in twice.values()]
    found += [_duplicate(records, "powerserver", rules) for records in twice_there.values()]
    doubled = twice.keys() | twice_there.keys()
    pairs = [_Pair(ours[key], theirs[key]) for key in ours.keys() & theirs.keys() if key not in doubled]
    rest = [record for key, record in ours.items() if key not in theirs and key not in doubled]
    rest_there = [record for key, record in theirs.items() if key not in ours and key not in doubled]
    for pair in pairs:
        found += _encoded(pair, rules)
    near, rest, rest_there = _near(rest, rest_there)
    for pair, categories in near:
        found += [_misnamed(pair, category, rules) for category in categories]
    pairs += [pair for pair, _ in near]
    found += _missing(rest, rest_there, rules)
    looked_at: Counter[str] = Counter({rule.name: 0 for rule in rules.fields if rule.category})
    for pair in pairs:
        found += _differences(pair, rules, looked_at)
    for record in powerserver:
        found += _on_its_own(record, "powerserver", rules)
    for record in mapped:
        found += _on_its_own(record, "omegaai", rules)
    first = {drift.key: drift for drift in reversed(found)}
    return Compared(
        drifts=tuple(sorted(first.values(), key=lambda drift: drift.key)), pairs=len(pairs), looked_at=dict(looked_at)
    )


# -- names --------------------------------------------------------------------------------------------------


def _by_key(
    records: Iterable[Record],
) -> tuple[dict[tuple[str, str], Record], dict[tuple[str, str], list[Record]]]:
    """Return the records by facility and name, and those that share theirs with another."""
    found: dict[tuple[str, str], list[Record]] = {}
    for record in records:
        found.setdefault((record.facility or "", record.name), []).append(record)
    return (
        {key: together[0] for key, together in found.items()},
        {key: together for key, together in found.items() if len(together) > 1},
    )


def _near(
    ours: list[Record], theirs: list[Record]
) -> tuple[list[tuple[_Pair, tuple[str, ...]]], list[Record], list[Record]]:
    """Pair what differs in letter case or spaces only; return the pairs with their categories, and the rest.

    Where several could be meant, none is: nothing is guessed.
    """
    pairs: list[tuple[_Pair, tuple[str, ...]]] = []
    for fold in (_without_case, _one_space, _without_spaces, _folded):
        candidates: dict[tuple[str | None, str], list[Record]] = {}
        for record in theirs:
            candidates.setdefault((record.facility, fold(record.name)), []).append(record)
        times = Counter((record.facility, fold(record.name)) for record in ours)
        for record in list(ours):
            key = record.facility, fold(record.name)
            if times[key] == 1 and len(candidates.get(key, ())) == 1:
                other = candidates[key][0]
                pairs.append((_Pair(record, other), _how(record.name, other.name)))
                ours = [one for one in ours if one is not record]
                theirs = [one for one in theirs if one is not other]
    return pairs, ours, theirs


def _without_case(text: str) -> str:
    return text.casefold()


def _one_space(text: str) -> str:
    return _SPACES.sub(" ", text).strip()


def _without_spaces(text: str) -> str:
    return _SPACES.sub("", text)


def _folded(text: str) -> str:
    return _SPACES.sub("", text).casefold()


def _how(one: str, other: str) -> tuple[str, ...]:
    """Return the categories by which two near names differ."""
    case = ("NAME_CASE",) if _without_spaces(one) != _without_spaces(other) else ()
    spaces = ("NAME_SPACE",) if one.casefold() != other.casefold() else ()
    return case + spaces


def _visible(text: str) -> str:
    r"""Return a name with what nobody sees written out: spaces at the ends and double ones, NBSP and the like.

    >>> _visible("BLUME CT"), _visible("BLUME\u00a0CT "), _visible("A  B")
    ('BLUME CT', 'BLUME<U+00A0>CT<space>', 'A<space><space>B')
    """
    text = re.sub(r"^ +| +$| {2,}", lambda found: "<space>" * len(found[0]), text)
    return "".join(
        f"<U+{ord(character):04X}>" if character != " " and _SPACES.match(character) else character
        for character in text
    )


def _misnamed(pair: _Pair, category: str, rules: Rules) -> Drift:
    wrong = OTHER[rules.name_truth]
    right_name, wrong_name = pair.of(rules.name_truth).name, pair.of(wrong).name
    menu = rules.menu(wrong, pair.of(wrong), "name")
    action = f'{menu}: write "{_visible(right_name)}" instead of "{_visible(wrong_name)}"'
    return _drift(
        pair, category, "name", rules, action=action, change=wrong,
        omegaai=pair.omegaai.name, powerserver=pair.powerserver.name,
        omegaai_normal=_visible(pair.omegaai.name), powerserver_normal=_visible(pair.powerserver.name),
    )  # fmt: skip


def _encoded(pair: _Pair, rules: Rules) -> Iterator[Drift]:
    """Yield where one side has the same name in other bytes (a letter and its accent as one character, or as two)."""
    names = [record.values["name"].raw for record in (pair.omegaai, pair.powerserver) if "name" in record.values]
    if len(names) < 2 or names[0] == names[1]:
        return
    forms = ["NFC" if unicodedata.is_normalized("NFC", name) else "not NFC" for name in names]
    wrong: Side = "omegaai" if forms[0] != "NFC" else "powerserver"
    action = f"{rules.menu(wrong, pair.of(wrong), 'name')}: type the name anew; bookings pass, a search may miss it"
    yield _drift(
        pair, "NAME_UNICODE", "name", rules, action=action, change=wrong, omegaai=names[0], powerserver=names[1],
        omegaai_normal=forms[0], powerserver_normal=forms[1],
    )  # fmt: skip


# -- what one side lacks ------------------------------------------------------------------------------------


def _unmapped(record: Record, rules: Rules) -> Drift:
    return Drift(
        facility="", name=record.name, category="UNMAPPED_FACILITY", field="facility",
        severity=rules.severities["UNMAPPED_FACILITY"], omegaai=record.organization, omegaai_where=record.where,
        action=f"{rules.menus['site']}: add a row with the organization and its imaging facility in PowerServer",
    )  # fmt: skip


def _duplicate(records: list[Record], side: Side, rules: Rules) -> Drift:
    first, times = records[0], len(records)
    told = {side: f"{times} times", f"{side}_where": ", ".join(record.where for record in records)}
    action = f"{rules.menu(side, first)}: leave one of the {times} resources of this name, rename or remove the others"
    return Drift(
        facility=first.facility or "", name=first.name, category="DUPLICATE", field=f"name in {NAMES[side]}",
        severity=rules.severities["DUPLICATE"], change=side, action=action, **told,
    )  # fmt: skip


def _missing(ours: list[Record], theirs: list[Record], rules: Rules) -> Iterator[Drift]:
    for record, others in [(record, theirs) for record in ours] + [(record, ours) for record in theirs]:
        is_ours = others is theirs
        lacks: Side = "powerserver" if is_ours else "omegaai"
        category = "MISSING_IN_PS" if is_ours else "MISSING_IN_OAI"
        active = record.values.get("active")
        closed = is_ours and active is not None and active.normal is False
        has: Side = OTHER[lacks]
        yield Drift(
            facility=record.facility or "", name=record.name, category=category, field="name",
            # What is closed anyway takes no bookings: nobody has to make it.
            severity="info" if closed else rules.severities[category],
            omegaai=record.name if is_ours else "", powerserver="" if is_ours else record.name,
            omegaai_where=record.where if is_ours else "", powerserver_where="" if is_ours else record.where,
            action=_make(record, has, lacks, rules) + _perhaps(record, others), change=lacks,
        )  # fmt: skip


def _make(record: Record, has: Side, lacks: Side, rules: Rules) -> str:
    told = "; ".join(
        f"{rules.label(rule.name, lacks)} {values.written(rule.kind, record.values[rule.name].normal, lacks)}"
        for rule in rules.fields
        if rule.category and rule.name in record.values and rule.labels.get(lacks)
    )
    words = f" ({told})" if told else ""
    return f"{rules.menu(lacks, record)}: make the resource exactly as {NAMES[has]} has it{words}"


def _perhaps(record: Record, others: list[Record]) -> str:
    if len(others) > _GUESSES:
        return ""
    names = [other.name for other in others if other.facility == record.facility]
    near = difflib.get_close_matches(record.name, names, 1, 0.8)
    return f'; or is "{_visible(near[0])}" meant, which only the other side has?' if near else ""


def _on_its_own(record: Record, side: Side, rules: Rules) -> Iterator[Drift]:
    """Yield what is wrong with a resource whatever the other side says."""
    for rule in rules.fields:
        value = record.values.get(rule.name)
        if value is None:
            continue
        menu = rules.menu(side, record, rule.name)
        found: list[tuple[str, str]] = []
        if rule.empty and side == "powerserver" and not value.raw.strip():
            found.append((rule.empty, f"{menu}: it is empty; make it and choose it"))
        if rule.at_least and isinstance(value.normal, int) and value.normal < rule.at_least:
            least = values.written(rule.kind, rule.at_least, side)
            found.append(
                ("MIN_DURATION", f"{menu}: write at least {least}; PowerServer makes shorter appointments that long")
            )
        normal = values.shown(rule.kind, value.normal)
        told = {side: value.raw, f"{side}_normal": normal, f"{side}_where": record.where}
        for category, action in found:
            yield Drift(
                facility=record.facility or "", name=record.name, category=category, action=action, change=side,
                severity=rules.severities[category], field=f"{rule.name} in {NAMES[side]}", **told,
            )  # fmt: skip


# -- fields -------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Unlike:
    """A field of a pair whose values are not the same."""

    rule: FieldRule
    omegaai: Value
    powerserver: Value
    #: Of hours: the days that it is about.
    days: str = ""


def _differences(pair: _Pair, rules: Rules, looked_at: Counter[str]) -> Iterator[Drift]:
    for rule in rules.fields:
        one, other = pair.omegaai.values.get(rule.name), pair.powerserver.values.get(rule.name)
        if rule.category is None or one is None or other is None or (rule.empty and not other.raw.strip()):
            continue
        looked_at[rule.name] += 1
        if rule.kind == "hours" and one.normal is not None and other.normal is not None:
            for unlike in _hours(rule, one, other):
                yield _differing(pair, unlike, rules)
        elif one.normal is None or other.normal is None or one.normal != other.normal:
            yield _differing(pair, _Unlike(rule, one, other), rules)


def _differing(pair: _Pair, unlike: _Unlike, rules: Rules) -> Drift:
    rule, one, other = unlike.rule, unlike.omegaai, unlike.powerserver
    wrong = OTHER[rule.truth]
    right = (one if rule.truth == "omegaai" else other).normal
    if right is None:  # who is to be followed cannot be read: that is to be mended first
        wrong, right = rule.truth, (other if rule.truth == "omegaai" else one).normal
    menu = rules.menu(wrong, pair.of(wrong), rule.name)
    typed = values.written(rule.kind, right, wrong)
    action = f"{menu}: write {typed}" if typed else f"{menu}: neither side's value can be read; write it anew"
    return _drift(
        pair, rule.category or "", f"{rule.name} {unlike.days}".strip(), rules, action=action, change=wrong,
        omegaai=one.raw, powerserver=other.raw, omegaai_normal=values.shown(rule.kind, one.normal),
        powerserver_normal=values.shown(rule.kind, other.normal),
    )  # fmt: skip


def _hours(rule: FieldRule, one: Value, other: Value) -> Iterator[_Unlike]:
    """Compare day by day; days on which the sides differ in the same way are one drift."""
    ours: values.Hours = one.normal
    theirs: values.Hours = other.normal
    pairs: list[tuple[str, list[str] | None, list[str] | None]] = []
    for day in values.DAYS:
        # PowerServer's one pair holds for every day that is open.
        there = theirs.get(day) or (theirs.get(values.EVERY_DAY) if day in ours else None)
        if ours.get(day) != there:
            pairs.append((day, ours.get(day), there))
    for _, here, there in _unlike(pairs):
        days = [day for day, mine, its in pairs if (mine, its) == (here, there)]
        first, second = (dict.fromkeys(days, times) if times else {} for times in (here, there))
        yield _Unlike(rule, Value(one.raw, first), Value(other.raw, second), values.days_shown(days))


def _unlike(pairs: list[tuple[str, Any, Any]]) -> list[tuple[str, Any, Any]]:
    found: list[tuple[str, Any, Any]] = []
    for entry in pairs:
        if not any(entry[1:] == known[1:] for known in found):
            found.append(entry)
    return found


def _drift(pair: _Pair, category: str, name: str, rules: Rules, **told: Any) -> Drift:
    return Drift(
        facility=pair.omegaai.facility or "", name=pair.omegaai.name, category=category, field=name,
        severity=rules.severities[category], omegaai_where=pair.omegaai.where,
        powerserver_where=pair.powerserver.where, **told,
    )  # fmt: skip
