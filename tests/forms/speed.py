"""How long a form takes, and whether appointments feel it: `python -m tests.forms.speed`.

Prints JSON: CPU of a form of three pages from its bytes to the message; and the times of appointments, alone and
while forms are rendered. They come at a constant rate, whether those before were answered or not, and are timed from
the moment at which each was due: until it was answered, and until PowerServer had it. The kinds of turns
change on one host, so that what else the machine does falls on all. What counts is the ratio of the two p99; the ratio
of alone to alone again says how much of it is the machine's.
"""

import argparse
import contextlib
import json
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from simulators.blume import make_bundle
from simulators.journal import read_journal
from tests.cli.console_script import ROOT, RunningHost, wait_until, without_clock
from tests.forms import form_kit, hostile, pdf_kit, pictures

THREE_PAGES = 50


def three_pages(number: int = 1) -> bytes:
    """Return a registration form of three pages, of a patient of its own."""
    document = form_kit.bundle("registration", meta={"versionId": "1"})
    form_kit.resource(document, "Patient")["identifier"][0]["value"] = f"9{number:06}"
    pairs = [pictures.line(f"q{n}", f"Question {n}?", f"Answer {n} of {number}. " * 3) for n in range(THREE_PAGES)]
    form_kit.resource(document, "Questionnaire")["item"] = [item for item, _ in pairs]
    response = form_kit.resource(document, "QuestionnaireResponse")
    response["item"] = [answer for _, answer in pairs]
    response["identifier"]["value"] = f"qr-{number}"
    return form_kit.body(document)


def render_cpu(times: int) -> dict[str, float]:
    """Return the CPU milliseconds of one form, in this process."""
    mapping = hostile.transformer()
    spent = []
    for number in range(times + 2):
        body = three_pages(number)
        began = time.process_time()
        found = hostile.codes_of(mapping, body)
        spent.append((time.process_time() - began) * 1000)
        if number == 0:
            pages = pdf_kit.poppler("pdfinfo", pdf_kit.in_message(found))
            assert "Pages:           3" in pages, pages
    return {"best": round(min(spent), 1), "median": round(statistics.median(spent[2:]), 1)}


@dataclass
class Times:
    """Of the appointments of one kind of turn."""

    #: When each was due, by its number.
    due: dict[str, float] = field(default_factory=dict)
    #: Milliseconds until each was answered.
    answered: list[float] = field(default_factory=list)

    def figures(self, arrived: dict[str, float]) -> dict[str, float]:
        """Return the milliseconds, given when PowerServer had each."""
        times = [(arrived[name] - due) * 1000 for name, due in self.due.items()]
        return {
            "count": len(times),
            "answer_median_ms": _percentile(self.answered, 50), "answer_p99_ms": _percentile(self.answered, 99),
            "arrival_median_ms": _percentile(times, 50), "arrival_p99_ms": _percentile(times, 99),
        }  # fmt: skip


def _percentile(times: list[float], number: int) -> float:
    return round(statistics.quantiles(times, n=100)[number - 1], 1)


@contextlib.contextmanager
def powerserver(journal: Path) -> Iterator[int]:
    """Run PowerServer in a process of its own, so that it holds up nobody here; give its port."""
    command = [sys.executable, "-m", "simulators.powerserver", "--journal", str(journal)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT) as peer:
        try:
            yield json.loads(peer.stdout.readline())["listening"]
        finally:
            peer.terminate()


class Bench:
    """A host, its PowerServer, and the kinds of turns."""

    def __init__(self, host: RunningHost, journal: Path, rate: float) -> None:
        self.host, self.rate = host, rate
        self.alone, self.beside, self.again = Times(), Times(), Times()
        self.forms = self.number = 0
        self._journal = journal

    def appointments(self, times: Times, seconds: float) -> None:
        """Post appointments at the constant rate for so long."""
        pause, began = threading.Event(), time.time()
        for position in range(int(seconds * self.rate)):
            self.number += 1
            body, due = make_bundle(self.number), began + position / self.rate
            pause.wait(max(0.0, due - time.time()))
            self.host.book(body)
            times.answered.append((time.time() - due) * 1000)
            times.due[f"appt-{self.number}"] = due

    def appointments_beside_forms(self, forms: int, seconds: float) -> None:
        """Post forms, spread over so many seconds, and appointments; then wait for what is left of the forms."""
        bodies = [three_pages(self.forms + number) for number in range(forms)]
        self.forms += forms
        pause = threading.Event()
        sender = threading.Thread(
            target=lambda: [self.host.book(body) for body in bodies if not pause.wait(seconds / forms)]
        )
        sender.start()
        self.appointments(self.beside, seconds)
        sender.join()
        wait_until(lambda: self._journal.read_bytes().count(b"|MDM^T02^") >= self.forms, "all forms are sent", 120)


def _arrivals(journal: Path) -> dict[str, float]:
    """Return when PowerServer had each appointment."""
    found: dict[str, float] = {}
    for one in read_journal(journal):
        _, booking, rest = one.payload.partition(b"\rSCH|")
        if booking:
            found.setdefault(rest.split(b"^")[0].decode(), one.at)
    return found


def beside_forms(forms: int, seconds: float, rounds: int, rate: float = 40.0) -> dict[str, object]:
    """Return the times of appointments alone, and while forms are rendered, in turns of so many seconds."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        journal = folder / "journal"
        journal.touch()
        site = without_clock(shutil.copytree(form_kit.SITE, folder / "mappings"))
        with powerserver(journal) as port, RunningHost(folder / "data", port, site) as host:
            bench = Bench(host, journal, rate)
            bench.appointments(Times(), min(2.0, seconds))
            for _ in range(rounds):
                bench.appointments(bench.alone, seconds)
                bench.appointments_beside_forms(-(-forms // rounds), seconds)
                bench.appointments(bench.again, seconds)
            wait_until(lambda: f"appt-{bench.number}" in _arrivals(journal), "the last one has arrived", 60)
        arrived = _arrivals(journal)
    alone, beside, again = (times.figures(arrived) for times in (bench.alone, bench.beside, bench.again))
    names = ("answer_p99_ms", "arrival_p99_ms")
    return {
        "alone": alone, "beside_forms": beside, "alone_again": again, "forms": bench.forms,
        "ratios": {name: round(beside[name] / alone[name], 2) for name in names},
        "ratios_of_the_machine": {name: round(again[name] / alone[name], 2) for name in names},
    }  # fmt: skip


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--forms", type=int, default=150)
    parser.add_argument("--seconds", type=float, default=1.0)
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--rate", type=float, default=40.0, help="appointments a second")
    options = parser.parse_args()
    found = beside_forms(options.forms, options.seconds, options.rounds, options.rate)
    sys.stdout.write(json.dumps({"cpu_ms_of_three_pages": render_cpu(20), **found}, indent=2) + "\n")


if __name__ == "__main__":
    main()
