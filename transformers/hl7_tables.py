"""What HL7 says about versions, structures, segments, fields, data types and tables, for `check` and for tests.

The content is hl7apy's, imported when first asked for: nothing here belongs on the way of a message.
hl7apy has no lengths and no meanings of codes; `LENGTHS` below adds the lengths that break receivers.

Sources: hl7apy 1.3.5 (HL7 v2.3.1, v2.4, v2.5, v2.5.1); table 0354 of v2.5.1 chapter 2; the traps are noted in place.
"""

from __future__ import annotations

import difflib
import importlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from types import ModuleType
from typing import Any

VERSIONS = ("2.3.1", "2.4", "2.5", "2.5.1")


@dataclass(frozen=True, slots=True)
class FieldDef:
    """A field of a segment."""

    number: int
    #: In words: "Administrative Sex".
    name: str
    #: "CX"; "varies" (OBX-5); "" for a position that is withdrawn or reserved.
    datatype: str
    minimum: int
    #: None: without limit.
    maximum: int | None
    #: "0001"; None without one.
    table: str | None


@dataclass(frozen=True, slots=True)
class ComponentDef:
    """A component of a data type."""

    number: int
    name: str
    datatype: str
    minimum: int
    table: str | None


@dataclass(frozen=True, slots=True)
class Part:
    """A segment or a group at its place in a message structure."""

    #: "PID", or a group's name without the structure's prefix: "PATIENT".
    name: str
    minimum: int
    #: None: without limit.
    maximum: int | None
    #: In order; empty for a segment.
    parts: tuple[Part, ...] = ()
    #: Exactly one of `parts` instead of all in order.
    choice: bool = False

    @property
    def is_segment(self) -> bool:
        """Whether this is a segment, not a group."""
        return not self.parts

    def segments(self) -> tuple[str, ...]:
        """Return the names of all segments at or below this part, each once, in order."""
        if self.is_segment:
            return (self.name,)
        return tuple(dict.fromkeys(name for part in self.parts for name in part.segments()))


#: Path -> most characters: the lengths whose excess breaks receivers. Identifiers are never cut to them, but refused.
LENGTHS: Mapping[str, int] = {
    "MSH-10": 20,  # v2.5.1 2.15.9.10, ST 20
    "PID-3.1": 64,  # becomes DICOM Patient ID, LO 64 (PS3.5 table 6.2-1)
    "OBR-18": 16,  # IHE RAD-4: Accession Number, SH 16
    "TQ1-9.1": 20,  # v2.5.1 2A CWE.1
    "IPC-1.1": 16,  # v2.5.1 4.5.6.1: Accession Identifier, SH 16
    "IPC-3.1": 64,  # Study Instance UID, UI 64
    "IPC-5.1": 16,  # Modality, CS 16
    "IPC-9": 16,  # Scheduled Station AE Title, AE 16
    "ZDS-1.1": 64,  # IHE RAD-4: Study Instance UID
}


@cache
def fields(version: str, segment: str) -> tuple[FieldDef, ...]:
    """Return the fields of a segment in order, without gaps.

    Raises:
        KeyError: no such segment in that version (a Z-segment never is).
        ValueError: not one of VERSIONS.
    """
    found = {}
    for name, reference, (minimum, maximum), _ in _library(version).SEGMENTS[segment][1]:
        number = int(name.rpartition("_")[2])
        _, _, datatype, title, table, *_ = reference or (None, None, "", "", None)
        limit = None if maximum == -1 else maximum
        found[number] = FieldDef(number, _title(title, segment), datatype or "", minimum, limit, _table_number(table))
    return tuple(found.get(n) or FieldDef(n, "", "", 0, 0, None) for n in range(1, max(found) + 1))


