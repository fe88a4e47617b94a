"""A test of a mapping file, tried: what its message came to, and whether that is of the kind that was expected."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from messages.problem import Problem, Problems
from transformers.base import Filtered, Given, HasDoorRules, Transformed, Transformer
from transformers.mapping_checked import Example
from transformers.mapping_examples import change
from transformers.mapping_explain import Trace
from transformers.mapping_follow import follow


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """What became of a test's message."""

    result: Transformed | Filtered | None
    problems: Sequence[Problem]
    #: What would have been answered at the door; the message is mapped all the same.
    refused: Sequence[Problem] = ()
    #: What it did with the mapping: for the coverage.
    seen: Trace


def sample(example: Example, folder: Path) -> bytes:
    """Return the JSON sample of a test with its changes."""
    body = json.loads((folder / example.given).read_bytes())
    for pointer, value in example.change.items():
        body = change(body, pointer, value)
    return json.dumps(body).encode()


def attempt(plan: Mapping[str, Any], transformer: Transformer, body: bytes, example: Example, now: datetime) -> Attempt:
    """Take a message in and map the first thing of it that is the channel's, as the host does."""
    seen = Trace()
    refused: Sequence[Problem] = ()
    try:
        document = transformer.check(body)
        admissions = transformer.admit(document)
        if not admissions:
            return Attempt(result=Filtered(reason="not for this channel"), problems=(), seen=seen)
        given = Given(
            now=example.now or now, control_id="0", destination=example.destination or next(iter(plan["destinations"])),
            focus=admissions[0].focus, known=example.known, values=example.values,
        )  # fmt: skip
        if isinstance(transformer, HasDoorRules):
            refused = transformer.refusals(document, given.focus, given.now)
        seen = follow(plan, document, given)
        return Attempt(result=transformer.transform(document, given), problems=(), refused=refused, seen=seen)
    except Problems as found:
        return Attempt(result=None, problems=found.problems, refused=refused, seen=seen)


def differences(
    expect: Mapping[str, str], done: Attempt, what: str, compare: Callable[[Transformed], Iterator[str]]
) -> Iterator[str]:
    """Return what is not as a test expects, a sentence each. They show values of the test's own data.

    Args:
        expect: of the test.
        done: what its message came to.
        what: what such a mapping makes, in words: "a change".
        compare: returns what is different in a result of that kind.
    """
    result, problems = done.result, done.refused or done.problems
    got = _told(problems) or _outcome(result, what)
    if "refused" in expect:
        wanted = expect["refused"]
        if not any(wanted == one.code or wanted in f"{one.text} {one.hint}" for one in done.refused):
            got = _told(done.refused) or f"accepted, and then {_told(done.problems) or _outcome(result, what)}"
            yield f"expected to be refused at the door ({wanted}), got {got}"
    elif "error" in expect:
        if not any(expect["error"] == one.code or expect["error"] in one.text for one in problems):
            yield f"expected the error {expect['error']}, got {got}"
    elif problems:
        yield f"expected {what}, got {got}"
    elif "filtered" in expect:
        if not isinstance(result, Filtered) or expect["filtered"] not in result.reason:
            yield f"expected to be filtered ({expect['filtered']}), got {got}"
    elif not isinstance(result, Transformed):
        yield f"expected {what}, got {got}"
    else:
        yield from compare(result)


def _told(problems: Sequence[Problem]) -> str:
    return "; ".join(f"{one.code} {one.text}" for one in problems)


def _outcome(result: Transformed | Filtered | None, what: str) -> str:
    if isinstance(result, Transformed):
        return f"{what} (action {result.action})"
    return f"filtered: {result.reason}" if result else "nothing"
