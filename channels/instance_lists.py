"""What a station has of a study: every instance, or nothing is known."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from connectors.dicom_base import DicomPeer, DicomwebPeer, Found, Outcome, Query, Verdict


class Unlisted(Exception):
    """A station did not give a whole list; how it ended is in `outcome`."""

    def __init__(self, outcome: Outcome) -> None:
        super().__init__(outcome.words)
        self.outcome = outcome


async def list_instances(peer: DicomPeer | DicomwebPeer, study: str) -> list[Mapping[str, str]]:
    """Return SeriesInstanceUID, SOPInstanceUID and SOPClassUID of all instances of a study that a station has.

    Series by series: a station need not answer an IMAGE query without its series (PS3.4 C.4.1.2.2.1).

    Raises:
        Unlisted: the answer was no whole list.
        OSError: nothing was asked.
    """
    found: list[Mapping[str, str]] = []
    for series in await matches(peer, "SERIES", {"StudyInstanceUID": study, "SeriesInstanceUID": ""}):
        uid = series.get("SeriesInstanceUID", "")
        keys = {"StudyInstanceUID": study, "SeriesInstanceUID": uid, "SOPInstanceUID": "", "SOPClassUID": ""}
        of_series = await matches(peer, "IMAGE", keys)
        found += [{**match, "SeriesInstanceUID": uid} for match in of_series if match.get("SOPInstanceUID")]
    return found


async def matches(peer: DicomPeer | DicomwebPeer, level: str, keys: Mapping[str, str]) -> Sequence[Mapping[str, str]]:
    """Return all matches of a query; raises as `list_instances`."""
    found: Found = await peer.find(Query(level=level, keys=keys))  # type: ignore[arg-type]  # SERIES or IMAGE
    if found.verdict is not Verdict.SUCCESS or found.is_cut:
        raise Unlisted(found)
    return found.matches
