"""Settings of a study share: the product's four site parameters, the prerequisites, and how studies are moved.

The four are empty by default: a site without them runs, and every share is refused with the name of what is missing.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from channels.migration_settings import Migration


@dataclass(kw_only=True)
class StudyShare(Migration):
    """What `connector: study-share` needs to know of the site."""

    archive: str = field(
        metadata={
            "help": "Name of PowerServer's station in dicom:, or of a folder in folders:, of which studies are taken."
        }
    )
    enabled: bool = field(default=False, metadata={"help": "OmegaAI Share Enabled."})
    migration_station: str = field(
        default="", metadata={"help": "OmegaAI Migration Station Name: OmegaAI's station in dicom:."}
    )
    volume: str = field(
        default="", metadata={"help": "OmegaAI Migration Volume ID. (A-42: recorded and told, no more)"}
    )
    share_url: str = field(default="", metadata={"help": "OmegaAI Share URL: https://HOST/share-study/ORGANIZATION."})
    organization: str = field(metadata={"help": "organizationId of this site at OmegaAI."})
    powerserver_version: str = field(metadata={"help": "PowerServer's version, such as 6.0."})
    powerserver_patch: str = field(default="", metadata={"help": "Date of its last patch, such as 2026-01-07."})
    mirth_version: str = field(metadata={"help": "Version of PowerServer's Mirth, such as 4.4.2."})
    sso: bool = field(default=False, metadata={"help": "Single sign-on with Azure AD B2C is set up."})
    user_integration: bool = field(
        default=False, metadata={"help": "PowerServer's users are integrated with OmegaAI's."}
    )
    licence: str = field(default="", metadata={"help": "Blume's licence: BPP or AFD; empty: none."})
    requesters: tuple[str, ...] = field(
        default=(), metadata={"help": "Who may ask for shares, as the requests name them; empty: whoever is let in."}
    )
    default_days: int = field(default=30, metadata={"help": "Days that a share lasts. (A-44)"})
    longest_days: int = field(default=90, metadata={"help": "Days that a share may last at most. (A-44)"})
    launch_id: bool = field(
        default=False, metadata={"help": "Put OmegaAI's opaque one-time launch id behind the link. (A-43)"}
    )
    omegaai: dict[str, object] = field(
        metadata={
            "of": "omegaai-share",
            "help": "OmegaAI's FHIR service, with the settings of omegaai-share (base, authority, client …).",
        }
    )
    mail: dict[str, object] | None = field(
        default=None,
        metadata={
            "of": "mail-sender",
            "help": "Settings of a mail-sender that mails the link; empty: OmegaAI mails it by itself.",
        },
    )

    audit: dict[str, object] | None = field(
        default=None,
        metadata={
            "of": "syslog-sender",
            "help": "Settings of a syslog-sender: the host's audit trail goes there as DICOM audit messages.",
        },
    )

    def __post_init__(self) -> None:
        """Check what the type of one field alone does not show; raises ValueError."""
        super().__post_init__()
        if self.archive not in self.dicom and self.archive not in self.folders:
            raise ValueError("archive must be the name of a station in dicom, or of a folder in folders")
        if not 0 < self.default_days <= self.longest_days:
            raise ValueError("default_days must be above zero and not above longest_days")
