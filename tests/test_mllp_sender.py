"""The MLLP sender at the connector's own level: PowerServer on a real socket, doing what its script says."""

import asyncio
import socket
import threading
import time

import pytest

from connectors.base import DestinationConnector
from connectors.mllp_sender import MllpSender
from messages.lifecycle import Event
from simulators.powerserver import PowerServer

SURNAME = "Conceição"


def message(control_id: str) -> bytes:
    return (
        f"MSH|^~\\&|BLUME^2.25.1001^ISO|BLUME TEST ORG|POWERSERVER|BLUME TEST|20251120153000.000-0300||SIU^S12^SIU_S12"
        f"|{control_id}|P|2.5.1||||||UNICODE UTF-8\rPID|1||12345^^^BLUME TEST||{SURNAME}^José\r"
    ).encode()


def sender_to(port: int, **settings) -> MllpSender:
    return MllpSender(host="127.0.0.1", port=port, **{"connect_within": 5.0, "answer_within": 5.0, **settings})


async def deliver(sender: MllpSender, control_id: str = "A1") -> Event | type[Exception]:
    """What a lane would do: open, send; the outcome as the lane sees it."""
    await sender.open()
    try:
        return (await sender.send(message(control_id), control_id)).event
    except OSError as error:
        return type(error)


def run(coroutine):
    return asyncio.run(asyncio.wait_for(coroutine, 20))


class Peer:
    """A socket that accepts one connection and says `says` once anything has come, in pieces of `piece` bytes."""

    def __init__(self, says: bytes, piece: int = 65536) -> None:
        self._says, self._piece = says, piece
        self._listening = socket.create_server(("127.0.0.1", 0))
        self._listening.settimeout(10)
        self.port = self._listening.getsockname()[1]
        self.heard = b""
        self._thread = threading.Thread(target=self._talk)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._thread.join(10)
        self._listening.close()

    def _talk(self) -> None:
        line, _ = self._listening.accept()
        with line:
            line.settimeout(10)
            line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.heard = line.recv(65536)
            for at in range(0, len(self._says), self._piece):
                line.sendall(self._says[at : at + self._piece])
            try:
                while line.recv(65536):  # until the sender hangs up
                    pass
            except ConnectionResetError:
                return


def test_the_sender_is_a_destination_connector():
    assert isinstance(sender_to(1), DestinationConnector)


@pytest.mark.parametrize(
    ("powerserver_says", "outcome"),
    [
        ("accept", Event.ACCEPTED),
        ("CA", Event.ACCEPTED),
        ("AE", Event.DEFERRED),
        ("AR", Event.REFUSED),
        ("AR:application rejected", Event.REFUSED),
        ("CE", Event.REFUSED),
        ("CR", Event.REFUSED),
        ("slow", Event.ACCEPTED),
        ("late 0.05", Event.ACCEPTED),
        ("two answers", Event.ACCEPTED),
        ("wrong id", ConnectionError),
        ("garbage", ConnectionError),
        ("not HL7", ConnectionError),
        ("hang up", ConnectionResetError),
        ("hang up mid-frame", ConnectionResetError),
        ("reset", ConnectionResetError),
    ],
)
def test_a_delivery_ends_as_powerserver_says_and_the_next_one_is_not_harmed(powerserver_says, outcome):
    async def two_messages():
        sender = sender_to(peer.port)
        first = await deliver(sender, "A1")
        second = await deliver(sender, "A2")
        await sender.close()
        return first, second

    with PowerServer([powerserver_says]) as peer:
        first, second = run(two_messages())
        assert first is outcome or (isinstance(first, type) and issubclass(first, outcome))
        assert second is Event.ACCEPTED
        assert [received.payload for received in peer.received] == [message("A1"), message("A2")]


def test_a_peer_that_never_answers_costs_answer_within_and_the_line():
    async def unanswered():
        sender = sender_to(peer.port, answer_within=0.2)
        await sender.open()
        began = time.monotonic()
        with pytest.raises(TimeoutError, match=r"no acknowledgement within 0\.2 s"):
            await sender.send(message("A1"), "A1")
        assert time.monotonic() - began < 2
        await asyncio.to_thread(peer.wait_for_hang_up)

    with PowerServer(["no answer"]) as peer:
        run(unanswered())


