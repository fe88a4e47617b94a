"""Requests to a FHIR server, and a lane's way of sending them."""

import asyncio
import json

from connectors.fhir_sender import FhirSender

FILLER = "urn:oid:2.25.1002"
PLACER = "urn:oid:2.25.1001"


def appointment(number, system=FILLER, **elements):
    identifier = [{"system": system, "value": number}]
    return {"resourceType": "Appointment", "identifier": identifier, **elements}


def envelope(method, path, **rest):
    return json.dumps({"method": method, "path": path, **rest}).encode()


def update(number, *, merge=True, missing="create", only_if=None, **elements):
    """Create or update the appointment with this number of PowerServer's."""
    return envelope(
        "PUT", "Appointment", body=appointment(number, **elements), merge=merge, missing=missing,
        find=[{"identifier": {"system": FILLER, "value": number}}], only_if=only_if or {},
    )  # fmt: skip


def create(number, **elements):
    find = [{"identifier": {"system": FILLER, "value": number}}]
    return envelope("POST", "Appointment", body=appointment(number, **elements), find=find)


def posted(number, if_none_exist=None):
    """An entry of a Bundle that creates an appointment."""
    request = {"method": "POST", "url": "Appointment"}
    if if_none_exist:
        request["ifNoneExist"] = if_none_exist
    return {"resource": appointment(number, status="proposed"), "request": request}


def bundle(kind, *entries):
    return envelope("POST", "", body={"resourceType": "Bundle", "type": kind, "entry": list(entries)})


def run(coroutine):
    return asyncio.run(asyncio.wait_for(coroutine, 20))


def deliver(peer, *requests, sender=None, errors=False, **settings):
    """What a lane would do with each request: open, send; the replies, or the kind of error (the error itself)."""
    sender = sender or FhirSender(base=peer.base, **settings)

    async def each():
        outcomes = []
        try:
            for number, request in enumerate(requests, 1):
                await sender.open()
                try:
                    outcomes.append(await sender.send(request, f"C{number}"))
                except OSError as error:
                    outcomes.append(error if errors else type(error))
        finally:
            await sender.close()
        return outcomes

    return run(each())
