"""Peers that mean harm, against the door in a process of its own; how much of it they cost is measured from outside.

python -m tests.dicom.hostile [--json] [--associations 1000] [--megabytes 300]
"""

import argparse
import json
import socket
import struct
import sys
import tempfile
import threading
import time
import zlib
from contextlib import ExitStack, suppress
from pathlib import Path

from connectors import dicom_command, dicom_negotiation, dicom_pdu
from connectors.dicom_negotiation import Context, Proposal
from connectors.dicom_syntaxes import PLAIN
from tests.dicom.door import door
from tests.dicom.kit import MR
from tests.dicom.peers import US, dcmtk

MEGABYTE = 1024 * 1024
#: What each of them may cost, in bytes.
LIMIT = 64 * MEGABYTE
VERIFICATION, DEFLATED = "1.2.840.10008.1.1", "1.2.840.10008.1.2.1.99"
_PAUSE = threading.Event()
_USUAL = (Proposal(MR, PLAIN), Proposal(VERIFICATION, PLAIN))


def connect(port):
    line = socket.create_connection(("127.0.0.1", port), 10)
    line.settimeout(20)
    return line


def read_pdu(line):
    head = line.recv(6, socket.MSG_WAITALL)
    return head + line.recv(int.from_bytes(head[2:]), socket.MSG_WAITALL) if len(head) == 6 else head


def associate(port, proposals=_USUAL):
    """Return a line with an association, and its first context."""
    line = connect(port)
    line.sendall(dicom_negotiation.request("ANY", US, proposals))
    answer = read_pdu(line)
    agreement = dicom_negotiation.read_answer(answer[0], answer, proposals)
    return line, next(iter(agreement.contexts.values()), None)


def begin_instance(line, context, n=1):
    command = dicom_command.encode(
        {"AffectedSOPClassUID": MR, "CommandField": dicom_command.C_STORE_RQ, "MessageID": n, "Priority": 0,
         "CommandDataSetType": 1, "AffectedSOPInstanceUID": f"1.2.3.{n}"}
    )  # fmt: skip
    line.sendall(b"".join(dicom_pdu.p_data(context.number, command, is_command=True, is_last=True)))


def pour(line, head, megabytes):
    """Send a head, and then zeros until the peer hangs up or so many megabytes are out; return how many were."""
    zeros = bytes(MEGABYTE)
    sent = 0
    with suppress(OSError):
        line.sendall(head)
        for _ in range(megabytes):
            line.sendall(zeros)
            sent += 1
    return sent


def is_served(port):
    """A real peer gets its echo."""
    return dcmtk("echoscu", "-to", "20", "-aet", "ANY", "-aec", US, "127.0.0.1", port).returncode == 0


# -- the attacks: each takes (port, megabytes) and returns what it holds open -------------------------------------


def a_pdu_of_4_gib_before_an_association(port, megabytes):
    with connect(port) as line:
        pour(line, struct.pack(">BBL", 1, 0, 0xFFFFFFFF), megabytes)


def a_pdu_of_4_gib_in_an_association(port, megabytes):
    line, _ = associate(port)
    with line:
        pour(line, struct.pack(">BBL", 4, 0, 0xFFFFFFFF), megabytes)


def a_command_set_without_end(port, megabytes):
    line, context = associate(port)
    piece = b"".join(dicom_pdu.p_data(context.number, bytes(65_000), is_command=True, is_last=False))
    with line, suppress(OSError):
        for _ in range(megabytes * 16):
            line.sendall(piece)


def a_deflated_bomb(port, megabytes):
    """Deflated is not granted; who sends it all the same is hung up on. It is a thousandth of what it unpacks to."""
    line, _ = associate(port, (Proposal(MR, (DEFLATED,)),))
    packer = zlib.compressobj(wbits=-15)  # a raw stream: PS3.5 A.5
    head = struct.pack("<HH2sH", 8, 0x18, b"UI", 6) + b"1.2.3\0"
    head += struct.pack("<HH2sHL", 0x7FE0, 0x10, b"OW", 0, megabytes * MEGABYTE)
    bomb = packer.compress(head) + b"".join(packer.compress(bytes(MEGABYTE)) for _ in range(megabytes)) + packer.flush()
    with line, suppress(OSError):
        begin_instance(line, Context(1, MR, DEFLATED), 3)
        for at in range(0, len(bomb), 16_000):
            ends = at + 16_000 >= len(bomb)
            line.sendall(b"".join(dicom_pdu.p_data(1, bomb[at : at + 16_000], is_command=False, is_last=ends)))
        read_pdu(line)


def data_for_an_echo(port, megabytes):
    """A data set where none belongs goes nowhere."""
    line, _ = associate(port, (Proposal(VERIFICATION, PLAIN),))
    command = dicom_command.encode(
        {"AffectedSOPClassUID": VERIFICATION, "CommandField": 0x30, "MessageID": 1, "CommandDataSetType": 1}
    )
    piece = b"".join(dicom_pdu.p_data(1, bytes(100_000), is_command=False, is_last=False))
    with line, suppress(OSError):
        line.sendall(b"".join(dicom_pdu.p_data(1, command, is_command=True, is_last=True)))
        for _ in range(megabytes * 10):
            line.sendall(piece)


