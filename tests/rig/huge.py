"""T13: messages and lengths that are far too large. Each is served or refused in a sentence; memory stays bounded."""

from __future__ import annotations

import contextlib
import http.client
import json
import shutil
import socket
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from simulators.blume import Blume, make_bundle
from simulators.powerserver import PowerServer
from tests.rig.figures import Figures
from tests.rig.host import Processes, deploy
from tests.rig.site import SHIPPED, change, free_port, make_site

MB = 1024 * 1024
#: `max_bytes` of both listeners.
CAP = 10 * MB
#: What a message that is refused may cost, and one that is served.
REFUSED_MB, SERVED_MB = 64, 4 * CAP / MB
SIU = (SHIPPED / "samples" / "powerserver-book.hl7").read_bytes()
JSON = {"content-type": "application/fhir+json", "idempotency-key": "huge"}


@dataclass(frozen=True, slots=True)
class _Case:
    """One thing that is sent, in pieces, and the answers that are right."""

    name: str
    pieces: Iterator[bytes]
    #: HTTP statuses or MSA-1; "" for a line that is closed.
    right: frozenset[str]
    length: int | None = None
    may_cost: float = REFUSED_MB


def huge(folder: Path, *, full: bool) -> Figures:
    """Run the trial in an empty folder; not `full`: a tenth of the sizes beyond the cap."""
    figures = Figures("T13")
    times = 1 if full else 10
    with PowerServer() as powerserver:
        site, mllp = _site(folder, powerserver.port)
        deploy(site)
        with Processes(site) as host:
            host.start("intake")
            with Blume(host.fhir, within=20.0) as blume:
                blume.book(make_bundle(1, patient=0), "first")
            _send(mllp, _Case("the first", _framed(_siu(b"FIRST")), frozenset()))  # now everything is loaded
            judge = _Judge(figures, host.process("intake").pid)
            for case in _fhir_cases(times):
                judge(case, _post(host.fhir, case))
            for case in _mllp_cases(times):
                judge(case, _send(mllp, case))
            with Blume(host.fhir, within=20.0) as blume:
                figures.equal("a good booking afterwards", blume.book(make_bundle(2, patient=0), "last").status, 202)
            line = _Case("a good message", _framed(_siu(b"GOOD")), frozenset({"AA"}))
            figures.equal("a good SIU afterwards", _send(mllp, line), "AA")
    return figures


class _Judge:
    """Holds each answer, and the memory that it cost a process, against what is right."""

    def __init__(self, figures: Figures, pid: int) -> None:
        self._figures, self._pid = figures, pid
        self._before = self._forget_peak()

    def __call__(self, case: _Case, answer: str) -> None:
        right = "as it should be"
        self._figures.equal(f"answer to {case.name}", right if answer in case.right else answer, right)
        cost = self._memory("VmHWM") - self._before
        self._figures.at_most(f"memory at most, MB, for {case.name}", round(cost), case.may_cost)
        self._before = self._forget_peak()

    def _forget_peak(self) -> float:
        Path(f"/proc/{self._pid}/clear_refs").write_text("5", "ascii")
        return self._memory("VmRSS")

    def _memory(self, name: str) -> float:
        lines = Path(f"/proc/{self._pid}/status").read_text("ascii").splitlines()
        return next(int(line.split()[1]) / 1024 for line in lines if line.startswith(name))


def _site(folder: Path, powerserver: int) -> tuple[Path, int]:
    site = make_site(folder / "site", folder / "data", powerserver)
    shutil.copy(SHIPPED / "examples" / "appointment-to-blume.yaml", site)
    mllp = free_port()
    with change(site / "site.yaml") as values:
        values["stations"]["powerserver-in"] = {"host": "127.0.0.1", "port": mllp}
        values["stations"]["omegaai"] = {"base": f"http://127.0.0.1:{free_port()}/fhir"}
    return site, mllp


