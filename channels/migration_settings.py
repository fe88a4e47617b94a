"""Settings that every move of studies has: the stations, how it is sent, when, and what counts as proof."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Literal

#: Proofs of arrival, the strongest first: the archive's promise to keep each instance; each instance seen in the
#: target's list; the target's number of instances.
PROOFS = ("commitment", "instances", "counts")

_WINDOW = re.compile(r"([01]\d|2[0-3]):([0-5]\d)-([01]\d|2[0-3]):([0-5]\d)")


@dataclass(kw_only=True)
class Migration:
    """How studies are moved between stations, and when they count as arrived."""

    dicom: dict[str, object] = field(
        metadata={
            "each_of": "dicom-peer",
            "help": "DICOM stations by name, each with the settings of a dicom-peer (AE title, host, port …).",
        }
    )
    folders: dict[str, object] = field(
        default_factory=dict,
        metadata={
            "each_of": "dicom-folder",
            "help": "Folders of DICOM files by name, each a dicom-folder; a transfer cstore or stow takes of them "
            "as of a station.",
        },
    )
    transfer: Literal["cmove", "cstore", "stow", "external"] = field(
        default="cmove",
        metadata={
            "help": "cmove: the archive sends by itself (C-MOVE). cstore: C-GET or files, then C-STORE. stow: C-GET or "
            "files, then STOW-RS. external: somebody else sends; only the arrival is verified. (A-41)"
        },
    )
    proof: Literal["commitment", "instances", "counts"] = field(
        default="instances", metadata={"help": "The weakest proof of arrival that is enough."}
    )
    commitment: bool = field(
        default=True, metadata={"help": "Ask the target for storage commitment; without it the lists are compared."}
    )
    dicomweb: dict[str, object] | None = field(
        default=None,
        metadata={
            "of": "dicomweb-peer",
            "help": "Settings of a dicomweb-peer: the target is then asked by QIDO-RS, not by C-FIND.",
        },
    )
    ignore_sop_classes: tuple[str, ...] = field(
        default=(), metadata={"help": "SOP Class UIDs that the target cannot store: reported, and not waited for."}
    )
    attempts: int = field(default=5, metadata={"help": "Times that a transfer is tried before it has failed."})
    retry_after: float = field(default=30.0, metadata={"help": "Seconds before the second try; doubled at each."})
    settle_after: float = field(
        default=30.0,
        metadata={"help": "Seconds to wait for the target's list: OmegaAI ends a receive after 30 s of silence."},
    )
    verify_within: float = field(default=600.0, metadata={"help": "Seconds for the instances to appear in the list."})
    commit_within: float = field(
        default=900.0, metadata={"help": "Seconds for the report of a storage commitment; then the lists are compared."}
    )
    window: str = field(
        default="", metadata={"help": "Hours of the site in which is sent, such as 20:00-06:00; empty: always."}
    )
    instances_at_once: int = field(
        default=0, metadata={"help": "Instances that one C-MOVE asks for at most; 0: all that a series lacks."}
    )
    pause_between: float = field(default=0.0, metadata={"help": "Seconds between two requests of one transfer."})

    def __post_init__(self) -> None:
        """Check what the type of one field alone does not show.

        Raises:
            ValueError: names the field and what it must be.
        """
        if self.window and not _WINDOW.fullmatch(self.window):
            raise ValueError("window must be two times of day, such as 20:00-06:00")
        if self.transfer == "stow" and self.dicomweb is None:
            raise ValueError("transfer stow needs dicomweb")
        if self.folders and self.transfer not in {"cstore", "stow"}:
            raise ValueError("folders need transfer cstore or stow: a folder sends nothing by itself")
        if self.folders.keys() & self.dicom.keys():
            raise ValueError("a name must stand in dicom or in folders, not in both")
        if self.proof == "commitment" and not self.commitment:
            raise ValueError("proof commitment needs commitment: true")
        for name in ("attempts", "retry_after", "verify_within", "commit_within"):
            if getattr(self, name) <= 0:
                raise ValueError(f"{name} must be above zero")


def opens_in(window: str, now: datetime) -> float:
    """Return the seconds until a window of the day opens; 0 while it is open, or where there is none.

    >>> opens_in("20:00-06:00", datetime(2026, 1, 5, 19, 59)), opens_in("20:00-06:00", datetime(2026, 1, 5, 5, 0))
    (60.0, 0.0)
    """
    found = _WINDOW.fullmatch(window)
    if found is None:
        return 0.0
    first, last = (timedelta(hours=int(found[n]), minutes=int(found[n + 1])) for n in (1, 3))
    at = now - now.replace(hour=0, minute=0, second=0, microsecond=0)
    is_open = first <= at < last if first < last else at >= first or at < last
    if is_open or first == last:
        return 0.0
    return ((first - at) % timedelta(days=1)).total_seconds()
