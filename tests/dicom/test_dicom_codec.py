"""The bytes of DICOM: ours are the library's, whatever a peer sends is read or refused, and nothing else happens."""

import struct
from io import BytesIO
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydicom.data import get_testdata_file
from pynetdicom.dimse_messages import C_FIND_RQ, C_MOVE_RSP, C_STORE_RQ, N_ACTION_RQ, DIMSEMessage
from pynetdicom.dimse_primitives import C_FIND, C_MOVE, C_STORE, N_ACTION
from pynetdicom.pdu_primitives import P_DATA

from connectors import dicom_command, dicom_negotiation, dicom_pdu
from connectors.dicom_base import Reference
from connectors.dicom_dataset import read_identifier, read_report, write_identifier, write_request
from connectors.dicom_negotiation import Proposal
from connectors.dicom_part10 import read_head, write_head
from connectors.dicom_pdu import ProtocolError
from connectors.dicom_syntaxes import EXPLICIT_LE, IMPLICIT_LE, PLAIN

MR = "1.2.840.10008.5.1.4.1.1.4"
FUZZ = settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))


def _theirs(message_class, primitive):
    """Return the command set that pynetdicom writes."""
    message = message_class()
    message.primitive_to_message(primitive)
    first = next(iter(message.encode_msg(1, 0)))
    return first.presentation_data_value_list[0][1][1:]


def _store():
    primitive = C_STORE()
    primitive.MessageID, primitive.AffectedSOPClassUID, primitive.AffectedSOPInstanceUID = 7, MR, "1.2.3"
    primitive.Priority, primitive.DataSet = 0, BytesIO(b"\0\0")
    ours = {"AffectedSOPClassUID": MR, "CommandField": 1, "MessageID": 7, "Priority": 0, "CommandDataSetType": 1,
            "AffectedSOPInstanceUID": "1.2.3"}  # fmt: skip
    return C_STORE_RQ, primitive, ours


def _find():
    primitive = C_FIND()
    primitive.MessageID, primitive.AffectedSOPClassUID = 65535, "1.2.840.10008.5.1.4.1.2.2.1"
    primitive.Priority, primitive.Identifier = 0, BytesIO(b"\0\0")
    ours = {"AffectedSOPClassUID": "1.2.840.10008.5.1.4.1.2.2.1", "CommandField": 0x20, "MessageID": 65535,
            "Priority": 0, "CommandDataSetType": 1}  # fmt: skip
    return C_FIND_RQ, primitive, ours


def _move_response():
    primitive = C_MOVE()
    primitive.MessageIDBeingRespondedTo, primitive.AffectedSOPClassUID = 3, "1.2.840.10008.5.1.4.1.2.2.2"
    primitive.Status = 0xFF00
    primitive.NumberOfRemainingSuboperations, primitive.NumberOfCompletedSuboperations = 10, 290
    primitive.NumberOfFailedSuboperations, primitive.NumberOfWarningSuboperations = 0, 0
    ours = {"AffectedSOPClassUID": "1.2.840.10008.5.1.4.1.2.2.2", "CommandField": 0x8021,
            "MessageIDBeingRespondedTo": 3, "CommandDataSetType": 0x101, "Status": 0xFF00,
            "NumberOfRemainingSuboperations": 10, "NumberOfCompletedSuboperations": 290,
            "NumberOfFailedSuboperations": 0, "NumberOfWarningSuboperations": 0}  # fmt: skip
    return C_MOVE_RSP, primitive, ours


def _action():
    primitive = N_ACTION()
    primitive.MessageID, primitive.ActionTypeID, primitive.ActionInformation = 1, 1, BytesIO(b"\0\0")
    push = "1.2.840.10008.1.20.1"
    primitive.RequestedSOPClassUID, primitive.RequestedSOPInstanceUID = push, f"{push}.1"
    ours = {"RequestedSOPClassUID": push, "CommandField": 0x130, "MessageID": 1, "CommandDataSetType": 1,
            "RequestedSOPInstanceUID": f"{push}.1", "ActionTypeID": 1}  # fmt: skip
    return N_ACTION_RQ, primitive, ours


@pytest.mark.parametrize("case", [_store, _find, _move_response, _action], ids=lambda case: case.__name__.strip("_"))
def test_our_command_sets_are_byte_for_byte_the_librarys_and_read_back(case):
    message_class, primitive, ours = case()
    theirs = _theirs(message_class, primitive)

    assert dicom_command.encode(ours) == theirs
    assert dicom_command.decode(theirs) == ours


def test_the_library_reads_our_pdus_as_the_message_that_they_are():
    _, _, ours = _store()
    encoded = dicom_command.encode(ours)
    pieces = [*_cut(encoded, 40, is_command=True), *_cut(bytes(range(200)), 64, is_command=False)]
    message = DIMSEMessage()
    done = []
    for head, fragment in pieces:
        for pdv in dicom_pdu.pdvs(memoryview(head + fragment)[6:]):
            primitive = P_DATA()
            control = bytes([pdv.is_command | pdv.is_last << 1])
            primitive.presentation_data_value_list.append((pdv.context_id, control + bytes(pdv.fragment)))
            done.append(message.decode_msg(primitive))

    assert done == [False] * (len(pieces) - 1) + [True]
    assert message.command_set.AffectedSOPInstanceUID == "1.2.3"
    assert message.data_set.getvalue() == bytes(range(200))