def test_answer_within_is_a_deadline_for_the_whole_answer_however_it_drips():
    async def dripping():
        sender = sender_to(peer.port, answer_within=0.1)
        assert await deliver(sender) is TimeoutError

    with PowerServer(["slow"]) as peer:  # a byte every millisecond and more: never quiet, and over 0.1 s in all
        run(dripping())


def test_a_late_answer_to_one_message_is_never_credited_to_the_next():
    async def overtaken():
        sender = sender_to(peer.port, answer_within=0.1)
        assert await deliver(sender, "A1") is TimeoutError  # its AA comes at 0.3 s
        assert await deliver(sender, "A2") is TimeoutError  # waits while that AA would come
        assert await deliver(sender, "A2") is Event.ACCEPTED
        await sender.close()

    with PowerServer(["late 0.15", "no answer", "accept"]) as peer:
        run(overtaken())
        assert peer.connections == 3


def test_a_byte_that_nobody_asked_for_spends_the_line():
    async def spoken_to():
        sender = sender_to(peer.port)
        assert await deliver(sender, "A1") is Event.ACCEPTED
        assert await deliver(sender, "A2") is Event.ACCEPTED
        await sender.close()

    with PowerServer(["two answers", "accept"]) as peer:
        run(spoken_to())
        assert peer.connections == 2


def test_an_idle_hang_up_is_noticed_before_anything_leaves():
    async def idle():
        sender = sender_to(peer.port)
        assert await deliver(sender, "A1") is Event.ACCEPTED
        await asyncio.to_thread(peer.wait_for_hang_up)
        assert await deliver(sender, "A2") is Event.ACCEPTED
        await sender.close()

    with PowerServer(["accept and hang up"]) as peer:
        run(idle())


def test_the_line_is_kept_for_the_next_message_or_not_as_the_setting_says():
    async def three(sender):
        for number in range(3):
            assert await deliver(sender, f"A{number}") is Event.ACCEPTED
        await sender.close()

    with PowerServer() as peer:
        run(three(sender_to(peer.port)))
        assert peer.connections == 1
    with PowerServer() as peer:
        run(three(sender_to(peer.port, keep_open=False)))
        assert peer.connections == 3


def test_nothing_is_sent_twice_by_the_connector_itself():
    async def once():
        sender = sender_to(peer.port)
        assert await deliver(sender) is ConnectionResetError
        await sender.close()

    with PowerServer(["hang up"]) as peer:
        run(once())
        assert len(peer.received) == 1


@pytest.mark.parametrize(
    ("text", "outcome"),
    [("application rejected: Busy", Event.DEFERRED), ("unknown event", Event.REFUSED)],
)
def test_an_ar_is_tried_again_only_where_its_text_is_listed(text, outcome):
    async def refused():
        sender = sender_to(peer.port, retryable_texts=("busy", "try later"))
        await sender.open()
        reply = await sender.send(message("A1"), "A1")
        await sender.close()
        assert (reply.event, reply.reason) == (outcome, f"AR: {text}")
        assert b"MSA|AR|A1" in reply.raw

    with PowerServer([f"AR:{text}"]) as peer:
        run(refused())


def test_an_answer_in_pieces_of_7_bytes_is_read_whole():
    async def pieces():
        sender = sender_to(peer.port)
        assert await deliver(sender, "A1") is Event.ACCEPTED
        assert await deliver(sender, "A2") is Event.ACCEPTED
        await sender.close()

    with PowerServer(piece=7) as peer:
        run(pieces())
        assert peer.connections == 1


@pytest.mark.parametrize(
    "says",
    [
        b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
        b"\x15\x03\x01\x00\x02\x02\x46",  # a TLS alert
        b"SSH-2.0-OpenSSH_9.2\r\n",
    ],
)
def test_a_peer_that_speaks_another_protocol_is_a_lost_connection_or_a_time_out(says):
    async def misled():
        sender = sender_to(peer.port, answer_within=0.2)
        outcome = await deliver(sender)
        assert isinstance(outcome, type)
        assert issubclass(outcome, OSError)
        await sender.close()

    with Peer(says) as peer:
        run(misled())


