"""A data set as the mapping writes it (keyword → text, list of texts, or list of items), and as bytes: a Part 10 file.

Explicit VR Little Endian, UTF-8 (ISO_IR 192). The same data set gives the same bytes; pydicom writes and reads them.
Sources: PS3.10 chapter 7; PS3.5 chapters 7 and 8; PS3.3 C.12.1.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from io import BytesIO
from typing import Any

from pydicom import config, dcmread, dcmwrite
from pydicom.datadict import dictionary_VR, keyword_for_tag, tag_for_keyword
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.multival import MultiValue
from pydicom.sequence import Sequence
from pydicom.uid import UID, ExplicitVRLittleEndian

#: Of this program: what other programs read in the file meta information (PS3.10 7.1). Derived from a UUID (PS3.5 B.2).
IMPLEMENTATION_CLASS_UID = "2.25.74261978487435136312745620515323757713"
IMPLEMENTATION_VERSION_NAME = "PLUGIN_HOST_1"

Tree = Mapping[str, Any]
_WHOLE = frozenset({"US", "SS", "UL", "SL", "UV", "SV"})


def encoded(tree: Tree, sop_class_uid: str, sop_instance_uid: str) -> bytes:
    """Return a data set as a Part 10 file.

    Raises:
        ValueError: a value does not fit its representation; without the value.
    """
    data = _dataset({"SpecificCharacterSet": "ISO_IR 192", "SOPClassUID": sop_class_uid} | dict(tree))
    if "SOPInstanceUID" not in data:
        data.SOPInstanceUID = sop_instance_uid
    data.file_meta = FileMetaDataset()
    data.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    data.file_meta.ImplementationClassUID = UID(IMPLEMENTATION_CLASS_UID)
    data.file_meta.ImplementationVersionName = IMPLEMENTATION_VERSION_NAME
    data.file_meta.MediaStorageSOPClassUID = data.SOPClassUID
    data.file_meta.MediaStorageSOPInstanceUID = data.SOPInstanceUID
    out = BytesIO()
    dcmwrite(out, data, enforce_file_format=True)
    return out.getvalue()


def decoded(body: bytes) -> dict[str, Any]:
    """Return a Part 10 file as the mapping writes it; bytes as base64.

    Raises:
        ValueError: it is no DICOM file.
    """
    return _tree(dcmread(BytesIO(body)))


def _dataset(tree: Tree) -> Dataset:
    data = Dataset()
    for keyword, value in tree.items():
        tag = tag_for_keyword(keyword)
        assert tag is not None  # noqa: S101  # the check has seen it
        vr = dictionary_VR(tag).split(" ")[0]
        if vr == "SQ":
            data.add_new(tag, vr, Sequence([_dataset(item) for item in value or ()]))
        elif vr == "OB":
            data.add_new(tag, vr, _bytes(value))
        else:
            texts = value if isinstance(value, list) else [value]
            values = [(int(text) if text else None) if vr in _WHOLE else text for text in texts]
            data.add_new(tag, vr, values if len(values) > 1 else values[0])
    return data


def _bytes(text: str) -> bytes:
    """Return the bytes of an OB, of even length (PS3.5 8.1.1)."""
    try:
        found = base64.b64decode(text, validate=True)
    except binascii.Error:
        raise ValueError("the document is not base64") from None
    return found + b"\0" * (len(found) % 2)


def _tree(data: Dataset) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for element in data:
        keyword = keyword_for_tag(element.tag) or str(element.tag)
        value = element.value
        if element.VR == "SQ":
            found[keyword] = [_tree(item) for item in value]
        elif isinstance(value, bytes):
            found[keyword] = base64.b64encode(value).decode()
        elif isinstance(value, MultiValue):
            found[keyword] = [str(one) for one in value]
        else:
            found[keyword] = "" if value is None else str(value)
    return found


config.settings.writing_validation_mode = config.RAISE
