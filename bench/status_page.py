"""What the status page costs: `python -m bench.status_page [--channels N] [--messages N] [--open PAGES]`.

First: a store of that size and one with a hundredth of the messages, and Chromium, which in turns opens the channels
page of each and finds a message by its accession; printed are the median and the 95th percentile of what a person waits
(navigation to the load event), and how the two stores compare: the cost does not grow with the store. Then, with
`--open`: a whole host takes bookings, with and without so many open pages, in turns; printed is the 99th percentile of
the answer at the door in each.
"""

from __future__ import annotations

import argparse
import contextlib
import functools
import http.client
import multiprocessing
import os
import shutil
import statistics
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from multiprocessing.synchronize import Event as EventType
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

from channels.control import Control
from console.app import create_app, make_server
from messages.identity import message_id
from simulators.blume import make_bundle
from simulators.powerserver import PowerServer
from store import directory
from store.connection import connect
from store.schema import migrate
from store.store import Store
from tests.cli.console_script import RunningHost

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
BATCH = 50_000
#: Turns that are not counted: templates are compiled, pages of the store are read for the first time.
WARM = 2
#: How often the door is measured without and with open pages.
TURNS = 4


def fill(folder: Path, channels: int, messages: int) -> None:
    """Make a store with so many channels and delivered messages, put in at once; one accession each."""
    link = connect(folder)
    migrate(link)
    link.close()
    store = Store(folder, "console")
    for n in range(channels):
        plan = {"destinations": {"powerserver": {"settings": {"host": f"ps{n}.example", "port": 6661}}}}
        new = directory.NewRevision(
            channel=f"channel-{n:03d}", title=f"Channel {n:03d}", revision="a1b2c3d4e5f6", source="", plan=plan,
            destinations={"powerserver": True},
        )  # fmt: skip
        directory.deploy(store.writer, new)
    rows = directory.channels(store.connection)
    for role in ("intake", "lanes"):
        directory.announce(store.writer, role, 1, None, ())
    link, now = store.connection, time.time()
    for first in range(1, messages + 1, BATCH):
        numbers = range(first, min(first + BATCH, messages + 1))
        link.execute("BEGIN")
        link.executemany(
            "INSERT INTO message VALUES (?, ?, 1, ?, 'a1b2c3d4e5f6', ?, NULL, NULL, ?)",
            (
                (n, message_id(), rows[n % channels].number, now - n % 80_000, f'{{"accession": "ACC{n}"}}')
                for n in numbers
            ),
        )  # fmt: skip
        link.executemany(
            "INSERT INTO delivery (id, destination, lane, status, changed_at) VALUES (?, ?, ?, 'SENT', ?)",
            ((n * 16, rows[n % channels].destinations[0].number, n % 20_000, now) for n in numbers),
        )
        link.executemany("INSERT INTO search VALUES (?, 'accession', ?)", ((f"ACC{n}", n) for n in numbers))
        link.execute("COMMIT")
    hour = int(now // 3600)
    for row in rows:
        mine = (row.destinations[0].number, messages // channels)
        link.execute("INSERT INTO level VALUES (?, 'SENT', ?)", mine)
        # The hours differ, so that the picture of a day is as large as a real one.
        flows = [(hour - h, mine[0], status, 7919 * (h + mine[0]) % 100)
                 for h in range(24) for status in ("RECEIVED", "SENT")]  # fmt: skip
        link.executemany("INSERT INTO flow VALUES (?, ?, ?, ?)", flows)
    store.close()


def waited(page: Page, act: Callable[[], object]) -> float:
    """Return the seconds that a person waits: until the page that `act` asked for has loaded."""
    begin = time.perf_counter()
    act()
    page.wait_for_load_state("load")
    return time.perf_counter() - begin


def measure(stores: Mapping[int, Path], times: int) -> dict[tuple[str, int], list[float]]:
    """Return how long a page took each time in Chromium, by its name and the messages of its store; in turns."""
    found: dict[tuple[str, int], list[float]] = {}
    with contextlib.ExitStack() as stack:
        addresses = {messages: stack.enter_context(_served(folder)) for messages, folder in stores.items()}
        browser = stack.enter_context(sync_playwright()).chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        page = browser.new_page()
        for n in range(-WARM, times):
            for messages, address in addresses.items():
                channels = waited(page, functools.partial(page.goto, address))
                page.fill("#q", f"ACC{1 + n % messages * 7919 % messages}")
                search = waited(page, lambda: _search(page))
                assert page.locator("tbody tr").count() == 1
                if n >= 0:
                    found.setdefault(("channels page", messages), []).append(channels)
                    found.setdefault(("search by accession", messages), []).append(search)
        browser.close()
    return found


@contextlib.contextmanager
def _served(folder: Path) -> Iterator[str]:
    store = Store(folder, "console")
    app = create_app(folder, Control(store, lambda: None), name="Bench", open_to_all=True)
    server = make_server(app, "127.0.0.1", 0)
    threading.Thread(target=server.run, daemon=True).start()
    yield f"http://127.0.0.1:{server.effective_port}"


def _search(page: Page) -> None:
    with page.expect_navigation():
        page.press("#q", "Enter")


def p(values: list[float], share: float) -> float:
    """Return a percentile, in milliseconds."""
    return 1000 * statistics.quantiles(values, n=100, method="inclusive")[round(share * 100) - 1]


def at_the_door(pages: int, seconds: float) -> tuple[float, float]:
    """Return the p99 of the answers (ms) without and with so many open pages, in turns on one running host."""
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        host = stack.enter_context(RunningHost(folder / "data", stack.enter_context(PowerServer()).port))
        number = iter(range(1, 1_000_000))
        _post(host, number, seconds / 4)
        answers: dict[bool, list[float]] = {False: [], True: []}
        for with_pages in (False, True) * TURNS:
            with _open(host.console_port, pages) if with_pages else contextlib.nullcontext():
                answers[with_pages] += _post(host, number, seconds / (2 * TURNS))
    return p(answers[False], 0.99), p(answers[True], 0.99)


def _post(host: RunningHost, number: Iterator[int], seconds: float) -> list[float]:
    link, times = http.client.HTTPConnection("127.0.0.1", host.fhir_port, timeout=30), []
    ends = time.monotonic() + seconds
    while time.monotonic() < ends:
        body = make_bundle(next(number))
        begin = time.perf_counter()
        link.request("POST", "/fhir", body, {"Content-Type": "application/fhir+json"})
        answer = link.getresponse()
        answer.read()
        times.append(time.perf_counter() - begin)
        assert answer.status == 202, answer.status
        time.sleep(0.02)
    link.close()
    return times


@contextlib.contextmanager
def _open(port: int, pages: int) -> Iterator[None]:
    """Have so many pages open, in a process of their own: they must not take their turns from the sender's clock."""
    spawn = multiprocessing.get_context("spawn")
    ready, stop = spawn.Event(), spawn.Event()
    browsers = spawn.Process(target=_browse, args=(port, pages, ready, stop))
    browsers.start()
    ready.wait(30)
    yield
    stop.set()
    browsers.join()


def _browse(port: int, pages: int, ready: EventType, stop: EventType) -> None:
    readers = [threading.Thread(target=_read, args=(port, stop, 3.0 * n / pages)) for n in range(pages)]
    for reader in readers:
        reader.start()
    ready.set()
    for reader in readers:
        reader.join()


def _read(port: int, stop: EventType, begins: float) -> None:
    """Be an open page: fetch it again every three seconds, as its script does."""
    stop.wait(begins)
    while not stop.is_set():
        link = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        link.request("GET", "/")
        link.getresponse().read()
        link.close()
        stop.wait(3.0)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--channels", type=int, default=200)
    parser.add_argument("--messages", type=int, default=1_000_000)
    parser.add_argument("--times", type=int, default=40)
    parser.add_argument("--open", type=int, default=0, metavar="PAGES")
    parser.add_argument("--seconds", type=float, default=40.0)
    given = parser.parse_args()
    sizes = (given.messages // 100, given.messages)
    with tempfile.TemporaryDirectory() as folder:
        stores = {messages: Path(folder) / str(messages) for messages in sizes}
        for messages, store in stores.items():
            fill(store, given.channels, messages)
        found = measure(stores, given.times)
    for (what, messages), times in sorted(found.items()):
        middle, high = p(times, 0.5), p(times, 0.95)
        verdict = "PASS" if high < 1000 else "FAIL"
        size = f"{given.channels} channels, {messages} messages"
        print(f"{what} {size}: median {middle:.0f} ms, p95 {high:.0f} ms, limit 1000 ms {verdict}")
    for what in ("channels page", "search by accession"):
        small, large = (p(found[what, messages], 0.5) for messages in sizes)
        print(f"{what}: the median with a hundred times the messages is {large / small:.2f} of that without")
    print(f"load of the machine: {', '.join(f'{load:.1f}' for load in os.getloadavg())}", flush=True)
    if given.open:
        without, with_pages = at_the_door(given.open, given.seconds)
        change = 100 * (with_pages / without - 1)
        verdict = "PASS" if change <= 20 else "FAIL"
        print(f"answer p99 without pages {without:.1f} ms, with {given.open} open {with_pages:.1f} ms: "
              f"{change:+.0f} %, limit +20 % {verdict}")  # fmt: skip


if __name__ == "__main__":
    main()
