"""What would become of parked messages, an edited copy of one, and whether the peers of a channel can be reached."""

from __future__ import annotations

import socket

import pytest

from console.works import CannotTell, Reached, Would
from host.console_works import CommandWorks
from host.front_door import front_door
from store import audit, reads
from tests.replay.kit import CHANNEL, bundle

UNKNOWN = {
    "Appointment": lambda it: it.update(reasonCode=[{"coding": [{"system": "urn:NO-SUCH-SYSTEM", "code": "1"}]}])
}


def parked(running) -> str:
    """Deliver a booking with a code system that no table knows; return its id."""
    (message,) = running.deliver(bundle(1, **UNKNOWN))
    return message


def test_it_is_said_what_would_become_of_a_parked_message_and_nothing_is_changed(running):
    message = parked(running)
    done = running.command("messages", "would", message, "--json")

    (found,) = done.json["deliveries"]
    assert (done.code, found["becomes"], found["destination"]) == (1, "parked", "powerserver")
    assert found["cause"]
    assert "NO-SUCH-SYSTEM" not in found["cause"]
    assert running.powerserver.received == []


def test_what_the_peer_refused_would_be_sent_again(running):
    running.powerserver.add("AR")
    (message,) = running.deliver(bundle(1))
    done = running.command("messages", "would", message)

    assert (done.code, done.out) == (0, f"{message} powerserver would be sent again\n")


def test_a_message_that_is_not_parked_would_become_nothing(running):
    (message,) = running.deliver(bundle(1))

    assert running.command("messages", "would", message, "--json").json["deliveries"] == []


def test_an_edited_copy_is_a_message_of_its_own_and_the_original_is_not_touched(running, tmp_path):
    original = parked(running)
    (tmp_path / "edited.json").write_bytes(bundle(1))
    done = running.command(
        "messages", "resend", original, "--with", tmp_path / "edited.json", "--by", "anna", "--reason", "typed wrong",
        "--json",
    )  # fmt: skip
    copy = done.json["message"]
    store = running.store()
    first, second = (reads.detail(store.connection, identifier) for identifier in (original, copy))
    (entry,) = audit.entries(store.connection, entity=f"message:{copy}")
    store.close()

    assert (done.code, copy != original) == (0, True)
    assert first.line.deliveries[0].status == "ERROR"
    assert b"NO-SUCH-SYSTEM" in first.body
    assert b"NO-SUCH-SYSTEM" not in second.body
    assert second.peer == f"anna, an edited copy of {original}"
    assert (entry.who, entry.detail) == ("anna", {"edited_from": original, "reason": "typed wrong"})


@pytest.mark.parametrize("edited", [b"{", b"{}", b'{"resourceType": "Patient"}'])
def test_a_copy_that_the_door_would_refuse_is_refused(running, tmp_path, edited):
    message = parked(running)
    (tmp_path / "edited.json").write_bytes(edited)
    done = running.command("messages", "resend", message, "--with", tmp_path / "edited.json")

    assert (done.code, "the copy is refused" in done.err) == (6, True)


def test_the_peers_of_a_channel_are_reached_without_a_message(running):
    done = running.command("reach", CHANNEL)

    assert (done.code, done.out) == (0, "powerserver: reached\n")
    assert running.powerserver.received == []


def test_a_peer_that_cannot_be_reached_is_said(running, monkeypatch):
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        running.env["POWERSERVER_MLLP_PORT"] = str(nobody.getsockname()[1])
        monkeypatch.setenv("POWERSERVER_MLLP_PORT", running.env["POWERSERVER_MLLP_PORT"])
    running.start()
    done = running.command("reach", CHANNEL, "--json")

    assert done.code == 4
    assert done.json["destinations"][0]["problem"].startswith("ConnectionRefusedError")


def test_the_console_finds_out_by_the_same_commands(running):
    works = CommandWorks(front_door(), str(running.folder))
    message = parked(running)

    assert works.reach(CHANNEL) == [Reached(destination="powerserver", problem=None)]
    (would,) = works.would([message])
    assert (would.message, would.becomes) == (message, "parked")
    assert isinstance(would, Would)
    assert works.difference(CHANNEL) == []
    assert any("0 new errors" in line for line in works.replay(CHANNEL))
    copy = works.resend(message, bundle(1), by="anna", reason=None)
    assert copy != message
    assert works.specification(CHANNEL)["channel"] == CHANNEL
    with pytest.raises(CannotTell, match="There is no channel 'nothing'"):
        works.reach("nothing")


def test_an_edited_copy_that_breaks_a_rule_of_the_door_is_told_so_at_once(running):
    works = CommandWorks(front_door(), str(running.folder))
    message = parked(running)
    timeless = bundle(1, Appointment=lambda it: (it.pop("start"), it.pop("end")))

    with pytest.raises(CannotTell, match="needs start and end"):
        works.resend(message, timeless, by="anna", reason=None)
