"""A PDF form: its fields filled in, made flat, read back, and nothing active left in it.

pypdf fills (it writes the appearances), pikepdf flattens. A value that cannot be read back refuses the document: a
form must not lose an answer silently. Source: ISO 32000-1, 12.7 (interactive forms).
"""

from __future__ import annotations

import io
import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from transformers.pdf_safety import Limits, flat, opened, refused, without_actions

#: Flags of fields (ISO 32000-1, tables 226 and 230).
_MULTILINE, _RADIO, _PUSHBUTTON, _COMBO, _EDITABLE = 1 << 12, 1 << 15, 1 << 16, 1 << 17, 1 << 18
#: Points of the letters of a field that leaves their size to who fills it.
_USUAL = 10.0
_OFF = "/Off"


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer to a field: its words, and the code that a button or a list may have instead."""

    text: str = field(repr=False)
    code: str = field(repr=False, default="")

    def is_called(self, name: str) -> bool:
        """Say whether an option of this name means the answer."""
        return name.strip() in (self.text, self.code)


def within(pdf: bytes, limits: Limits) -> None:
    """Raise Problems, PDF_TOO_LARGE, for a document of our own that is beyond the limits."""
    _within_size(pdf, limits)
    pages = len(re.findall(rb"/Type\s*/Page\b", pdf))
    if pages > limits.pages:
        raise refused("PDF_TOO_LARGE", f"the PDF has {pages:,} pages; at most {limits.pages:,} are taken")


def finished(pdf: bytes, limits: Limits) -> bytes:
    """Return a PDF that was filled in before: flat, and nothing active left in it.

    Raises:
        Problems: PDF_INVALID, PDF_TOO_LARGE, PDF_FIELD_LOST.
    """
    document = opened(pdf, limits)
    without_actions(document)
    clean = _saved(document)
    return _flattened(clean, _values(clean), limits)


def filled(pdf: bytes, answers: Mapping[str, Sequence[Answer]], limits: Limits) -> bytes:
    """Return the PDF with its fields filled in.

    Args:
        pdf: with a form.
        answers: by the name of the field.
        limits: of the document, before and after.

    Raises:
        Problems: PDF_INVALID, PDF_TOO_LARGE, PDF_FIELD_UNKNOWN (lists the fields), PDF_FIELD_VALUE, PDF_FIELD_LOST.
    """
    from pypdf import PdfReader, PdfWriter  # noqa: PLC0415 - heavy, and only for PDF forms

    document = opened(pdf, limits)
    without_actions(document)
    writer = PdfWriter(clone_from=PdfReader(io.BytesIO(_saved(document))))
    fields = writer.get_fields() or {}
    values = _to_write(fields, answers)
    for page in writer.pages:
        if "/Annots" in page:
            _prepare(page, values)
            writer.update_page_form_field_values(page, values, auto_regenerate=False)
    written = io.BytesIO()
    writer.write(written)
    expected = {name: _read(fields[name], value) for name, value in values.items()}
    return _flattened(written.getvalue(), expected, limits)


def _prepare(page: Any, values: Mapping[str, Any]) -> None:
    """Make combo boxes of lists: on paper a list shows all its options, and the chosen one is not told apart.

    Raises:
        Problems: PDF_FIELD_VALUE, a text is longer than its field can show.
    """
    from pypdf.generic import NameObject, NumberObject  # noqa: PLC0415 - a large library, for the process that needs it

    for annotation in page["/Annots"]:
        field_ = annotation.get_object()
        kind, name = field_.get("/FT"), str(field_.get("/T", ""))
        if kind == "/Ch":
            field_[NameObject("/Ff")] = NumberObject(int(field_.get("/Ff", 0)) | _COMBO)
        if kind == "/Tx" and isinstance(values.get(name), str) and not _has_room(field_, values[name]):
            raise refused("PDF_FIELD_VALUE", f"the answer is longer than the field {_told(name)} can show")


def _has_room(field_: Any, text: str) -> bool:
    """Say whether a text can be shown in a field, by the width of an average letter: half its height."""
    left, bottom, right, top = (float(side) for side in field_["/Rect"])
    size = re.search(r"([\d.]+)\s+Tf", str(field_.get("/DA", "")))
    height = float(size[1]) if size and float(size[1]) else _USUAL
    rows = max(1, int(abs(top - bottom) / (1.2 * height))) if int(field_.get("/Ff", 0)) & _MULTILINE else 1
    row = abs(right - left) / (0.5 * height)
    return sum(max(1, -(-len(line) // max(1, int(row)))) for line in text.split("\n")) <= rows


def _to_write(fields: Mapping[str, Any], answers: Mapping[str, Sequence[Answer]]) -> dict[str, Any]:
    """Return what is written into each field."""
    values: dict[str, Any] = {}
    unknown = []
    for name, given in answers.items():
        boxes = {one: f"{name}.{one.code}" for one in given if f"{name}.{one.code}" in fields}
        if name not in fields and len(boxes) < len(given):
            unknown.append(name)
            continue
        if boxes:
            values |= {box: _button(fields[box], Answer("true"), box) for box in boxes.values()}
        else:
            values[name] = _value(fields[name], given, name)
    if unknown:
        text = f"the PDF has no field for these questions: {', '.join(map(_told, sorted(unknown)))}"
        raise refused("PDF_FIELD_UNKNOWN", text)
    return values


def _value(field_: Any, given: Sequence[Answer], name: str) -> Any:
    kind = field_.get("/FT")
    if kind == "/Btn":
        if len(given) != 1:
            raise refused("PDF_FIELD_VALUE", f"the field {_told(name)} takes one answer")
        return _button(field_, given[0], name)
    if kind == "/Ch":
        return _listed(field_, given, name)
    return "\n".join(one.text for one in given)


def _button(field_: Any, answer: Answer, name: str) -> str:
    """Return the state of a check box or of radio buttons."""
    flags = int(field_.get("/Ff", 0))
    states = [str(state) for state in field_.get("/_States_", ())]
    on = [state for state in states if state != _OFF]
    if flags & _PUSHBUTTON:
        raise refused("PDF_FIELD_VALUE", f"the field {_told(name)} is a button without a value")
    if not flags & _RADIO and len(on) == 1 and answer.text in ("true", "false"):
        return on[0] if answer.text == "true" else _OFF
    found = next((state for state in on if answer.is_called(state[1:])), None)
    if found is None:
        raise refused("PDF_FIELD_VALUE", f"the field {_told(name)} has no option for the answer")
    return found


def _listed(field_: Any, given: Sequence[Answer], name: str) -> Any:
    """Return the values of a list; those of a combo box that takes other words too are any."""
    options = _options(field_)
    found = []
    for answer in given:
        value = next((shown for export, shown in options if answer.is_called(export) or answer.is_called(shown)), None)
        if value is None and not int(field_.get("/Ff", 0)) & _EDITABLE:
            raise refused("PDF_FIELD_VALUE", f"the field {_told(name)} has no option for the answer")
        found.append(value if value is not None else answer.text)
    return found[0] if len(found) == 1 else found


def _options(field_: Any) -> list[tuple[str, str]]:
    """Return what each option of a list exports, and what it shows."""
    pairs = [one if isinstance(one, list) else (one, one) for one in field_.get("/Opt", ())]
    return [(str(export), str(shown)) for export, shown in pairs]


def _read(field_: Any, value: Any) -> list[str]:
    """Return the texts that must be read on the page for a field's value; a mark is no text."""
    if field_.get("/FT") == "/Btn":
        return []
    return [value] if isinstance(value, str) else list(value)


