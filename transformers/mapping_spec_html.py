"""An interface specification as one HTML page that needs nothing else: to be read, printed and signed."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from html import escape
from itertools import groupby

from transformers.mapping_spec_model import Line, Specification

_STYLE = """
:root { color-scheme: light dark; font: 15px/1.45 system-ui, sans-serif }
body { margin: 2rem auto; max-width: 76rem; padding: 0 1rem }
h1 { font-size: 1.6rem; margin-bottom: 0 } h2 { font-size: 1.15rem; margin-top: 2rem }
table { border-collapse: collapse; width: 100%; font-size: .85rem } caption { text-align: left; padding: .3rem 0 }
th, td { border: 1px solid #8888; padding: .25rem .4rem; text-align: left; vertical-align: top }
th { background: #8882 } code { font: .95em ui-monospace, monospace; overflow-wrap: anywhere }
.file { font: .8rem/1.5 ui-monospace, monospace } .missing { color: #b3261e } mark { background: #f9d66f; color: #000 }
@media (prefers-color-scheme: dark) { .missing { color: #ffb4ab } }
.scroll { overflow-x: auto } .signatures td { height: 3.2rem; width: 25% }
@media print { body { margin: 0; max-width: none; font-size: 10pt } @page { size: A4 landscape; margin: 12mm }
  thead { display: table-header-group } tr { break-inside: avoid } .scroll { overflow: visible } }
"""


def page(found: Specification, revision: str, day: date) -> str:
    """Return the page. `revision` is of the file that it was written from."""
    title = f"{escape(found.title)}: interface specification"
    facts = [("channel", found.channel), ("mapping file", found.file), ("revision", revision),
             ("written on", day.isoformat()), ("owner", found.owner), *found.facts]  # fmt: skip
    return "\n".join([
        "<!doctype html>", '<html lang="en">', "<head>", '<meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">', f"<title>{title}</title>",
        f"<style>{_STYLE}</style>", "</head>", "<body>", "<main>", f"<h1>{title}</h1>",
        _table((), ((escape(name), escape(value)) for name, value in facts), heads=True),
        "<h2>What is done with a message</h2>", "<p>The first line that is true decides.</p>",
        _table(("when", "then", "note"), ((_code(e.when), escape(e.then), escape(e.note)) for e in found.events)),
        "<h2>Names</h2>", _table((), ((_code(name), _code(meaning)) for name, meaning in found.names), heads=True),
        *_segments(found.lines),
        "<h2>Code tables</h2>", *_tables(found.tables),
        "<h2>Examples that are tested</h2>", "<ul>", *(f"<li>{escape(name)}</li>" for name in found.examples), "</ul>",
        *_tested(found),
        "<h2>Agreed</h2>", _signatures(), "</main>", "</body>", "</html>", "",
    ])  # fmt: skip


def _segments(lines: Sequence[Line]) -> Iterable[str]:
    head = (
        "field",
        "name",
        "type",
        "standard",
        "sent",
        "events",
        "source",
        "conversion",
        "condition",
        "note",
        "example",
    )
    for (destination, segment), group in groupby(lines, lambda line: (line.destination, _part(line.field))):
        yield f"<h2>{escape(segment)} <small>to {escape(destination)}</small></h2>"
        yield _table(
            head,
            (
                (_code(line.field), escape(line.name), escape(line.datatype), escape(line.standard), escape(line.sent),
                 escape(line.events), _code(line.source), escape(line.conversion), _code(line.condition),
                 escape(line.note), _code(line.example))
                for line in group
            ),
        )  # fmt: skip


def _part(field: str) -> str:
    """Return what fields stand under: `PID` of `PID-3`, `Appointment` of `Appointment.status`."""
    return re.split(r"[-.]", field, maxsplit=1)[0]


def _tables(tables: Mapping[str, Sequence[Sequence[str]]]) -> Iterable[str]:
    for name, (head, *rows) in tables.items():
        yield f"<h3>{escape(name)}</h3>"
        yield _table([escape(cell) for cell in head], ([escape(cell) for cell in row] for row in rows))


def _tested(found: Specification) -> Iterable[str]:
    """Yield what the tests touch, as figures, and the files with the lines that none touches marked."""
    yield "<h2>What the tests touch</h2>"
    figures = ((escape(kind), str(some), str(all_), f"{100 * some // all_} %") for kind, some, all_ in found.coverage)
    yield _table(("of", "touched", "there are", ""), figures, heads=True)
    marks: dict[tuple[str, int], list[str]] = {}
    for file, line, words in found.untouched:
        marks.setdefault((file, line), []).append(words)
    for file, line in sorted(place for place in marks if place[0] not in found.sources):
        yield f"<p>{escape(file)}, line {line}: <mark>no test: {escape(', '.join(marks[file, line]))}</mark></p>"
    for name, text in found.sources.items():
        numbered = enumerate(text.splitlines(), 1)
        rows = (_source_line(number, line, marks.get((name, number), ())) for number, line in numbered)
        yield f"<h3>{escape(name)}</h3>"
        yield f'<div class="scroll" tabindex="0"><pre class="file">{"".join(rows)}</pre></div>'


def _source_line(number: int, text: str, missing: Sequence[str]) -> str:
    shown = f"{number:>4}  {escape(text)}"
    if not missing:
        return f"{shown}\n"
    return f'<mark>{shown}</mark>  <small class="missing">no test: {escape(", ".join(missing))}</small>\n'


def _table(head: Sequence[str], rows: Iterable[Sequence[str]], *, heads: bool = False) -> str:
    names = "".join(f'<th scope="col">{name}</th>' for name in head)
    top = f"<thead><tr>{names}</tr></thead>" if head else ""
    body = []
    for first, *rest in rows:
        begin = f'<th scope="row">{first}</th>' if heads else f"<td>{first}</td>"
        body.append(f"<tr>{begin}{''.join(f'<td>{cell}</td>' for cell in rest)}</tr>")
    return f'<div class="scroll" tabindex="0"><table>{top}<tbody>{"".join(body)}</tbody></table></div>'


def _signatures() -> str:
    head = "".join(f'<th scope="col">{name}</th>' for name in ("for", "name", "date", "signature"))
    rows = "".join(f"<tr><td>{side}</td><td></td><td></td><td></td></tr>" for side in ("the sender", "the receiver"))
    return f'<table class="signatures"><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>'


def _code(text: str) -> str:
    return f"<code>{escape(text)}</code>" if text else ""
