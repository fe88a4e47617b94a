"""The bench measures what it says, and a message that is lost does not pass for speed."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from bench.bookings import PATIENT_COUNT, Bookings, bundle
from bench.pipeline import Bench, bench_folder, unlike
from bench.report import failed, table
from bench.stored import multiply
from bench.systems import Host
from simulators.blume import PATIENTS, make_bundle
from store.connection import connect

ROOT = Path(__file__).parent.parent
FIGURES = {
    "messages_per_second",
    "cpu_ms_per_message",
    "answer_p50_ms",
    "answer_p99_ms",
    "delivery_p50_ms",
    "delivery_p99_ms",
    "resident_mb",
}


def test_the_bench_prints_every_figure_of_the_host_and_of_the_floor():
    arguments = ["--json", "--seconds", "0.5", "--rounds", "1", "--clients", "4"]
    run = subprocess.run(
        [sys.executable, "-m", "bench.pipeline", *arguments], cwd=ROOT, capture_output=True, timeout=60, check=False
    )
    results = json.loads(run.stdout)
    assert run.returncode == (1 if failed(results) else 0), run.stderr
    assert results.keys() == {"4"}
    assert results["4"].keys() == FIGURES | {"floor", "cpu_ratio"}
    assert results["4"]["floor"].keys() == FIGURES
    assert all(results["4"][figure] > 0 for figure in FIGURES)


def test_what_the_host_accepts_is_what_the_receiver_gets_and_its_copies_count_as_stored():
    with bench_folder() as folder:
        bench = Bench(folder)
        host = Host(folder / "host")
        try:
            figures = bench.run(host, clients=4, seconds=0.5)  # asserts that nothing is lost or repeated
        finally:
            sent = host.stop()
        assert sent == bench.accepted["host"] > 0
        assert figures.cpu_ms_per_message > 0
        total = multiply(folder / "host" / "data", sent * 3)
        store = connect(folder / "host" / "data", read_only=True)
        assert store.execute("SELECT count(*) FROM delivery WHERE status = 'SENT'").fetchone()[0] == total == sent * 3
        assert store.execute("SELECT n FROM level WHERE status = 'SENT'").fetchone()[0] == total
        store.close()


@pytest.mark.parametrize(
    ("received", "said"),
    [
        ([1, 2, 3], ""),
        ([1, 3], "1 lost, 0 too many"),
        ([1, 2, 2, 3], "0 lost, 1 too many"),
        ([1, 2, 4], "1 lost, 1 too"),
    ],
)
def test_a_lost_or_repeated_message_is_noticed(received, said):
    assert unlike([3, 1, 2], received).startswith(said)
    assert bool(unlike([3, 1, 2], received)) == bool(said)


def test_a_booking_is_the_portals_own_bundle_with_its_number_and_its_patient():
    number = 100_000_007
    head, _, body = Bookings().request(number).partition(b"\r\n\r\n")
    assert f"content-length: {len(body)}".encode() in head
    patient = number % PATIENT_COUNT
    assert body == bundle(patient, number)
    posted, real = json.loads(body), json.loads(make_bundle(7, patient=patient))
    assert posted["entry"][0]["resource"]["name"] == real["entry"][0]["resource"]["name"]
    assert posted["entry"][0]["resource"]["identifier"][0]["value"] == f"{500_000 + patient}"
    assert posted["entry"][9]["resource"]["identifier"][0]["value"] == f"appt-{number}"
    assert len(PATIENTS) < PATIENT_COUNT


def test_a_goal_that_is_missed_is_told_and_fails():
    good = dict.fromkeys(FIGURES, 1.0) | {"messages_per_second": 2500.0, "cpu_ratio": 1.5}
    slow = good | {"answer_p99_ms": 50.0}
    assert not failed({"32": good})
    assert failed({"32": slow})
    assert "FAIL  answer_p99_ms at 32 clients: 50.00, goal < 40 ms" in table({"32": slow})
    assert "PASS  messages_per_second at 32 clients: 2,500.00" in table({"32": slow})
