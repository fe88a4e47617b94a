"""YAML 1.2 files of analysts, read with the place of every key and value; no objects, no anchors, no surprises.

Every scalar is kept as the text that stands in the file (`0001` stays `0001`, `NO` stays `NO`); where a number is
meant, the reader of that part asks for the typed value.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode
from ruamel.yaml.reader import ReaderError

from messages.problem import Place, Problem, Problems

#: Bytes; the shipped mapping has 20,000. Larger files are not mappings.
MAX_BYTES = 1_000_000
MAX_NODES = 50_000
MAX_DEPTH = 40

#: A place in a document: keys and list positions from the root.
Steps = tuple[str | int, ...]

_CORE_TAGS = frozenset(
    f"tag:yaml.org,2002:{name}" for name in ("str", "int", "float", "bool", "null", "timestamp", "map", "seq", "merge")
)
_NUMBER = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][-+]?[0-9]+)?\Z")
_WORDS: dict[str, bool | None] = {"true": True, "false": False, "null": None, "~": None, "": None}


class Document:
    """One file: its text, its data, and where each part of it stands."""

    def __init__(self, name: str, text: str) -> None:
        self.name = name
        self.text = text
        self.data: Any = None
        self.keys: dict[Steps, Place] = {}
        self.values: dict[Steps, Place] = {}
        #: Fragments that were put in: what problems call the file -> its name in the site, and its text.
        self.fragments: dict[str, tuple[str, str]] = {}
        self._nodes: dict[Steps, Node] = {}

    def place(self, path: Sequence[str | int]) -> Place:
        """Return the place of a value; of the nearest thing around it when it is not there."""
        nearest = tuple(path)
        while nearest not in self.values and nearest:
            nearest = nearest[:-1]
        return self.values.get(nearest, Place(self.name, 1, 1))

    def key(self, path: Sequence[str | int]) -> Place:
        """Return the place of a key (for a list item: of the item)."""
        return self.keys.get(tuple(path)) or self.place(path)

    def within(self, path: Sequence[str | int], offset: int) -> Place:
        """Return the place of the character at `offset` (from 0) of a text value; of its start when it is folded."""
        start = self.place(path)
        node = self._nodes.get(tuple(path))
        if not isinstance(node, ScalarNode) or node.style not in (None, '"', "'"):
            return start
        quote = 0 if node.style is None else 1
        first = node.start_mark.index + quote
        text = self.fragments[start.file][1] if start.file in self.fragments else self.text
        if text[first : first + len(node.value)] != node.value:
            return start
        return Place(start.file, start.line, start.column + quote + offset)

    def typed(self, path: Sequence[str | int]) -> Any:
        """Return the value with numbers, true, false and null as such, by the YAML 1.2 core schema."""
        return _typed(self._nodes[tuple(path)])

    def __contains__(self, path: object) -> bool:
        return path in self.values

    def take_in(self, other: Document, there: Steps, here: Steps, name: str) -> None:
        """Take over the places of what stands inside `there` in another file, as standing inside `here`.

        Args:
            other: the file.
            there: steps to a part of it.
            here: steps to a part of this file.
            name: of the other file in the site's folder, `fragments/pid.yaml`.
        """
        self.fragments[other.name] = (name, other.text)
        depth = len(there)
        for mine, its in ((self.keys, other.keys), (self.values, other.values)):
            mine.update(
                {(*here, *way[depth:]): at for way, at in its.items() if len(way) > depth and way[:depth] == there}
            )
        nodes = other._nodes.items()
        self._nodes.update({(*here, *way[depth:]): node for way, node in nodes if way[:depth] == there != way})

    def add(self, path: Steps, node: Node) -> None:
        """Note where `node` stands."""
        self._nodes[path] = node
        self.values[path] = _place(self.name, node)


def load(path: Path, name: str | None = None) -> Document:
    """Read a YAML file.

    Raises:
        Problems: not readable, not UTF-8, not YAML 1.2, a key twice, an anchor or a tag, too large; all that is found.
    """
    shown = name or path.as_posix()
    try:
        raw = path.read_bytes() if path.stat().st_size <= MAX_BYTES else b""
        size = path.stat().st_size
    except OSError as error:
        raise Problems([_problem("E001", f"cannot be read: {error.strerror}", Place(shown, 1, 1))]) from None
    if size > MAX_BYTES:
        raise Problems([_problem("E005", f"the file has {size} bytes; {MAX_BYTES} are allowed", Place(shown, 1, 1))])
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        column = error.start - (raw.rfind(b"\n", 0, error.start) + 1) + 1
        hint = "save the file as UTF-8"
        raise Problems([_problem("E001", "this byte is not UTF-8", Place(shown, line, column), hint)]) from None
    return parse(text, shown)


def parse(text: str, name: str) -> Document:
    """Parse YAML text; `name` is the file name shown in problems.

    Raises:
        Problems: as `load`.
    """
    document = Document(name, text)
    reader = YAML(typ="safe", pure=True)
    try:
        root = reader.compose(text)
    except (MarkedYAMLError, ReaderError) as error:
        raise Problems([_syntax(error, name, text)]) from None
    except RecursionError:
        raise Problems([_problem("E005", "brackets are nested too deeply", Place(name, 1, 1))]) from None
    except (YAMLError, ValueError) as error:
        raise Problems([_problem("E002", f"not YAML: {error}", Place(name, 1, 1))]) from None
    if not isinstance(root, MappingNode):
        raise Problems([_problem("E002", "the file must be a list of `key: value` lines", Place(name, 1, 1))])
    problems = list(_walk(document, (), root))
    if problems:
        raise Problems(problems)
    document.data = _plain(root)
    return document


def safe_name(name: str) -> bool:
    """Say whether a file named in a mapping stays in the site's folder: relative, no `..`, no drive, no backslash.

    Nor is it longer than file systems take.
    """
    path = PurePosixPath(name)
    inside = not path.is_absolute() and ".." not in path.parts and bool(path.parts)
    is_short = len(name) <= 1000 and all(len(part.encode(errors="replace")) <= 200 for part in path.parts)
    return inside and is_short and not set(name) & set("\\:\0") and name == name.strip()


def did_you_mean(word: str, known: Iterable[str]) -> str | None:
    """Return `did you mean 'x'?` when one of the known words is near; None when none is."""
    choices = {known_word.lower(): known_word for known_word in known}
    near = difflib.get_close_matches(word.lower(), list(choices), n=1, cutoff=0.6)
    return f"did you mean '{choices[near[0]]}'?" if near else None


def show(problem: Problem, source: str) -> str:
    """Return a problem as an analyst reads it: place, code, text, the line with a caret, the hint."""
    lines = source.splitlines()
    head = f"{problem.severity} {problem.code} {problem.text}"
    hint = f"\n    {problem.hint}" if problem.hint else ""
    if problem.place is None:
        return f"{head}{hint}"
    shown = f"{problem.place}: {head}"
    if 1 <= problem.place.line <= len(lines):
        number = f"{problem.place.line:>6} | "
        line = lines[problem.place.line - 1].replace("\t", " ")
        shown += f"\n{number}{line.rstrip()}\n{' ' * (len(number) - 2)}| {' ' * (problem.place.column - 1)}^"
    return shown + hint


def scalar(text: str) -> str | int | float | bool | None:
    """Return plain text as YAML 1.2's core schema types it; a number with a leading zero stays text.

    >>> scalar("6661"), scalar("08"), scalar("no"), scalar("true")
    (6661, '08', 'no', True)
    """
    if text in _WORDS:
        return _WORDS[text]
    number = _NUMBER.match(text)
    if number is None:
        return text
    return float(text) if number[2] or number[3] else int(text)


def _problem(code: str, text: str, place: Place, hint: str | None = None) -> Problem:
    return Problem(code=code, text=text, place=place, hint=hint)


def _place(name: str, node: Node) -> Place:
    mark = node.start_mark
    return Place(name, mark.line + 1, mark.column + 1)


def _walk(document: Document, path: Steps, node: Node) -> Iterator[Problem]:
    document.add(path, node)
    where = _place(document.name, node)
    if len(document.values) > MAX_NODES:
        yield _problem("E005", f"the file has more than {MAX_NODES} values", where)
        return
    if len(path) > MAX_DEPTH:
        yield _problem("E005", f"nested deeper than {MAX_DEPTH} levels", where)
        return
    if node.anchor:
        yield _problem("E004", f"anchors and aliases (&{node.anchor}, *{node.anchor}) are not used here", where)
        return
    if node.tag not in _CORE_TAGS:
        tag = str(node.tag).replace("tag:yaml.org,2002:", "!!")
        yield _problem("E004", f"the tag {tag} is not used here", where, "write the value without a tag")
        return
    if isinstance(node, SequenceNode):
        for position, item in enumerate(node.value):
            yield from _walk(document, (*path, position), item)
    elif isinstance(node, MappingNode):
        yield from _walk_mapping(document, path, node)


def _walk_mapping(document: Document, path: Steps, node: MappingNode) -> Iterator[Problem]:
    seen: dict[str, int] = {}
    kept: list[tuple[ScalarNode, Node]] = []
    for key, value in node.value:
        where = _place(document.name, key)
        if not isinstance(key, ScalarNode):
            yield _problem("E002", "a key must be one word", where, "put text with { or [ in quotes")
            continue
        if key.value in seen:
            yield _problem("E003", f"'{key.value}' stands twice; first at line {seen[key.value]}", where)
            continue
        seen[key.value] = where.line
        kept.append((key, value))
        document.keys[(*path, key.value)] = where
        yield from _walk(document, (*path, key.value), value)
        if isinstance(value, ScalarNode) and value.value == "" and value.style is None:
            # The library marks an empty value at the next token, maybe lines below.
            document.values[(*path, key.value)] = where
    node.value = kept


def _plain(node: Node) -> Any:
    """Return dicts, lists and texts; None for a value that is not there or is a plain `null` or `~`."""
    if isinstance(node, MappingNode):
        return {key.value: _plain(value) for key, value in node.value}
    if isinstance(node, SequenceNode):
        return [_plain(item) for item in node.value]
    text = str(node.value)
    return None if _bare(node) and text in ("", "~", "null") else text


def _bare(node: Node) -> bool:
    return isinstance(node, ScalarNode) and node.style is None


def _typed(node: Node) -> Any:
    if isinstance(node, MappingNode):
        return {key.value: _typed(value) for key, value in node.value}
    if isinstance(node, SequenceNode):
        return [_typed(item) for item in node.value]
    return scalar(node.value) if _bare(node) else node.value


#: What the YAML library says, by its beginning: what an analyst should read, and what to do.
_SAYINGS: tuple[tuple[str, str, str | None], ...] = (
    ("found character '\\t'", "a tab stands here", "use spaces"),
    ("found character", "text cannot begin with this character", "put the text in quotes"),
    ("found unexpected end of stream", "the quote that opens here is never closed", None),
    ("mapping values are not allowed", "a colon stands where no key can be", "put text with ': ' in quotes"),
    (
        "found undefined alias",
        "anchors and aliases (&x, *x) are not used here",
        "put text that begins with * in quotes",
    ),
    ("found unknown escape character", "this backslash escapes nothing", "use single quotes for text with backslashes"),
    ("expected ',' or '}'", "the { that opens here is never closed, or a comma is missing", None),
    ("expected ',' or ']'", "the [ that opens here is never closed, or a comma is missing", None),
    ("but found another document", "a second document begins here", "remove the line with ---"),
    (
        "expected <block end>",
        "this line does not line up with the lines before it",
        "check the spaces at its beginning",
    ),
    ("could not find expected ':'", "a key without its colon", "write key: value"),
)
#: Whole quoted texts and comments, in one line.
_CLOSED = re.compile(r"""'[^']*'|"(?:[^"\\]|\\.)*"|(?:^|(?<=\s))\#.*""", re.VERBOSE)
#: A quote where a value begins.
_OPENING = re.compile(r"""(?:^|[:,\[{-])\s*\"""")
_POINTS_BACK = ("found unexpected end of stream", "expected ',' or '}'", "expected ',' or ']'")


