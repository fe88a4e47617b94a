"""Time of the FHIRPath of one appointment message: 25 paths over names that are evaluated once.

python -m bench.fhirpath        prints: 25 paths 31.4 µs   (best of 40 runs of 300 messages' worth)
"""

import json
from datetime import datetime, timedelta, timezone
from pathlib import Path
from timeit import repeat

from transformers.fhir_path import Scope, compile_path
from transformers.fhir_path_parse import parse

HOUSE = Path(__file__).parents[1]

NAMES = {
    "appt": "Bundle.entry.resource.ofType(Appointment).first()",
    "patient": "%appt.participant.actor.resolve().ofType(Patient).first()",
    "service": "%appt.participant.actor.resolve().ofType(HealthcareService).first()",
    "order": "%appt.basedOn.resolve().ofType(ServiceRequest).first()",
    "referrer": "%order.requester.resolve().ofType(Practitioner).first()",
}
PATHS = [
    "%appt.status = 'entered-in-error'",
    "%appt.status = 'cancelled'",
    "%appt.status in ('proposed' | 'pending')",
    "%appt.identifier.where(type.coding.code = 'PLAC').value",
    "%appt.start",
    "%appt.end",
    "%appt.minutesDuration",
    "%appt.comment",
    "%appt.serviceType.coding.code",
    "%appt.cancelationReason.coding.code",
    "%patient.identifier.where(type.coding.code = 'MR').value",
    "%patient.identifier",
    "%patient.name.where(use = 'official')",
    "%patient.birthDate",
    "%patient.gender",
    "%patient.telecom.where(system = 'phone' and use = 'mobile').value",
    "%patient.address.where(use = 'home')",
    "%service.name",
    "%service.providedBy.resolve().name",
    "%service.type.coding.code",
    "%order.identifier.where(type.coding.code = 'PLAC').value",
    "%order.code.coding",
    "%order.reasonCode.text",
    "%referrer.identifier.where(system = 'http://hl7.org/fhir/sid/us-npi').value",
    "%referrer.name.first()",
]
MESSAGES = 300


def main() -> None:
    document = json.loads((HOUSE / "mappings/samples/appointment-request.json").read_text())
    names = {name: compile_path(parse(text)) for name, text in NAMES.items()}
    paths = [compile_path(parse(text)) for text in PATHS]
    now = datetime(2025, 11, 20, 15, 30, tzinfo=timezone(timedelta(hours=-3)))

    def message() -> None:
        scope = Scope(document, names, now)
        for path in paths:
            path(scope)

    best = min(repeat(message, number=MESSAGES, repeat=40)) / MESSAGES * 1e6
    print(f"{len(paths)} paths {best:.1f} µs")


if __name__ == "__main__":
    main()
