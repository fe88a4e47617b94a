"""`dicom-folder`: a folder of Part 10 files that is asked like an archive (C-FIND's keys) and read like one (C-GET).

What a file is, is read once and again only when it has changed. A file that is no DICOM is left out; one that is still
being written, too.
Source: DICOM PS3.10 7 (files), PS3.4 C.2.2.2 (matching: single value, list of UIDs, range of dates).
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from connectors.dicom_base import Counts, Found, Instance, Match, Query, Tell, TransferOutcome, Verdict
from connectors.dicom_part10 import read_instance

#: What is read of each file: the attributes that shares and pulls ask for.
_READ = (
    "SOPInstanceUID", "SOPClassUID", "SeriesInstanceUID", "StudyInstanceUID", "PatientID", "IssuerOfPatientID",
    "PatientBirthDate", "AccessionNumber", "StudyDate", "StudyTime", "StudyDescription", "Modality",
    "BodyPartExamined",
)  # fmt: skip
_UID = {"STUDY": "StudyInstanceUID", "SERIES": "SeriesInstanceUID", "IMAGE": "SOPInstanceUID"}


@dataclass(kw_only=True)
class DicomFolder:
    """A folder that stands where an archive would, for transfers that fetch (cstore, stow)."""

    folder: str = field(metadata={"help": "Folder of DICOM files, folders in it included; nothing in it is changed."})
    settled_for: float = field(
        default=2.0, metadata={"help": "Seconds that a file must have lain unchanged: it may still be written."}
    )
    #: Path → (time of its change, size, what it holds; None: no DICOM).
    _known: dict[Path, tuple[int, int, Match | None]] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )

    async def find(self, query: Query) -> Found:
        """See `DicomPeer.find`. Raises OSError: the folder cannot be read."""
        files = await asyncio.to_thread(self._files)
        matches = _grouped(query, [held for held in files.values() if _is_meant(held, query.keys)])
        return Found(
            verdict=Verdict.SUCCESS, status=0, words="success", matches=tuple(matches[: query.limit]),
            is_cut=len(matches) > query.limit,
        )  # fmt: skip

    async def get(
        self,
        keys: Mapping[str, str],
        sop_classes: Sequence[str],  # noqa: ARG002 - files need no presentation contexts
        folder: Path,  # noqa: ARG002 - they stay where they are
        arrived: Callable[[Instance], Awaitable[None]],
        tell: Tell | None = None,
    ) -> TransferOutcome:
        """See `DicomPeer.get`: the files themselves are the instances."""
        files = await asyncio.to_thread(self._files)
        mine = sorted(path for path, held in files.items() if _is_meant(held, keys))
        for number, path in enumerate(mine, 1):
            await arrived(await asyncio.to_thread(read_instance, path))
            if tell is not None:
                await tell(Counts(completed=number, remaining=len(mine) - number))
        counts = Counts(completed=len(mine), remaining=0)
        if not mine:
            return TransferOutcome(
                verdict=Verdict.REFUSED, status=0, words="the folder has no such file", counts=counts
            )
        return TransferOutcome(verdict=Verdict.SUCCESS, status=0, words="success", counts=counts)

    async def move(self, keys: Mapping[str, str], to: str, tell: Tell | None = None) -> TransferOutcome:  # noqa: ARG002 - as DicomPeer says
        """Refuse: a folder sends nothing by itself."""
        return TransferOutcome(verdict=Verdict.REFUSED, words="a folder sends nothing by itself")

    def _files(self) -> dict[Path, Match]:
        root = Path(self.folder)
        if not root.is_dir():
            raise FileNotFoundError("the folder of DICOM files is not there")
        before = time.time() - self.settled_for
        seen: dict[Path, tuple[int, int, Match | None]] = {}
        for path in root.rglob("*"):
            if not path.is_file() or (status := path.stat()).st_mtime > before:
                continue
            known = self._known.get(path)
            is_same = known is not None and known[:2] == (status.st_mtime_ns, status.st_size)
            seen[path] = known if known and is_same else (status.st_mtime_ns, status.st_size, _read(path))
        self._known = seen
        return {path: held for path, (_, _, held) in seen.items() if held is not None}


def _read(path: Path) -> Match | None:
    """Return what a file holds; None where it is no instance."""
    from pydicom import dcmread  # noqa: PLC0415 - only a process that reads a folder needs it
    from pydicom.errors import InvalidDicomError  # noqa: PLC0415 - loaded where it is asked for

    try:
        read_instance(path)
        data = dcmread(path, stop_before_pixels=True, specific_tags=list(_READ))
    except (InvalidDicomError, OSError, ValueError, EOFError):
        return None
    held = {name: str(data.get(name) or "").strip() for name in _READ if name in data}
    return held if all(held.get(uid) for uid in _UID.values()) else None


def _is_meant(held: Match, keys: Mapping[str, str]) -> bool:
    """Say whether an instance matches; what is no attribute of one (a count, ModalitiesInStudy) is not matched by."""
    return all(_matches(name, held.get(name, ""), value) for name, value in keys.items() if value and name in _READ)


def _matches(name: str, held: str, wanted: str) -> bool:
    first, dash, last = wanted.partition("-")
    if name == "StudyDate" and dash:
        return bool(held) and (not first or held >= first) and (not last or held <= last)
    return held in wanted.split("\\")


def _grouped(query: Query, instances: Iterable[Match]) -> list[Match]:
    """Return a match for each study, series or instance, with the attributes that are asked for."""
    uid = _UID["STUDY" if query.level == "PATIENT" else query.level]
    groups: dict[str, list[Match]] = {}
    for held in instances:
        groups.setdefault(held[uid], []).append(held)
    found: list[Match] = []
    for of, group in sorted(groups.items()):
        told = {
            **group[0],
            "ModalitiesInStudy": "\\".join(sorted({one.get("Modality", "") for one in group} - {""})),
            "NumberOfStudyRelatedInstances": str(len(group)),
        }
        found.append({name: told[name] for name in query.keys if name in told} | {uid: of})
    return found
