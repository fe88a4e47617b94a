"""The tests of a mapping file from FHIR to FHIR, run. Never on the way of a message."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from messages.problem import Problems
from transformers import hl7_mapping_examples
from transformers.base import Filtered, Given, Transformed
from transformers.fhir_to_fhir import compile_plan
from transformers.mapping_examples import Example, change
from transformers.mapping_explain import Trace
from transformers.mapping_follow import follow


def run(plan: Mapping[str, Any], example: Example, folder: Path, now: datetime) -> tuple[tuple[str, ...], Trace]:
    """Run one test; return what is not as expected, and what it did with the mapping."""
    transformer = compile_plan(plan)
    destination = example.destination or next(iter(plan["destinations"]))
    body = json.loads((folder / example.given).read_bytes())
    for pointer, value in example.change.items():
        body = change(body, pointer, value)
    result: Transformed | Filtered = Filtered(reason="not for this channel")
    seen = Trace()
    try:
        document = transformer.check(json.dumps(body).encode())
        for admission in transformer.admit(document)[:1]:
            given = Given(
                now=example.now or now, control_id="0", destination=destination, focus=admission.focus,
                known=example.known, values=example.values,
            )  # fmt: skip
            seen = follow(plan, document, given)
            result = transformer.transform(document, given)
    except Problems as found:
        return tuple(hl7_mapping_examples.differences(example.expect, None, found.problems, folder)), seen
    return tuple(hl7_mapping_examples.differences(example.expect, result, (), folder)), seen
