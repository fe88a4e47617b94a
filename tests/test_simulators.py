"""The simulators: independent of our code, honest in their journals, and telling what they were told."""

import ast
import http.server
import json
import os
import signal
import socket
import subprocess
import sys
import threading
from datetime import datetime
from pathlib import Path

import pytest

from simulators.blume import PATIENTS, Blume, make_bundle
from simulators.powerserver import PowerServer, Received, read_answers, read_journal
from simulators.powerserver_script import acknowledge, read_script

ROOT = Path(__file__).parent.parent
SIMULATORS = sorted((ROOT / "simulators").glob("*.py"))
BOOKING = (ROOT / "tests" / "peers" / "siu_s12.hl7").read_bytes()


def exchange(line: socket.socket, *payloads: bytes) -> list[bytes]:
    """Send each payload as a frame and read one frame back."""
    answers = []
    for payload in payloads:
        line.sendall(b"\x0b" + payload + b"\x1c\x0d")
        answer = b""
        while not answer.endswith(b"\x1c\x0d"):
            answer += line.recv(65536) or pytest.fail("hung up")
        answers.append(answer[1:-2])
    return answers


@pytest.fixture
def process(tmp_path):
    """PowerServer as a process with a journal: (its port, the journal, the process)."""
    journal = tmp_path / "journal"
    command = [
        sys.executable,
        "-m",
        "simulators.powerserver",
        "--port",
        "0",
        "--journal",
        journal,
        "--script",
        "AE:no,accept",
    ]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as running:
        yield json.loads(running.stdout.readline())["listening"], journal, running
        running.kill()


@pytest.mark.parametrize("file", SIMULATORS, ids=lambda file: file.name)
def test_a_simulator_imports_only_the_standard_library_and_its_own_room(file):
    imported = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            imported |= {name.name for name in node.names}
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0
            imported.add(node.module)
    rooms = {name.partition(".")[0] for name in imported}
    assert rooms - {"simulators"} <= sys.stdlib_module_names


def test_the_acknowledgement_is_the_worked_example_of_powerserver():
    msh, msa, err, rest = acknowledge(BOOKING, "AE").split(b"\r")
    fields = msh.decode().split("|")
    assert fields[:6] == ["MSH", "^~\\&", "POWERSERVER", "BLUME TEST", "BLUME^2.25.1001^ISO", "BLUME TEST ORG"]
    assert fields[8] == "ACK^S12^ACK"
    assert fields[9].startswith("P")
    assert len(fields[9]) == 20
    assert fields[10:] == ["P", "2.5.1", "", "", "", "", "", "UNICODE UTF-8"]
    text = "Resource name must match PowerServer exactly"
    assert msa.decode() == f"MSA|AE|A0000000000000000001|{text}"
    assert err.decode() == f"ERR|||204^Unknown key identifier^HL70357|E||||{text}"
    assert rest == b""


def test_every_acknowledgement_has_a_control_id_of_its_own():
    ids = {acknowledge(BOOKING).split(b"|")[9] for _ in range(100)}
    assert len(ids) == 100


def test_a_script_may_repeat_a_word_and_knows_no_others():
    assert [step.code for step in read_script(["AE*3", "accept"])] == ["AE", "AE", "AE", "AA"]
    with pytest.raises(ValueError, match="'acept' is no word of a script"):
        read_script(["acept"])


def test_after_the_script_every_message_is_accepted():
    with PowerServer(["AE"]) as peer, socket.create_connection((peer.host, peer.port)) as line:
        said = [answer.split(b"MSA|")[1][:2] for answer in exchange(line, BOOKING, BOOKING, BOOKING)]
    assert said == [b"AE", b"AA", b"AA"]


def test_the_process_announces_its_port_and_journals_exact_bytes(process):
    port, journal, _ = process
    with socket.create_connection(("127.0.0.1", port)) as line:
        refused, accepted = exchange(line, BOOKING, BOOKING + b"\x00\xff")
    assert b"MSA|AE|A0000000000000000001|no" in refused
    assert b"MSA|AA|" in accepted
    assert [received.payload for received in read_journal(journal)] == [BOOKING, BOOKING + b"\x00\xff"]
    assert [answer.written for answer in read_answers(journal)] == [
        b"\x0b" + answer + b"\x1c\x0d" for answer in (refused, accepted)
    ]


