"""What a mapping has because of its kind, checked: `facts:`, and the names that the kind's rules give in return.

A kind is a plug-in that this room does not know; the site says which there are, and the words of each.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from transformers.base import KindWords
from transformers.mapping_desk import Desk, Where
from transformers.mapping_file import did_you_mean

_NONE = KindWords(facts={}, gives={})


def words_of(desk: Desk, mapping: Any) -> KindWords:
    """Return the words of a mapping's kind; none, with a problem noted, where it cannot have that kind."""
    if mapping.kind is None:
        if mapping.facts:
            hint = "add kind:, or leave facts: out"
            desk.add("E481", ("facts",), "facts: is for channels with a kind", hint, key=True)
        return _NONE
    known = desk.site.kinds
    if mapping.kind not in known:
        hint = did_you_mean(mapping.kind, known) or f"there are: {', '.join(sorted(known)) or 'none'}"
        desk.add("E480", ("kind",), f"there is no kind of channel '{mapping.kind}'", hint)
        return _NONE
    words = known[mapping.kind].get(mapping.transformer)
    if words is None:
        text = f"the kind {mapping.kind} has no rules for the transformer {mapping.transformer}"
        desk.add("E480", ("kind",), text, f"it has rules for {', '.join(sorted(known[mapping.kind]))}")
        return _NONE
    return words


def facts(desk: Desk, mapping: Any, words: KindWords, read: Callable[[Where, str, bool], Any]) -> dict[str, list[Any]]:
    """Return the sources of each fact.

    Args:
        desk: of the check.
        mapping: with `facts:`.
        words: of its kind.
        read: checks one source, which gives several texts only if its third argument says so.
    """
    found: dict[str, list[Any]] = {}
    for name, sources in mapping.facts.items():
        fact = words.facts.get(name)
        if fact is None:
            if words.facts:
                hint = did_you_mean(name, words.facts) or f"its facts are {', '.join(words.facts)}"
                desk.add("E482", ("facts", name), f"the kind {mapping.kind} knows no fact '{name}'", hint, key=True)
            continue
        places = [_place(desk, name, number) for number in range(len(sources))]
        found[name] = [read(place, text, fact.many) for place, text in zip(places, sources, strict=True)]
    for name, fact in words.facts.items():
        if fact.required and name not in mapping.facts:
            text = f"the kind {mapping.kind} needs the fact '{name}': {fact.help}"
            desk.add("E482", ("facts",) if mapping.facts else ("kind",), text, f"add {name}: to facts:", key=True)
    return found


def _place(desk: Desk, name: str, number: int) -> Where:
    return ("facts", name, number) if ("facts", name, number) in desk.document else ("facts", name)


def part(desk: Desk, mapping: Any, words: KindWords, found: Mapping[str, list[Any]]) -> dict[str, Any]:
    """Return what the plan of a channel with a kind holds beside the others'; look at the `values:` of its tests."""
    for number, test in enumerate(mapping.tests):
        _check_values(desk, ("tests", number), test.values, words)
    if mapping.kind is None:
        return {}
    settings = desk.site.values.get(mapping.kind) or {}
    return {
        "facts": dict(found),
        "many": [name for name in found if words.facts[name].many],
        "gives": list(words.gives),
        "settings": settings,
    }


def _check_values(desk: Desk, where: Where, given: Mapping[str, str], words: KindWords) -> None:
    """Note what is wrong with the `values:` of a test."""
    for name, value in given.items():
        if name not in words.gives:
            hint = did_you_mean(name, words.gives) or f"its kind gives {', '.join(words.gives) or 'nothing'}"
            desk.add("E483", (*where, "values", name), f"the rules of its kind give no %{name}", hint, key=True)
            continue
        _, possible = words.gives[name]
        if possible is not None and value not in possible:
            hint = did_you_mean(value, possible) or f"one of {', '.join(possible)}"
            desk.add("E483", (*where, "values", name), f"%{name} is never '{value}'", hint)
