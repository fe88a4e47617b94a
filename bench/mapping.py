"""What reading and mapping one appointment costs: the shipped mapping makes the S12 of domain §5.12 from its Bundle.

python -m bench.mapping        prints: mapping_us 180.2 240.1   (median and 99th percentile of this process's own time)

then what it is made of, what the door asks of the mapping (`admit`), and the machine's own pace: a loop of 1,000
additions. The steps take turns, so that all see the same machine.
"""

import gc
import json
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from statistics import median, quantiles
from time import thread_time_ns

from host.site import read_site
from transformers.base import Given
from transformers.fhir_to_hl7 import FhirToHl7, compile_plan
from transformers.mapping_check import check_mapping

SITE = Path(__file__).parents[1] / "mappings"
BODY = (SITE / "samples/appointment-request.json").read_bytes()
GIVEN = Given(
    now=datetime.fromisoformat("2025-11-20T15:30:00-03:00"),
    control_id="A0000000000000000001",
    destination="powerserver",
    focus=9,
    values={"change": "request", "state": "REQUESTED"},
    asked=True,
)
ROUNDS = 1000
#: A step is run a few times in a row: one alone would mostly measure the change from another.
IN_A_ROW = 3


def transformer() -> FhirToHl7:
    """Return the shipped mapping, as a worker has it."""
    checked = check_mapping(SITE / "appointment-to-powerserver.yaml", read_site(SITE))
    return compile_plan(json.loads(json.dumps(checked.plan)))


def steps(mapping: FhirToHl7) -> dict[str, Callable[[], object]]:
    """Return the whole, its parts, and the loop to hold them against."""
    document = mapping.load(BODY)
    message = mapping._messages["powerserver", "request"]  # noqa: SLF001 - the parts are nobody else's

    def route() -> object:
        return mapping._line(mapping._start(dict(document), GIVEN).scope, asked=True)  # noqa: SLF001 - as above

    def build() -> list[str]:
        lines: list[str] = []
        message.build(known, known.scope, (), lines, 0)
        known.memo.clear()
        return lines

    def loop() -> None:
        total = 0
        for number in range(1000):
            total += number

    known = mapping._start(document, GIVEN)  # noqa: SLF001 - as above
    lines = build()  # every named value is known from now on
    return {
        "mapping": lambda: mapping.transform(mapping.load(BODY), GIVEN),
        "load": lambda: mapping.load(BODY),
        "route": route,
        "build": build,
        "encode": lambda: message.encode(lines, known),
        # A document of its own each time: of the same one the names would be known.
        "admit": lambda: mapping.admit(dict(document)),
        "loop_of_1000": loop,
    }


def measure(mapping: FhirToHl7, rounds: int = ROUNDS) -> dict[str, list[float]]:
    """Return microseconds of each step, by round."""
    works = steps(mapping)
    taken: dict[str, list[float]] = {name: [] for name in works}
    for _ in range(rounds):
        for name, work in works.items():
            start = thread_time_ns()
            for _ in range(IN_A_ROW):
                work()
            taken[name].append((thread_time_ns() - start) / 1000 / IN_A_ROW)
    return taken


def main() -> None:
    """Print median and 99th percentile of each step, and the median against the loop's."""
    mapping = transformer()
    gc.collect()
    gc.freeze()  # as a worker does (host/roles.py)
    gc.set_threshold(20_000, 20, 50)
    taken = measure(mapping)
    pace = median(taken["loop_of_1000"])
    for name, times in taken.items():
        print(f"{name}_us {median(times):.1f} {quantiles(times, n=100)[98]:.1f}   {median(times) / pace:.2f} loops")


if __name__ == "__main__":
    main()
