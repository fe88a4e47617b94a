"""The facts that the rules of an appointment look at, and the names that a mapping gets of them, by direction."""

from __future__ import annotations

from collections.abc import Mapping

from channels.appointment_states import Change, State
from transformers.base import Fact, KindWords

_STATES = tuple(str(state) for state in State)
_OF_BLUME = ("request", "reschedule", "confirm", "cancel", "no_show", "modify", "delete")
_OF_POWERSERVER = tuple(str(change) for change in Change if change not in _OF_BLUME)

_BOTH: dict[str, Fact] = {
    "start": Fact(help="when it begins: an instant", required=True),
    "end": Fact(help="when it ends: an instant"),
    "minutes": Fact(help="how long it lasts; counts before end"),
    "resource": Fact(help="the resource's name", required=True),
    "organization": Fact(help="whose table of statuses counts"),
}

WORDS: Mapping[str, KindWords] = {
    "fhir-to-hl7": KindWords(
        facts={
            "placer": Fact(help="Blume's number of the appointment", required=True),
            "filler": Fact(help="PowerServer's number of the appointment, where Blume has it"),
            "status": Fact(help="Appointment.status", required=True),
            "response": Fact(help="the patient's answer: AppointmentResponse.participantStatus, or the participant's"),
            "modified": Fact(help="Appointment.meta.lastUpdated", required=True),
            "order": Fact(help="the placer's numbers of its orders", many=True),
            "other": Fact(help="whatever else is sent to PowerServer: a change of it is an S14", many=True),
            "books": Fact(help="true where a resource is to be booked: one with a blocker takes none (resource-sync)"),
            "facility": Fact(help="PowerServer's facility of the resource"),
            **_BOTH,
        },
        gives={
            "change": ("what the patient did", _OF_BLUME),
            "state": ("the appointment's state once PowerServer accepts it", _STATES),
            "parent": ("Blume's number of the ended appointment that this request comes after", None),
            "parent_filler": ("PowerServer's number of it", None),
        },
    ),
    "hl7-to-fhir": KindWords(
        facts={
            "filler": Fact(help="PowerServer's number of the appointment", required=True),
            "placer": Fact(help="Blume's number, where PowerServer has it"),
            "order": Fact(
                help="the placer's numbers of its orders: by them it is found where it has no other", many=True
            ),
            "event": Fact(help="MSH-9.2"),
            "order_control": Fact(help="ORC-1"),
            "status": Fact(help="the state that PowerServer's status means", required=True),
            "priority": Fact(help="the priority, wherever it stands", many=True),
            "said_at": Fact(help="MSH-7: an instant", required=True),
            **_BOTH,
            "resource": Fact(help="the resource's name, where the message has it"),
        },
        gives={
            "change": ("what PowerServer did", _OF_POWERSERVER),
            "state": ("the appointment's state from now on", _STATES),
            "status": ("Appointment.status of that state, by the organization's table", None),
            "placed_as": ("Blume's number of the appointment, where it is known", None),
            "believed": ("Appointment.status that Blume has now, as far as is known", None),
            "believed_start": ("Appointment.start that Blume has now, as far as is known", None),
            "moved_to": ("the resource's name, where it is another one than Blume has", None),
        },
    ),
}
