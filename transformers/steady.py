"""Names of `let:` that depend on the document alone: what they gave in one look at a message holds in the next.

A message is looked at more than once: at the door for its key and facts, and for the rules of the route; in a lane for
its facts, and to be mapped. Each look has a scope of its own, because the time and the names that a kind gives differ.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from transformers.fhir_path import Scope
from transformers.mapping_run import Plan, names_in

#: FHIRPath's functions of the time (N1, 5.7).
_OF_THE_TIME = frozenset({"now", "today", "timeOfDay"})


def steady_names(lets: Plan, given: Iterable[str], zone: Plan) -> tuple[str, ...]:
    """Return the names of `let:` that need neither the time nor, however indirectly, a name that is `given`.

    A name that a format makes may need the `zone` of the message's times, too.
    """
    trees = {name: [*_trees(item), *(_trees(zone) if "as" in item else ())] for name, item in lets.items()}
    needs = {name: set().union(*map(names_in, all_of)) for name, all_of in trees.items()}
    changing = {*given, *(name for name, all_of in trees.items() if any(map(_tells_time, all_of)))}
    while more := {name for name, others in needs.items() if others & changing} - changing:
        changing |= more
    return tuple(name for name in lets if name not in changing)


class LastLook:
    """The last scope on a document, and what the steady names gave in it."""

    def __init__(self, names: tuple[str, ...]) -> None:
        self._names = frozenset({*names, "it"})
        self._scope: Scope | None = None
        self._focus: int | None = None

    def give(self, scope: Scope, focus: int | None) -> None:
        """Give a new scope what the last one found, where it is of the same thing of the same document; keep it."""
        last = self._scope
        if last is not None and last.resource is scope.resource:
            scope.share(last)
            if self._focus == focus:
                # With a name goes what it leads to, such as `appt.slot`.
                found = {key: values for key, values in last.values.items() if key.partition(".")[0] in self._names}
                scope.values = found | scope.values
        self._scope, self._focus = scope, focus


def _trees(item: Plan) -> list[Any]:
    return [item["path"]] if "path" in item else list(item.get("from", ()))


def _tells_time(tree: Any) -> bool:
    return (len(tree) > 3 and tree[0] == "call" and tree[3] in _OF_THE_TIME) or any(
        _tells_time(part) for part in tree if isinstance(part, list)
    )
