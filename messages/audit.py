"""What is worth an entry in the audit trail, as one table: the words, and the standard codes each is told by.

An entry says who did what to which object, and how it ended. The objects of the host are named by its own numbers and
ids; identifiers of patients and studies stand in the details, where the store keeps them encrypted.

Source: DICOM PS3.16 CID 400 to 404 (codes of audit events); FHIR R4 AuditEvent; IHE Basic Audit Log Patterns;
HL7 terminology restful-interaction and audit-event-action.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum

#: Code system of the DICOM codes (DCM).
DCM = "http://dicom.nema.org/resources/ontology/DCM"
#: Code system of `rest` and of the interactions.
REST = "http://terminology.hl7.org/CodeSystem/audit-event-type"
RESTFUL = "http://hl7.org/fhir/restful-interaction"
#: Code system of the words below, where no standard has one.
OURS = "urn:plugin-host:audit"


class Outcome(IntEnum):
    """How an event ended. Source: FHIR R4 audit-event-outcome; DICOM PS3.15 A.5 EventOutcomeIndicator."""

    SUCCESS = 0
    MINOR_FAILURE = 4  #: it was refused, or can be tried again
    SERIOUS_FAILURE = 8  #: it ended for good without success
    MAJOR_FAILURE = 12  #: and the host with it


@dataclass(frozen=True, slots=True)
class EventType:
    """How the standards call an event."""

    #: Code and display of AuditEvent.type (PS3.15: EventID).
    code: str
    display: str
    #: AuditEvent.action: C create, R read, U update, D delete, E execute.
    action: str
    system: str = DCM
    #: A standard subtype; without one the host's own word is the subtype.
    subtype: str | None = None


_REST = {"display": "RESTful Operation", "system": REST}

#: word → type. A word that is not here cannot be recorded.
EVENTS: dict[str, EventType] = {
    # -- the host and its people
    "host-started": EventType("110100", "Application Activity", "E"),
    "host-stopped": EventType("110100", "Application Activity", "E"),
    "signed-in": EventType("110114", "User Authentication", "E"),
    "signed-out": EventType("110114", "User Authentication", "E"),
    "sign-in-refused": EventType("110114", "User Authentication", "E"),
    "sign-in-locked": EventType("110113", "Security Alert", "E"),
    "access-refused": EventType("110113", "Security Alert", "E"),
    "account-changed": EventType("110137", "User Security Attributes Changed", "U"),
    "configuration-changed": EventType("110131", "Software Configuration", "U"),
    "messages-listed": EventType("110112", "Query", "E"),
    "messages-searched": EventType("110112", "Query", "E"),
    "message-viewed": EventType("rest", action="R", subtype="read", **_REST),
    "message-changed": EventType("rest", action="U", subtype="update", **_REST),
    "alerts-tested": EventType("alerts", "Alerts of the host", "E", system=OURS),
    "audit-viewed": EventType("110101", "Audit Log Used", "R"),
    # -- study share and pull prior
    "share-requested": EventType("110106", "Export", "E"),
    "share-refused": EventType("110106", "Export", "E"),
    "share-viewed": EventType("rest", action="R", subtype="read", **_REST),
    "prior-requested": EventType("110107", "Import", "E"),
    "prior-refused": EventType("110107", "Import", "E"),
    "priors-queried": EventType("110112", "Query", "E"),
    "study-queried": EventType("110112", "Query", "E"),
    "transfer-begun": EventType("110102", "Begin Transferring DICOM Instances", "E"),
    "transfer-ended": EventType("110104", "DICOM Instances Transferred", "R"),
    "arrival-verified": EventType("110112", "Query", "E"),
    "study-shared": EventType("110106", "Export", "R"),
    "share-revoked": EventType("share", "Study share", "U", system=OURS),
    "share-expired": EventType("share", "Study share", "U", system=OURS),
    "job-changed": EventType("job", "Job of the host", "U", system=OURS),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One line of the audit trail. Times are seconds since 1970-01-01 UTC."""

    number: int
    at: float
    #: Account, or `host` for what the host does by itself.
    who: str
    #: Network address of who; "" when it is this machine.
    address: str
    #: A word of `EVENTS`.
    what: str
    #: What it was done to, by the host's own names: `message:01H…`, `job:12`, `account:ana`.
    entity: str
    outcome: Outcome
    #: Small facts: counts, codes, identifiers of patient and study. Never a document, an image or a secret.
    detail: Mapping[str, object] = field(repr=False)
    #: SHA-256 over this line and the chain before it.
    chain: bytes = field(repr=False)
