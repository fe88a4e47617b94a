"""How long a form takes, and whether appointments feel it: `python -m tests.forms.speed --forms 100 --rounds 5`.

Prints JSON: CPU of a form of three pages from its bytes to the message (best and median), and the time from the POST
of an appointment until PowerServer has it (median, p99), alone and while forms come and are rendered: in turns, on
one host, so that what else the machine does falls on both. What counts is the ratio of the medians of the rounds' p99.
"""

import argparse
import json
import shutil
import statistics
import sys
import tempfile
import threading
import time
from pathlib import Path

from simulators.blume import make_bundle
from simulators.powerserver import PowerServer
from tests.cli.console_script import RunningHost, wait_until
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
            import base64

            pages = pdf_kit.poppler("pdfinfo", base64.b64decode(found.split(b"^Base64^")[1].split(b"|")[0]))
            assert "Pages:           3" in pages, pages
    return {"best": round(min(spent), 1), "median": round(statistics.median(spent[2:]), 1)}


def appointments(host, powerserver, start: int, seconds: float) -> list[float]:
    """Post appointments for so many seconds, one every 20 ms; return their milliseconds until PowerServer had them."""
    posted: dict[str, float] = {}
    pause, number, ends = threading.Event(), start, time.monotonic() + seconds
    while time.monotonic() < ends:
        body = make_bundle(number)
        name = json.loads(body)["entry"][-1]["resource"]["identifier"][0]["value"]
        posted[name] = time.time()
        host.post(body)
        number += 1
        pause.wait(0.02)
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        arrived = {_name(one.payload): one.at for one in powerserver.received if b"SIU^S12" in one.payload}
        if posted.keys() <= arrived.keys():
            return [(arrived[name] - at) * 1000 for name, at in posted.items()]
        pause.wait(0.1)
    raise TimeoutError("not all appointments arrived")


def _name(payload: bytes) -> str:
    segments = {line[:3]: line.split(b"|") for line in payload.split(b"\r")}
    return segments[b"SCH"][1].split(b"^")[0].decode()


def beside_forms(forms: int, seconds: float, rounds: int) -> dict[str, object]:
    """Return the times of appointments alone, and while forms are rendered, in turns."""
    each = -(-forms // rounds)
    alone: list[list[float]] = []
    beside: list[list[float]] = []
    with tempfile.TemporaryDirectory() as folder, PowerServer() as peer:
        site = shutil.copytree(form_kit.SITE, Path(folder) / "mappings")
        with RunningHost(Path(folder) / "data", peer.port, site) as host:
            appointments(host, peer, 1, min(2.0, seconds))
            for turn in range(rounds):
                alone.append(appointments(host, peer, 10_000 + 2000 * turn, seconds))
                bodies = [three_pages(each * turn + n) for n in range(each)]
                sender = threading.Thread(target=lambda: [host.post(body) for body in bodies])  # noqa: B023 - joined
                sender.start()
                beside.append(appointments(host, peer, 11_000 + 2000 * turn, seconds))
                sender.join()
                wait_until(lambda: rendered(peer) >= each * (turn + 1), "all forms are sent", 120)  # noqa: B023
    p99 = [statistics.median(p99_of(times) for times in turns) for turns in (alone, beside)]
    return {
        "alone": _figures(alone), "beside_forms": _figures(beside), "forms": each * rounds,
        "ratio_of_p99": round(p99[1] / p99[0], 2),
    }  # fmt: skip


def rendered(peer: PowerServer) -> int:
    """Return how many forms PowerServer has got."""
    return sum(b"MDM^T02" in one.payload for one in peer.received)


def p99_of(times: list[float]) -> float:
    """Return the 99th percentile."""
    return statistics.quantiles(times, n=100)[98]


def _figures(turns: list[list[float]]) -> dict[str, object]:
    times = [time_ for turn in turns for time_ in turn]
    return {
        "count": len(times),
        "median_ms": round(statistics.median(times), 1),
        "p99_ms_of_rounds": [round(p99_of(turn), 1) for turn in turns],
        "p99_ms": round(statistics.median(p99_of(turn) for turn in turns), 1),
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--forms", type=int, default=100)
    parser.add_argument("--seconds", type=float, default=4.0)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    found = {"cpu_ms_of_three_pages": render_cpu(20), **beside_forms(options.forms, options.seconds, options.rounds)}
    sys.stdout.write(json.dumps(found, indent=2) + "\n")


if __name__ == "__main__":
    main()
