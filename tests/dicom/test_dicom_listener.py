"""The DICOM door: who is let in, what is taken, and that 0000H is said only of what rests on the disk with its row."""

import asyncio
import logging
import socket

import pydicom
import pytest
from pynetdicom import AE
from pynetdicom.sop_class import CTImageStorage, MRImageStorage, Verification

from connectors.base import StoreUnavailable
from connectors.dicom_base import Verdict
from connectors.dicom_listener import DicomListener
from connectors.dicom_negotiation import AssociationRejected
from connectors.dicom_part10 import read_instance
from tests.dicom import hostile
from tests.dicom.foreign import report_by_itself
from tests.dicom.kit import Kept, listening, ours
from tests.dicom.peers import US, dcmtk, study


def _run(folder, intake, work, **settings):
    async def run():
        async with listening(folder, intake, **settings) as port:
            return await work(port)

    return asyncio.run(run())


async def _stored(port, instances, **settings):
    return [outcome async for outcome in ours(port, **settings).store(instances)]


def test_an_instance_rests_whole_under_a_name_that_says_nothing(tmp_path, files, instances):
    kept = Kept()
    (outcome,) = _run(tmp_path, kept, lambda port: _stored(port, instances[:1]))
    (received,) = kept.received_ones
    data = pydicom.dcmread(files[0])

    assert outcome.verdict is Verdict.SUCCESS
    assert read_instance(received.instance.path) == received.instance
    assert (
        received.instance.path.read_bytes()[received.instance.offset :]
        == (files[0].read_bytes()[instances[0].offset :])
    )
    assert (received.study_uid, received.series_uid) == (data.StudyInstanceUID, data.SeriesInstanceUID)
    assert (received.ae_title, received.peer) == ("PLUGINHOST", "127.0.0.1")
    assert list(tmp_path.iterdir()) == [received.instance.path]
    assert data.SOPInstanceUID not in received.instance.path.name
    assert pydicom.dcmread(received.instance.path) == data


def test_dcmtk_stores_with_us_and_a_data_set_that_rests_here_already_is_kept_once(tmp_path, files):
    kept = Kept()

    async def twice(port):
        arguments = ("-aet", "ANY", "-aec", US, "127.0.0.1", port, *files[:5])
        return [await asyncio.to_thread(dcmtk, "storescu", *arguments) for _ in range(2)]

    done = _run(tmp_path, kept, twice)

    assert [one.returncode for one in done] == [0, 0]
    assert len(kept.received_ones) == 5
    assert len(list(tmp_path.iterdir())) == 5


def test_what_cannot_be_committed_is_not_answered_as_stored(tmp_path, instances):
    kept = Kept()
    kept.unavailable = StoreUnavailable("no")
    (outcome,) = _run(tmp_path, kept, lambda port: _stored(port, instances[:1]))

    assert (outcome.verdict, outcome.status) == (Verdict.DEFERRED, 0xA700)


def test_an_instance_that_is_longer_than_the_limit_is_refused_and_the_next_is_taken(tmp_path, instances):
    kept = Kept()
    big, small = instances[3], instances[0]
    outcomes = _run(tmp_path, kept, lambda port: _stored(port, [big, small]), max_instance_bytes=20_000)

    assert [outcome.status for outcome in outcomes] == [0xA700, 0x0000]
    assert len(list(tmp_path.iterdir())) == 1


def test_a_data_set_that_is_not_what_the_command_says_is_refused(tmp_path, files, instances):
    liar = tmp_path / "liar.dcm"
    data = pydicom.dcmread(files[0])
    data.file_meta.MediaStorageSOPInstanceUID = "1.2.3.4"
    data.save_as(liar, enforce_file_format=False)
    garbage = tmp_path / "garbage.dcm"
    garbage.write_bytes(files[1].read_bytes()[: instances[1].offset] + b"\xff" * 500)
    kept = Kept()
    wrong = [read_instance(liar), read_instance(garbage)]
    outcomes = _run(tmp_path / "in", kept, lambda port: _stored(port, [*wrong, instances[0]]))

    assert [outcome.status for outcome in outcomes] == [0xA900, 0xA900, 0x0000]
    assert len(kept.received_ones) == 1


