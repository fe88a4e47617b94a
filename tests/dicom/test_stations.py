"""The operations of a station against Orthanc and dcmtk: what they say is what we say."""

import asyncio

import pytest

from connectors.dicom_base import DicomPeer, Query, Reference, Verdict
from connectors.dicom_negotiation import AssociationRejected
from connectors.dicom_part10 import read_instance
from tests.dicom.kit import Kept, listening, station
from tests.dicom.peers import OMEGAAI, US, free_port, orthanc, study, uids


async def _stored(peer, instances):
    return [outcome async for outcome in peer.store(instances)]


def _kept_in():
    kept = []

    async def keep(thing):
        kept.append(thing)

    return kept, keep


@pytest.mark.parametrize("name", ["omegaai", "powerserver", "receiver"])
def test_every_peer_answers_an_echo(request, name):
    peer = station(request.getfixturevalue(name))

    assert isinstance(peer, DicomPeer)
    assert asyncio.run(peer.echo()).verdict is Verdict.SUCCESS


def test_a_station_that_is_not_there_raises_before_anything_is_asked():
    peer = station(type("Nobody", (), {"ae_title": "NOBODY", "host": "127.0.0.1", "port": free_port()}))

    with pytest.raises(ConnectionError):
        asyncio.run(peer.echo())


def test_a_wrong_ae_title_is_said_in_words_and_is_for_good(omegaai):
    with pytest.raises(AssociationRejected, match="does not go by the AE title that we called") as rejected:
        asyncio.run(station(omegaai, ae_title="NOBODY").echo())
    assert rejected.value.is_permanent


def test_a_study_of_300_instances_is_found_moved_and_compared(powerserver, omegaai, files, study_uid):
    counts, tell = _kept_in()

    async def migrate():
        source, target = station(powerserver), station(omegaai)
        moved = await source.move({"StudyInstanceUID": study_uid}, OMEGAAI, tell)
        query = Query(level="IMAGE", keys={"StudyInstanceUID": study_uid, "SOPInstanceUID": ""})
        return moved, await source.find(query), await target.find(query)

    moved, there, here = asyncio.run(migrate())

    assert (moved.verdict, moved.status, moved.counts.completed, moved.failed) == (Verdict.SUCCESS, 0, 300, ())
    assert [c.completed for c in counts] == sorted(c.completed for c in counts)
    assert counts[-1].completed == 300
    assert there.verdict is here.verdict is Verdict.SUCCESS
    assert {match["SOPInstanceUID"] for match in here.matches} == uids(files)
    assert {match["SOPInstanceUID"] for match in there.matches} == uids(files)


def test_a_query_says_when_there_was_more_than_its_limit(powerserver, study_uid):
    keys = {"StudyInstanceUID": study_uid, "SOPInstanceUID": ""}
    found = asyncio.run(station(powerserver).find(Query(level="IMAGE", keys=keys, limit=10)))

    assert (len(found.matches), found.is_cut, found.verdict) == (10, True, Verdict.SUCCESS)


def test_what_a_peer_leaves_out_is_absent_and_not_zero(powerserver, study_uid):
    keys = {"StudyInstanceUID": study_uid, "NumberOfStudyRelatedInstances": "", "PatientName": ""}
    found = asyncio.run(station(powerserver).find(Query(level="STUDY", keys=keys)))

    assert len(found.matches) == 1
    assert found.matches[0]["PatientName"] == "Fabricated^Ana"
    assert found.matches[0].get("NumberOfStudyRelatedInstances") in {None, "", "300"}


def test_a_move_to_nobody_is_refused_for_good(powerserver, study_uid):
    moved = asyncio.run(station(powerserver).move({"StudyInstanceUID": study_uid}, "NOBODY"))

    assert (moved.verdict, moved.status) == (Verdict.REFUSED, 0xA801)


def test_a_move_of_nothing_is_no_success_although_its_status_is(powerserver):
    moved = asyncio.run(station(powerserver).move({"StudyInstanceUID": "1.2.3"}, OMEGAAI))

    assert (moved.verdict, moved.status) == (Verdict.REFUSED, 0)


@pytest.mark.parametrize("name", ["omegaai", "powerserver"])
def test_a_series_is_brought_by_c_get_each_instance_synced_before_it_is_answered(
    request, name, tmp_path, instances, study_uid
):
    peer = station(request.getfixturevalue(name))
    arrived, keep = _kept_in()
    some = instances[:12]

    async def bring():
        await _stored(peer, some)
        query = Query(level="IMAGE", keys={"StudyInstanceUID": study_uid, "SOPInstanceUID": wanted})
        found = await peer.find(query)
        keys = {key: found.matches[0][key] for key in ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID")}
        return await peer.get(keys, [some[0].reference.sop_class_uid], tmp_path, keep)

    wanted = some[0].reference.sop_instance_uid
    outcome = asyncio.run(bring())

    assert (outcome.verdict, outcome.counts.completed) == (Verdict.SUCCESS, 1)
    assert [instance.reference for instance in arrived] == [some[0].reference]
    assert read_instance(arrived[0].path) == arrived[0]
    assert not list(tmp_path.glob("*.part"))
    assert wanted not in arrived[0].path.name


def test_storage_commitment_is_reported_on_an_association_of_the_archives_own(tmp_path, instances):
    kept = Kept()
    remembered, remember = _kept_in()
    unknown = Reference("1.2.840.10008.5.1.4.1.1.4", "1.2.3.4")

    async def commit():
        async with listening(tmp_path / "in", kept) as port:
            with orthanc(tmp_path / "archive", {US: port}) as archive:
                peer = station(archive, report_within=0.1)
                await _stored(peer, instances[:5])
                references = [instance.reference for instance in instances[:5]]
                outcome = await peer.commit([*references, unknown], remember, kept.reported)
                return outcome, await kept.report_of(outcome.transaction_uid)

    outcome, report = asyncio.run(commit())

    assert outcome.verdict is Verdict.SUCCESS
    assert remembered == [outcome.transaction_uid]
    assert set(report.committed) == {instance.reference for instance in instances[:5]}
    assert report.failed == ((unknown, 0x0112),)
    assert report.ae_title == OMEGAAI


def test_an_archive_without_storage_commitment_refuses_it_and_nothing_is_remembered(powerserver, instances):
    remembered, remember = _kept_in()
    outcome = asyncio.run(station(powerserver).commit([instances[0].reference], remember, remember))

    assert (outcome.verdict, outcome.status, outcome.report) == (Verdict.REFUSED, None, None)
    assert remembered == []


def test_what_a_station_does_not_accept_is_refused_and_all_else_is_stored(receiver, tmp_path):
    files = study(tmp_path, 8, compressed=2)
    outcomes = asyncio.run(_stored(station(receiver), [read_instance(path) for path in files]))

    assert [outcome.verdict for outcome in outcomes] == [Verdict.SUCCESS] * 6 + [Verdict.REFUSED] * 2
    assert outcomes[-1].words == "not sent: the station does not accept its SOP class in its transfer syntax"
    assert outcomes[-1].attempts == 0
