"""Bookings ready to be posted: the C.1 bundle for a few hundred patients, each with a number of its own.

Everything but the number is made before the clock starts; a request costs one join of bytes.
"""

from __future__ import annotations

from simulators.blume import PATIENTS, make_bundle

PATIENT_COUNT = 300

#: Numbers of bookings have nine digits, so that all requests of a patient have one length.
FIRST_NUMBER = 100_000_000

_STAND_IN = 987_654_321


class Bookings:
    """HTTP requests by number; a patient's bookings are PATIENT_COUNT numbers apart."""

    def __init__(self, path: str = "/fhir") -> None:
        self._templates = [_template(patient, path) for patient in range(PATIENT_COUNT)]

    def request(self, number: int) -> bytes:
        """Return the whole request that posts booking `number` (nine digits)."""
        return (b"%d" % number).join(self._templates[number % PATIENT_COUNT])


def bundle(patient: int, number: int) -> bytes:
    """Return booking `number` of one of the patients, as the portal writes it."""
    person = PATIENTS[patient % len(PATIENTS)]
    body = make_bundle(_STAND_IN + patient % 48, patient=patient)
    body = body.replace(b"%d" % (_STAND_IN + patient % 48), b"%d" % number)
    return body.replace(b'"value":"%s"' % person.number.encode(), b'"value":"%d"' % (500_000 + patient))


def _template(patient: int, path: str) -> list[bytes]:
    body = bundle(patient, _STAND_IN)
    head = (
        f"POST {path} HTTP/1.1\r\nhost: bench\r\naccept: application/fhir+json\r\n"
        f"content-type: application/fhir+json\r\ncontent-length: {len(body)}\r\n\r\n"
    )
    return (head.encode() + body).split(b"%d" % _STAND_IN)