def test_compressed_instances_rest_as_they_came(tmp_path):
    files = study(tmp_path / "study", 2, compressed=1)
    kept = Kept()
    some = [read_instance(path) for path in files]
    outcomes = _run(tmp_path / "in", kept, lambda port: _stored(port, some))

    assert {outcome.verdict for outcome in outcomes} == {Verdict.SUCCESS}
    syntaxes = [received.instance.transfer_syntax_uid for received in kept.received_ones]
    assert syntaxes == [instance.transfer_syntax_uid for instance in some]


def test_deflated_is_never_granted(tmp_path):
    async def propose(port):
        ae = AE("ANY")
        ae.add_requested_context(MRImageStorage, "1.2.840.10008.1.2.1.99")
        ae.add_requested_context(CTImageStorage, ["1.2.840.10008.1.2.1.99", "1.2.840.10008.1.2"])
        association = await asyncio.to_thread(ae.associate, "127.0.0.1", port, ae_title=US)
        granted = [(cx.abstract_syntax, cx.transfer_syntax) for cx in association.accepted_contexts]
        await asyncio.to_thread(association.release)
        return granted

    assert _run(tmp_path, Kept(), propose) == [(CTImageStorage, ["1.2.840.10008.1.2"])]


@pytest.mark.parametrize(
    ("settings", "peers", "words"),
    [
        ({"ae_title": "SOMEBODY"}, ("PLUGINHOST@127.0.0.1",), "does not go by the AE title that we called"),
        ({"calling_ae_title": "STRANGER"}, ("PLUGINHOST@127.0.0.1",), "does not know our AE title"),
        ({}, ("PLUGINHOST@10.0.0.0/8", "OTHER@127.0.0.1"), "does not know our AE title"),
    ],
)
def test_an_ae_title_must_be_ours_and_theirs_must_come_from_its_own_address(tmp_path, settings, peers, words):
    kept = Kept()
    with pytest.raises(AssociationRejected, match=words):
        _run(tmp_path, kept, lambda port: ours(port, **settings).echo(), peers=peers)

    called = "ae_title" in settings
    assert kept.strangers == [("called_ae_title" if called else "calling_ae_title", "127.0.0.1")]


def test_an_address_that_nobody_named_is_hung_up_on_before_a_byte_is_read(tmp_path):
    kept = Kept()
    with pytest.raises(ConnectionError):
        _run(tmp_path, kept, lambda port: ours(port).echo(), peers=("PLUGINHOST@10.0.0.0/8",))

    assert kept.strangers == [("address", "127.0.0.1")]


def test_associations_over_the_limit_are_rejected_for_now_and_one_that_ends_makes_room(tmp_path):
    async def crowd(port):
        held = [await asyncio.to_thread(hostile.associate, port) for _ in range(2)]
        with pytest.raises(AssociationRejected, match="local limit exceeded") as rejected:
            await ours(port).echo()
        held[0][0].close()
        async with asyncio.timeout(20):
            while True:
                try:
                    return rejected.value, await ours(port).echo()
                except AssociationRejected:
                    await asyncio.sleep(0.02)
                finally:
                    held[1][0].close()

    kept = Kept()
    rejected, outcome = _run(tmp_path, kept, crowd, associations=2)

    assert set(kept.strangers) == {("associations", "127.0.0.1")}
    assert not rejected.is_permanent
    assert outcome.verdict is Verdict.SUCCESS


def test_who_says_nothing_is_hung_up_on_in_time(tmp_path):
    async def wait(port):
        with hostile.connect(port) as idle, hostile.connect(port) as stalled:
            stalled.sendall(b"\x01\x00\x00\x00\x01\x00")
            return [await asyncio.to_thread(line.recv, 100) for line in (idle, stalled)]

    kept = Kept()

    assert _run(tmp_path, kept, wait, start_within=0.3) == [b"", b""]
    assert kept.strangers == [("protocol", "127.0.0.1")] * 2


