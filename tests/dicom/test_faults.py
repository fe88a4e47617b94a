"""What goes wrong on the way of an instance: nothing but a status counts, and every one is accounted for."""

import asyncio
import dataclasses
import threading
from collections import Counter

import pydicom
import pytest

from connectors import dicom_pdu, dicom_status
from connectors.dicom_base import Verdict
from connectors.dicom_part10 import read_instance
from tests.dicom.foreign import foreign
from tests.dicom.kit import Kept, cut_line, deaf_peer, listening, ours, said, silent_peer, station
from tests.dicom.peers import orthanc, uids

OUTCOMES = {
    0x0000: Verdict.SUCCESS, 0xB000: Verdict.WARNING, 0xB006: Verdict.WARNING, 0xB007: Verdict.WARNING,
    0xA700: Verdict.DEFERRED, 0xA7FF: Verdict.DEFERRED, 0xA900: Verdict.REFUSED, 0xC000: Verdict.REFUSED,
    0xC123: Verdict.REFUSED, 0x0110: Verdict.DEFERRED, 0x0122: Verdict.REFUSED, 0x0124: Verdict.REFUSED,
    0x0213: Verdict.DEFERRED, 0x4711: Verdict.REFUSED,
}  # fmt: skip


async def _stored(peer, instances):
    return [outcome async for outcome in peer.store(instances)]


async def _nobody(_):
    pytest.fail("nothing should have come")


@pytest.mark.parametrize("status", OUTCOMES, ids=lambda status: f"{status:04X}")
def test_each_status_of_a_c_store_means_what_the_standards_table_says(status):
    assert dicom_status.meaning(status, dicom_status.STORE).verdict is OUTCOMES[status]


def test_one_refused_instance_is_said_and_the_others_are_stored(instances):
    statuses = list(OUTCOMES)
    with foreign(statuses) as peer:
        outcomes = asyncio.run(_stored(peer.station(), instances[: len(statuses) + 1]))

    assert [(outcome.status, outcome.verdict) for outcome in outcomes] == [*OUTCOMES.items(), (0, Verdict.SUCCESS)]
    assert [outcome.is_stored for outcome in outcomes][:5] == [True, True, True, True, False]


@pytest.mark.parametrize(
    "says",
    [
        pytest.param(lambda writer, context, command: None, id="nothing"),
        pytest.param(lambda writer, context, command: writer.close(), id="hangs up"),
        pytest.param(lambda writer, context, command: writer.write(dicom_pdu.abort(by_provider=True)), id="aborts"),
        pytest.param(lambda writer, context, command: writer.write(dicom_pdu.release_rq()), id="releases"),
        pytest.param(
            lambda writer, context, command: writer.write(said(context, command, MessageIDBeingRespondedTo=4711)),
            id="answers another message",
        ),
        pytest.param(
            lambda writer, context, command: writer.write(said(context, command, Status=None)), id="says no status"
        ),
        pytest.param(
            lambda writer, context, command: writer.write(said(context, command, CommandField=0x8030)),
            id="answers an echo",
        ),
        pytest.param(
            lambda writer, context, command: writer.write(said(99, command)), id="answers in no context of ours"
        ),
        pytest.param(lambda writer, context, command: writer.write(said(context, command)[:-3]), id="breaks off"),
        pytest.param(lambda writer, context, command: writer.write(b"HTTP/1.1 200 OK\r\n\r\n"), id="speaks HTTP"),
    ],
)
def test_no_response_is_never_success(instances, says):
    async def store():
        async with silent_peer(says) as (peer, seen):
            return await _stored(peer, instances[:1]), seen.instances

    (outcome,), seen = asyncio.run(store())

    assert (outcome.verdict, outcome.status, outcome.is_stored) == (Verdict.UNANSWERED, None, False)
    assert seen == 2, "it was sent again, for it may have been lost"


