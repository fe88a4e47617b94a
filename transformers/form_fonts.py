"""The fonts that pages are set in, and what of a text they can draw.

A letter that no font has is refused: a name must not lose one silently. A symbol that no font has (a new emoji) is
written as its Unicode name, or as its number where it has none yet. A site adds fonts as files. Source: OpenType 1.9,
table `cmap`, formats 4 and 12.
"""

from __future__ import annotations

import struct
import unicodedata
from collections.abc import Iterable
from functools import cache
from pathlib import Path

#: DejaVu Sans, its bold, and their license: Latin, Greek, Cyrillic, Hebrew, Arabic, many symbols.
OWN = Path(__file__).parent / "fonts"
#: They draw nothing, and some turn the order of what is read (Unicode UAX #9). Joiners stay: Arabic needs them.
_INVISIBLE = frozenset({0x200B, *range(0x2028, 0x202F), *range(0x2060, 0x2070), 0xFEFF})
_SELECTORS = frozenset({*range(0xFE00, 0xFE10), *range(0xE0100, 0xE01F0), *range(0x1F3FB, 0x1F400)})


class NoFont(ValueError):
    """A letter that no font has; the text names its script, never the letter."""


def font_files(folders: Iterable[str]) -> list[Path]:
    """Return our font files and those in further folders, in a stable order."""
    found = sorted(OWN.glob("*.ttf"))
    for folder in folders:
        found += sorted(path for path in Path(folder).iterdir() if path.suffix in (".ttf", ".otf"))
    return found


class Drawable:
    """Says what of a text can be drawn, and writes the rest in words."""

    def __init__(self, folders: tuple[str, ...] = ()) -> None:
        self._known: frozenset[int] = frozenset().union(*(characters(path) for path in font_files(folders)))

    def text(self, text: str) -> str:
        """Return the text in Unicode's composed form, as the fonts can draw it.

        Raises:
            NoFont: a letter, digit or mark that no font has.
        """
        if text.isascii() and text.isprintable():
            return text
        return "".join(map(self._one, unicodedata.normalize("NFC", text)))

    def _one(self, character: str) -> str:
        code = ord(character)
        if character == "\r" or code in _SELECTORS or code in _INVISIBLE:
            return ""
        if character == "\n" or code in self._known:
            return character
        if character == "\t":
            return " "
        kind = unicodedata.category(character)
        name = unicodedata.name(character, "")
        if kind in ("Cn", "Co"):  # of a later Unicode, or of somebody's own
            return f"[U+{code:04X}]"
        if kind[0] in "CZ":
            return " " if kind[0] == "Z" else ""
        if kind[0] in "SP" and name:
            return f"[{name.lower()}]"
        script = name.split(" ")[0].lower() or "unknown"
        raise NoFont(f"no font draws {script} letters; add one to the site's fonts")


@cache
def characters(path: Path) -> frozenset[int]:
    """Return the characters that a font file maps to a glyph.

    Raises:
        ValueError: the file is no OpenType font with a Unicode character map.
    """
    data = path.read_bytes()
    try:
        return frozenset(_mapped(data, _character_map(data)))
    except (struct.error, IndexError) as error:
        raise ValueError(f"{path.name} is no OpenType font") from error


def _character_map(data: bytes) -> int:
    """Return where the best Unicode subtable begins."""
    tables = struct.unpack_from(">H", data, 4)[0]
    for number in range(tables):
        tag, _, start, _ = struct.unpack_from(">4sIII", data, 12 + 16 * number)
        if tag == b"cmap":
            count = struct.unpack_from(">H", data, start + 2)[0]
            records = [struct.unpack_from(">HHI", data, start + 4 + 8 * i) for i in range(count)]
            best = max((r for r in records if r[:2] in _UNICODE), key=lambda r: _UNICODE[r[:2]], default=None)
            if best is not None:
                return int(start + best[2])
    raise ValueError("the font has no Unicode character map")


#: (platform, encoding) → how much of Unicode it can hold.
_UNICODE = {(0, 3): 1, (3, 1): 2, (0, 4): 3, (3, 10): 4}


def _mapped(data: bytes, at: int) -> Iterable[int]:
    form = struct.unpack_from(">H", data, at)[0]
    if form == 12:
        for number in range(struct.unpack_from(">I", data, at + 12)[0]):
            first, last, _ = struct.unpack_from(">III", data, at + 16 + 12 * number)
            yield from range(first, last + 1)
        return
    if form != 4:
        raise ValueError("the font's character map is of a format that is not read here")
    size = struct.unpack_from(">H", data, at + 6)[0]
    lasts = struct.unpack_from(f">{size // 2}H", data, at + 14)
    firsts = struct.unpack_from(f">{size // 2}H", data, at + 16 + size)
    for first, last in zip(firsts, lasts, strict=True):
        yield from range(first, min(last, 0xFFFE) + 1)
