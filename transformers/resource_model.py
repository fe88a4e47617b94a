"""The words of resource-sync.yaml, as pydantic models; docs/resource-sync.md explains them."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field, StringConstraints

from transformers.mapping_words import Label, Name, Part, Paths, Text

Time = Annotated[str, StringConstraints(pattern=r"^[1-9][0-9]*(s|m|h|d)$")]
SideName = Literal["omegaai", "powerserver"]
SeverityName = Literal["blocker", "warning", "info"]


class OmegaAISource(Part):
    """Where OmegaAI's resources are read: a FHIR R4 server."""

    reader: Literal["fhir"] = "fhir"
    station: Label
    page: int = Field(default=200, ge=1, le=1000, description="resources asked for at once (_count)")
    reread: Time = Field(default="24h", description="after this time all is read anew: deletions are not seen else")
    read: dict[Annotated[str, StringConstraints(pattern=r"^[A-Z][A-Za-z]+$")], list[str]] = Field(
        min_length=1, description="types of FHIR resources, each with search parameters as name=value"
    )


class PowerServerSource(Part):
    """Where PowerServer's resources are read."""

    reader: Literal["folder", "http", "channel"]
    station: Label | None = Field(default=None, description="of site.yaml: a folder, or an address")
    channel: Label | None = Field(default=None, description="with reader channel: the one that receives MFN^M05")


class Sources(Part):
    """Where the two sides are read."""

    omegaai: OmegaAISource
    powerserver: PowerServerSource


class Facility(Part):
    """To which of PowerServer's imaging facilities a resource belongs."""

    omegaai: Text = Field(description="FHIRPath to what names the organization")
    table: Text = Field(description="table.column with the facility of each organization")
    powerserver: Text | None = Field(default=None, description="column of the export")
    mfn: Text | None = Field(default=None, description="field of MFN^M05, such as LOC-1.4")
    default: Text | None = Field(default=None, description="where PowerServer's export does not say")


class Labels(Part):
    """What the sides call a field on their screens."""

    omegaai: Text | None = None
    powerserver: Text | None = None


class SyncField(Part):
    """A field: where each side has it, how it is compared, which side is right."""

    omegaai: Text | None = Field(default=None, description="FHIRPath from the HealthcareService")
    powerserver: Paths | None = Field(default=None, description="column of the export; for hours two: start and end")
    mfn: Text | None = Field(default=None, description="field of MFN^M05: LOC-2, LDP-6, LCH.DUR")
    as_: Literal["text", "minutes", "hours", "yes_no", "modality"] = Field(default="text", alias="as")
    drift: Annotated[str, StringConstraints(pattern=r"^[A-Z][A-Z0-9_]*$")] | None = Field(
        default=None, description="category of a difference; without it the field is shown, not compared"
    )
    empty: Annotated[str, StringConstraints(pattern=r"^[A-Z][A-Z0-9_]*$")] | None = Field(
        default=None, description="category where PowerServer has it empty"
    )
    absent: Text | None = Field(default=None, description="what it is where PowerServer's export has no such column")
    at_least: int | None = Field(default=None, ge=1, description="minutes below which it is MIN_DURATION")
    truth: SideName = Field(default="omegaai", description="the side that is right where they differ")
    label: Labels = Labels()
    write: Literal["active", "duration", "hours", "modality", "name", "overbooking"] | None = Field(
        default=None, description="how a repair writes it to OmegaAI; without it a person does"
    )
    extension: Text | None = Field(default=None, description="url of the extension that holds it (A-51), for repairs")


class Menus(Part):
    """Where a resource is edited; {name} and {facility} are put in."""

    omegaai: Text
    powerserver: Text
    site: Text


class Repair(Part):
    """What the host may change, each time after a person has seen the plan."""

    omegaai: Literal["report", "fhir"] = "report"
    powerserver: Literal["report", "mfn", "csv"] = "report"
    station: Label | None = Field(
        default=None, description="where PowerServer's changes go: an MLLP station or a folder"
    )
    depends: list[str] = Field(
        default_factory=list,
        description="categories that are not repaired while future appointments stand on the resource",
    )


class SyncFile(Part):
    """resource-sync.yaml: how the bookable resources of OmegaAI and PowerServer are compared and repaired."""

    #: For the hint of an unknown word: which words a part has.
    PARTS: ClassVar[dict[str, type[Part]]] = {
        "omegaai": OmegaAISource,
        "powerserver": PowerServerSource,
        "sources": Sources,
        "facility": Facility,
        "label": Labels,
        "fields": SyncField,
        "menus": Menus,
        "repair": Repair,
    }

    version: Literal["1"]
    sync: Literal["resources"]
    title: Text
    owner: str | None = None
    stale_after: Time = "7d"
    shrink: int = Field(default=50, ge=1, le=100, description="per cent of resources that a reading may lack at most")
    sources: Sources
    facility: Facility
    modalities: Text | None = Field(default=None, description="table.column with the group of a modality (A-24)")
    fields: dict[Name, SyncField] = Field(min_length=1)
    severities: dict[str, SeverityName] = Field(default_factory=dict)
    menus: Menus
    repair: Repair = Repair()
