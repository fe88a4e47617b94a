"""What the status of a DIMSE response means, service by service: the standard's tables, and nothing else.

Sources: DICOM PS3.4 Table B.2-1 (C-STORE), Table C.4-1 (C-FIND), Table C.4-2 (C-MOVE), Table C.4-3 (C-GET);
PS3.7 Annex C (general), 9.1.5.1.4 (C-ECHO), 10.1.1.1.8 and 10.1.4.1.10 (N-EVENT-REPORT, N-ACTION);
PS3.3 C.14.1.1 (Failure Reason); PS3.8 Table 9-21 (A-ASSOCIATE-RJ).
"""

from __future__ import annotations

from dataclasses import dataclass

from connectors.dicom_base import Verdict

SUCCESS = 0x0000
PENDING = frozenset({0xFF00, 0xFF01})
OUT_OF_RESOURCES = 0xA700
DOES_NOT_MATCH_SOP_CLASS = 0xA900
CANNOT_UNDERSTAND = 0xC000
PROCESSING_FAILURE = 0x0110
UNRECOGNIZED_OPERATION = 0x0211


@dataclass(frozen=True, slots=True)
class Meaning:
    """What a status, or a range of them, means."""

    first: int
    last: int
    verdict: Verdict
    words: str


def _one(code: int, verdict: Verdict, words: str) -> Meaning:
    return Meaning(code, code, verdict, words)


_SUCCESS = _one(0x0000, Verdict.SUCCESS, "success")
_CANCELLED = _one(0xFE00, Verdict.CANCELLED, "cancelled")

#: PS3.7 Annex C: what any service may answer.
GENERAL = (
    _one(0x0105, Verdict.REFUSED, "no such attribute"),
    _one(0x0106, Verdict.REFUSED, "invalid attribute value"),
    _one(0x0107, Verdict.WARNING, "attribute list error"),
    _one(0x0110, Verdict.DEFERRED, "processing failure"),
    _one(0x0111, Verdict.REFUSED, "duplicate SOP instance"),
    _one(0x0112, Verdict.REFUSED, "no such SOP instance"),
    _one(0x0113, Verdict.REFUSED, "no such event type"),
    _one(0x0114, Verdict.REFUSED, "no such argument"),
    _one(0x0115, Verdict.REFUSED, "invalid argument value"),
    _one(0x0116, Verdict.WARNING, "attribute value out of range"),
    _one(0x0117, Verdict.REFUSED, "invalid SOP instance"),
    _one(0x0118, Verdict.REFUSED, "no such SOP class"),
    _one(0x0119, Verdict.REFUSED, "class-instance conflict"),
    _one(0x0120, Verdict.REFUSED, "missing attribute"),
    _one(0x0121, Verdict.REFUSED, "missing attribute value"),
    _one(0x0122, Verdict.REFUSED, "SOP class not supported"),
    _one(0x0123, Verdict.REFUSED, "no such action"),
    _one(0x0124, Verdict.REFUSED, "not authorized"),
    _one(0x0131, Verdict.REFUSED, "duplicate transaction UID"),
    _one(0x0210, Verdict.DEFERRED, "duplicate invocation"),
    _one(0x0211, Verdict.REFUSED, "unrecognized operation"),
    _one(0x0212, Verdict.REFUSED, "mistyped argument"),
    _one(0x0213, Verdict.DEFERRED, "resource limitation"),
)

STORE = (
    _SUCCESS,
    Meaning(0xA700, 0xA7FF, Verdict.DEFERRED, "out of resources"),
    Meaning(0xA900, 0xA9FF, Verdict.REFUSED, "the data set does not match its SOP class"),
    _one(0xB000, Verdict.WARNING, "stored; data elements were coerced"),
    _one(0xB006, Verdict.WARNING, "stored; data elements were discarded"),
    _one(0xB007, Verdict.WARNING, "stored; the data set does not match its SOP class"),
    Meaning(0xC000, 0xCFFF, Verdict.REFUSED, "the peer cannot understand the data set"),
)

FIND = (
    _SUCCESS,
    _one(0xA700, Verdict.DEFERRED, "out of resources"),
    Meaning(0xA900, 0xA9FF, Verdict.REFUSED, "the identifier does not match the SOP class"),
    Meaning(0xC000, 0xCFFF, Verdict.REFUSED, "the peer is unable to process the query"),
    _CANCELLED,
)

MOVE = (
    _SUCCESS,
    _one(0xA701, Verdict.DEFERRED, "out of resources: the peer cannot count the matches"),
    _one(0xA702, Verdict.DEFERRED, "out of resources: the peer cannot perform the sub-operations"),
    _one(0xA801, Verdict.REFUSED, "move destination unknown: the peer has no such AE title configured"),
    Meaning(0xA900, 0xA9FF, Verdict.REFUSED, "the identifier does not match the SOP class"),
    _one(0xB000, Verdict.WARNING, "sub-operations ended with failures or warnings"),
    Meaning(0xC000, 0xCFFF, Verdict.REFUSED, "the peer is unable to process the request"),
    _CANCELLED,
)

#: C-GET has the statuses of C-MOVE, but A801H.
GET = tuple(meaning for meaning in MOVE if meaning.first != 0xA801)

#: C-ECHO, N-ACTION, N-EVENT-REPORT: success, or what any service may answer.
OTHER = (_SUCCESS,)

#: Why an archive does not commit an instance: (0008,1197).
FAILURE_REASONS = {
    0x0110: "processing failure",
    0x0112: "no such object instance",
    0x0119: "class and instance conflict",
    0x0122: "referenced SOP class not supported",
    0x0131: "duplicate transaction UID",
    0x0213: "resource limitation",
}


def meaning(status: int, table: tuple[Meaning, ...]) -> Meaning:
    """Return what a final status means by a service's table.

    >>> meaning(0xA7FF, STORE).verdict, meaning(0x0000, STORE).words
    (<Verdict.DEFERRED: 'deferred'>, 'success')

    A status in no table is a warning where PS3.7 Annex C.3 says so (0001H, Bxxx), else a refusal; never a success.
    """
    for row in (*table, *GENERAL):
        if row.first <= status <= row.last:
            return row
    if status == 0x0001 or status & 0xF000 == 0xB000:
        return _one(status, Verdict.WARNING, "a warning that the standard does not list")
    return _one(status, Verdict.REFUSED, "a status that the standard does not list")


#: (source, reason) of an A-ASSOCIATE-RJ.
_REJECTIONS = {
    (1, 1): "no reason given",
    (1, 2): "application context not supported",
    (1, 3): "the peer does not know our AE title",
    (1, 7): "the peer does not go by the AE title that we called",
    (2, 1): "no reason given",
    (2, 2): "protocol version not supported",
    (3, 1): "temporary congestion",
    (3, 2): "local limit exceeded",
}


def rejection(result: int, source: int, reason: int) -> str:
    """Return why an association was rejected, for a person.

    >>> rejection(1, 1, 3)
    'rejected for good: the peer does not know our AE title'
    """
    how = "rejected for good" if result == 1 else "rejected for now"
    return f"{how}: {_REJECTIONS.get((source, reason), 'a reason that the standard does not list')}"
