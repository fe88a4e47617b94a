"""A message's text put together from parts: texts that are known before any message comes, and functions that give one.

A field is components side by side, a segment fields side by side. What is known is joined when the plan is compiled.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from transformers.fhir_path import Scope
from transformers.mapping_run import Run

#: Of the parts around, from the outside: may there be several of its kind, so that they are counted?
Levels = tuple[bool, ...]
#: Which of its kind each part around is that is counted, from the outside; from 1.
Numbers = tuple[int, ...]
#: Gives text as it stands in the message, escaped; "" for nothing.
Write = Callable[[Run, Scope, Numbers], str]
Part = str | Write


def joined(mark: str, parts: Mapping[int, Part]) -> Part:
    """Return parts side by side, each at its position (from 0): gaps are left empty, empty ends trimmed.

    Args:
        mark: the separator. It stands in no part but between the parts inside it.
        parts: at least one, by position.
    """
    pieces: list[Part] = []
    for position in range(max(parts) + 1):
        part = parts.get(position, "")
        if pieces and isinstance(part, str) and isinstance(pieces[-1], str):
            pieces[-1] += mark + part
        else:
            pieces.append(part)
    first = pieces[0]
    if len(pieces) == 1:
        return first.rstrip(mark) if isinstance(first, str) else first
    template = mark.join(piece.replace("%", "%%") if isinstance(piece, str) else "%s" for piece in pieces)
    writers = [piece for piece in pieces if not isinstance(piece, str)]

    def write(run: Run, scope: Scope, numbers: Numbers) -> str:
        return (template % tuple([part(run, scope, numbers) for part in writers])).rstrip(mark)

    return write


def last_given(parts: Sequence[Part]) -> Part:
    """Return what the last of the parts gives that gives anything."""
    if len(parts) == 1:
        return parts[0]
    writers = [writer(part) for part in parts]

    def write(run: Run, scope: Scope, numbers: Numbers) -> str:
        text = ""
        for one in writers:
            text = one(run, scope, numbers) or text
        return text

    return write


def writer(part: Part) -> Write:
    """Return a part as a function."""
    return (lambda _run, _scope, _numbers: part) if isinstance(part, str) else part
