"""Part 10 files: which instance one holds, where its data set begins, and the head of a file that we write.

Nothing of a data set is decoded here. Source: DICOM PS3.10 7.1.
"""

from __future__ import annotations

import struct
from pathlib import Path
from typing import NamedTuple

from connectors.dicom_base import Instance, Reference

#: Bytes in which the file meta information must end; it has some hundred bytes, private information aside.
_HEAD_BYTES = 16_384
_LONG_VRS = (b"OB", b"OW", b"UN", b"UT", b"SQ", b"OF", b"OD", b"OL")
_SOP_CLASS, _SOP_INSTANCE, _TRANSFER_SYNTAX = 0x0002, 0x0003, 0x0010


class Head(NamedTuple):
    """What the file meta information says."""

    reference: Reference
    transfer_syntax_uid: str
    #: Bytes before the data set.
    offset: int


def read_head(data: bytes) -> Head:
    """Return what the first bytes of a Part 10 file say.

    Raises:
        ValueError: it is none, or does not say what it holds.
    """
    if data[128:132] != b"DICM":
        raise ValueError("no DICOM file: it has no DICM prefix")
    found: dict[int, str] = {}
    at = 132
    while data[at : at + 2] == b"\x02\x00":
        if at + 12 > len(data):
            raise ValueError("the file meta information does not end")
        number = struct.unpack_from("<H", data, at + 2)[0]
        if data[at + 4 : at + 6] in _LONG_VRS:
            start, length = at + 12, struct.unpack_from("<L", data, at + 8)[0]
        else:
            start, length = at + 8, struct.unpack_from("<H", data, at + 6)[0]
        at = start + length
        if at > len(data):
            raise ValueError("the file meta information does not end")
        found[number] = data[start:at].rstrip(b"\0 ").decode("ascii", "replace")
    try:
        reference = Reference(found[_SOP_CLASS], found[_SOP_INSTANCE])
        return Head(reference, found[_TRANSFER_SYNTAX], at)
    except KeyError:
        raise ValueError("the file meta information does not say which instance it is") from None


def read_instance(path: Path) -> Instance:
    """Return what a Part 10 file holds.

    Raises:
        ValueError: it is none.
        OSError: it cannot be read.
    """
    with path.open("rb") as file:
        head = read_head(file.read(_HEAD_BYTES))
        size = file.seek(0, 2)
    return Instance(
        reference=head.reference, transfer_syntax_uid=head.transfer_syntax_uid, path=path, offset=head.offset, size=size
    )


def write_head(reference: Reference, transfer_syntax_uid: str, ae_title: str) -> bytes:
    """Return preamble and file meta information for a data set that comes from an AE title."""
    from pydicom.dataset import FileMetaDataset  # noqa: PLC0415 - only a process that receives needs it
    from pydicom.uid import UID  # noqa: PLC0415
    from pynetdicom import PYNETDICOM_IMPLEMENTATION_UID  # noqa: PLC0415
    from pynetdicom.dsutils import encode_file_meta  # noqa: PLC0415

    meta = FileMetaDataset()
    meta.FileMetaInformationVersion = b"\x00\x01"
    meta.MediaStorageSOPClassUID = UID(reference.sop_class_uid)
    meta.MediaStorageSOPInstanceUID = UID(reference.sop_instance_uid)
    meta.TransferSyntaxUID = UID(transfer_syntax_uid)
    meta.ImplementationClassUID = PYNETDICOM_IMPLEMENTATION_UID
    meta.SourceApplicationEntityTitle = ae_title
    meta.FileMetaInformationGroupLength = 0
    return bytes(128) + b"DICM" + encode_file_meta(meta)
