"""What reading and validating the sample appointment request costs: `python -m bench.validation`.

Prints `validation_us median … p99 …`, then the split. The machine's own pace comes first: the time of a fixed loop.
"""

import time
from collections.abc import Callable
from pathlib import Path
from statistics import median, quantiles

from transformers import fhir_invariants, fhir_references, fhir_shape
from transformers.fhir_json import load_strict
from transformers.fhir_validation import validate

ROOT = Path(__file__).parent.parent
BODY = (ROOT / "mappings" / "samples" / "appointment-request.json").read_bytes()
ROUNDS = 3000


def measure(rounds: int = ROUNDS) -> dict[str, list[float]]:
    """Return microseconds of each round, by step; the steps take turns, so that all see the same machine."""
    document = load_strict(BODY)
    assert validate(document) == []
    survey = fhir_references.survey(document)
    resources = [(str(resource["resourceType"]), resource) for resource, _ in survey.resources]
    ruled = [(name, resource) for name, resource in resources if name in fhir_invariants.RULES]
    steps: dict[str, Callable[[], object]] = {
        "validation": lambda: validate(load_strict(BODY)),
        "load_strict": lambda: load_strict(BODY),
        "validate": lambda: validate(document),
        "survey": lambda: fhir_references.survey(document),
        "references": lambda: list(fhir_references.check(document, survey)),
        "shapes": lambda: [fhir_shape.validator(name).is_valid(resource) for name, resource in resources],
        "invariants": lambda: [fhir_invariants.check(name, resource) for name, resource in ruled],
        "loop_of_1000": lambda: sum(number for number in range(1000)),
    }
    taken: dict[str, list[float]] = {name: [] for name in steps}
    for _ in range(rounds):
        for name, step in steps.items():
            begun = time.perf_counter()
            step()
            taken[name].append((time.perf_counter() - begun) * 1e6)
    return taken


def main() -> None:
    for name, taken in measure().items():
        p99 = quantiles(taken, n=100)[98]
        print(f"{name}_us median {median(taken):.1f} p99 {p99:.1f} least {min(taken):.1f}")


if __name__ == "__main__":
    main()