def _values(pdf: bytes) -> dict[str, list[str]]:
    """Return the texts that a filled PDF's fields have."""
    from pypdf import PdfReader  # noqa: PLC0415 - a large library, for the process that needs it

    found: dict[str, list[str]] = {}
    for name, field_ in (PdfReader(io.BytesIO(pdf)).get_fields() or {}).items():
        value = field_.get("/V")
        if field_.get("/FT") in ("/Tx", "/Ch") and value:
            texts = [str(one) for one in value] if isinstance(value, list) else [str(value)]
            shown = dict(_options(field_))
            found[name] = [shown.get(text, text) for text in texts]
    return found


def _flattened(pdf: bytes, expected: Mapping[str, Sequence[str]], limits: Limits) -> bytes:
    """Return a filled PDF made flat; raises Problems, PDF_FIELD_LOST, when a value cannot be read on its pages."""
    import pikepdf  # noqa: PLC0415 - a large library, for the process that needs it

    with pikepdf.Pdf.open(io.BytesIO(pdf), suppress_warnings=True) as document:
        document.generate_appearance_streams()
        document.flatten_annotations("all")
        flat(document)
        result = _saved(document)
    _read_back(result, expected)
    _within_size(result, limits)
    return result


def _within_size(pdf: bytes, limits: Limits) -> None:
    """Raise Problems, PDF_TOO_LARGE, for too many bytes."""
    if len(pdf) > limits.size:
        raise refused("PDF_TOO_LARGE", f"the PDF has more than {limits.size:,} bytes")


def _read_back(pdf: bytes, expected: Mapping[str, Sequence[str]]) -> None:
    from pypdf import PdfReader  # noqa: PLC0415 - a large library, for the process that needs it

    if not any(expected.values()):
        return
    text = _plain("".join(page.extract_text() for page in PdfReader(io.BytesIO(pdf)).pages))
    lost = sorted(name for name, values in expected.items() if any(_plain(value) not in text for value in values))
    if lost:
        names = ", ".join(map(_told, lost))
        raise refused("PDF_FIELD_LOST", f"the answers in these fields cannot be read on the page: {names}")


def _plain(text: str) -> str:
    """Return a text without what a page may lay out in another way: spaces and line breaks."""
    return re.sub(r"\s+", "", unicodedata.normalize("NFC", text))


def _told(name: str) -> str:
    """Return a field's name for a problem; one that is no plain name is not repeated."""
    return name if re.fullmatch(r"[\w.\[\]/ -]{1,64}", name, re.ASCII) else "(a field whose name is no plain name)"


def _saved(document: Any) -> bytes:
    """Return the bytes, the same each time."""
    result = io.BytesIO()
    document.save(result, deterministic_id=True, compress_streams=True)
    return result.getvalue()
