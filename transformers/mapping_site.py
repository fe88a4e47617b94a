"""site.yaml: what is different at each site. The only file in which `${NAME:default}` takes environment variables.

`${secret:NAME}` names a secret; it is kept as it stands, never looked up here.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from messages.problem import Place, Problem, Problems
from transformers import mapping_shape
from transformers.base import KindWords
from transformers.mapping_file import Document, Steps, load, scalar
from transformers.site_model import Alerts, Declared, Doctor, Schedule, SiteFile

_REFERENCE = re.compile(r"\$\{(?P<secret>secret:)?(?P<name>[A-Za-z_][A-Za-z0-9_]*)(?::(?P<default>[^}]*))?\}")

#: Of a site that has it: how the bookable resources of both sides are compared.
RESOURCES_FILE = "resource-sync.yaml"

_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}

Kinds = Mapping[str, Mapping[str, KindWords]]


@dataclass(frozen=True, slots=True)
class Site:
    """A site: its folder with mappings and tables, and what site.yaml says, typed, variables put in."""

    folder: Path
    name: str
    time_zone: str
    data: str
    console: Mapping[str, Any]
    #: Days that messages are kept once they are at rest.
    retention_days: int
    stations: Mapping[str, Mapping[str, Any]]
    values: Mapping[str, Any]
    document: Document
    #: What is done by the clock, what is declared, and what the doctor may do.
    schedule: Schedule
    declared: Mapping[str, Declared]
    doctor: Doctor
    #: Settings of the door for DICOM; None: there is none.
    dicom: Mapping[str, Any] | None = None
    #: When people are told, and how; None: nobody is.
    alerts: Alerts | None = None
    #: Kinds of channels that are installed: name -> transformer -> the words of its mappings.
    kinds: Kinds = field(default_factory=dict)

    def place(self, path: Sequence[str | int]) -> Place:
        """Return where a value stands in site.yaml, such as `("stations", "powerserver", "port")`."""
        return self.document.place(path)

    def value(self, dotted: str) -> Any:
        """Return a value of `values:` by its dotted name; None when there is none."""
        found: Any = self.values
        for step in dotted.split("."):
            if not isinstance(found, dict) or step not in found:
                return None
            found = found[step]
        return found

    def names(self) -> list[str]:
        """Return the dotted names of all single values."""
        return list(_names("", self.values))


def load_site(folder: Path, environ: Mapping[str, str], kinds: Kinds | None = None) -> Site:
    """Read `site.yaml` of a site's folder; `kinds` are the kinds of channels that its mappings may have.

    Raises:
        Problems: all that is wrong with it, each with its place.
    """
    path = folder / "site.yaml"
    document = load(path)
    problems: list[Problem] = []
    data = _resolved(document, (), document.typed(()), environ, problems)
    site, shape, _ = mapping_shape.read(document, SiteFile, data)
    problems += shape
    if isinstance(site, SiteFile) and not is_zone(site.site.time_zone):
        text = f"'{site.site.time_zone}' is no time zone"
        hint = "write a name of the tz database, such as America/Sao_Paulo"
        problems.append(Problem(code="E134", text=text, hint=hint, place=document.place(("site", "time_zone"))))
    if problems or not isinstance(site, SiteFile):
        raise Problems(problems)
    return Site(
        folder=folder,
        name=site.site.name,
        time_zone=site.site.time_zone,
        data=site.data,
        console=site.console.model_dump(exclude_none=True),
        retention_days=site.retention.days,
        stations=site.stations,
        dicom=site.dicom,
        values=site.values,
        document=document,
        schedule=site.schedule,
        declared=site.declared,
        doctor=site.doctor,
        alerts=site.alerts,
        kinds=kinds or {},
    )


def is_zone(name: str) -> bool:
    """Say whether a name is one of the tz database.

    >>> is_zone("America/Sao_Paulo"), is_zone("Brasilia")
    (True, False)
    """
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return False
    return bool(name)


def seconds(text: str) -> float:
    """Return a time as analysts write it in seconds.

    >>> seconds("15m"), seconds("7d")
    (900.0, 604800.0)
    """
    return float(int(text[:-1]) * _SECONDS[text[-1]])


def is_secret(value: object) -> bool:
    """Say whether a value names a secret."""
    return isinstance(value, str) and value.startswith("${secret:")


def _resolved(document: Document, path: Steps, value: Any, environ: Mapping[str, str], problems: list[Problem]) -> Any:
    if isinstance(value, dict):
        return {key: _resolved(document, (*path, key), item, environ, problems) for key, item in value.items()}
    if isinstance(value, list):
        return [_resolved(document, (*path, n), item, environ, problems) for n, item in enumerate(value)]
    if not isinstance(value, str) or "${" not in value:
        return value
    put_in = _putter(document, path, environ, problems)
    whole = _REFERENCE.fullmatch(value)
    if whole is not None:
        return value if whole["secret"] else scalar(put_in(whole))
    rest = _REFERENCE.sub("", value)
    if "${" in rest:
        text, hint = "a variable is written ${NAME} or ${NAME:default}", None
        problems.append(Problem(code="E131", text=text, hint=hint, place=document.within(path, value.index("${"))))
        return value
    return _REFERENCE.sub(put_in, value)


def _putter(
    document: Document, path: Steps, environ: Mapping[str, str], problems: list[Problem]
) -> Callable[[re.Match[str]], str]:
    def put_in(match: re.Match[str]) -> str:
        name, default = match["name"], match["default"]
        if match["secret"]:
            text = "a secret stands alone: nothing before or behind ${secret:…}"
        elif name in environ:
            return environ[name]
        elif default is not None:
            return default
        else:
            text = f"the environment variable {name} is not set"
        hint = f"set it, or give a default: ${{{name}:default}}"
        place = document.within(path, match.start())
        problems.append(Problem(code="E131", text=text, hint=None if match["secret"] else hint, place=place))
        return ""

    return put_in


def _names(before: str, values: Any) -> list[str]:
    if not isinstance(values, dict):
        return [before.removesuffix(".")]
    return [name for key, value in values.items() for name in _names(f"{before}{key}.", value)]
