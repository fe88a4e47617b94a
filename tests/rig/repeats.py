"""T15: the same identity several times at once, with other bytes, and over restarts."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from pathlib import Path

from simulators.blume import Answer, Blume, make_bundle
from simulators.powerserver import PowerServer
from tests.rig.checker import placer_of
from tests.rig.figures import Figures
from tests.rig.host import Processes, deploy, pause
from tests.rig.site import Wishes, make_site

SOCKETS = 3


def repeats(folder: Path, messages: int) -> Figures:
    """Run the trial in an empty folder."""
    figures = Figures("T15")
    with PowerServer() as powerserver:
        site = make_site(folder / "site", folder / "data", powerserver.port, Wishes(connections=2))
        deploy(site)
        with Processes(site) as host:
            host.start()
            first = [_at_once(host.fhir, number) for number in range(messages)]
            conflicts = [_other_bytes(host.fhir, number) for number in range(messages)]
            host.kill("intake")
            host.start("intake")
            again = [_at_once(host.fhir, number) for number in range(messages)]
            host.kill()
            host.start()
            third = [_at_once(host.fhir, number) for number in range(messages)]
            powerserver.wait_for(messages, 20)
            pause(0.5)
            host.stop()
        placers = [placer_of(received.payload) for received in powerserver.received]
    figures.equal("answers that were not 202", sum(_unlike_202(answers) for answers in first + again + third), 0)
    differing = sum(
        len({_told(answer) for answer in (*a, *b, *c)}) - 1 for a, b, c in zip(first, again, third, strict=True)
    )
    figures.equal("answers that differ for one identity", differing, 0)
    figures.equal("delivered once each", str(sorted(placers) == sorted(f"appt-{n}" for n in range(messages))), "True")
    figures.equal("other bytes under a known identity, not 409", sum(status != 409 for status in conflicts), 0)
    return figures


def _unlike_202(answers: list[Answer]) -> int:
    return sum(answer.status != 202 for answer in answers)


def _told(answer: Answer) -> tuple[int, str | None, bytes]:
    return answer.status, answer.headers.get("location"), answer.body


@dataclass(slots=True)
class _Post:
    """One of several posts that leave at the same moment."""

    url: str
    number: int
    gate: threading.Barrier
    answer: Answer | None = None

    def run(self) -> None:
        with Blume(self.url, within=20) as blume:
            self.gate.wait()
            self.answer = blume.book(_bundle(self.number), f"booking-{self.number}")


def _at_once(url: str, number: int) -> list[Answer]:
    """Post the same bytes under the same identity on several sockets at once."""
    gate = threading.Barrier(SOCKETS)
    posts = [_Post(url, number, gate) for _ in range(SOCKETS)]
    threads = [threading.Thread(target=post.run) for post in posts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return [post.answer for post in posts if post.answer is not None]


def _bundle(number: int) -> bytes:
    return make_bundle(number)


def _other_bytes(url: str, number: int) -> int:
    with Blume(url, within=20) as blume:
        return blume.book(make_bundle(number + 1_000), f"booking-{number}").status
