"""When and how fast a study is sent, how that is shown, and the weakest proof: numbers alone."""

from __future__ import annotations

import os
import pty
import subprocess
import threading
import urllib.error
import urllib.request
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from channels.job_control import act
from channels.job_starter import begin, new_job
from channels.migration_settings import opens_in
from messages.identity import message_id
from messages.job_states import Event, State
from store import job_parts, jobs
from store.connection import connect
from store.schema import migrate
from store.store import Store
from tests.cli.console_script import ROOT, SCRIPT, wait_until
from tests.dicom import peers
from tests.share import kit
from tests.share.cutter import Cutter


@pytest.fixture(scope="module")
def line_and_pair(tmp_path_factory):
    """PowerServer that sends to OmegaAI over a line that counts; and OmegaAI."""
    folder = tmp_path_factory.mktemp("pair")
    with (
        peers.orthanc(folder / "omegaai") as omegaai,
        Cutter(omegaai.port) as line,
        peers.dcmqrscp(folder / "ps", {peers.OMEGAAI: line.port}) as powerserver,
    ):
        yield line, (powerserver, omegaai)


@pytest.fixture
def fhir():
    with kit.fhir() as server:
        yield server


def filled(pair, folder, count):
    files = peers.study(folder / "study", count)
    peers.fill(pair[0], files)
    return files


# -- when -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("window", "now", "seconds"),
    [
        ("", "12:00", 0),
        ("08:00-18:00", "08:00", 0),
        ("08:00-18:00", "17:59", 0),
        ("08:00-18:00", "18:00", 14 * 3600),
        ("20:00-06:00", "23:00", 0),
        ("20:00-06:00", "05:59", 0),
        ("20:00-06:00", "06:00", 14 * 3600),
        ("20:00-06:00", "19:59", 60),
        ("07:30-07:30", "01:00", 0),
    ],
)
def test_a_window_of_the_day_is_open_from_its_first_minute_to_its_last(window, now, seconds):
    assert opens_in(window, datetime.fromisoformat(f"2026-01-05T{now}")) == seconds


def test_outside_its_hours_nothing_is_sent_and_inside_them_it_goes_on_by_itself(line_and_pair, store, fhir, tmp_path):
    line, pair = line_and_pair
    files = filled(pair, tmp_path, 4)
    first, last = (f"{datetime.now(UTC) + timedelta(hours=hours):%H:%M}" for hours in (2, 3))
    site = kit.Site(store, kit.settings(*pair, fhir, window=f"{first}-{last}"))
    number = site.ask(kit.task(kit.study_of(files)))
    line.sent.clear()
    site.run(lambda: site.job(number).reason_code == "OUTSIDE_WINDOW")
    waiting = site.job(number)
    assert (waiting.state, waiting.attempts, +line.sent) == (State.TRANSFERRING, 0, {})
    assert 3600 < waiting.next_at - waiting.changed_at <= 2 * 3600 + 60

    site.deploy(site.made | {"window": "00:00-00:00"}, "r2")
    assert act(store, number, "resume", by="ana").done
    site.run_to(number, State.SHARED)

    assert sum(line.sent.values()) == 4


# -- how fast ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("at_once", "moves"), [(0, 1), (2, 4)])
def test_a_site_may_ask_for_a_few_instances_at_a_time_with_a_pause_between(
    at_once, moves, line_and_pair, store, fhir, tmp_path
):
    """Six MR in one series and two CT in another: two at a time are four C-MOVEs, each an association to OmegaAI."""
    line, pair = line_and_pair
    files = filled(pair, tmp_path, 8)
    site = kit.Site(store, kit.settings(*pair, fhir, instances_at_once=at_once, pause_between=0.2))
    number = site.ask(kit.task(kit.study_of(files)))
    line.begun.clear()

    site.run_to(number, State.SHARED)

    assert len(line.begun) == moves
    assert all(later - earlier >= 0.2 for earlier, later in zip(line.begun, line.begun[1:], strict=False))


def test_a_station_may_be_given_only_so_many_bytes_a_second(line_and_pair, store, fhir, tmp_path):
    _, pair = line_and_pair
    files = filled(pair, tmp_path, 8)
    made = kit.settings(*pair, fhir, transfer="cstore")
    made["dicom"]["OMEGAAI LINK"]["bytes_per_second"] = sum(path.stat().st_size for path in files)
    site = kit.Site(store, made)
    number = site.ask(kit.task(kit.study_of(files)))
    site.run_to(number, State.SHARED)

    at = {line.state: line.at for line in jobs.history(store.connection, number)}
    assert at[State.VERIFYING] - at[State.TRANSFERRING] >= 0.5


