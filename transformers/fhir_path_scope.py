"""What an expression may see while it is evaluated: the document, %names, the time, and where references lead."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple

from transformers.fhir_path_errors import PathError

#: A %name: its values, or a compiled expression that gives them when they are first asked for.
Named = list[Any] | Callable[["Scope"], list[Any]]

#: Gives the values of an expression; the second argument is $this.
Values = Callable[["Scope", Any], list[Any]]
#: Gives true, false, or None for empty.
Test = Callable[["Scope", Any], bool | None]


class Compiler(NamedTuple):
    """How the parts of a tree are compiled: as a collection, or where a Boolean is wanted."""

    values: Callable[[list[Any]], Values]
    test: Callable[[list[Any]], Test]


_CONSTANTS = {"ucum": "http://unitsofmeasure.org", "sct": "http://snomed.info/sct", "loinc": "http://loinc.org"}


@dataclass(slots=True)
class Scope:
    """One message under evaluation. Values of names are kept for the life of the scope; nothing here is changed."""

    #: The whole document: a Bundle or a single resource. resolve() looks here.
    resource: Any
    names: Mapping[str, Named]
    #: What now() and today() say, with an offset; never the machine's own clock.
    now: datetime
    #: What a path begins from; the document unless given.
    focus: Any = None
    #: $index of the innermost where(), select(), exists(), all().
    position: int = 0
    parent: Scope | None = None
    values: dict[str, list[Any]] = field(default_factory=dict)
    _pending: set[str] = field(default_factory=set)
    _references: References | None = None

    def __post_init__(self) -> None:
        if self.focus is None:
            self.focus = self.resource

    def value(self, name: str) -> list[Any]:
        """Return the values of %name; evaluated once, when first asked for.

        Raises:
            PathError: no such name, or a name that needs itself.
        """
        known = self.values.get(name)
        if known is not None:
            return known
        if name in self.names:
            given = self.names[name]
            if callable(given):
                given = self._evaluate(name, given)
        elif self.parent is not None:
            given = self.parent.value(name)
        elif name in {"resource", "rootResource"}:
            given = [self.resource]
        elif name == "context":
            given = [self.focus]
        elif name in _CONSTANTS:
            given = [_CONSTANTS[name]]
        else:
            raise PathError(f"there is no %{name}")
        self.values[name] = given
        return given

    def _evaluate(self, name: str, given: Callable[[Scope], list[Any]]) -> list[Any]:
        if name in self._pending:
            raise PathError(f"%{name} needs its own value")
        self._pending.add(name)
        try:
            return given(self._top())
        finally:
            self._pending.discard(name)

    def nested(self, names: Mapping[str, Named], focus: Any = None) -> Scope:
        """Return a scope inside this one, with names of its own: one turn of a `for:`."""
        return Scope(self.resource, names, self.now, self.focus if focus is None else focus, 0, self)

    @property
    def references(self) -> References:
        """The places that references of this document can lead to; built when first asked for."""
        if self._references is None:
            self._references = self.parent.references if self.parent else References(self.resource)
        return self._references

    def _top(self) -> Scope:
        """Names are expressions over the whole document, wherever they are first used."""
        if self.focus is self.resource:
            return self
        return Scope(self.resource, {}, self.now, None, 0, self)


class References:
    """Where references of one document lead.

    In this order: `#id` in the resource that holds the reference, fullUrl, relative `Type/id`, a transaction's
    conditional `Type?identifier=system|value`, a canonical url with or without `|version`; then
    Reference.identifier. What leads to several resources leads nowhere: nothing is guessed.

    Sources: FHIR R4, 2.3.0 (Reference), 2.36.4.1 (resolving references in Bundles), 2.3.0.2 (contained).
    """

    def __init__(self, document: Any) -> None:
        self._by_url: dict[str, Any] = {}
        self._by_identifier: dict[tuple[str, str], list[Any]] | None = None
        self._containers: dict[int, Any] | None = None
        self._resources = list(_resources(document))
        for url, resource in self._resources:
            kind, name = resource.get("resourceType"), resource.get("id")
            if url:
                self._add(url, resource)
                tail = "/".join(url.rsplit("/", 2)[-2:])
                if kind and tail.startswith(f"{kind}/"):
                    self._add(tail, resource)
            if kind and name:
                self._add(f"{kind}/{name}", resource)
            canonical = resource.get("url")
            if isinstance(canonical, str):
                self._add(canonical, resource)
                self._add(f"{canonical}|{resource.get('version')}", resource)

    def resolve(self, reference: Any) -> Any:
        """Return the resource that a Reference (or a uri, url, canonical) leads to; None if it is not here."""
        if isinstance(reference, str):
            return self._at(reference, None)
        if not isinstance(reference, dict):
            return None
        if "resourceType" in reference:
            return reference
        target = reference.get("reference")
        found = self._at(target, reference) if isinstance(target, str) else None
        identifier = reference.get("identifier")
        if found is None and isinstance(identifier, dict):
            found = self._identified(identifier.get("system"), identifier.get("value"), reference.get("type"))
        return found

    def _add(self, url: str, resource: Any) -> None:
        if self._by_url.setdefault(url, resource) is not resource:
            self._by_url[url] = None

    def _at(self, target: str, reference: Any) -> Any:
        if target.startswith("#"):
            return self._contained(target[1:], reference)
        if target in self._by_url:
            return self._by_url[target]
        url, _, version = target.partition("/_history/")
        if version:
            found = self._by_url.get(url)
            return found if found and found.get("meta", {}).get("versionId", version) == version else None
        kind, _, query = target.partition("?identifier=")
        if query and query.isprintable() and "&" not in query:
            system, bar, value = query.partition("|")
            return self._identified(system or None, value, kind) if bar else self._identified(None, system, kind)
        return None

    def _identified(self, system: Any, value: Any, kind: Any) -> Any:
        if not isinstance(value, str):
            return None
        if self._by_identifier is None:
            self._by_identifier = _identifiers(resource for _, resource in self._resources)
        found = [
            resource
            for resource in self._by_identifier.get((system or "", value), ())
            if kind is None or resource.get("resourceType") == kind
        ]
        return found[0] if len(found) == 1 else None

    def _contained(self, name: str, reference: Any) -> Any:
        if self._containers is None:
            self._containers = {}
            for _, resource in self._resources:
                if isinstance(resource.get("contained"), list):
                    _note_containers(resource, resource, self._containers)
        container = self._containers.get(id(reference))
        if container is None or not name:
            return container
        inside = [part for part in container["contained"] if isinstance(part, dict) and part.get("id") == name]
        return inside[0] if len(inside) == 1 else None


def _resources(document: Any) -> Iterator[tuple[str | None, Any]]:
    if not isinstance(document, dict):
        return
    yield None, document
    entries = document.get("entry")
    for entry in entries if isinstance(entries, list) else ():
        if isinstance(entry, dict) and isinstance(entry.get("resource"), dict):
            yield entry.get("fullUrl"), entry["resource"]


def _identifiers(resources: Iterable[Any]) -> dict[tuple[str, str], list[Any]]:
    found: dict[tuple[str, str], list[Any]] = {}
    for resource in resources:
        given = resource.get("identifier")
        for identifier in given if isinstance(given, list) else [given]:
            if isinstance(identifier, dict) and isinstance(identifier.get("value"), str):
                found.setdefault((identifier.get("system", ""), identifier["value"]), []).append(resource)
    return found


def _note_containers(part: Any, container: Any, found: dict[int, Any]) -> None:
    """Note for every object inside a resource which resource that is: a `#id` is looked for there."""
    if isinstance(part, dict):
        found[id(part)] = container
        for value in part.values():
            _note_containers(value, container, found)
    elif isinstance(part, list):
        for value in part:
            _note_containers(value, container, found)
