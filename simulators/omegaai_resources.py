"""The bookable resources that the simulated OmegaAI of the demo has; PowerServer's export in the shipped site agrees.

`load(records)` puts them in. All names are those of the vendor's pictures; nothing of a person.
"""

from __future__ import annotations

from typing import Any

from simulators.omegaai_records import Records

_DCM = "http://dicom.nema.org/resources/ontology/DCM"
_WEEK = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_ROOM = "http://terminology.hl7.org/CodeSystem/location-physical-type"

#: Name and DICOM modality.
RESOURCES = (("BLUME CT", "CT"), ("BLUME MR", "MR"), ("BLUME XR", "DX"))


def service(number: int, name: str, modality: str, minutes: int = 60) -> dict[str, Any]:
    """Return a HealthcareService as OmegaAI's resource editor makes it."""
    return {
        "resourceType": "HealthcareService",
        "active": True,
        "providedBy": {"reference": "Organization/org-1"},
        "type": [{"coding": [{"system": _DCM, "code": modality}]}],
        "location": [{"reference": f"Location/room-{number}"}],
        "name": name,
        "availableTime": [
            {"daysOfWeek": list(_WEEK), "availableStartTime": "08:00:00", "availableEndTime": "23:00:00"}
        ],
        "extension": [
            {"url": "urn:omegaai:default-duration", "valueDuration": {"value": minutes, "unit": "min"}},
            {"url": "urn:omegaai:overbooking", "valueBoolean": False},
        ],
    }


def load(records: Records) -> None:
    """Put an organization and its resources, each with room and schedule, into a server's records."""
    organization = {
        "resourceType": "Organization",
        "name": "BLUME TEST ORG",
        "identifier": [{"system": "urn:omegaai:org", "value": "org-1"}],
    }
    records.write(organization, "org-1")
    for number, (name, modality) in enumerate(RESOURCES, 1):
        room = {
            "resourceType": "Location",
            "status": "active",
            "name": name,
            "physicalType": {"coding": [{"system": _ROOM, "code": "ro"}]},
        }
        records.write(room, f"room-{number}")
        records.write(service(number, name, modality), f"hs-{number}")
        schedule = {
            "resourceType": "Schedule",
            "active": True,
            "actor": [{"reference": f"HealthcareService/hs-{number}"}],
        }
        records.write(schedule, f"schedule-{number}")
