"""What came is known from its data set: ours finds what pydicom finds, and what means harm ends in a refusal."""

import struct
import warnings
from io import BytesIO
from pathlib import Path

import pydicom
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydicom.data import get_testdata_file
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pynetdicom.dsutils import encode

from connectors.dicom_base import Reference
from connectors.dicom_elements import texts
from connectors.dicom_part10 import IMPLEMENTATION_UID, read_head, write_head
from connectors.dicom_syntaxes import EXPLICIT_BE, EXPLICIT_LE, IMPLICIT_LE

UIDS = (0x00080016, 0x00080018, 0x0020000D, 0x0020000E)
FUZZ = settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck))
#: Of pydicom's own files: each way to encode a data set, private elements, sequences of both kinds of length.
FILES = (
    "CT_small.dcm", "MR_small.dcm", "MR_small_bigendian.dcm", "MR_small_implicit.dcm", "MR_small_RLE.dcm",
    "JPEG2000.dcm", "693_J2KI.dcm", "rtplan.dcm", "rtdose.dcm", "reportsi.dcm", "test-SR.dcm",
    "liver_expb_1frame.dcm", "waveform_ecg.dcm", "examples_overlay.dcm",
)  # fmt: skip


def _sequences(is_undefined, levels):
    data = Dataset()
    data.SOPInstanceUID = "1.2.3"
    for _ in range(levels):
        outer = Dataset()
        outer.SOPInstanceUID = "9.9.9"
        outer.ReferencedSeriesSequence = Sequence([data])
        outer["ReferencedSeriesSequence"].is_undefined_length = is_undefined
        data.is_undefined_length_sequence_item = is_undefined
        data = outer
    data.SOPInstanceUID, data.StudyInstanceUID = "1.2.4", "1.2.5"
    return data


@pytest.mark.parametrize("name", FILES)
def test_what_pydicom_finds_in_its_own_files_is_found(name):
    path = get_testdata_file(name, download=False)
    if path is None:
        pytest.skip("pydicom keeps this file elsewhere")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = pydicom.dcmread(path, stop_before_pixels=True, force=True)
        expected = {tag: str(theirs[tag].value) for tag in UIDS if tag in theirs}
    content = Path(path).read_bytes()
    head = read_head(content)

    assert texts(content, head.transfer_syntax_uid, UIDS, head.offset) == expected
    assert expected


@pytest.mark.parametrize("is_undefined", [True, False])
@pytest.mark.parametrize("syntax", [EXPLICIT_LE, IMPLICIT_LE, EXPLICIT_BE])
def test_an_element_in_a_sequence_is_not_the_data_sets_own(syntax, is_undefined):
    data = encode(_sequences(is_undefined, 3), syntax == IMPLICIT_LE, syntax != EXPLICIT_BE)

    assert texts(data, syntax, UIDS) == {0x00080018: "1.2.4", 0x0020000D: "1.2.5"}


def test_a_private_sequence_that_nobody_knows_is_implicit_inside():
    inside = struct.pack("<HHL", 0xFFFE, 0xE000, 12) + struct.pack("<HHL", 8, 0x18, 4) + b"9.9\0"
    unknown = struct.pack("<HH2sHL", 9, 0x1010, b"UN", 0, 0xFFFFFFFF) + inside + struct.pack("<HHL", 0xFFFE, 0xE0DD, 0)
    study = struct.pack("<HH2sH", 0x20, 0x0D, b"UI", 4) + b"1.2\0"

    assert texts(unknown + study, EXPLICIT_LE, UIDS) == {0x0020000D: "1.2"}


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (struct.pack("<HH2sHL", 8, 6, b"SQ", 0, 0xFFFFFFFF) * 100, "sequences without end"),
        (struct.pack("<HH2sH", 8, 0x18, b"UI", 20) + b"1.2", "cut off"),
        (struct.pack("<HH2sH", 8, 0x18, b"UI", 2)[:5], "cut off"),
        (struct.pack("<HH2sHL", 8, 6, b"SQ", 0, 0xFFFFFFFF), "cut off"),
        (struct.pack("<HHL", 8, 0x18, 4) + b"1.2\0", "without a value representation"),
        (struct.pack("<HH2sH", 8, 0x18, b"UI", 2) + b"\xe9\xe9", "not ASCII"),
        (struct.pack("<HH2sH", 8, 5, b"CS", 0) * 100_001, "elements without end"),
    ],
)
def test_a_data_set_that_is_none_is_refused_without_a_value_of_it(data, says):
    with pytest.raises(ValueError, match=says) as refused:
        texts(data, EXPLICIT_LE, UIDS)

    assert "1.2" not in str(refused.value)


@FUZZ
@given(st.binary(max_size=400), st.sampled_from([EXPLICIT_LE, IMPLICIT_LE, EXPLICIT_BE]))
def test_any_bytes_are_walked_through_or_refused(data, syntax):
    try:
        found = texts(data, syntax, UIDS)
    except ValueError:
        return
    assert found.keys() <= set(UIDS)


@FUZZ
@given(st.data())
def test_a_damaged_data_set_is_walked_through_or_refused(data):
    whole = bytearray(encode(_sequences(data.draw(st.booleans()), 2), False, True))
    whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    try:
        texts(bytes(whole[: data.draw(st.integers(0, len(whole)))]), EXPLICIT_LE, UIDS)
    except ValueError:
        return


@pytest.mark.parametrize("ae_title", ["STORE", "EVEN"])
@pytest.mark.parametrize("uid", ["1.2.3", "1.2.34"])
def test_the_head_of_a_file_is_what_the_standard_asks_for(uid, ae_title):
    head = write_head(Reference("1.2.840.10008.5.1.4.1.1.4", uid), EXPLICIT_LE, ae_title)
    meta = pydicom.dcmread(BytesIO(head)).file_meta

    assert meta.FileMetaInformationVersion == b"\x00\x01"
    assert (meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID) == ("1.2.840.10008.5.1.4.1.1.4", uid)
    assert (meta.TransferSyntaxUID, meta.SourceApplicationEntityTitle) == (EXPLICIT_LE, ae_title)
    assert meta.ImplementationClassUID == IMPLEMENTATION_UID
    assert len(IMPLEMENTATION_UID) <= 64
    assert meta.FileMetaInformationGroupLength == len(head) - 144
