"""Notifications of Subscriptions are hints: each that is let in makes the poller look at once, whatever it holds."""

import asyncio
import http.client
import json
import socket

import pytest

from connectors.fhir_poller import FhirPoller
from simulators.omegaai import OmegaAI
from tests.fhir_sender_kit import appointment, run
from tests.mllp_listener_kit import DictIntake

SECRET = "a secret of the test"


def notification(kind, events=1):
    """A notification of the R4 Subscriptions backport: a Bundle of type history, its status first."""
    status = {
        "resourceType": "Parameters",
        "parameter": [
            {"name": "subscription", "valueReference": {"reference": "Subscription/1"}},
            {"name": "type", "valueCode": kind},
            {"name": "events-since-subscription-start", "valueString": str(events)},
        ],
    }
    return json.dumps({"resourceType": "Bundle", "type": "history", "entry": [{"resource": status}]}).encode()


def tell(address, method="POST", path="/hint", body=b"", headers=None):
    """Send one notification; return the status of the answer."""
    connection = http.client.HTTPConnection(address, timeout=10)
    try:
        connection.request(method, path, body, headers or {})
        answer = connection.getresponse()
        answer.read()
        return answer.status
    finally:
        connection.close()


async def until(condition):
    async with asyncio.timeout(15):
        while not condition():
            await asyncio.sleep(0.01)


def story(tmp_path, act, **settings):
    """Poll once an hour with a door for hints; `act` gets (door's address, peer, intake)."""

    async def whole():
        intake, where = DictIntake(), []
        with OmegaAI() as peer:
            peer.records.write(appointment(0))
            poller = FhirPoller(
                base=peer.base, resource_type="Appointment", begin="beginning", every=3600.0, overlap=0.0,
                state_folder=str(tmp_path), hints_port=0, **settings,
            )  # fmt: skip
            task = asyncio.create_task(poller.serve(intake, where.append))
            try:
                await until(lambda: (len(where) == 2 and intake.messages) or task.done())
                intake.messages.clear()  # of the first look, which has been answered by now
                door = next(one for one in where if one not in peer.base)
                await act(door, peer, intake)
            finally:
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)

    run(whole())


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "/hint", b""),
        ("PUT", "/hint/Appointment/7", b'{"resourceType":"Appointment","id":"7"}'),
        ("POST", "/hint", b'{"resourceType":"Appointment","id":"7"}'),
        ("POST", "/hint", notification("event-notification", 7)),
        ("POST", "/hint", notification("handshake", 0)),
        ("POST", "/hint", b"\xff not JSON at all"),
    ],
    ids=["rest-hook, empty", "rest-hook, PUT", "rest-hook, POST", "backport", "handshake", "nonsense"],
)
def test_a_notification_makes_the_poller_look_at_once(tmp_path, method, path, body):
    async def act(door, peer, intake):
        peer.records.write(appointment(1))
        assert await asyncio.to_thread(tell, door, method, path, body) == 200
        await until(lambda: len(intake.messages) == 1)

        assert b'"Appointment"' in intake.messages[0].body
        assert body not in {message.body for message in intake.messages}

    story(tmp_path, act)


def test_without_a_notification_nothing_is_read_until_it_is_time(tmp_path):
    async def act(door, peer, intake):
        peer.records.write(appointment(1))
        await asyncio.sleep(0.3)
        assert intake.messages == []

    story(tmp_path, act)


def test_notifications_that_repeat_hand_a_version_on_once(tmp_path):
    async def act(door, peer, intake):
        peer.records.write(appointment(1))
        for _ in range(5):
            assert await asyncio.to_thread(tell, door) == 200
        await until(lambda: intake.messages)
        await asyncio.sleep(0.2)
        assert len(intake.messages) == 1

    story(tmp_path, act)


def test_a_stranger_s_notification_is_not_let_in_and_no_secret_is_said(tmp_path, monkeypatch, caplog):
    monkeypatch.setenv("HINTS", SECRET)

    async def act(door, peer, intake):
        peer.records.write(appointment(1))
        refused = [
            await asyncio.to_thread(tell, door, headers=headers)
            for headers in ({}, {"Authorization": "Bearer another"}, {"Authorization": f"Basic {SECRET}"})
        ]
        await asyncio.sleep(0.2)
        assert (refused, intake.messages) == ([401, 401, 401], [])
        assert await asyncio.to_thread(tell, door, headers={"Authorization": f"Bearer {SECRET}"}) == 200
        await until(lambda: intake.messages)

    story(tmp_path, act, hints_secret="${secret:HINTS}")
    assert SECRET not in caplog.text


@pytest.mark.parametrize(
    ("method", "size", "status"), [("GET", 0, 405), ("DELETE", 0, 405), ("POST", 5 * 1024 * 1024, 413)]
)
def test_what_is_no_notification_is_answered_so(tmp_path, method, size, status):
    async def act(door, peer, intake):
        assert await asyncio.to_thread(tell, door, method, "/hint", b"x" * size) == status

    story(tmp_path, act)


def test_an_address_that_is_taken_shuts_the_whole_door(tmp_path):
    async def whole(port):
        with OmegaAI() as peer:
            poller = FhirPoller(
                base=peer.base, resource_type="Appointment", every=3600.0, state_folder=str(tmp_path), hints_port=port
            )
            async with asyncio.timeout(15):
                await poller.serve(DictIntake(), lambda where: None)

    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(OSError, match="cannot listen at"):
        run(whole(taken.getsockname()[1]))


def test_other_machines_need_a_secret():
    with pytest.raises(ValueError, match="hints_secret is needed"):
        FhirPoller(
            base="http://127.0.0.1:1/fhir", resource_type="Appointment", state_folder="x", hints_port=0,
            hints_host="0.0.0.0",
        )  # fmt: skip
