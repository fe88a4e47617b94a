"""Short data sets: identifiers of queries, requests for commitment and their reports; dicts in, bytes out, and back.

Sources: DICOM PS3.5 7; PS3.4 C.2.2.2 and J.3.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from io import BytesIO

from pydicom import config
from pydicom.datadict import dictionary_VR, tag_for_keyword
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset
from pydicom.multival import MultiValue
from pydicom.uid import UID
from pynetdicom.dsutils import decode, encode

from connectors.dicom_base import CommitmentReport, Match, Reference
from connectors.dicom_pdu import ProtocolError

# What a peer wrote is used or refused by us; the library's remarks on it would quote it.
config.settings.reading_validation_mode = config.IGNORE

_BINARY = frozenset({"OB", "OD", "OF", "OL", "OV", "OW", "SQ", "UN"})
_NUMBERS = {"US": int, "SS": int, "UL": int, "SL": int, "FL": float, "FD": float}


def write_identifier(keys: Mapping[str, str], transfer_syntax: str) -> bytes:
    """Return an identifier's bytes: keyword → value, "" for one that is only asked for.

    Raises:
        ValueError: a keyword is none of the standard's, or a value cannot be one of it. Names the keyword alone.
    """
    identifier = Dataset()
    if not all(value.isascii() for value in keys.values()):
        identifier.SpecificCharacterSet = "ISO_IR 192"
    with _without_remarks():
        for keyword, value in keys.items():
            tag = tag_for_keyword(keyword)
            if tag is None:
                raise ValueError(f"{keyword} is no keyword of DICOM")
            vr = dictionary_VR(tag)
            try:
                identifier.add(DataElement(tag, vr, _NUMBERS.get(vr, str)(value) if value else None))
            except ValueError:
                raise ValueError(f"{keyword}: its value is none of {vr}") from None
    return _encoded(identifier, transfer_syntax)


def read_identifier(data: bytes, transfer_syntax: str) -> Match:
    """Return the elements of an identifier that are text or numbers.

    Raises:
        ProtocolError: it is no data set.
    """
    with _without_remarks():
        data_set = _decoded(data, transfer_syntax)
        try:
            return {e.keyword: _text(e.value) for e in data_set if e.keyword and e.VR not in _BINARY}
        except Exception as error:  # noqa: BLE001 - the library raises many kinds for what a peer may send
            raise ProtocolError(f"a data set cannot be read ({type(error).__name__})") from None


def write_request(transaction_uid: str, references: Sequence[Reference], transfer_syntax: str) -> bytes:
    """Return the Action Information of a request for storage commitment (PS3.4 Table J.3-1)."""
    request = Dataset()
    request.TransactionUID = UID(transaction_uid)
    request.ReferencedSOPSequence = [_item(reference) for reference in references]
    return _encoded(request, transfer_syntax)


def read_report(data: bytes, transfer_syntax: str, ae_title: str, peer: str) -> CommitmentReport:
    """Return the Event Information of a report on a commitment (PS3.4 Table J.3-2).

    Raises:
        ProtocolError: it is none.
    """
    with _without_remarks():
        report = _decoded(data, transfer_syntax)
        try:
            return CommitmentReport(
                transaction_uid=str(report.TransactionUID),
                committed=tuple(_reference(item) for item in report.get("ReferencedSOPSequence") or ()),
                failed=tuple(
                    (_reference(item), int(item.get("FailureReason") or 0x0110))
                    for item in report.get("FailedSOPSequence") or ()
                ),
                ae_title=ae_title,
                peer=peer,
            )
        except Exception as error:  # noqa: BLE001 - as above
            raise ProtocolError(f"a report on a commitment cannot be read ({type(error).__name__})") from None


def _item(reference: Reference) -> Dataset:
    item = Dataset()
    item.ReferencedSOPClassUID = UID(reference.sop_class_uid)
    item.ReferencedSOPInstanceUID = UID(reference.sop_instance_uid)
    return item


def _reference(item: Dataset) -> Reference:
    return Reference(str(item.ReferencedSOPClassUID), str(item.ReferencedSOPInstanceUID))


def _text(value: object) -> str:
    if isinstance(value, MultiValue):
        return "\\".join(map(str, value))
    return "" if value is None else str(value)


def _encoded(data_set: Dataset, transfer_syntax: str) -> bytes:
    uid = UID(transfer_syntax)
    encoded = encode(data_set, uid.is_implicit_VR, uid.is_little_endian)
    if encoded is None:
        raise ValueError("a data set cannot be encoded")
    return encoded


def _decoded(data: bytes, transfer_syntax: str) -> Dataset:
    uid = UID(transfer_syntax)
    try:
        return decode(BytesIO(data), uid.is_implicit_VR, uid.is_little_endian)
    except Exception as error:  # noqa: BLE001 - as above
        raise ProtocolError(f"a data set cannot be read ({type(error).__name__})") from None


@contextmanager
def _without_remarks() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