def an_instance_without_end(port, megabytes):
    """What is longer than an instance may be is read and dropped, and answered as out of resources."""
    line, context = associate(port)
    piece = b"".join(dicom_pdu.p_data(context.number, bytes(100_000), is_command=False, is_last=False))
    with line:
        begin_instance(line, context)
        for _ in range(megabytes * 10):
            line.sendall(piece)
        line.sendall(b"".join(dicom_pdu.p_data(context.number, bytes(2), is_command=False, is_last=True)))
        answer = next(dicom_pdu.pdvs(memoryview(read_pdu(line))[6:]))
        assert dicom_command.decode(bytes(answer.fragment))["Status"] == 0xA700


def thirty_idle_peers(port, _):
    return [connect(port) for _ in range(30)]


def thirty_peers_that_begin_and_stall(port, _):
    lines = [connect(port) for _ in range(30)]
    for line in lines:
        line.sendall(struct.pack(">BBL", 1, 0, 60_000) + bytes(30_000))
    return lines


ATTACKS = (
    a_pdu_of_4_gib_before_an_association, a_pdu_of_4_gib_in_an_association, a_command_set_without_end, a_deflated_bomb,
    data_for_an_echo, an_instance_without_end, thirty_idle_peers, thirty_peers_that_begin_and_stall,
)  # fmt: skip


def attack(at, how, megabytes):
    """Return what an attack on a door cost: bytes of memory at most, and whether a real peer was served meanwhile."""
    with ExitStack() as stack:
        before = at.resident()[0]
        at.forget_peak()
        for line in how(at.port, megabytes) or ():
            stack.enter_context(line)
        served = is_served(at.port)
        return {"attack": how.__name__, "grew_bytes": at.resident()[1] - before, "served": served}


def aborted_associations(at, count, within=30.0):
    """Return what `count` associations cost that are broken off at every stage: in memory, threads, descriptors."""
    at_rest = at.descriptors()
    _break_off(at.port, 100)  # what is loaded and pooled once is not a leak
    _settle(at, at_rest, within)
    before = at.resident()[0], at.threads(), at.descriptors()
    _break_off(at.port, count)
    _settle(at, before[2], within)
    after = at.resident()[0], at.threads(), at.descriptors()
    names = ("grew_bytes", "more_threads", "more_descriptors")
    return {"associations": count, "served": is_served(at.port), "left_files": len(list(Path(at.folder).iterdir())),
            **{name: b - a for name, a, b in zip(names, before, after, strict=True)}}  # fmt: skip


def _settle(at, descriptors, within):
    """Wait until all lines have ended; a door that leaks never gets there."""
    until = time.monotonic() + within
    while (at.descriptors() > descriptors or list(Path(at.folder).iterdir())) and time.monotonic() < until:
        _PAUSE.wait(0.02)


def _break_off(port, count):
    request = dicom_negotiation.request("ANY", US, (Proposal(MR, PLAIN),))
    for n in range(count):
        if n % 5 == 0:
            line = connect(port)
            line.sendall(request[: len(request) // 2])
        else:
            line, context = associate(port)
            if n % 5 >= 2:
                begin_instance(line, context, n)
            if n % 5 >= 3:
                piece = dicom_pdu.p_data(context.number, bytes(8000), is_command=False, is_last=False)
                line.sendall(b"".join(piece))
            if n % 5 == 4:
                line.sendall(dicom_pdu.abort(by_provider=False))
        if n % 2:  # hang up with a reset
            line.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        line.close()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--associations", type=int, default=1000)
    parser.add_argument("--megabytes", type=int, default=300)
    wanted = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        with door(folder, max_instance_bytes=MEGABYTE) as at:
            assert is_served(at.port)
            found = [attack(at, how, wanted.megabytes) for how in ATTACKS]
        with door(folder) as at:
            assert is_served(at.port)
            leak = aborted_associations(at, wanted.associations)
    is_good = all(one["served"] and one["grew_bytes"] <= LIMIT for one in [*found, leak])
    is_good = is_good and not (leak["more_threads"] > 0 or leak["more_descriptors"] > 0 or leak["left_files"])
    if wanted.json:
        lines = [json.dumps({"attacks": found, "aborted": leak, "pass": is_good}, indent=1)]
    else:
        lines = [f"{one['attack'].replace('_', ' '):42} +{one['grew_bytes'] / MEGABYTE:.1f} MB, a real peer is "
                 f"{'served' if one['served'] else 'NOT SERVED'}" for one in found]  # fmt: skip
        lines.append(", ".join(f"{name.replace('_', ' ')}: {value}" for name, value in leak.items()))
    sys.stdout.write("\n".join(lines) + "\n")
    return 0 if is_good else 1


if __name__ == "__main__":
    sys.exit(main())