def test_an_endless_answer_is_cut_off_at_its_limit():
    async def flooded():
        sender = sender_to(peer.port, max_answer_bytes=1000)
        assert issubclass(await deliver(sender), ConnectionError)
        await sender.close()

    with Peer(b"\x0b" + b"x" * 100_000) as peer:
        run(flooded())


def test_the_message_leaves_as_one_mllp_frame():
    async def framed():
        sender = sender_to(peer.port)
        await deliver(sender, "A1")
        await sender.close()

    with Peer(b"\x0bMSH|^~\\&|||||||ACK|1|P|2.5.1\rMSA|AA|A1\r\x1c\x0d") as peer:
        run(framed())
    assert peer.heard == b"\x0b" + message("A1") + b"\x1c\x0d"


@pytest.mark.parametrize(
    ("settings", "because"),
    [
        ({"port": 0}, "port must be 1 to 65535"),
        ({"port": 65536}, "port must be 1 to 65535"),
        ({"key_file": "key.pem", "tls": True}, "key_file needs certificate_file"),
        ({"ca_file": "ca.pem"}, "need tls"),
    ],
)
def test_settings_that_cannot_be_meant_are_refused_with_the_name_of_the_field(settings, because):
    with pytest.raises(ValueError, match=because):
        MllpSender(**{"host": "127.0.0.1", "port": 6661, **settings})


def test_a_host_that_can_be_no_host_is_a_destination_that_cannot_be_reached():
    with pytest.raises(OSError, match="no name of a host"):
        run(MllpSender(host="power..server", port=6661).open())


def test_where_nobody_listens_opening_fails_and_nothing_was_tried():
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    with pytest.raises(ConnectionRefusedError):
        run(sender_to(port).open())


def test_a_host_that_does_not_answer_the_call_costs_connect_within():
    async def unreachable(port):
        with pytest.raises(TimeoutError, match=r"no connection within 0\.2 s"):
            await sender_to(port, connect_within=0.2).open()

    with socket.socket() as full, socket.socket() as first, socket.socket() as second:
        full.bind(("127.0.0.1", 0))
        full.listen(0)  # room for one; the kernel leaves further callers unanswered
        for caller in (first, second):
            caller.setblocking(False)
            caller.connect_ex(full.getsockname())
        run(unreachable(full.getsockname()[1]))


def test_a_message_that_mllp_cannot_carry_goes_to_a_person_and_not_to_the_network():
    async def unsendable():
        sender = sender_to(peer.port)
        reply = await sender.send(b"MSH|\x0b", "A1")
        assert reply.event is Event.REFUSED
        assert "0x0B" in reply.reason
        await sender.close()

    with PowerServer() as peer:
        run(unsendable())
        assert peer.received == []


def test_a_send_that_is_called_off_gives_up_its_line():
    async def called_off():
        sender = sender_to(peer.port)
        sending = asyncio.create_task(deliver(sender, "A1"))
        await asyncio.to_thread(peer.wait_for, 1)
        sending.cancel()
        with pytest.raises(asyncio.CancelledError):
            await sending
        await asyncio.to_thread(peer.wait_for_hang_up)

    with PowerServer(["no answer"]) as peer:
        run(called_off())


@pytest.mark.parametrize("says", ["wrong id", "not HL7", "garbage", "hang up", "hang up mid-frame", "no answer"])
def test_no_error_holds_a_word_of_the_message_or_the_answer(says):
    async def failed():
        sender = sender_to(peer.port, answer_within=0.2)
        await sender.open()
        with pytest.raises((ConnectionError, TimeoutError)) as caught:
            await sender.send(message("A1"), "A1")
        assert str(caught.value)
        assert SURNAME not in str(caught.value)
        assert "POWERSERVER" not in str(caught.value)

    with PowerServer([says]) as peer:
        run(failed())