def test_the_test_above_can_fail(instances):
    async def store():
        def says(writer, context, command):
            writer.write(said(context, command))

        async with silent_peer(says, answer_within=20.0) as (peer, _):
            return await _stored(peer, instances[:2])

    assert [outcome.verdict for outcome in asyncio.run(store())] == [Verdict.SUCCESS] * 2


def test_a_line_that_is_cut_at_every_tenth_pdu_loses_nothing_and_resends_only_what_was_unanswered(instances):
    some = instances[:40]
    with foreign() as peer:

        async def store():
            async with cut_line(peer.port, lambda n, kind: n % 10 == 0) as port:
                return await _stored(peer.station(port=port, attempts=5), some)

        outcomes = asyncio.run(store())

    assert [outcome.reference for outcome in outcomes] == [instance.reference for instance in some]
    assert {outcome.verdict for outcome in outcomes} == {Verdict.SUCCESS}
    attempts = {outcome.reference.sop_instance_uid: outcome.attempts for outcome in outcomes}
    assert sum(attempts.values()) > len(some), "the line was cut"
    came = Counter(peer.stored)
    assert came.keys() == attempts.keys()
    assert all(came[uid] <= attempts[uid] for uid in came)


def test_a_line_that_is_always_cut_at_the_response_ends_unanswered_and_not_for_ever(instances):
    with foreign() as peer:

        async def store():
            async with cut_line(peer.port, lambda n, kind: n % 6 == 0) as port:
                # request, accept, command, three pieces of data: the sixth PDU is never the response's
                return await _stored(peer.station(port=port, attempts=2), [instances[3], instances[7]])

        outcomes = asyncio.run(store())

    assert [outcome.verdict for outcome in outcomes] == [Verdict.UNANSWERED] * 2
    assert [outcome.attempts for outcome in outcomes] == [2, 2]


def test_a_line_that_is_cut_at_any_pdu_of_an_instance_leaves_it_there_once_and_whole(tmp_path, files):
    data = pydicom.dcmread(files[3])
    data.Rows, data.Columns = 1024, 1200
    data.PixelData = bytes(1024 * 1200 * 2)  # 19 P-DATA-TF of our door's length
    data.save_as(tmp_path / "big.dcm")
    instance = read_instance(tmp_path / "big.dcm")
    pdus = []

    async def store(cut_at, folder):
        def cut(n, kind):
            pdus.append(n)
            return n == cut_at

        kept = Kept()
        async with listening(folder, kept) as to, cut_line(to, cut) as port:
            outcomes = await _stored(ours(port), [instance])
        return outcomes, kept.received_ones, list(folder.iterdir())

    undisturbed = asyncio.run(store(0, tmp_path / "undisturbed"))
    boundaries = range(1, max(pdus) + 1)
    found = [asyncio.run(store(n, tmp_path / f"{n}")) for n in boundaries]

    assert len(boundaries) >= 24
    assert [outcome.attempts for outcome in undisturbed[0]] == [1]
    for outcomes, received, left in found:
        assert [outcome.verdict for outcome in outcomes] == [Verdict.SUCCESS]
        assert [one.instance.reference for one in received] == [instance.reference]
        assert left == [received[0].instance.path]
        assert left[0].stat().st_size == received[0].instance.size
    # When the request or the acceptance is cut, or what comes after the response, nothing had been sent in vain.
    assert [outcomes[0].attempts for outcomes, _, _ in found].count(2) == len(boundaries) - 4


def test_orthanc_killed_in_the_middle_gets_the_rest_when_it_is_back(tmp_path, files, instances):
    some = instances[:40]

    async def store(archive):
        outcomes = []
        async for outcome in station(archive, attempts=100, retry_after=0.1).store(some):
            outcomes.append(outcome)
            if len(outcomes) == 15:
                archive.kill()
                again = threading.Timer(0.5, archive.start)
                again.start()
        again.join()
        return outcomes

    with orthanc(tmp_path / "archive") as archive:
        outcomes = asyncio.run(store(archive))
        held = archive.instances()

    assert [outcome.reference for outcome in outcomes] == [instance.reference for instance in some]
    assert {outcome.verdict for outcome in outcomes} == {Verdict.SUCCESS}
    assert held == uids(files[:40])
    assert {outcome.attempts for outcome in outcomes[:15]} == {1}


