"""Where values come from in a mapping from FHIR to FHIR, checked: hl7_mapping_sources for FHIRPath."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from transformers.fhir_path_types import Typed
from transformers.hl7_mapping_sources import TEXT, Plan, Source
from transformers.mapping_desk import Desk, Where
from transformers.mapping_file import did_you_mean
from transformers.mapping_paths import Expression, Paths
from transformers.mapping_rules import is_condition, lookup, plain_types, sources

#: Types that are written as text.
_TEXTS = frozenset({"string", "code", "uri", "url", "canonical", "id", "oid", "uuid", "markdown", "base64Binary"})


@dataclass(slots=True)
class FhirSources:
    """The document that a mapping reads, and its names."""

    paths: Paths
    #: Names of the things that the blocks around are repeated for.
    inside: tuple[Any, ...] = ()
    _things: dict[str, Typed] = field(default_factory=dict)

    @property
    def desk(self) -> Desk:
        return self.paths.desk

    def read(self, where: Where, text: str) -> Source | None:
        """Check an expression; None with a problem noted."""
        found = self.paths.read(where, text, self._inside())
        if found is None:
            return None
        return Source(text, ["fhirpath", found.tree], _type([found]), is_hl7=False, repeats=_repeats(found))

    def entered(self, where: Where, block: Any) -> tuple[list[Any], tuple[Any, ...]] | None:
        """Check `for:` and `name:` of a block; return what the plan keeps, and what stands for the thing inside."""
        found = self.paths.read((*where, "for"), block.for_, self._inside())
        if found is None:
            return None
        if block.name is None:
            self.desk.add("E021", where, "'name' is missing: what the rules inside call the thing", "name: thing")
            return None
        self._things[block.name] = Typed(found.gives.types, 1, 1, codes=found.gives.codes)
        return ["fhirpath", found.tree, block.name], (block.name,)

    def when(
        self, where: Where, when: list[str] | None, _events: tuple[str, ...]
    ) -> tuple[list[str] | None, list[Any] | None]:
        """Return the actions, or the condition, of a `when:`."""
        if not when or set(when) <= set(self.desk.actions):
            return when, None
        if len(when) > 1 or when[0].isidentifier():
            wrong = next(action for action in when if action not in self.desk.actions)
            hint = did_you_mean(wrong, self.desk.actions)
            self.desk.add("E430", where, f"no line of the route does '{wrong}'", hint)
            return None, None
        found = self.paths.read(where, when[0], self._inside())
        if found is None or not is_condition(self.desk, found):
            return None, None
        return None, ["fhirpath", found.tree]

    def value(self, where: Where, rule: Any, *, name: str, wanted: str | None = None) -> tuple[Plan, str, bool] | None:
        """Check `from`, `table` and `default` of a rule (see `hl7_mapping_sources.Sources.value`)."""
        if rule.as_ is not None:
            text = "there are no formats from FHIR to FHIR"
            self.desk.add("E120", (*where, "as"), text, "FHIRPath says it: family & ', ' & given.first()", key=True)
            return None
        texts = rule.from_ or []
        found = sources(self.paths, (*where, "from"), texts, self._inside())
        if len(found) < len(texts):
            return None
        plan: Plan = {
            "at": self.desk.at(where), "name": name, "source": ", ".join(texts), "default": rule.default,
            "unmapped": rule.on_unmapped or "error", "code": rule.code, "type": wanted or "string",
            "from": [["fhirpath", one.tree] for one in found],
        }  # fmt: skip
        if rule.table is not None:
            cells = lookup(self.paths, where, rule, found)
            plan["cells"] = {code: cell or None for code, cell in cells.items()}
            plan["table"] = rule.table if isinstance(rule.table, str) else f"of {name}"
            return plan, TEXT, any(map(_repeats, found))
        return plan, _type(found), any(map(_repeats, found))

    def one_of(self, text: str, name: str) -> str:
        """Return how to take one value of several."""
        return f"take one with .first(), or write {name}[]" if text else f"write {name}[]"

    def _inside(self) -> dict[str, Typed]:
        return {name: self._things[name] for name in self.inside}


def _repeats(found: Expression) -> bool:
    return found.gives.maximum is None or found.gives.maximum > 1


def _type(found: list[Expression]) -> str:
    """Return the one type that expressions give; text where it is written as text, or not known."""
    types = {name for one in found for name in plain_types(one.gives)}
    return next(iter(types)) if len(types) == 1 and not types & _TEXTS else TEXT