def test_connections_over_the_limit_are_hung_up_on(tmp_path):
    async def crowd(port):
        lines = [hostile.connect(port) for _ in range(4)]
        try:
            await asyncio.sleep(0)
            return await asyncio.to_thread(lines[3].recv, 100)
        except ConnectionResetError:
            return b""
        finally:
            for line in lines:
                line.close()

    kept = Kept()

    assert _run(tmp_path, kept, crowd, connections_per_address=3) == b""
    assert kept.strangers == [("connections", "127.0.0.1")]


def test_a_report_of_a_transaction_that_nobody_knows_is_taken_and_one_that_cannot_be_kept_is_not(tmp_path):
    report = pydicom.Dataset()
    report.TransactionUID = "1.2.3.4.5"
    kept = Kept()

    async def both(port):
        first = await asyncio.to_thread(report_by_itself, port, report, 1, US)
        kept.unavailable = StoreUnavailable("no")
        return first, await asyncio.to_thread(report_by_itself, port, report, 1, US)

    statuses = _run(tmp_path, kept, both, peers=("FOREIGN@127.0.0.1",))

    assert statuses == (0x0000, 0x0110)
    assert [(one.transaction_uid, one.ae_title) for one in kept.reports] == [("1.2.3.4.5", "FOREIGN")]


def test_what_we_do_not_do_is_not_offered(tmp_path):
    async def propose(port):
        ae = AE("ANY")
        ae.add_requested_context("1.2.840.10008.5.1.4.1.2.2.1")  # Study Root FIND
        ae.add_requested_context(Verification)
        association = await asyncio.to_thread(ae.associate, "127.0.0.1", port, ae_title=US)
        granted = [str(cx.abstract_syntax) for cx in association.accepted_contexts]
        await asyncio.to_thread(association.release)
        return granted

    assert _run(tmp_path, Kept(), propose) == [str(Verification)]


def test_what_a_killed_process_had_begun_is_cleared_out_at_the_start(tmp_path):
    (tmp_path / "01ABC.part").write_bytes(b"half")

    async def look(_):
        return list(tmp_path.iterdir())

    assert _run(tmp_path, Kept(), look) == []


def test_no_log_line_holds_what_a_peer_sent(tmp_path, instances, caplog):
    caplog.set_level(logging.DEBUG)

    async def work(port):
        await _stored(port, instances[:2])
        with hostile.connect(port) as line:
            line.sendall(b"GET /CANARY HTTP/1.1\r\n\r\n")
            await asyncio.to_thread(line.recv, 100)

    _run(tmp_path, Kept(), work)
    ours_only = "\n".join(
        f"{record.getMessage()} {vars(record)}" for record in caplog.records if record.name.startswith("connectors")
    )

    assert "an association ended" in ours_only
    for canary in ("CANARY", "Fabricated", "PH-000001", instances[0].reference.sop_instance_uid):
        assert canary not in ours_only


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({"peers": ("ORTHANC",)}, "peers must be"),
        ({"peers": ("ORTHANC@orthanc.example",)}, "peers must be AE_TITLE@ADDRESS or AE_TITLE@NETWORK"),
        ({"host": "0.0.0.0"}, "certificate_file must be given, or insecure_plaintext must say why it is not"),
        ({"key_file": "key.pem"}, "certificate_file and key_file belong together"),
        ({"client_ca_file": "ca.pem"}, "client_ca_file needs certificate_file"),
        ({"ae_title": ""}, "ae_title must be an AE title"),
        ({"port": 70000}, "port must be 0 to 65535"),
    ],
)
def test_settings_that_cannot_be_are_refused_by_name(settings, text):
    with pytest.raises(ValueError, match=text):
        DicomListener(**{"ae_title": "US", "port": 0, "peers": (), **settings})


def test_a_port_that_is_taken_is_said(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(OSError, match="address already in use"):
        _run(tmp_path, Kept(), lambda port: ours(port).echo(), port=taken.getsockname()[1])