def test_a_peer_that_stays_away_leaves_every_instance_accounted_for_as_not_sent(instances):
    with foreign() as peer:
        gone = peer.station(attempts=2)
    outcomes = asyncio.run(_stored(gone, instances[:5]))

    assert [(outcome.verdict, outcome.attempts) for outcome in outcomes] == [(Verdict.DEFERRED, 0)] * 5


def test_a_file_that_ended_early_is_refused_and_the_others_go_over_another_association(tmp_path, files, instances):
    short = tmp_path / "short.dcm"
    short.write_bytes(files[3].read_bytes())
    instance = read_instance(short)
    short.write_bytes(files[3].read_bytes()[:20_000])
    gone = dataclasses.replace(instances[7], path=tmp_path / "gone.dcm")
    with foreign() as peer:
        outcomes = asyncio.run(_stored(peer.station(), [instances[0], instance, gone, instances[1]]))

    assert [outcome.verdict for outcome in outcomes] == [
        Verdict.SUCCESS, Verdict.REFUSED, Verdict.REFUSED, Verdict.SUCCESS,
    ]  # fmt: skip
    assert outcomes[1].words == outcomes[2].words == "not sent: its file cannot be read"
    assert peer.stored == [instances[0].reference.sop_instance_uid, instances[1].reference.sop_instance_uid]


def test_a_peer_that_reads_nothing_any_more_is_given_up_on_in_time(tmp_path, files):
    data = pydicom.dcmread(files[3])
    data.Rows, data.Columns = 4096, 4096
    data.PixelData = bytes(4096 * 4096 * 2)
    data.save_as(tmp_path / "big.dcm")

    async def store():
        async with deaf_peer() as peer:
            return await _stored(peer, [read_instance(tmp_path / "big.dcm")])

    (outcome,) = asyncio.run(store())

    assert (outcome.verdict, outcome.attempts) == (Verdict.UNANSWERED, 2)


def test_who_stops_in_the_middle_leaves_no_line_open(instances):
    async def stop():
        async with silent_peer(lambda writer, context, command: None, answer_within=60.0) as (peer, seen):
            task = asyncio.ensure_future(_stored(peer, instances[:2]))
            async with asyncio.timeout(20):
                while not seen.instances:
                    await asyncio.sleep(0.01)
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)
                while seen.lines:
                    await asyncio.sleep(0.01)
            return task.cancelled()

    assert asyncio.run(stop())


# -- C-MOVE ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "verdict"),
    [
        (0xA701, Verdict.DEFERRED), (0xA702, Verdict.DEFERRED), (0xA801, Verdict.REFUSED), (0xA900, Verdict.REFUSED),
        (0xB000, Verdict.WARNING), (0xC000, Verdict.REFUSED), (0xFE00, Verdict.CANCELLED), (0x0000, Verdict.SUCCESS),
        (0x0122, Verdict.REFUSED), (0xB123, Verdict.WARNING), (0x1234, Verdict.REFUSED),
    ],
)  # fmt: skip
def test_each_status_of_a_c_move_means_what_the_standards_table_says(status, verdict):
    assert dicom_status.meaning(status, dicom_status.MOVE).verdict is verdict


def test_a_move_whose_line_is_cut_before_its_final_status_is_unanswered(powerserver, omegaai, study_uid):
    counts = []

    async def tell(count):
        counts.append(count)

    async def move():
        async with cut_line(powerserver.port, lambda n, kind: n == 40) as port:
            return await station(powerserver, port=port).move({"StudyInstanceUID": study_uid}, "OMEGAAI", tell)

    outcome = asyncio.run(move())

    assert (outcome.verdict, outcome.status) == (Verdict.UNANSWERED, None)
    assert 0 < counts[-1].completed < 300
    assert outcome.counts == counts[-1]
