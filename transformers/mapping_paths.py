"""The FHIRPath of a mapping file, checked: syntax, %names, element names and types, how many values."""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from transformers import fhir_path_types
from transformers.fhir_path_parse import names_used, parse
from transformers.fhir_path_syntax import PathSyntaxError
from transformers.fhir_path_types import Typed
from transformers.mapping_desk import Desk, Where
from transformers.mapping_file import did_you_mean

#: Names that every expression may use beside those of `let:`.
KNOWN = "known"
IT = "it"
SITE = "site"
#: Names that FHIRPath itself gives: FHIR R4 2.9.2.1, FHIRPath N1 9.
_STANDARD = ("resource", "rootResource", "context", "ucum", "sct", "loinc")
RESERVED = frozenset({KNOWN, IT, SITE, *_STANDARD})


#: A value of site.yaml that is a time quantity in an expression (FHIRPath N1, 2.9.8): `2 days`.
_DURATION = re.compile(r"(\d+) ((?:year|month|week|day|hour|minute|second)s?)")

#: What a name gives whose own mistakes are reported elsewhere.
ANYTHING = Typed(fhir_path_types.ANY, 0, 1)
BOOLEAN = Typed(frozenset({"boolean"}), 1, 1)


@lru_cache(maxsize=4096)
def parsed(text: str) -> list[Any]:
    """Return the tree of an expression, not to be changed: a file is checked often, and most of it stays as it was.

    Raises:
        PathSyntaxError: not FHIRPath.
    """
    return parse(text)


@dataclass(frozen=True, slots=True)
class Expression:
    """A checked expression."""

    text: str
    tree: list[Any]
    gives: Typed
    where: Where


@dataclass(slots=True)
class Paths:
    """The names of a mapping and the expressions that use them."""

    desk: Desk
    #: What %it is; None when the mapping has no `from.each`.
    it: Typed | None = None
    #: What each name of `let:` gives; None while it is being found out.
    lets: dict[str, Typed | None] = field(default_factory=dict)
    #: Names of `let:` that are there but could not be read: said once, not at each use.
    broken: set[str] = field(default_factory=set)
    #: What the rules of the mapping's kind give.
    gives: dict[str, Typed] = field(default_factory=dict)
    #: Names that any expression used.
    used: set[str] = field(default_factory=set)

    def read(self, where: Where, text: str, inside: Mapping[str, Typed] | None = None) -> Expression | None:
        """Check one expression; None with problems noted when it cannot be used.

        Args:
            where: the place of the text in the file.
            text: FHIRPath.
            inside: further names, those of the blocks around.
        """
        try:
            tree = parsed(text)
        except PathSyntaxError as error:
            self.desk.add("E101", where, str(error), offset=error.column - 1)
            return None
        self.used |= names_used(tree)
        known = self._names(inside or {})
        if not self._all_known(where, tree, known):
            return None
        if SITE in names_used(tree):
            tree = copy.deepcopy(tree)
            if not self._put_in_site(where, tree):
                return None
        if names_used(tree) & self.broken:
            return Expression(text, tree, ANYTHING, where)
        gives = fhir_path_types.check(tree, ("Bundle",), known)
        for column, sentence, hint in gives.problems:
            self.desk.add("E103", where, sentence, hint, offset=column - 1)
        return None if gives.problems else Expression(text, tree, gives, where)

    def _names(self, inside: Mapping[str, Typed]) -> dict[str, Typed]:
        names = {KNOWN: BOOLEAN}
        if self.it is not None:
            names[IT] = self.it
        lets = {name: gives for name, gives in self.lets.items() if gives is not None}
        return names | self.gives | lets | dict(inside)

    def _all_known(self, where: Where, tree: list[Any], known: Mapping[str, Typed]) -> bool:
        names = {*known, *self.broken, SITE}
        unknown = [(column, name) for column, name in _named(tree) if name not in names and name not in _STANDARD]
        for column, name in unknown:
            if name in self.lets:
                circle = "names of let: must not go in a circle"
                self.desk.add("E106", where, f"%{name} is needed for its own value", circle, offset=column - 1)
                continue
            hint = did_you_mean(f"%{name}", [f"%{other}" for other in names])
            if name == IT:
                hint = "%it is there when from: has each:"
            self.desk.add("E102", where, f"unknown name %{name}", hint, offset=column - 1)
        return not unknown

    def _put_in_site(self, where: Where, tree: list[Any]) -> bool:
        """Replace %site.a.b by its value; the tree is changed in place."""
        before = len(self.desk.problems)
        if tree[0] == "fallback":
            self.desk.add(
                "E101", where, "%site cannot stand in an expression with quantities", "give it a name in let:"
            )
            return False
        _replace_site(self.desk, where, tree)
        return len(self.desk.problems) == before


def _named(tree: list[Any]) -> Iterator[tuple[int, str]]:
    if tree and tree[0] == "name":
        yield tree[1], tree[2]
    for part in tree:
        if isinstance(part, list):
            yield from _named(part)


def _site_name(node: Any) -> str | None:
    """Return `a.b` for %site.a.b; "" for %site itself; None for anything else."""
    if not isinstance(node, list) or not node:
        return None
    if node[0] == "name":
        return "" if node[2] == SITE else None
    if node[0] != "member" or node[2] is None:
        return None
    before = _site_name(node[2])
    return None if before is None else f"{before}.{node[3]}".lstrip(".")


def _replace_site(desk: Desk, where: Where, node: list[Any]) -> None:
    name = _site_name(node)
    if name is None:
        for part in node:
            if isinstance(part, list):
                _replace_site(desk, where, part)
        return
    column = _first_column(node)
    value = desk.site_value(where, name, offset=column - 1)
    if value is not None:
        kind = "Boolean" if isinstance(value, bool) else "Integer" if isinstance(value, int) else "String"
        node[:] = ["literal", column, kind, value if kind != "String" else str(value)]
        quantity = _DURATION.fullmatch(node[3]) if kind == "String" else None
        if quantity:
            node[2:] = ["Quantity", [quantity[1], quantity[2]]]


def _first_column(node: list[Any]) -> int:
    return _first_column(node[2]) if node[0] == "member" else int(node[1])