def _open_quote(text: str, error: MarkedYAMLError) -> tuple[int, int] | None:
    """Return line and column of the first quote left open in a line before the place where the library stopped.

    The library reads on to the next quote, lines below, and complains about what follows that one.
    """
    last = error.problem_mark.line if error.problem_mark is not None else 0
    for number, line in enumerate(text.splitlines()[:last], 1):
        rest = _CLOSED.sub(lambda match: " " * len(match[0]), line)
        opening = _OPENING.search(rest)
        if opening is not None:
            return number, opening.end()
    return None


def _syntax(error: MarkedYAMLError | ReaderError, name: str, text: str) -> Problem:
    if isinstance(error, ReaderError):
        before = text[: error.position]
        place = Place(name, before.count("\n") + 1, len(before) - (before.rfind("\n") + 1) + 1)
        return _problem(
            "E002", "a control character stands here", place, "remove it; it cannot be seen in most editors"
        )
    said = str(error.problem or error.context or "not YAML")
    quote = _open_quote(text, error)
    if quote is not None:
        return _problem("E002", "the quote that opens here is not closed in its line", Place(name, *quote))
    mark = error.problem_mark or error.context_mark
    if said.startswith(_POINTS_BACK) and error.context_mark is not None:
        mark = error.context_mark
    place = Place(name, mark.line + 1, mark.column + 1) if mark is not None else Place(name, 1, 1)
    for beginning, saying, hint in _SAYINGS:
        if said.startswith(beginning):
            return _problem("E002", saying, place, hint)
    return _problem("E002", f"not YAML: {said}", place)
