"""The interface specification of a channel, written from its mapping file: every field, what it is and whence it comes.

For people of both sides to read and to sign. Examples are those of the file's own tests; what no test touches is said.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterator, Mapping
from dataclasses import astuple, dataclass, fields
from pathlib import Path
from typing import Any

from transformers import (
    fhir_mapping_spec,
    fhir_to_dicom,
    fhir_to_fhir,
    fhir_to_hl7,
    form_to_dicom,
    form_to_hl7,
    hl7_mapping_spec,
    hl7_to_fhir,
    mapping_fragments,
)
from transformers.mapping_checked import Checked
from transformers.mapping_coverage import Coverage, coverage
from transformers.mapping_file import Document, load
from transformers.mapping_spec_model import Event, Line, Specification, Words, condition, spoken
from transformers.mapping_tests import run_tests


class NotDescribable(ValueError):
    """There is no specification for this kind of mapping."""


@dataclass(frozen=True, slots=True)
class Way:
    """What is told about the mappings of one transformer: facts of the channel, and the lines of a destination."""

    facts: Callable[[Mapping[str, Any], Mapping[str, Any]], Iterator[tuple[str, str]]]
    lines: Callable[[Mapping[str, Any], str, Words, Mapping[str, str]], Iterator[Line]]


#: By the name of the transformer.
WAYS: Mapping[str, Way] = {
    **dict.fromkeys((fhir_to_hl7.KIND, form_to_hl7.KIND), Way(fhir_mapping_spec.facts, fhir_mapping_spec.lines)),
    **dict.fromkeys(
        (hl7_to_fhir.KIND, fhir_to_fhir.KIND, fhir_to_dicom.KIND, form_to_dicom.KIND),
        Way(hl7_mapping_spec.facts, hl7_mapping_spec.lines),
    ),
}


def specification(checked: Checked, path: Path, folder: Path) -> Specification:
    """Return the specification of a file that is fit to run.

    Args:
        checked: of the file.
        path: the file.
        folder: the site's.

    Raises:
        NotDescribable: its transformer has no rules of a map.
    """
    plan = checked.plan or {}
    way = WAYS.get(plan.get("transformer", ""))
    if way is None:
        raise NotDescribable(f"a specification is written of mappings with rules: {', '.join(WAYS)}")
    document = load(path)
    mapping_fragments.put_in(document, folder)
    results = run_tests(checked, folder)
    examples: dict[str, str] = {}
    for result in results:
        for rule in result.trace.explained:
            if rule.gave:
                examples.setdefault(rule.place, rule.gave)
    words = Words(document, plan["file"], folder)
    tested = coverage(plan, [result.trace for result in results], folder)
    return Specification(
        channel=plan["channel"],
        title=plan["title"],
        owner=plan["owner"] or "",
        file=path.name,
        facts=tuple(way.facts(plan, document.data)),
        events=tuple(_events(document.data)),
        names=tuple((f"%{name}", _meaning(item)) for name, item in (document.data.get("let") or {}).items()),
        lines=tuple(line for name in plan["destinations"] for line in way.lines(plan, name, words, examples)),
        tables={name: tuple(_table(rows)) for name, rows in plan["tables"].items()},
        examples=tuple(test.name for test in checked.tests),
        coverage=tuple((kind, some, all_) for kind, (some, all_) in tested.figures().items()),
        untouched=tuple(_untouched(tested)),
        sources=_sources(document, plan["file"], folder),
    )


def as_csv(found: Specification) -> str:
    """Return the fields as CSV, with a header; UTF-8, comma, CR LF (RFC 4180)."""
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(field.name for field in fields(Line))
    writer.writerows(map(_harmless, astuple(line)) for line in found.lines)
    return out.getvalue()


def _harmless(cell: str) -> str:
    """Return a cell that no spreadsheet takes for a formula."""
    return f"'{cell}" if cell[:1] in {"=", "+", "-", "@", "\t"} else cell


def _untouched(tested: Coverage) -> Iterator[tuple[str, int, str]]:
    for _, item in tested.missing():
        yield item.file, item.line, item.text


def _sources(document: Document, file: str, folder: Path) -> dict[str, str]:
    """Return the texts of the file and its fragments, by the names that places have."""
    site = folder.resolve().name
    return {file: document.text} | {f"{site}/{name}": text for name, text in document.fragments.values()}


def _meaning(item: Any) -> str:
    """Return what a name of `let:` stands for, as the file says it."""
    if isinstance(item, str):
        return item
    words = {word: value for word, value in item.items() if word != "note"}
    return ", ".join(f"{word}: {spoken(value)}" for word, value in words.items())


def _table(rows: Any) -> Iterator[tuple[str, ...]]:
    """Yield the header and the rows of a table; one that is read backwards has its rows in a list."""
    if isinstance(rows, list):
        yield tuple(next(iter(rows), {}))
        yield from (tuple(row.values()) for row in rows)
        return
    yield ("code", *next(iter(rows.values()), {}))
    for code, row in rows.items():
        yield (code, *row.values())


def _events(data: Mapping[str, Any]) -> Iterator[Event]:
    for line in data.get("route") or []:
        when = condition(line.get("when")) or "otherwise"
        if "do" in line:
            then = str(line["do"])
        elif "filter" in line:
            then = f"not sent: {line['filter']}"
        else:
            then = f"error {line.get('code', '')}: {line.get('error', '')}".replace("error :", "error:")
        yield Event(when=when, then=then, note=str(line.get("note") or ""))
