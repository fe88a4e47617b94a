"""What is wrong with the spelling of a FHIRPath expression, in sentences for the analyst who wrote it."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

from transformers.fhir_path_errors import PathSyntaxError

__all__ = ["PathSyntaxError", "Word", "check_words", "explain", "unescape", "unreadable"]

#: Words of the grammar that cannot be names unless they stand in back quotes.
_UNITS = ("year", "month", "week", "day", "hour", "minute", "second", "millisecond")
KEYWORDS = frozenset(
    {"div", "mod", "and", "or", "xor", "implies", "true", "false", *_UNITS, *(f"{unit}s" for unit in _UNITS)}
)
_OPERATORS = frozenset("+-*/&|<>=~.,") | {"<=", ">=", "!=", "!~", "in", "contains", "is", "as"}
_OPERATORS |= {"div", "mod", "and", "or", "xor", "implies"}
_CLOSERS = {")": "(", "]": "[", "}": "{"}
_ESCAPES = {"`": "`", "'": "'", "\\": "\\", "/": "/", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}
#: What people write in other languages, and how FHIRPath writes it.
_FOREIGN = {
    ("=", "="): "FHIRPath compares with one '='",
    ("&", "&"): "FHIRPath has no '&&'; write 'and'",
    ("|", "|"): "FHIRPath has no '||'; write 'or'",
    ("<", ">"): "FHIRPath has no '<>'; write '!='",
    ("!=", "="): "FHIRPath has no '!=='; write '!='",
}
_CHARACTERS = {
    '"': "a string stands in single quotes ('text'), not in double ones",
    "'": "the string that begins here has no closing quote",
    "`": "the name that begins here has no closing back quote",
    "!": "FHIRPath has no '!'; write .not() after the expression, or '!='",
    "@": "a date is written @2025-12-01, a time @T09:30, both @2025-12-01T09:30:00-03:00",
    "$": "after '$' only $this, $index and $total are known; site values and let: names begin with '%'",
    "\u2018": "a string stands in plain quotes ('text'), not in typographic ones",
    "\u2019": "a string stands in plain quotes ('text'), not in typographic ones",
    "\u201c": "a string stands in plain quotes ('text'), not in typographic ones",
    "\u201d": "a string stands in plain quotes ('text'), not in typographic ones",
}


class Word(NamedTuple):
    """One token: its text, where it starts (from 0), and whether it is a number."""

    text: str
    start: int
    is_number: bool


def unreadable(text: str, start: int) -> PathSyntaxError:
    """Return the error for a character that begins no token."""
    character = text[start]
    message = _CHARACTERS.get(character, f"the character '{character}' has no meaning in FHIRPath")
    return PathSyntaxError(message, start + 1)


def check_words(words: Sequence[Word]) -> None:
    """Refuse what can be explained better before parsing than after.

    Raises:
        PathSyntaxError: nothing there, brackets that do not match, operators of other languages.
    """
    if not words:
        raise PathSyntaxError("the expression is empty", 1)
    for before, word in pairwise(words):
        message = _FOREIGN.get((before.text, word.text))
        if message and word.start == before.start + len(before.text):
            raise PathSyntaxError(message, before.start + 1)
    opened: list[Word] = []
    for word in words:
        if word.text in {"(", "[", "{"}:
            opened.append(word)
        elif word.text in _CLOSERS:
            if not opened:
                raise PathSyntaxError(f"this '{word.text}' closes nothing", word.start + 1)
            opener = opened.pop()
            if opener.text != _CLOSERS[word.text]:
                raise PathSyntaxError(
                    f"'{word.text}' cannot close the '{opener.text}' of column {opener.start + 1}", word.start + 1
                )
    if opened:
        raise PathSyntaxError(f"the '{opened[-1].text}' that opens here is never closed", opened[-1].start + 1)


def explain(text: str, words: Sequence[Word], start: int) -> PathSyntaxError:
    """Return the error for a word that the grammar does not allow where it starts (`len(text)` is the end)."""
    index = next((n for n, word in enumerate(words) if word.start >= start), len(words))
    before = words[index - 1] if index else None
    if index == len(words):
        return _ends_early(text, before)
    word = words[index]
    if before is None:
        return PathSyntaxError(f"an expression cannot begin with {_quoted(word)}", word.start + 1)
    for spelled in (word, before):
        small = spelled.text.lower()
        if spelled.text != small and (small in _OPERATORS or small in {"true", "false"}):
            return PathSyntaxError(f"FHIRPath writes '{small}' in small letters", spelled.start + 1)
    return PathSyntaxError(_misplaced(before, word), word.start + 1)


def _quoted(word: Word) -> str:
    return word.text if word.text.startswith("'") else f"'{word.text}'"


def _misplaced(before: Word, word: Word) -> str:
    if word.text in KEYWORDS and before.text == ".":
        return f"{_quoted(word)} is a word of FHIRPath; as a name it is written `{word.text}`"
    if before.text == "%":
        return "after '%' stands a name, such as %patient"
    if before.text == "." and word.is_number:
        return "a position stands in brackets: [0] is the first"
    if before.text in _OPERATORS or before.text in {"(", "["}:
        return f"{_quoted(word)} cannot stand after {_quoted(before)}; a value is missing"
    if word.text in {"(", "[", "{"} or word.text in _CLOSERS or word.text in _OPERATORS:
        return f"{_quoted(word)} cannot stand after {_quoted(before)}"
    return f"{_quoted(word)} cannot follow {_quoted(before)}; an operator or a dot is missing"


def _ends_early(text: str, before: Word | None) -> PathSyntaxError:
    end = len(text.rstrip()) + 1
    if before is None:
        return PathSyntaxError("the expression is empty", 1)
    if before.text == ".":
        return PathSyntaxError("the expression ends after a dot; a name is missing", end)
    if before.text == "%":
        return PathSyntaxError("after '%' stands a name, such as %patient", end)
    return PathSyntaxError(f"the expression ends after {_quoted(before)}; a value is missing", end)


def unescape(quoted: str, column: int) -> str:
    r"""Return what a string or a name in quotes means; `column` is that of its opening quote.

    FHIRPath would read `'\d'` silently as `d` (N1, 4.1.2). Nobody means that, so it is refused.

    >>> unescape(r"'it\'s'", 1)
    "it's"

    Raises:
        PathSyntaxError: a backslash before a character that is no escape.
    """
    text = quoted[1:-1]
    if "\\" not in text:
        return text
    result = []
    position = 0
    while position < len(text):
        character = text[position]
        if character != "\\":
            result.append(character)
            position += 1
            continue
        escape = text[position + 1 : position + 2]
        if escape == "u":
            digits = text[position + 2 : position + 6]
            if len(digits) < 4 or not all(digit in "0123456789abcdefABCDEF" for digit in digits):
                raise PathSyntaxError("after '\\u' stand four hexadecimal digits", column + 1 + position)
            result.append(chr(int(digits, 16)))
            position += 6
        elif escape in _ESCAPES and escape:
            result.append(_ESCAPES[escape])
            position += 2
        else:
            raise PathSyntaxError(
                f"'\\{escape}' is no escape of FHIRPath; a backslash itself is written '\\\\'", column + 1 + position
            )
    return "".join(result)
