"""Programs that others wrote understand what our MLLP sender sends: python-hl7, @medplum/hl7 and Wireshark."""

import asyncio
import json
import shutil
import subprocess
from contextlib import contextmanager

import hl7
import pytest
from hl7.mllp import start_hl7_server

from connectors.mllp_framing import frame
from connectors.mllp_sender import MllpSender
from messages.lifecycle import Event
from simulators.powerserver import PowerServer, read_answers
from tests.node_peers import PEERS, node

GOLDEN = (PEERS / "siu_s12.hl7").read_bytes()
#: The same booking with a comment that holds | ^ ~ \ & and a line that looks like an MSH segment, escaped in NTE-3.
COMMENT = (PEERS / "siu_s12_comment.hl7").read_bytes()
ESCAPED_COMMENT = r"Dor \F\ joelho \S\ esquerdo \R\ desde \E\ ontem \T\ hoje\.br\MSH\F\\S\\R\\E\\T\\F\FALSO\F\ã ç é"
SEGMENTS = ["MSH", "SCH", "TQ1", "NTE", "PID", "PV1", "RGS", "AIS", "AIG", "AIL"]

NO_TSHARK = "tshark and text2pcap are needed for this test: on Debian and Ubuntu, apt-get install tshark"


def control_id(message: bytes) -> str:
    return message.split(b"|")[9].decode()


async def deliver(port: int, *messages: bytes):
    sender = MllpSender(host="127.0.0.1", port=port, answer_within=10)
    replies = []
    for message in messages:
        await sender.open()
        replies.append(await sender.send(message, control_id(message)))
    await sender.close()
    return replies


@contextmanager
def medplum_server():
    """@medplum/hl7's server as a process; gives it, and the port it listens on."""
    process = subprocess.Popen(
        [node(), "medplum_hl7_server.mjs"], cwd=PEERS, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    with process:
        try:
            yield process, json.loads(process.stdout.readline())["listening"]
        finally:
            process.kill()


def test_python_hl7s_server_receives_exactly_what_was_sent_and_acknowledges_it():
    received = []

    async def answer(reader, writer):
        try:
            while True:
                block = await reader.readblock()
                received.append(block)
                writer.writemessage(hl7.parse(block.decode()).create_ack("AA"))
                await writer.drain()
        except asyncio.IncompleteReadError:
            writer.close()

    async def exchange():
        server = await start_hl7_server(answer, "127.0.0.1", 0, encoding="utf-8")
        replies = await deliver(server.sockets[0].getsockname()[1], GOLDEN, COMMENT)
        server.close()
        await server.wait_closed()
        await asyncio.sleep(0.01)  # lets the server's side see that we hung up
        return replies

    replies = asyncio.run(exchange())
    assert [reply.event for reply in replies] == [Event.ACCEPTED, Event.ACCEPTED]
    assert received == [GOLDEN, COMMENT]
    booking = hl7.parse(received[0].decode())
    assert [str(segment[0]) for segment in booking] == SEGMENTS
    assert str(booking["PID"][0][5]) == "Conceição^José^da Silva^^^^L"
    comment = hl7.parse(received[1].decode())
    assert [str(segment[0]) for segment in comment] == SEGMENTS
    assert str(comment["NTE"][0][3]) == ESCAPED_COMMENT


def test_medplums_server_receives_exactly_what_was_sent_and_acknowledges_it():
    with medplum_server() as (process, port):
        replies = asyncio.run(deliver(port, GOLDEN, COMMENT))
        booking, comment = (json.loads(process.stdout.readline()) for _ in range(2))
    assert [reply.event for reply in replies] == [Event.ACCEPTED, Event.ACCEPTED]
    assert booking["text"].encode() == GOLDEN
    assert comment["text"].encode() == COMMENT
    assert booking["segments"] == comment["segments"] == SEGMENTS
    assert booking["family"] == "Conceição"
    assert booking["comment"] == "Dor de cabeça há 3 dias"
    assert comment["comment"] == ESCAPED_COMMENT


def test_wireshark_names_the_exchange_siu_s12_and_its_acknowledgement(tmp_path):
    if not shutil.which("tshark") or not shutil.which("text2pcap"):
        pytest.fail(NO_TSHARK)
    journal = tmp_path / "journal"
    with PowerServer(journal=journal) as peer:
        (reply,) = asyncio.run(deliver(peer.port, GOLDEN))
    (answered,) = read_answers(journal)
    assert answered.written == frame(reply.raw)
    dump, capture = tmp_path / "exchange.txt", tmp_path / "exchange.pcap"
    dump.write_text(
        "".join(f"{way}\n000000 {data.hex(' ')}\n" for way, data in [("O", frame(GOLDEN)), ("I", answered.written)])
    )
    subprocess.run(["text2pcap", "-q", "-D", "-T", "40000,2575", dump, capture], check=True, capture_output=True)
    named = subprocess.run(
        ["tshark", "-n", "-r", capture, "-d", "tcp.port==2575,hl7", "-Y", "hl7", "-T", "fields",
         "-e", "_ws.col.Info", "-e", "hl7.message.type", "-e", "hl7.event.type"],
        check=True, capture_output=True, text=True,
    )  # fmt: skip
    sent, answer = named.stdout.splitlines()
    assert "SIU (S12)" in sent
    assert "ACK (S12)" in answer