def test_a_killed_process_leaves_every_answered_message_in_its_journal(process):
    port, journal, running = process
    with socket.create_connection(("127.0.0.1", port)) as line:
        exchange(line, *[BOOKING] * 20)
    running.send_signal(signal.SIGKILL if os.name == "posix" else signal.SIGTERM)
    running.wait(10)
    assert len(read_journal(journal)) == 20


def test_a_record_that_a_kill_cut_short_is_left_out(process):
    port, journal, _ = process
    with socket.create_connection(("127.0.0.1", port)) as line:
        exchange(line, BOOKING, BOOKING)
    whole = journal.read_bytes()
    journal.write_bytes(whole[: len(whole) // 2 + 30])
    assert [type(received) for received in read_journal(journal)] == [Received]


def test_the_process_stops_when_told_to(process):
    _, _, running = process
    running.terminate()
    assert running.wait(10) == 0


def test_bundles_are_bookings_of_several_patients_with_placer_ids_of_their_own():
    bundles = [json.loads(make_bundle(number)) for number in range(20)]
    by_type = [
        {entry["resource"]["resourceType"]: entry["resource"] for entry in bundle["entry"]} for bundle in bundles
    ]
    assert {resources["Appointment"]["identifier"][0]["value"] for resources in by_type} == {
        f"appt-{n}" for n in range(20)
    }
    assert {resources["Patient"]["name"][0]["family"] for resources in by_type} == {
        person.family for person in PATIENTS
    }
    urls = [entry["fullUrl"] for bundle in bundles for entry in bundle["entry"]]
    assert len(set(urls)) == len(urls) == 200
    text = b"".join(make_bundle(number) for number in range(5)).decode()
    assert all(letter in text for letter in "ãçéíô|^~&")


def test_a_bundle_can_be_made_again_byte_for_byte():
    start = datetime.fromisoformat("2025-12-01T09:00:00-03:00")
    assert make_bundle(77, 0, start) == make_bundle(77, 0, start)
    assert b'"start":"2025-12-01T09:00:00-03:00","end":"2025-12-01T10:00:00-03:00"' in make_bundle(77, 0, start)


class Door(http.server.BaseHTTPRequestHandler):
    """Accepts every bundle and remembers it."""

    protocol_version = "HTTP/1.1"

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.received.append((self.path, dict(self.headers), body))
        self.send_response(202)
        self.send_header("Location", "/fhir/Task/1")
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, *_):
        """Stay quiet."""


@pytest.fixture
def door():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Door)
    server.received = []
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def test_blume_posts_a_bundle_as_fhir_json_with_the_identity_it_was_given(door):
    bundle = make_bundle(1)
    with Blume(f"http://127.0.0.1:{door.server_port}/fhir") as blume:
        answer = blume.book(bundle, identity="booking-1")
        assert blume.book(bundle).status == 202
    assert (answer.status, answer.headers["location"], answer.body) == (202, "/fhir/Task/1", b"{}")
    (path, headers, body), (_, second, _) = door.received
    assert (path, body) == ("/fhir", bundle)
    assert headers["Content-Type"] == "application/fhir+json"
    assert headers["Idempotency-Key"] == "booking-1"
    assert "Idempotency-Key" not in second


def test_blume_on_the_command_line_prints_one_line_an_answer(door):
    done = subprocess.run(
        [sys.executable, "-m", "simulators.blume", "--url", f"http://127.0.0.1:{door.server_port}/fhir",
         "--count", "10", "--clients", "4"],
        cwd=ROOT, capture_output=True, text=True, timeout=30, check=True,
    )  # fmt: skip
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert {line["booking"] for line in lines} == {f"appt-{number}" for number in range(1, 11)}
    assert {line["status"] for line in lines} == {202}


def test_blume_on_the_command_line_fails_when_a_booking_was_not_accepted():
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    done = subprocess.run(
        [sys.executable, "-m", "simulators.blume", "--url", f"http://127.0.0.1:{port}/fhir",
         "--count", "2", "--summary"],
        cwd=ROOT, capture_output=True, text=True, timeout=30, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert json.loads(done.stdout)["answers"] == {"None": 2}
