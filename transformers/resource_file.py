"""resource-sync.yaml read and checked: both ends of every field, all mistakes at once, each with its place."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from messages.problem import Problem, Problems
from messages.resource import Severity
from transformers import mapping_shape
from transformers.fhir_path import Scope, compile_path
from transformers.fhir_path_parse import names_used
from transformers.fhir_path_syntax import PathSyntaxError
from transformers.fhir_path_types import check
from transformers.mapping_desk import Desk, Where
from transformers.mapping_file import did_you_mean, load
from transformers.mapping_paths import parsed
from transformers.mapping_site import RESOURCES_FILE, Site, seconds
from transformers.resource_compare import FieldRule, Rules
from transformers.resource_model import SyncField, SyncFile

#: Categories that no field makes.
OF_THE_WHOLE = (
    "MISSING_IN_PS", "MISSING_IN_OAI", "NAME_CASE", "NAME_SPACE", "NAME_UNICODE", "DUPLICATE", "UNMAPPED_FACILITY",
)  # fmt: skip
#: `LOC-2`, `LOC-1.4`, `LDP-10`, or a characteristic by its code: `LCH.DUR`.
_MFN = re.compile(r"(?:LOC|LDP|MFE)-[1-9][0-9]*(?:\.[1-9][0-9]*)?|LCH\.[A-Z0-9]+")
#: What refers to a service, by the names that expressions use.
NAMES = ("schedules", "slots", "devices", "roles")
_ANY = (("any",), 0, None)

Path_ = Callable[[Scope], list[Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldSource:
    """Where a field is read on each side."""

    name: str
    kind: str
    #: FHIRPath from the HealthcareService, compiled.
    omegaai: Path_ | None
    #: Columns of PowerServer's export.
    columns: tuple[str, ...]
    mfn: str | None
    absent: str | None
    #: How a repair writes it to OmegaAI, and the extension that holds it.
    write: str | None
    extension: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class SyncPlan:
    """All that a comparison needs to know of a site."""

    title: str
    stale_after: float
    reread: float
    #: Per cent of the resources that a reading may lack at most.
    shrink: int
    page: int
    #: FHIR type → search parameters.
    read: Mapping[str, tuple[str, ...]]
    omegaai_station: str
    powerserver_reader: str
    #: "" where a channel is read.
    powerserver_station: str
    #: "" where a station is read.
    powerserver_channel: str
    facility_path: Path_
    #: Organization → imaging facility.
    facilities: Mapping[str, str]
    facility_column: str | None
    facility_mfn: str | None
    facility_default: str | None
    #: Modality → its group.
    groups: Mapping[str, str]
    fields: tuple[FieldSource, ...]
    rules: Rules
    #: report or fhir; report, mfn or csv.
    repair_omegaai: str
    repair_powerserver: str
    repair_station: str | None
    depends: frozenset[str]


def read_plan(site: Site) -> SyncPlan | None:
    """Return what the site's resource-sync.yaml says; None where there is none.

    Raises:
        Problems: all that is wrong with it.
    """
    path = site.folder / RESOURCES_FILE
    if not path.exists():
        return None
    plan, problems = check_sync(path, site)
    if plan is None or any(problem.severity == "error" for problem in problems):
        raise Problems(problems)
    return plan


def check_sync(path: Path, site: Site) -> tuple[SyncPlan | None, list[Problem]]:
    """Check the file; no plan where something is wrong with it."""
    try:
        document = load(path)
    except Problems as found:
        return None, list(found.problems)
    file, shape, _ = mapping_shape.read(document, SyncFile, document.data)
    desk = Desk(document, site, f"{path.resolve().parent.name}/{path.name}", problems=shape)
    if not isinstance(file, SyncFile) or shape:
        return None, desk.problems
    plan = _Check(desk, file).plan()
    return (None if desk.problems else plan), desk.problems


@dataclass(slots=True)
class _Check:
    desk: Desk
    file: SyncFile

    def plan(self) -> SyncPlan:
        """Return the plan; what is wrong stands in the desk's problems."""
        file, omegaai, powerserver = self.file, self.file.sources.omegaai, self.file.sources.powerserver
        self._station(("sources", "omegaai", "station"), omegaai.station)
        word = "channel" if powerserver.reader == "channel" else "station"
        if (powerserver.channel if word == "channel" else powerserver.station) is None:
            self._add("E504", ("sources", "powerserver"), f"{word} is missing: where PowerServer's resources are read")
        if powerserver.station is not None:
            self._station(("sources", "powerserver", "station"), powerserver.station)
        if file.repair.station is not None:
            self._station(("repair", "station"), file.repair.station)
            if file.repair.powerserver == "csv" and file.repair.station == powerserver.station:
                text = "the list of changes would be read as an export"
                self._add("E504", ("repair", "station"), text, "name another station with a folder")
        elif file.repair.powerserver != "report":
            self._add("E504", ("repair", "powerserver"), "repair.station is missing: where the changes go")
        if "name" not in file.fields:
            self._add("E504", ("fields",), "the field 'name' is missing: it is what resources are found by")
        self._severities()
        return SyncPlan(
            title=file.title, stale_after=seconds(file.stale_after), reread=seconds(omegaai.reread),
            shrink=file.shrink, page=omegaai.page,
            read={kind: tuple(criteria) for kind, criteria in omegaai.read.items()},
            omegaai_station=omegaai.station, powerserver_reader=powerserver.reader,
            powerserver_station=powerserver.station or "", powerserver_channel=powerserver.channel or "",
            facility_path=self._path(("facility", "omegaai"), file.facility.omegaai),
            facilities=self.desk.column(("facility", "table"), file.facility.table) or {},
            facility_column=file.facility.powerserver, facility_mfn=self._mfn(("facility", "mfn"), file.facility.mfn),
            facility_default=file.facility.default,
            groups=(self.desk.column(("modalities",), file.modalities) or {}) if file.modalities else {},
            fields=tuple(self._source(name, field) for name, field in file.fields.items()),
            rules=self._rules(), repair_omegaai=file.repair.omegaai, repair_powerserver=file.repair.powerserver,
            repair_station=file.repair.station, depends=frozenset(file.repair.depends),
        )  # fmt: skip

    def _rules(self) -> Rules:
        name = self.file.fields.get("name")
        menus = self.file.menus
        return Rules(
            fields=tuple(
                FieldRule(
                    name=key, kind=field.as_, category=field.drift, truth=field.truth, empty=field.empty,
                    at_least=field.at_least,
                    labels={side: label for side, label in field.label.model_dump().items() if label},
                )
                for key, field in self.file.fields.items()
            ),
            severities=self._known_severities(),
            menus={"omegaai": menus.omegaai, "powerserver": menus.powerserver, "site": menus.site},
            name_truth=name.truth if name else "omegaai",
        )  # fmt: skip

    def _known_severities(self) -> dict[str, Severity]:
        return dict(self.file.severities)

    def _severities(self) -> None:
        """Each category has a severity, and each severity its category."""
        fields = self.file.fields.values()
        made = {*OF_THE_WHOLE, *(field.drift for field in fields if field.drift)}
        made |= {field.empty for field in fields if field.empty} | {"MIN_DURATION" for f in fields if f.at_least}
        for category in sorted(made - self.file.severities.keys()):
            self._add("E502", ("severities",), f"the severity of {category} is missing")
        for where, given in (("severities", list(self.file.severities)), ("repair", self.file.repair.depends)):
            for category in given:
                if category not in made:
                    hint = did_you_mean(category, made) or f"the categories are {', '.join(sorted(made))}"
                    at = (where, category) if where == "severities" else (where, "depends")
                    self._add("E502", at, f"there is no category '{category}'", hint)

    def _source(self, name: str, field: SyncField) -> FieldSource:
        where = ("fields", name)
        columns = tuple(field.powerserver or ())
        if columns and len(columns) != (2 if field.as_ == "hours" else 1):
            text = "hours need two columns, start and end" if field.as_ == "hours" else "one column is expected"
            self._add("E503", (*where, "powerserver"), text)
        if field.drift and not (field.omegaai and (columns or field.mfn)):
            self._add("E503", (*where, "drift"), "a field that is compared must be read on both sides")
        if field.at_least and field.as_ != "minutes":
            self._add("E503", (*where, "at_least"), "only minutes have a smallest value")
        if field.write in {"duration", "overbooking"} and not field.extension:
            self._add("E503", (*where, "write"), "extension is missing: the url under which it is written")
        return FieldSource(
            name=name, kind=field.as_, columns=columns, mfn=self._mfn((*where, "mfn"), field.mfn),
            omegaai=self._path((*where, "omegaai"), field.omegaai) if field.omegaai else None,
            absent=field.absent, write=field.write, extension=field.extension,
        )  # fmt: skip

    def _path(self, where: Where, text: str) -> Path_:
        """Return a FHIRPath compiled, and checked from HealthcareService on."""
        try:
            tree = parsed(text)
        except PathSyntaxError as error:
            self.desk.add("E101", where, str(error), offset=error.column - 1)
            return lambda _: []
        unknown = sorted(names_used(tree) - {*NAMES, "resource", "context"})
        for name in unknown:
            hint = did_you_mean(f"%{name}", [f"%{known}" for known in NAMES])
            self._add("E102", where, f"unknown name %{name}", hint)
        if not unknown:
            for column, sentence, hint in check(tree, ("HealthcareService",), dict.fromkeys(NAMES, _ANY)).problems:
                self.desk.add("E103", where, sentence, hint, offset=column - 1)
        return compile_path(tree)

    def _mfn(self, where: Where, text: str | None) -> str | None:
        if text is not None and not _MFN.fullmatch(text):
            self._add("E501", where, f"'{text}' is no field of MFN^M05", "such as LOC-2, LOC-1.4, LDP-6 or LCH.DUR")
        return text

    def _station(self, where: Where, name: str) -> None:
        if name not in self.desk.site.stations:
            stations = self.desk.site.stations
            hint = did_you_mean(name, stations) or f"stations are {', '.join(stations) or 'missing'}"
            self._add("E133", where, f"site.yaml has no station '{name}'", hint)

    def _add(self, code: str, where: Where, text: str, hint: str | None = None) -> None:
        self.desk.add(code, where, text, hint)