@cache
def components(version: str, datatype: str) -> tuple[ComponentDef, ...]:
    """Return the components of a data type in order; empty for a primitive one (ST, NM, …) and for "varies"."""
    found = []
    for name, reference, (minimum, _), _ in _library(version).DATATYPES_STRUCTS.get(datatype, ()):
        _, _, inner, title, table, *_ = reference
        number = int(name.rpartition("_")[2])
        found.append(ComponentDef(number, _title(title), inner or "", minimum, _table_number(table)))
    return tuple(found)


@cache
def structure(version: str, name: str) -> Part:
    """Return the tree of a message structure such as SIU_S12; its own name, once, at the root.

    hl7apy reads the choice of ORM_O01 (OBR, RQD, RQ1, RXO, ODS or ODT) as "all of them in order" when it validates;
    here it is a choice, as HL7 v2.5.1 chapter 4, 4.4.1 says.

    Raises:
        KeyError: no such structure in that version.
    """
    return _part(name, _library(version).MESSAGES[name], (1, 1), name)


def _part(name: str, reference: Any, limits: tuple[int, int], root: str) -> Part:
    kind, children = reference[0], reference[1]
    parts = tuple(
        Part(child, lowest, None if highest == -1 else highest)
        if what == "SEG"
        else _part(child, inner, (lowest, highest), root)
        for child, inner, (lowest, highest), what in children
    )
    minimum, maximum = limits
    return Part(
        name.removeprefix(root + "_"), minimum, None if maximum == -1 else maximum, parts, choice=kind == "choice"
    )


@cache
def structure_names(version: str) -> tuple[str, ...]:
    """Return the names of all message structures of a version, sorted."""
    return tuple(sorted(_library(version).MESSAGES))


@cache
def segment_names(version: str) -> tuple[str, ...]:
    """Return the names of all segments of a version, sorted."""
    # hl7apy's ANYHL7SEGMENT stands for "any segment" in two structures; it is none itself.
    return tuple(sorted(name for name in _library(version).SEGMENTS if len(name) == 3))


@cache
def datatype_names(version: str) -> tuple[str, ...]:
    """Return the names of all data types of a version, primitive ones too, sorted."""
    library = _library(version)
    return tuple(sorted({*library.DATATYPES_STRUCTS, *library.BASE_DATATYPES}))


# HL7 table 0354 (v2.5.1 chapter 2): events whose messages have another event's structure. hl7apy carries structures of
# its own for some of them (SIU_S13 …), with the same content; MSH-9.3 must be the table's name.
_SHARED: dict[str, str] = {
    **{f"SIU^S{n:02}": "SIU_S12" for n in (*range(12, 25), 26)},
    **{f"SRM^S{n:02}": "SRM_S01" for n in range(1, 12)},
    **{f"SRR^S{n:02}": "SRR_S01" for n in range(1, 12)},
    **{f"ADT^A{n:02}": "ADT_A01" for n in (1, 4, 8, 13)},
    **{f"ADT^A{n:02}": "ADT_A05" for n in (5, 14, 28, 31)},
    **{f"ADT^A{n:02}": "ADT_A39" for n in (39, 40, 41, 42)},
    **{f"MDM^T{n:02}": "MDM_T01" for n in (1, 3, 5, 7, 9, 11)},
    **{f"MDM^T{n:02}": "MDM_T02" for n in (2, 4, 6, 8, 10)},
}


def message_structures(version: str, message: str) -> str | None:
    """Return the structure of a message type and event: SIU_S12 for both "SIU^S12" and "SIU^S26".

    An acknowledgement ("ACK" or "ACK^S12") has the structure ACK. None when the version knows none.
    """
    code, _, event = message.partition("^")
    candidates = ["ACK"] if code == "ACK" else [_SHARED.get(message, ""), f"{code}_{event}"]
    return next((name for name in candidates if name in _library(version).MESSAGES), None)


def message_names(version: str) -> tuple[str, ...]:
    """Return all `TYPE^EVENT` that `message_structures` knows in a version, sorted."""
    known = {name for name, shared in _SHARED.items() if shared in _library(version).MESSAGES}
    return tuple(sorted(known | {name.replace("_", "^") for name in structure_names(version) if "_" in name}))


