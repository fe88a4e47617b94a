"""The pages of `docs/` that are for the people at the console, as HTML: only the Markdown that they use."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from markupsafe import Markup, escape

#: In a wheel they lie in this room, in a checkout beside it.
FOLDERS = (Path(__file__).parent / "docs", Path(__file__).parents[1] / "docs")

#: Page → its part of docs/status-page.md, as its heading is; the others are told by the whole page.
PARTS = {
    "channels": "channels",
    "channel": "one-channel",
    "messages": "messages",
    "appointments": "appointments",
    "errors": "errors",
    "refused": "refused",
    "alerts": "alerts",
    "mappings": "mappings",
    "audit": "audit",
    "settings": "settings",
    "sign_in": "signing-in",
    "account": "signing-in",
}


def text() -> str:
    """Return docs/status-page.md."""
    path = next(folder / "status-page.md" for folder in FOLDERS if (folder / "status-page.md").exists())
    return path.read_text("utf-8")


def html(markdown: str) -> Markup:
    """Return a page as HTML. Pictures are left out, and links that lead out of the page."""
    return Markup("\n").join(_blocks(markdown))  # each part is escaped where it is made


def anchor(heading: str) -> str:
    """Return a heading's place in the page.

    >>> anchor("One channel")
    'one-channel'
    """
    return re.sub(r"[^a-z0-9]+", "-", heading.lower()).strip("-")


def _blocks(markdown: str) -> Iterator[Markup]:
    fenced = re.split(r"^```.*?$", markdown, flags=re.MULTILINE)
    for number, part in enumerate(fenced):
        if number % 2:
            yield Markup('<pre class="code">{}</pre>').format(part.strip("\n"))
            continue
        for block in re.split(r"\n\s*\n", part):
            if block.strip():
                yield _block(block.strip())


def _block(block: str) -> Markup:
    if heading := re.fullmatch(r"(#{1,3}) (.+)", block):
        level = len(heading[1])
        return Markup('<h{0} id="{1}">{2}</h{0}>').format(level, anchor(heading[2]), heading[2])
    if block.startswith("|"):
        return _table(block.splitlines())
    if block.startswith("- "):
        items = re.split(r"^- ", block, flags=re.MULTILINE)[1:]
        return Markup("<ul>{}</ul>").format(Markup().join(Markup("<li>{}</li>").format(_words(item)) for item in items))
    if block.startswith("!["):
        return Markup()
    return Markup("<p>{}</p>").format(_words(block))


def _table(lines: list[str]) -> Markup:
    rows = [[cell.strip() for cell in line.strip().strip("|").split("|")] for line in lines]
    head = Markup().join(Markup('<th scope="col">{}</th>').format(_words(cell) or " ") for cell in rows[0])
    body = Markup().join(
        Markup("<tr>{}</tr>").format(Markup().join(Markup("<td>{}</td>").format(_words(cell)) for cell in row))
        for row in rows[2:]
    )
    return Markup("<table><thead><tr>{}</tr></thead><tbody>{}</tbody></table>").format(head, body)


def _words(text: str) -> Markup:
    """Return a line's words: code, bold, italic; of a link its words."""
    made = str(escape(re.sub(r"\[([^\]]+)\]\([^)]*\)", r"\1", text)))
    parts = re.split(r"`([^`]+)`", made)
    for number in range(0, len(parts), 2):
        parts[number] = re.sub(r"\*\*(.+?)\*\*", r"<b>\1</b>", parts[number], flags=re.DOTALL)
        parts[number] = re.sub(r"\*(.+?)\*", r"<i>\1</i>", parts[number], flags=re.DOTALL)
    for number in range(1, len(parts), 2):
        parts[number] = f"<code>{parts[number]}</code>"
    return Markup("".join(parts))  # noqa: S704  # escaped above; only our own tags were put in
