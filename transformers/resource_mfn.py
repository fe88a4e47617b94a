"""Bookable resources in HL7 v2: MFN^M05 (patient location master file), read from PowerServer and written for it.

HL7 2.5.1 has no master file of schedulable resources; the patient location master is the nearest. A characteristic of
a location stands in LCH, by its code: `LCH||||DUR^Default duration^99PSRES|30`.
Source: HL7 v2.5.1 chapter 8, 8.5 (MFI, MFE; tables 0175, 0178, 0180) and 8.9 (MFN^M05: LOC, LCH, LDP, LCC).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from messages.problem import Problem, Problems
from transformers import er7
from transformers.resource_export import Row

#: HL7 table 0180, record-level event code (MFE-1), and what it makes of a location.
_REMOVED = "MDL"
_INACTIVE = {"MDC": "I", "MAC": "A"}
#: HL7 table 0178, file-level event code (MFI-3): the whole file is replaced.
_REPLACED = "REP"


def read_messages(messages: Iterable[tuple[str, bytes]]) -> list[Row]:
    """Return the locations that messages leave behind, in the order in which they came; (file, bytes) each.

    Raises:
        Problems: HL7_INVALID, or E512 for a message that is no MFN^M05.
    """
    held: dict[str, Row] = {}
    for file, body in messages:
        segments = er7.parse(body).segments
        if _leaf(segments[0], 9, 1) != "MFN" or _leaf(segments[0], 9, 2) != "M05":
            raise Problems([Problem(code="E512", text=f"{file} is no MFN^M05 (MSH-9)")])
        for segment in segments:
            if segment[0] == "MFI" and _leaf(segment, 3) == _REPLACED:
                held = {}
        for event, key, row in _locations(segments):
            if event == _REMOVED:
                held.pop(key, None)
            else:
                held[key] = f"{file} {key}", row
    return list(held.values())


def replaces_all(body: bytes) -> bool:
    """Say whether a message is the whole file (MFI-3 REP): what came before it counts no more."""
    return any(segment[0] == "MFI" and _leaf(segment, 3) == _REPLACED for segment in er7.parse(body).segments)


def _locations(segments: Sequence[er7.Segment]) -> Iterable[tuple[str, str, dict[str, str]]]:
    """Yield (MFE-1, MFE-4, the location's fields by name) of each record."""
    event = key = ""
    row: dict[str, str] | None = None
    for segment in segments:
        if segment[0] == "MFE":
            if row is not None:
                yield event, key, row
            event, key, row = _leaf(segment, 1), _written(segment, 4), {}
            if event in _INACTIVE:
                row["LDP-6"] = _INACTIVE[event]
        elif row is not None:
            _take(row, segment)
    if row is not None:
        yield event, key, row


def _take(row: dict[str, str], segment: er7.Segment) -> None:
    """Put a segment's fields into the row: `LOC-1` whole and `LOC-1.4` in parts, a characteristic as `LCH.DUR`."""
    name = segment[0]
    if name == "LCH":
        code = _leaf(segment, 4, 1)
        if code:
            row[f"LCH.{code}"] = _leaf(segment, 5, 1)
        return
    for number in range(1, len(segment)):
        if not segment[number]:
            continue
        row.setdefault(f"{name}-{number}", _written(segment, number))
        for position, component in enumerate(segment[number][0], 1):
            row.setdefault(f"{name}-{number}.{position}", component[0] if component else "")


def _leaf(segment: er7.Segment, number: int, component: int = 1) -> str:
    """Return one component of a field's first repetition; "" where it is not there."""
    field: Any = segment[number] if len(segment) > number else []
    if not field or len(field[0]) < component or not field[0][component - 1]:
        return ""
    leaf: str = field[0][component - 1][0]
    return leaf


def _written(segment: er7.Segment, number: int) -> str:
    """Return a field as text: components with ^, repetitions with ~; a field of one component is its text."""
    field: Any = segment[number] if len(segment) > number else []
    return "~".join("^".join(component[0] if component else "" for component in one) for one in field)


def write_message(
    changes: Sequence[Mapping[str, str]], *, control_id: str, now: datetime, header: Mapping[str, str]
) -> bytes:
    """Return an MFN^M05 with one record for each change, in UTF-8.

    Args:
        changes: `event` (MAD, MUP, MDC, MAC), `name`, `facility`, `room`, `department`, and what is to be so of
            `modality`, `duration`, `overbooking` (Y, N), `active` (A, I) and `hours` (VH repetitions).
        control_id: MSH-10, and the base of each record's MFE-2.
        now: MSH-7 and MFE-3.
        header: `sending_app`, `receiving_app`, `processing_id`; HL7 text with ^ between components.
    """
    at = now.strftime("%Y%m%d%H%M%S%z")
    header_fields = (
        f"MSH|{er7.DEFAULT_SEPARATORS[1:]}|{header['sending_app']}||{header['receiving_app']}||{at}||MFN^M05^MFN_M05|"
        f"{control_id}|{header['processing_id']}|2.5.1||||||UNICODE UTF-8"
    )
    lines = [header_fields, "MFI|LOC^Location master file^HL70175||UPD|||AL"]
    for number, change in enumerate(changes, 1):
        lines += _record(change, f"{control_id}-{number}"[-20:], at)
    return ("\r".join(lines) + "\r").encode()


def _record(change: Mapping[str, str], number: str, at: str) -> list[str]:
    def text(name: str) -> str:
        return _escaped(change.get(name, ""))

    key = f"{text('department')}^{text('room')}^^{text('facility')}"
    # LOC-3 is required; E is an exam room (HL7 table 0260).
    lines = [f"MFE|{change['event']}|{number}|{at}|{key}|PL", f"LOC|{key}|{text('name')}|E|||||{text('modality')}"]
    codes = {"DUR": ("duration", "Default duration"), "OVB": ("overbooking", "Overbooking")}
    for code, (name, words) in codes.items():
        if name in change:
            lines.append(f"LCH|{key}|||{code}^{words}^99PSRES|{text(name)}")
    active, hours = text("active") or "A", change.get("hours", "")
    return [*lines, f"LDP|{key}|{text('department')}||||{active}||||{hours}"]


def _escaped(text: str) -> str:
    for mark, sequence in (("\\", "\\E\\"), ("|", "\\F\\"), ("^", "\\S\\"), ("&", "\\T\\"), ("~", "\\R\\")):
        text = text.replace(mark, sequence)
    return text.replace("\r", " ").replace("\n", " ")