def _cut(data, size, *, is_command):
    for at in range(0, len(data), size):
        yield dicom_pdu.p_data(5, data[at : at + size], is_command=is_command, is_last=at + size >= len(data))


UID = st.from_regex(r"[1-9][0-9]{0,5}(\.[1-9][0-9]{0,5}){1,8}", fullmatch=True)
COMMAND = st.fixed_dictionaries(
    {"CommandField": st.integers(0, 0xFFFF)},
    optional={
        "MessageID": st.integers(0, 0xFFFF), "Status": st.integers(0, 0xFFFF), "AffectedSOPClassUID": UID,
        "AffectedSOPInstanceUID": UID, "MoveDestination": st.from_regex(r"[A-Z_]{1,16}", fullmatch=True),
        "CommandDataSetType": st.integers(0, 0xFFFF), "NumberOfFailedSuboperations": st.integers(0, 0xFFFF),
    },
)  # fmt: skip


@FUZZ
@given(COMMAND)
def test_a_command_set_reads_back_as_it_was_written(command):
    assert dicom_command.decode(dicom_command.encode(command)) == command


@FUZZ
@given(COMMAND, st.data())
def test_a_damaged_command_set_is_read_or_refused(command, data):
    encoded = bytearray(dicom_command.encode(command))
    for _ in range(data.draw(st.integers(1, 4))):
        encoded[data.draw(st.integers(0, len(encoded) - 1))] = data.draw(st.integers(0, 255))
    try:
        assert isinstance(dicom_command.decode(encoded[: data.draw(st.integers(0, len(encoded)))]), dict)
    except ProtocolError:
        return


@FUZZ
@given(st.binary(max_size=200))
def test_any_bytes_are_presentation_data_values_or_refused(body):
    try:
        assert sum(len(pdv.fragment) + 6 for pdv in dicom_pdu.pdvs(memoryview(body))) == len(body)
    except ProtocolError:
        return


REQUEST = dicom_negotiation.request("CALLING", "CALLED", [Proposal(MR, PLAIN), Proposal(MR, PLAIN, as_scp=True)])


@FUZZ
@given(st.data())
def test_a_damaged_request_for_an_association_is_read_or_refused(data):
    damaged = bytearray(REQUEST)
    for _ in range(data.draw(st.integers(1, 6))):
        damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    try:
        asked = dicom_negotiation.read_request(bytes(damaged[: data.draw(st.integers(6, len(damaged)))]))
        answer, agreement = dicom_negotiation.grant(asked, [dicom_negotiation.support(MR, PLAIN)])
    except ProtocolError:
        return
    assert answer[0] == dicom_pdu.ASSOCIATE_AC
    assert all(context.transfer_syntax in PLAIN for context in agreement.contexts.values())


@FUZZ
@given(st.data())
def test_a_damaged_head_of_a_file_is_read_or_refused(data):
    whole = bytearray(write_head(Reference(MR, "1.2.3"), EXPLICIT_LE, "SENDER"))
    at = data.draw(st.integers(128, len(whole) - 1))
    whole[at] = data.draw(st.integers(0, 255))
    try:
        head = read_head(bytes(whole[: data.draw(st.integers(0, len(whole)))]))
    except ValueError:
        return
    assert head.offset <= len(whole)


@FUZZ
@given(st.binary(max_size=300), st.sampled_from([EXPLICIT_LE, IMPLICIT_LE]))
def test_any_bytes_are_an_identifier_or_a_report_or_refused(data, syntax):
    for read in (lambda: read_identifier(data, syntax), lambda: read_report(data, syntax, "AE", "127.0.0.1")):
        try:
            read()
        except ProtocolError:
            continue


def test_what_we_write_about_a_file_we_read_back():
    reference = Reference(MR, "1.2.826.0.1.3680043.8.498.1")
    head = read_head(write_head(reference, IMPLICIT_LE, "POWERSERVER") + bytes(20))

    assert (head.reference, head.transfer_syntax_uid) == (reference, IMPLICIT_LE)
    assert read_head(Path(get_testdata_file("MR_small.dcm")).read_bytes()).reference.sop_class_uid == MR


def test_an_identifier_speaks_portuguese_and_says_so():
    keys = {"PatientName": "Conceição^José", "StudyDate": "20260101-", "NumberOfStudyRelatedInstances": ""}
    read = read_identifier(write_identifier(keys, EXPLICIT_LE), EXPLICIT_LE)

    assert read == {"SpecificCharacterSet": "ISO_IR 192", **keys}
    with pytest.raises(ValueError, match="PatientNam is no keyword of DICOM"):
        write_identifier({"PatientNam": "CANARY"}, EXPLICIT_LE)


def test_a_request_for_commitment_reads_as_the_report_that_commits_all_of_it():
    references = [Reference(MR, f"1.2.3.{n}") for n in range(3)]
    report = read_report(write_request("1.2.9", references, EXPLICIT_LE), EXPLICIT_LE, "ARCHIVE", "127.0.0.1")

    assert (report.transaction_uid, report.committed, report.failed) == ("1.2.9", tuple(references), ())


def test_a_pdu_of_no_known_type_is_refused_by_its_first_byte():
    for kind in (0, 8, 71, 255):
        with pytest.raises(ProtocolError):
            dicom_pdu.read_header(bytearray(struct.pack(">BBL", kind, 0, 4)))
