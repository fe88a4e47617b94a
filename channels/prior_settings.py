"""Settings of a pull of prior studies: who is asked, where they go, and how many at most."""

from __future__ import annotations

from dataclasses import dataclass, field

from channels.migration_settings import Migration


@dataclass(kw_only=True)
class PullPrior(Migration):
    """What `connector: pull-prior` needs to know of the site."""

    stations: tuple[str, ...] = field(metadata={"help": "Names of the stations in dicom: that are asked for priors."})
    to: str = field(metadata={"help": "Name of the station in dicom: where priors are to arrive, such as PowerServer."})
    most: int = field(default=10, metadata={"help": "Most recent priors that are pulled at most."})
    months_back: int = field(default=0, metadata={"help": "Months that are looked back by default; 0: all."})
    omegaai: dict[str, object] | None = field(
        default=None,
        metadata={
            "of": "omegaai-share",
            "help": "OmegaAI's FHIR service (settings of omegaai-share), which is told how far the pull is.",
        },
    )
    results: dict[str, object] | None = field(
        default=None,
        metadata={
            "of": "results-door",
            "help": "The FHIR door (base) whose channel maps laboratory results for PowerServer; empty: none. (A-60)",
        },
    )
    report_category: str = field(
        default="LAB", metadata={"help": "DiagnosticReport.category of laboratory results at OmegaAI. (A-60)"}
    )
    observation_category: str = field(
        default="laboratory", metadata={"help": "Observation.category of laboratory results at OmegaAI. (A-60)"}
    )

    def __post_init__(self) -> None:
        """Check what the type of one field alone does not show; raises ValueError."""
        super().__post_init__()
        if self.to not in self.dicom or set(self.stations) - self.dicom.keys() - self.folders.keys():
            raise ValueError("to must be a station in dicom; stations, stations in dicom or folders in folders")
        if not self.stations:
            raise ValueError("stations must name one station at least")
        if self.most < 1 or self.months_back < 0:
            raise ValueError("most must be 1 or more, months_back 0 or more")
