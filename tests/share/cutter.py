"""A line between two DICOM peers that cuts associations, and counts how often each instance was sent over it."""

from __future__ import annotations

import socket
import threading
import time
from collections import Counter

#: (0000,1000) Affected SOP Instance UID in a command set, which is implicit VR little endian (PS3.7 6.3.1).
_AFFECTED = b"\x00\x00\x00\x10"
#: (0000,0100) Command Field of a C-STORE request.
_C_STORE = b"\x00\x00\x00\x01\x02\x00\x00\x00\x01\x00"


class Cutter:
    """Relays to a port. `every`: cut an association at its n-th PDU; 0: never. As a context manager it runs."""

    def __init__(self, to: int, every: int = 0, cuts: int = 1000) -> None:
        self.every, self.cuts = every, cuts
        self.sent: Counter[str] = Counter()
        self.cut = 0
        #: When each line was opened; seconds of the monotonic clock.
        self.begun: list[float] = []
        self._to = to
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port = self._listening.getsockname()[1]
        self._threads: list[threading.Thread] = []

    def __enter__(self):
        self._run(self._accept)
        return self

    def __exit__(self, *args):
        self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        for thread in self._threads:
            thread.join(10)

    def _run(self, body, *args):
        thread = threading.Thread(target=body, args=args, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self):
        while True:
            try:
                near, _ = self._listening.accept()
            except OSError:
                return
            self.begun.append(time.monotonic())
            try:
                far = socket.create_connection(("127.0.0.1", self._to), 5)
            except OSError:
                near.close()
                continue
            self._run(self._forward, near, far)
            self._run(self._back, far, near)

    def _forward(self, near, far):
        """Relay the PDUs of who opened the line, one by one, and cut at the n-th."""
        with near, far:
            try:
                for number in range(1, 1_000_000):
                    pdu = _pdu(near)
                    self._note(pdu)
                    if self.every and number == self.every and self.cut < self.cuts:
                        self.cut += 1
                        far.sendall(pdu[: len(pdu) // 2])
                        break
                    far.sendall(pdu)
            except OSError:
                pass  # one of them hung up
            for line in (near, far):
                try:
                    line.shutdown(socket.SHUT_RDWR)
                except OSError:
                    continue

    def _back(self, far, near):
        try:
            while data := far.recv(65536):
                near.sendall(data)
            near.shutdown(socket.SHUT_WR)
        except OSError:
            pass  # one of them hung up

    def _note(self, pdu):
        if pdu[0] == 4 and _C_STORE in pdu:
            at = pdu.index(_AFFECTED)
            length = int.from_bytes(pdu[at + 4 : at + 8], "little")
            self.sent[pdu[at + 8 : at + 8 + length].decode("ascii").rstrip("\0 ")] += 1


def _pdu(line):
    head = _exactly(line, 6)
    return head + _exactly(line, int.from_bytes(head[2:6], "big"))


def _exactly(line, count):
    data = b""
    while len(data) < count:
        piece = line.recv(count - len(data))
        if not piece:
            raise ConnectionError
        data += piece
    return data
