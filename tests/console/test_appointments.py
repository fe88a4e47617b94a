"""The page of an appointment: what each side said, the state after each step, the gaps; no number in an address."""

from __future__ import annotations

from messages.lifecycle import Event, Status
from messages.subject import SubjectChange

MEMORY = {
    "state": "CONFIRMED", "placer": "appt-77", "filler": "PS-4711",
    "blume": {"state": "CONFIRMED", "start": 1.8e9}, "powerserver": {"state": "PENDING", "start": 1.8e9},
}  # fmt: skip


def told(site):
    """Let a channel tell of an appointment; its message is parked."""
    message, (delivery,) = site.receive("blume-appointment", {"patient": "12345", "appointment": "appt-77"})
    note = {"side": "blume", "said": "booked", "change": "confirm", "rule": "T3", "from": "PENDING", "to": "CONFIRMED"}
    change = SubjectChange(
        kind="appointment", keys=("filler PS-4711", "placer appt-77"), change=lambda _: MEMORY, note=note
    )
    mapped = site.mapped(delivery)
    site.move(delivery, (mapped[0], mapped[1], {**mapped[2], "subject": change}))
    site.move(delivery, (Status.TRANSFORMED, Event.CLAIMED, {}), (Status.PENDING, Event.REFUSED, {"reason": "AR"}))
    return message


def test_an_appointment_is_found_without_its_number_in_an_address_and_its_gap_is_named(site, client):
    message = told(site)
    page = client.get("/appointments").text
    token = page.split('name="csrf" value="')[1].split('"')[0]

    answer = client.post("/appointments/search", data={"q": "PS-4711", "csrf": token})
    found = client.get(answer.location)

    assert answer.status_code == 303
    assert "4711" not in answer.location
    assert 'href="/appointments/1"' in found.text
    shown = client.get("/appointments/1").text
    assert "PowerServer&#39;s number" in shown or "PowerServer's number" in shown
    assert "A message is parked and waits for a person." in shown
    assert f"/messages/{message}" in shown
    assert "confirm (T3)" in shown


def test_the_json_of_an_appointment_is_its_whole_timeline(site, client):
    told(site)

    shown = client.get("/appointments/1.json").json["appointment"]

    assert (shown["state"], shown["gaps"][0]["what"]) == ("CONFIRMED", "parked")
    assert [(line["side"], line["change"], line["state"]) for line in shown["lines"]] == [
        ("blume", "confirm", "CONFIRMED")
    ]
    assert "lines" not in client.get("/appointments.json").json["appointments"][0]
    assert client.get("/appointments/9").status_code == 404