def _filled(size: int, head: bytes = b"", tail: bytes = b"", filler: bytes = b"A") -> Iterator[bytes]:
    """Yield `size` bytes in pieces."""
    yield head
    left = size - len(head) - len(tail)
    piece = filler * (64 * 1024 // len(filler))
    while left > 0:
        yield piece[:left]
        left -= len(piece)
    yield tail


def _fhir_cases(times: int) -> Iterator[_Case]:
    too_large, refused = frozenset({"413", ""}), frozenset({"400", "422"})
    document = b'{"resourceType":"Bundle","type":"message","note":"', b'"}'
    yield _Case("a body of one byte", iter([b"{"]), refused, 1)
    yield _Case("a body as large as is taken", _filled(CAP, *document), refused, CAP)
    yield _Case("a body one byte larger", _filled(CAP + 1, *document), too_large, CAP + 1)
    size = 200 * MB // times
    yield _Case("base64 of many megabytes", _filled(size, *document), too_large, size)
    yield _Case("a body without end, in chunks", _filled(size, *document), too_large)
    yield _Case("a length of four gigabytes", iter([b"{"]), too_large, 4 * 1024 * MB)
    patient = json.dumps({"resource": {"resourceType": "Patient", "gender": "female"}}).encode()
    entries = b'{"resourceType":"Bundle","type":"message","entry":[' + b",".join([patient] * 50_000) + b"]}"
    yield _Case("a bundle of 50,000 entries", iter([entries]), refused, len(entries), SERVED_MB)
    deep = b'{"a":' * 100_000 + b"1" + b"}" * 100_000
    yield _Case("100,000 levels of nesting", iter([deep]), refused, len(deep), SERVED_MB)


def _mllp_cases(times: int) -> Iterator[_Case]:
    no = frozenset({"AE", "AR", ""})
    yield _Case("a frame of one byte", _framed(b"M"), no)
    obx = b"".join(b"OBX|%d|TX|1^note||text||||||F\r" % n for n in range(1, 100_001))
    yield _Case("a message of 100,000 OBX", _framed(SIU + obx), no)
    lines = b"".join(obx.splitlines(keepends=True)[:10_000])
    yield _Case("a message of 10,000 OBX", _framed(_siu(b"LINES") + lines), frozenset({"AA"}), may_cost=SERVED_MB)
    yield _Case("a million line breaks", _framed(_siu(b"BREAKS") + b"NTE|1||" + b"a\n" * 1_000_000), no)
    head = _siu(b"LARGE") + b"NTE|1||"
    yield _Case("a message as large as is taken", _framed(*_filled(CAP - 2, head, b"\r")), no | {"AA"}, None, SERVED_MB)
    yield _Case("a message that is larger", _framed(*_filled(CAP + 1, head, b"\r")), no)
    yield _Case("a frame without an end", _filled(200 * MB // times, b"\x0b" + head), no)
    yield _Case("a length before the message", _framed(struct.pack(">Q", 4 * 1024 * MB), SIU), no)


def _siu(control_id: bytes) -> bytes:
    """Return the sample with another MSH-10."""
    head, _, rest = SIU.partition(b"\r")
    fields = head.split(b"|")
    fields[9] = control_id
    return b"|".join(fields) + b"\r" + rest


def _framed(*pieces: bytes) -> Iterator[bytes]:
    yield b"\x0b"
    yield from pieces
    yield b"\x1c\r"


def _post(base: str, case: _Case) -> str:
    """Return the status of the answer; "" where the line was closed without one."""
    place = urlsplit(base)
    line = http.client.HTTPConnection(place.hostname or "", place.port, timeout=60)
    length = {"transfer-encoding": "chunked"} if case.length is None else {"content-length": str(case.length)}
    try:
        line.putrequest("POST", place.path)
        for name, value in (JSON | length).items():
            line.putheader(name, value)
        line.endheaders()
        with contextlib.suppress(ConnectionError):  # an answer may come before all of it was sent
            for piece in filter(None, case.pieces):
                line.send(b"%x\r\n%s\r\n" % (len(piece), piece) if case.length is None else piece)
            if case.length is None:
                line.send(b"0\r\n\r\n")
        return str(line.getresponse().status)
    except (ConnectionError, http.client.HTTPException):
        return ""
    finally:
        line.close()


def _send(port: int, case: _Case) -> str:
    """Return MSA-1 of the answer; "" where the line was closed without one."""
    with socket.create_connection(("127.0.0.1", port), timeout=60) as line:
        try:
            with contextlib.suppress(ConnectionError):
                for piece in case.pieces:
                    line.sendall(piece)
                line.shutdown(socket.SHUT_WR)
            answer = b"".join(iter(lambda: line.recv(65536), b""))
        except ConnectionError:
            return ""
    return answer.partition(b"\rMSA|")[2][:2].decode()