@cache
def table(version: str, number: str) -> Mapping[str, str] | None:
    """Return a table's codes, each with its meaning, or None when the version has no such table ("0001").

    hl7apy has the codes only: a meaning is "" for all but the few tables in `MEANINGS`.
    """
    entry = _library(version).TABLES.get(f"HL7{number}")
    if entry is None:
        return None
    meanings = MEANINGS.get(number, {})
    return {code: meanings.get(code, "") for code in entry[1]}


def table_name(version: str, number: str) -> str | None:
    """Return the name of a table ("Administrative Sex"), or None."""
    entry = _library(version).TABLES.get(f"HL7{number}")
    return None if entry is None else str(entry[0])


#: Meanings of the tables that analysts of this project meet, HL7 v2.5.1 (chapters 2, 3, 4, 10).
MEANINGS: Mapping[str, Mapping[str, str]] = {
    "0001": {"A": "Ambiguous", "F": "Female", "M": "Male", "N": "Not applicable", "O": "Other", "U": "Unknown"},
    "0008": {
        "AA": "Application Accept",
        "AE": "Application Error",
        "AR": "Application Reject",
        "CA": "Commit Accept",
        "CE": "Commit Error",
        "CR": "Commit Reject",
    },
    "0103": {"D": "Debugging", "P": "Production", "T": "Training"},
    "0119": {"CA": "Cancel order", "NW": "New order", "SC": "Status changed", "XO": "Change order"},
    "0190": {"B": "Firm/Business", "BA": "Bad address", "BI": "Billing", "C": "Current or temporary", "H": "Home"}
    | {"M": "Mailing", "O": "Office", "P": "Permanent"},
    "0200": {"A": "Alias", "B": "Name at birth", "D": "Display name", "L": "Legal name", "M": "Maiden name"}
    | {"N": "Nickname", "S": "Pseudonym", "U": "Unspecified"},
    "0206": {"A": "Add", "D": "Delete", "U": "Update"},
    "0278": {
        "Blocked": "The time slot is blocked",
        "Booked": "The appointment is booked",
        "Cancelled": "Stopped before it began",
        "Complete": "Has taken place",
        "Dc": "Stopped after it began",
        "Deleted": "Removed from the schedule",
        "Noshow": "The patient did not come",
        "Overbook": "Confirmed, overbooked",
        "Pending": "Not yet confirmed",
        "Started": "Has begun",
        "Waitlist": "On the waiting list",
    },
}


def nearest(word: str, words: Iterable[str]) -> str | None:
    """Return the word of a list that is most like a mistyped one, or None when none is near.

    >>> nearest("PIDD", ["MSH", "PID", "PV1"])
    'PID'
    """
    by_case = {candidate.casefold(): candidate for candidate in words}
    found = difflib.get_close_matches(word.casefold(), by_case, n=1, cutoff=0.6)
    return by_case[found[0]] if found else None


def _library(version: str) -> ModuleType:
    if version not in VERSIONS:
        raise ValueError(f"HL7 version '{version}' is not one of {', '.join(VERSIONS)}")
    return importlib.import_module(f"hl7apy.v{version.replace('.', '_')}")


def _table_number(name: str | None) -> str | None:
    return name.removeprefix("HL7") if name else None


_SMALL = frozenset({"a", "an", "and", "for", "in", "of", "or", "the", "to"})
_CAPITALS = frozenset({"id", "ssn", "dea", "upin", "url", "er", "dn"})


def _title(name: str | None, segment: str = "") -> str:
    """Return hl7apy's `DATE_TIME_OF_BIRTH` as "Date/Time of Birth"."""
    words = (name or "").lower().replace("_s_", "'s_").replace("date_time", "date/Time").replace("_", " ").split()
    capitals = _CAPITALS | {segment.lower()}
    return " ".join(
        word.upper() if word in capitals else word if word in _SMALL and index else word[:1].upper() + word[1:]
        for index, word in enumerate(words)
    )
