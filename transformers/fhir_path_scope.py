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
        return self.first_value(name) if known is None else known

    def first_value(self, name: str) -> list[Any]:
        """Return the values of %name, which stands not in `values` yet, and keep them; raises as `value`."""
        given = self.names.get(name)
        if given is None:
            found = self._outside(name)
        elif isinstance(given, list):
            found = given
        else:
            try:
                found = given(self if self.focus is self.resource else self._whole())
            except RecursionError:
                raise PathError(f"%{name} needs its own value") from None
        self.values[name] = found
        return found

    def _outside(self, name: str) -> list[Any]:
        """Return a name of the scope around this one, or one that FHIRPath itself gives (N1, chapter 9)."""
        if self.parent is not None:
            return self.parent.value(name)
        if name in {"resource", "rootResource", "context"}:
            return [self.focus if name == "context" else self.resource]
        if name in _CONSTANTS:
            return [_CONSTANTS[name]]
        raise PathError(f"there is no %{name}")

    def _whole(self) -> Scope:
        """Return a scope on the document: names are expressions over it, wherever they are first used."""
        return Scope(self.resource, {}, self.now, None, 0, self)

    def nested(self, names: Mapping[str, Named], focus: Any = None) -> Scope:
        """Return a scope inside this one, with names of its own: one turn of a `for:`."""
        return Scope(self.resource, names, self.now, self.focus if focus is None else focus, 0, self)

    def share(self, other: Scope) -> None:
        """Take over where references lead from another scope of the same document."""
        self._references = other._references

    @property
    def references(self) -> References:
        """The places that references of this document can lead to; built when first asked for."""
        if self._references is None:
            self._references = self.parent.references if self.parent else References(self.resource)
        return self._references


class References:
    """Where references of one document lead.

    In this order: `#id` in the resource that holds the reference, fullUrl, relative `Type/id`, a transaction's
    conditional `Type?identifier=system|value`, a canonical url with or without `|version`; then
    Reference.identifier. What leads to several resources leads nowhere: nothing is guessed.

    Sources: FHIR R4, 2.3.0 (Reference), 2.36.4.1 (resolving references in Bundles), 2.3.0.2 (contained).
    """

    def __init__(self, document: Any) -> None:
        self._document = document
        self._full_urls = _full_urls(document)
        self._other_urls: dict[str, Any] | None = None
        self._by_identifier: dict[tuple[str, str], list[Any]] | None = None
        self._containers: dict[int, Any] | None = None

    @property
    def _resources(self) -> list[Any]:
        own = [self._document] if isinstance(self._document, dict) else []
        return own + [resource for resource, _ in _entries(self._document)]

    def resolve(self, references: Iterable[Any]) -> list[Any]:
        """Return the resources that References (or values of type uri, url, canonical) lead to."""
        found = []
        full_urls = self._full_urls
        for reference in references:
            url = reference.get("reference") if isinstance(reference, dict) else reference
            resource = full_urls.get(url) if isinstance(url, str) else None
            if resource is None:
                resource = self._elsewhere(reference, url)
            if resource is not None:
                found.append(resource)
        return found

    def _elsewhere(self, reference: Any, url: Any) -> Any:
        found = self._at(url, reference) if isinstance(url, str) else None
        if found is not None or not isinstance(reference, dict):
            return found
        if "resourceType" in reference:
            return reference
        identifier = reference.get("identifier")
        if not isinstance(identifier, dict):
            return None
        return self._identified(identifier.get("system"), identifier.get("value"), reference.get("type"))

    def _at(self, target: str, reference: Any) -> Any:
        if target.startswith("#"):
            return self._contained(target[1:], reference)
        if self._other_urls is None:
            self._other_urls = _other_urls(self._resources, self._full_urls)
        if target in self._other_urls:
            return self._other_urls[target]
        url, _, version = target.partition("/_history/")
        if version:
            found = self._full_urls.get(url) or self._other_urls.get(url)
            return found if found and found.get("meta", {}).get("versionId", version) == version else None
        kind, _, query = target.partition("?identifier=")
        if query and "&" not in query:
            system, bar, value = query.rpartition("|")
            return self._identified(system if bar else None, value, kind)
        return None

    def _identified(self, system: Any, value: Any, kind: Any) -> Any:
        if not isinstance(value, str):
            return None
        if self._by_identifier is None:
            self._by_identifier = _identifiers(self._resources)
        found = [
            resource
            for resource in self._by_identifier.get((system or "", value), ())
            if kind is None or resource.get("resourceType") == kind
        ]
        return found[0] if len(found) == 1 else None

    def _contained(self, name: str, reference: Any) -> Any:
        if self._containers is None:
            self._containers = {}
            for resource in self._resources:
                if isinstance(resource.get("contained"), list):
                    _note_containers(resource, resource, self._containers)
        container = self._containers.get(id(reference))
        if container is None or not name:
            return container
        inside = [part for part in container["contained"] if isinstance(part, dict) and part.get("id") == name]
        return inside[0] if len(inside) == 1 else None


def _full_urls(document: Any) -> dict[str, Any]:
    """Return the resources of a Bundle by fullUrl; None where two have the same."""
    try:
        found = {entry["fullUrl"]: entry["resource"] for entry in document["entry"]}
    except (KeyError, TypeError):  # no Bundle, or an entry without one of them
        found = {}
    if not found or len(found) < len(document["entry"]):
        found = {}
        for resource, url in _entries(document):
            if isinstance(url, str):
                _add(found, url, resource)
    return found


def _entries(document: Any) -> Iterator[tuple[Any, Any]]:
    """Give each resource of a Bundle, and its fullUrl."""
    entries = document.get("entry") if isinstance(document, dict) else None
    for entry in entries if isinstance(entries, list) else ():
        resource = entry.get("resource") if isinstance(entry, dict) else None
        if isinstance(resource, dict):
            yield resource, entry.get("fullUrl")


def _add(urls: dict[str, Any], url: str, resource: Any) -> None:
    if urls.setdefault(url, resource) is not resource:
        urls[url] = None


def _other_urls(resources: list[Any], full_urls: dict[str, Any]) -> dict[str, Any]:
    """Return what relative references and canonical urls lead to; None where that is more than one resource."""
    found: dict[str, Any] = {}
    for url, resource in full_urls.items():
        tail = "/".join(url.rsplit("/", 2)[-2:])
        if resource is not None and tail.startswith(f"{resource.get('resourceType')}/"):
            _add(found, tail, resource)
    for resource in resources:
        kind, name, canonical = resource.get("resourceType"), resource.get("id"), resource.get("url")
        if kind and name:
            _add(found, f"{kind}/{name}", resource)
        if isinstance(canonical, str):
            _add(found, canonical, resource)
            _add(found, f"{canonical}|{resource.get('version')}", resource)
    return found


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