# -- how it is shown --------------------------------------------------------------------------------------------------


def test_share_watch_draws_a_bar_on_a_terminal_until_the_share_rests(tmp_path):
    link = connect(tmp_path / "data")
    migrate(link)
    link.close()
    store = Store(tmp_path / "data", "test")
    write = store.writer.now
    new = new_job("study-share", "study-share", "jobs", kit.task("1.2.3"), message_id())
    number = write(lambda tx: begin(tx, new, by="test"))[0]

    def step(event, **counts):
        write(lambda tx: jobs.move(tx, jobs.get(store.connection, number), event))
        write(lambda tx: jobs.progress(tx, number, counts))

    step(Event.PASSED)
    step(Event.BEGUN, total=300, arrived=0, completed=120)
    ours, theirs = pty.openpty()
    env = {**os.environ, "PLUGIN_HOST_DATA": str(tmp_path / "data"), "TERM": "xterm", "COLUMNS": "100"}
    arguments = [SCRIPT, "share", "watch", str(number), "--site", str(ROOT / "mappings")]
    with subprocess.Popen(arguments, stdin=theirs, stdout=theirs, stderr=theirs, env=env) as watching:
        os.close(theirs)
        seen = bytearray()
        reading = threading.Thread(target=_read, args=(ours, seen))
        reading.start()
        wait_until(lambda: b"120/300" in seen, "the bar shows how far it is", 30)
        assert watching.poll() is None
        step(Event.MOVED, total=300, arrived=300)
        for event in (Event.PROVEN, Event.BEGUN, Event.SHARED):
            step(event, total=300, arrived=300)
        assert watching.wait(30) == 0
        reading.join(10)
    os.close(ours)
    store.close()
    assert seen.decode().rstrip().endswith("SHARED")
    assert kit.PATIENT not in seen.decode()


def _read(terminal, seen):
    try:
        while data := os.read(terminal, 4096):
            seen.extend(data)
    except OSError:
        return  # the terminal's other end is closed


# -- numbers alone ----------------------------------------------------------------------------------------------------


class _Listless(BaseHTTPRequestHandler):
    """OmegaAI's QIDO-RS without lists: what is asked below a study is refused, the rest is Orthanc's."""

    protocol_version = "HTTP/1.1"

    def do_GET(self):
        status, body = 403, b""
        if self.path.startswith("/studies?"):
            with urllib.request.urlopen(f"{self.server.to}{self.path}", timeout=20) as answer:
                status, body = answer.status, answer.read()
        self.send_response(status)
        self.send_header("Content-Type", "application/dicom+json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        """Be quiet."""


@contextmanager
def listless(to):
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Listless)
    server.to = to
    serving = threading.Thread(target=server.serve_forever, args=(0.05,))
    serving.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        serving.join()
        server.server_close()


@pytest.mark.parametrize(
    ("proof", "there", "ends", "code"),
    [
        ("counts", 5, State.SHARED, None),
        ("counts", 4, State.VERIFY_FAILED, "TARGET_GIVES_NO_LIST"),
        ("instances", 5, State.VERIFY_FAILED, "TARGET_GIVES_NO_LIST"),
    ],
)
def test_a_number_proves_an_arrival_only_where_the_site_says_so_and_it_is_large_enough(
    proof, there, ends, code, line_and_pair, store, fhir, tmp_path
):
    _, pair = line_and_pair
    files = filled(pair, tmp_path, 5)
    peers.fill(pair[1], files[:there])
    with listless(pair[1].dicomweb) as web:
        made = kit.settings(*pair, fhir, transfer="external", proof=proof, dicomweb={"base": web}, verify_within=0.3)
        site = kit.Site(store, made)
        number = site.ask(kit.task(kit.study_of(files)))
        job = site.run_to(number, ends)

    assert job.reason_code == code
    assert job.proof == ("counts" if ends is State.SHARED else None)
    assert sum(job_parts.tally(store.connection, number).values()) == 5
    assert len(fhir.records.all("Task")) == (1 if ends is State.SHARED else 0)
