"""Time of one transformation: the shipped mapping makes the S12 of domain §5.12 from its Bundle, parsed before.

python bench/mapping.py [--parts]        prints: mapping_us 180.2 240.1   (median and 99th percentile of 3,000)
"""

import json
import os
import sys
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from time import process_time_ns

HOUSE = Path(__file__).parents[1]
sys.path.insert(0, str(HOUSE))

from transformers import er7  # noqa: E402 - the rooms are found first
from transformers.base import Given  # noqa: E402
from transformers.fhir_to_hl7 import FhirToHl7, compile_plan  # noqa: E402
from transformers.mapping_check import check_mapping  # noqa: E402
from transformers.mapping_site import load_site  # noqa: E402

SITE = HOUSE / "mappings"
GIVEN = Given(
    now=datetime.fromisoformat("2025-11-20T15:30:00-03:00"),
    control_id="A0000000000000000001",
    destination="powerserver",
    focus=9,
)


def measure(work: Callable[[], object], times: int = 3000) -> tuple[float, float]:
    """Return median and 99th percentile in microseconds of this process's own time."""
    for _ in range(200):
        work()
    taken = []
    for _ in range(times):
        start = process_time_ns()
        work()
        taken.append(process_time_ns() - start)
    taken.sort()
    return taken[times // 2] / 1000, taken[times * 99 // 100] / 1000


def main() -> None:
    """Measure the whole, and with --parts what it is made of."""
    checked = check_mapping(SITE / "appointment-to-powerserver.yaml", load_site(SITE, os.environ))
    transformer = compile_plan(json.loads(json.dumps(checked.plan)))
    document = transformer.load((SITE / "samples/appointment-request.json").read_bytes())
    print("mapping_us {:.1f} {:.1f}".format(*measure(lambda: transformer.transform(document, GIVEN))))
    if "--parts" in sys.argv:
        parts(transformer, document)


def parts(transformer: FhirToHl7, document: object) -> None:
    """Measure what a transformation is made of."""
    message = transformer._messages["powerserver", "request"]  # noqa: SLF001 - the parts are nobody else's

    def choose() -> object:
        return transformer._line(transformer._start(document, GIVEN).scope)  # noqa: SLF001

    def build() -> list[er7.Segment]:
        return transformer._segments(transformer._start(document, GIVEN), message, GIVEN)  # noqa: SLF001

    segments = build()
    for name, work in (
        ("route", choose),
        ("segments", build),
        ("validate", lambda: message.validator.validate(segments)),
        ("encode", lambda: er7.encode(segments, "UNICODE UTF-8")),
        ("admit", lambda: transformer.admit(document)),
    ):
        print("{}_us {:.1f} {:.1f}".format(name, *measure(work)))


if __name__ == "__main__":
    main()
