"""The document viewer of the simulated PowerServer: files documents by what it receives, and keeps their versions.

Rules (HL7 v2.5.1 chapter 9, 9.5; the section is what site tests are to settle, A-33):

| message | what happens |
|---|---|
| MDM^T02 | a new document, live; one with the same number takes its place |
| MDM^T06 | a new document beside the one that TXA-13 names |
| MDM^T10 | a new document; the one that TXA-13 names becomes obsolete |
| MDM^T11 | the document that TXA-12 names is cancelled |
| ORU^R01 with an ED | a new document, by OBR-3 or OBR-2 and OBX-4 |

With an order in the message it stands under *Documents* of that study, without under *Patient Documents*.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable
from dataclasses import dataclass, field

PATIENT_DOCUMENTS, DOCUMENTS = "Patient Documents", "Documents"
LIVE, OBSOLETE, CANCELLED = "live", "obsolete", "cancelled"


@dataclass(slots=True)
class Document:
    """One version of a document."""

    number: str
    section: str
    #: The column Type: TXA-2, or OBX-3.
    type: str
    patient: str
    #: Placer's number of the order it hangs under; "" for a patient's document.
    study: str
    date: str
    pdf: bytes = field(repr=False)
    state: str = LIVE
    #: Number of the document that it replaces or adds to.
    parent: str = ""


class DocumentViewer:
    """What a user of PowerServer sees of the documents."""

    def __init__(self, messages: Iterable[bytes] = ()) -> None:
        """File these messages, in the order in which they came."""
        self.documents: list[Document] = []
        #: What could not be filed: the event and the number of the document.
        self.astray: list[tuple[str, str]] = []
        for message in messages:
            self.receive(message)

    def receive(self, message: bytes) -> None:
        """File one message; others than documents are none of the viewer's."""
        segments = _segments(message)
        code, event = (_component(segments["MSH"], 8, n) for n in (1, 2))
        if code == "MDM":
            self._document(event, segments)
        elif code == "ORU" and _field(segments.get("OBX", []), 2) == "ED":
            self._add(_result(segments))

    def live(self, section: str | None = None) -> list[Document]:
        """Return the documents that are shown, of one section or of all."""
        return [one for one in self.documents if one.state == LIVE and section in (None, one.section)]

    def versions(self, name: str) -> list[tuple[str, str]]:
        """Return number and state of all documents whose number begins with a form's name."""
        return [(one.number, one.state) for one in self.documents if one.number.startswith(f"{name}.")]

    def _document(self, event: str, segments: dict[str, list[str]]) -> None:
        number, parent = (_component(segments["TXA"], n, 1) for n in (12, 13))
        if event == "T11":
            self._end(event, number, CANCELLED)
            return
        if event == "T10":
            self._end(event, parent, OBSOLETE)
        elif event == "T06" and not any(one.number == parent for one in self.live()):
            self.astray.append((event, parent))
        order = segments.get("ORC") or segments.get("OBR") or []
        self._add(
            Document(
                number=number,
                section=DOCUMENTS if order else PATIENT_DOCUMENTS,
                type=_field(segments["TXA"], 2),
                patient=_component(segments["PID"], 3, 1),
                study=_component(order, 2, 1),
                date=_field(segments["TXA"], 4),
                pdf=_pdf(segments),
                parent=parent,
            )
        )

    def _end(self, event: str, number: str, state: str) -> None:
        ended = [one for one in self.documents if one.number == number and one.state == LIVE]
        if not ended:
            self.astray.append((event, number))
        for one in ended:
            one.state = state

    def _add(self, document: Document) -> None:
        """Add a document; the same number again is the same document, sent twice."""
        self.documents = [one for one in self.documents if one.number != document.number]
        self.documents.append(document)


def _result(segments: dict[str, list[str]]) -> Document:
    order = segments["OBR"]
    number = _component(segments["OBX"], 4, 1) or _component(order, 3, 1) or _component(order, 2, 1)
    study = _component(segments.get("ORC", []), 2, 1)
    return Document(
        number=number, section=DOCUMENTS if study else PATIENT_DOCUMENTS, type=_component(segments["OBX"], 3, 1),
        patient=_component(segments["PID"], 3, 1), study=study, date=_field(order, 7), pdf=_pdf(segments),
    )  # fmt: skip


def _pdf(segments: dict[str, list[str]]) -> bytes:
    return base64.b64decode(_component(segments["OBX"], 5, 5), validate=True)


def _segments(message: bytes) -> dict[str, list[str]]:
    """Return the first segment of each name as its fields; field n of MSH stands at n - 1."""
    found: dict[str, list[str]] = {}
    for line in message.decode().split("\r"):
        fields = line.split("|")
        found.setdefault(fields[0], fields)
    return found


def _field(segment: list[str], number: int) -> str:
    return segment[number] if number < len(segment) else ""


def _component(segment: list[str], number: int, component: int) -> str:
    parts = _field(segment, number).split("~")[0].split("^")
    return parts[component - 1] if component <= len(parts) else ""
