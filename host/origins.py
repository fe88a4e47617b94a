"""Where each field of what was sent came from: the message mapped once more, as it was then, rule by rule.

For the message page, which imports no transformer. Never on the way of a message; what is found are its values.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from channels import registry
from console.panes import Origin
from messages.lifecycle import Event
from messages.problem import Problems
from store import history, revisions
from store.connection import Connection
from store.history import Mapped, Past

#: `AIS[2]-3.1`: segment, which of its kind, field.
_FIELD = re.compile(r"([A-Z][A-Z0-9]{2})(?:\[(\d+)\])?-(\d+)")


def origins(connection: Connection, number: int) -> dict[str, Sequence[Origin]]:
    """Return the origins of all that one message was mapped to, by destination.

    Nothing for a destination whose revision is not kept, or cannot be read by this release.
    """
    past = history.past(connection, number)
    found: dict[str, Sequence[Origin]] = {}
    for mapped in past.mapped if past else ():
        if past is not None and mapped.event is Event.MAPPED and mapped.encoded is not None:
            try:
                found[mapped.destination] = _origins(connection, past, mapped)
            except (Problems, revisions.NoSuchRevision, registry.NoSuchPlugin, LookupError, ValueError):
                found[mapped.destination] = ()
    return found


def _origins(connection: Connection, past: Past, mapped: Mapped) -> list[Origin]:
    # Only who opens a message needs these.
    from transformers.base import Given  # noqa: PLC0415 - loaded where it is asked for
    from transformers.differences import moment  # noqa: PLC0415 - loaded where it is asked for
    from transformers.mapping_follow import follow  # noqa: PLC0415 - loaded where it is asked for

    revision = revisions.revision(connection, past.message.channel, mapped.revision or past.message.revision)
    plan: Mapping[str, object] = revision.plan
    document = registry.load("transformer", str(plan["transformer"]))(plan).load(past.message.body)
    given = Given(
        now=moment(mapped.encoded or b"") or datetime.fromtimestamp(mapped.at, UTC),
        control_id=mapped.control_id or "",
        destination=mapped.destination,
        focus=past.message.focus,
        known=mapped.known,
        values=mapped.note["values"] if mapped.note is not None and "values" in mapped.note else {},
    )
    return [
        Origin(
            place=place(one.target), target=one.target, rule=one.place, source=one.source,
            found=" | ".join(one.found), conversion=one.conversion, gave=one.gave,
        )
        for one in follow(plan, document, given).explained
        if one.gave
    ]  # fmt: skip


def place(target: str) -> str:
    """Return the field of a target, such as `AIS[2]-3`; the target itself where it is no field of HL7.

    >>> place("SCH-11.4"), place("AIS[2]-3.1"), place("Appointment.status")
    ('SCH-11', 'AIS[2]-3', 'Appointment.status')
    """
    match = _FIELD.match(target)
    if match is None:
        return target
    return f"{match[1]}[{match[2]}]-{match[3]}" if match[2] else f"{match[1]}-{match[3]}"
