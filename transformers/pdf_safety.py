"""What of a foreign PDF is looked at before anything is unpacked, and what is taken out of it.

A PDF may hold scripts, files, links that start programs, forms within forms (XFA), and streams that unpack to
gigabytes. Nothing active stays. Source: ISO 32000-1, 7.3.8 (streams), 7.5.7 (object streams), 12.6 (actions), 12.7.8.
"""

from __future__ import annotations

import io
import re
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from messages.problem import Problem, Problems

if TYPE_CHECKING:
    import pikepdf

#: Bytes that one stream, and all streams together, may unpack to.
MAX_STREAM = 24 * 1024 * 1024
MAX_STREAMS = 96 * 1024 * 1024
#: Objects that a document may have.
MAX_OBJECTS = 50_000
_STEP = 64 * 1024
_STREAM = re.compile(rb"stream\r?\n")
_OBJECT = re.compile(rb"\b\d+\s+\d+\s+obj\b")
#: Streams that hold the document's own structure are packed once and with the usual filter, or not at all.
_STRUCTURE = re.compile(rb"/Type\s*/(?:ObjStm|XRef)\b")
_FILTERS = re.compile(rb"/(?:Filter|F)\s*(\[[^\]]*\]|/\w+)")
_UNPACKS = re.compile(rb"/(?:FlateDecode|Fl|LZWDecode|LZW)\b")

#: Of the document's catalog: what acts, what carries, and the form itself once it is flat.
_OF_CATALOG = ("/OpenAction", "/AA", "/AcroForm", "/Collection", "/AF", "/URI", "/Perms", "/DSS", "/NeedsRendering")
_OF_NAMES = ("/JavaScript", "/EmbeddedFiles", "/AP", "/Renditions", "/AlternatePresentations")
_OF_PAGE = ("/AA", "/Annots", "/AF", "/PieceInfo", "/PresSteps", "/B", "/Trans")


@dataclass(frozen=True, slots=True)
class Limits:
    """Of one document."""

    #: Bytes.
    size: int
    pages: int


def refused(code: str, text: str) -> Problems:
    """Return the problem of a PDF that is not taken."""
    return Problems([Problem(code=code, text=text, issue_type="business-rule")])


def survey(pdf: bytes, limits: Limits) -> None:
    """Look at a foreign PDF's bytes.

    Raises:
        Problems: PDF_TOO_LARGE, PDF_INVALID.
    """
    if len(pdf) > limits.size:
        raise refused("PDF_TOO_LARGE", f"the PDF has more than {limits.size:,} bytes")
    if b"%PDF-" not in pdf[:1024]:
        raise refused("PDF_INVALID", "the document is no PDF")
    if sum(1 for _ in _OBJECT.finditer(pdf)) > MAX_OBJECTS:
        raise refused("PDF_TOO_LARGE", f"the PDF has more than {MAX_OBJECTS:,} objects")
    total = 0
    for match in _STREAM.finditer(pdf):
        head = pdf[max(0, match.start() - 2048) : match.start()]
        head = head[head.rfind(b" obj") + 1 :]
        _look_at_filters(head)
        total += _unpacked(memoryview(pdf)[match.end() :])
        if total > MAX_STREAMS:
            raise refused("PDF_TOO_LARGE", "the PDF unpacks to more than it may")


def _look_at_filters(head: bytes) -> None:
    found = _FILTERS.search(head)
    filters = found[1] if found else b""
    packed = len(_UNPACKS.findall(filters))
    if packed > 1:
        raise refused("PDF_INVALID", "the PDF has a stream that is packed several times over")
    if _STRUCTURE.search(head) and filters.strip(b"[] ") not in (b"", b"/FlateDecode", b"/Fl"):
        raise refused("PDF_INVALID", "the PDF's own structure is packed in an unusual way")


def _unpacked(data: memoryview) -> int:
    """Return to how many bytes a stream unpacks; 0 when it is not packed by zlib. Keeps nothing of it."""
    if len(data) < 2 or (data[0] & 0x0F) != 8 or (data[0] << 8 | data[1]) % 31:
        return 0
    unpack, size, at = zlib.decompressobj(), 0, 0
    try:
        rest = bytes(data[:_STEP])
        while rest or at < len(data):
            if not rest:
                at += _STEP
                rest = bytes(data[at : at + _STEP])
                continue
            size += len(unpack.decompress(rest, _STEP))
            rest = unpack.unconsumed_tail
            if size > MAX_STREAM:
                raise refused("PDF_TOO_LARGE", "the PDF has a stream that unpacks to more than it may")
            if unpack.eof:
                break
    except zlib.error:
        return size  # what follows is no stream of zlib; its reader will say so
    return size


def opened(pdf: bytes, limits: Limits) -> pikepdf.Pdf:
    """Return a foreign PDF that was surveyed.

    Raises:
        Problems: PDF_INVALID (damaged, encrypted, XFA alone), PDF_TOO_LARGE (pages).
    """
    import pikepdf  # noqa: PLC0415 - heavy, and only for PDF forms

    survey(pdf, limits)
    try:
        document = pikepdf.Pdf.open(io.BytesIO(pdf), suppress_warnings=True)
        pages = len(document.pages)
    except pikepdf.PasswordError:
        raise refused("PDF_INVALID", "the PDF needs a password") from None
    except (pikepdf.PdfError, ValueError, RecursionError):
        raise refused("PDF_INVALID", "the PDF is damaged") from None
    if document.is_encrypted:
        raise refused("PDF_INVALID", "the PDF is encrypted")
    if not 0 < pages <= limits.pages:
        raise refused("PDF_TOO_LARGE", f"the PDF has {pages:,} pages; at most {limits.pages:,} are taken")
    if document.Root.get("/NeedsRendering"):
        raise refused("PDF_INVALID", "the PDF is an XFA form, which has no pages of its own")
    return document


def without_actions(document: pikepdf.Pdf) -> None:
    """Take out what acts or is carried along; the form's fields stay for now, without their scripts."""
    root = document.Root
    for name in _OF_CATALOG:
        if name in root and name != "/AcroForm":
            del root[name]
    _names(root)
    if "/AcroForm" in root and "/XFA" in root.AcroForm:
        del root.AcroForm["/XFA"]
    for page in document.pages:
        for annotation in page.obj.get("/Annots") or ():
            _without(annotation, ("/A", "/AA", "/FS", "/RichMediaContent"))
            parent: Any = annotation.get("/Parent")
            for _ in range(8):
                if parent is None:
                    break
                _without(parent, ("/A", "/AA"))
                parent = parent.get("/Parent")


def flat(document: pikepdf.Pdf) -> None:
    """Take out what is left of a form that was flattened: fields, annotations, and the page's own extras."""
    root = document.Root
    _without(root, _OF_CATALOG)
    _names(root)
    for page in document.pages:
        _without(page.obj, _OF_PAGE)


def _names(root: Any) -> None:
    if "/Names" in root:
        _without(root.Names, _OF_NAMES)


def _without(thing: Any, names: tuple[str, ...]) -> None:
    for name in names:
        if name in thing:
            del thing[name]
