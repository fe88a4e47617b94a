"""Study shares from end to end, with dcmtk's archive as PowerServer and Orthanc as OmegaAI."""

from __future__ import annotations

import os

import pytest

from channels.job_control import act
from channels.share_settings import StudyShare
from messages.job_states import State
from store import audit, job_parts
from tests.dicom import peers
from tests.share import kit
from tests.share.cutter import Cutter

#: Instances of the studies on which faults are tried; `SHARE_INSTANCES=300` tries them on the full number.
SOME = int(os.environ.get("SHARE_INSTANCES", "12"))


@pytest.fixture(scope="module")
def door():
    """The port at which reports of storage commitment are taken."""
    return peers.free_port()


@pytest.fixture(scope="module")
def pair(tmp_path_factory, door):
    """PowerServer that knows OmegaAI, and OmegaAI that knows us."""
    folder = tmp_path_factory.mktemp("pair")
    with (
        peers.orthanc(folder / "omegaai", {peers.US: door}) as omegaai,
        peers.dcmqrscp(folder / "ps", {peers.OMEGAAI: omegaai.port}) as powerserver,
    ):
        yield powerserver, omegaai


@pytest.fixture
def fhir():
    with kit.fhir() as server:
        yield server


@pytest.fixture
def site(pair, store, fhir):
    return kit.Site(store, kit.settings(*pair, fhir))


def test_a_study_of_300_instances_is_moved_committed_compared_and_shared(pair, store, door, fhir, tmp_path):
    powerserver, omegaai = pair
    files = peers.study(tmp_path / "study", 300)
    peers.fill(powerserver, files)
    site = kit.Site(store, kit.settings(*pair, fhir, commitment=True, proof="commitment"), door=door)
    number = site.ask(kit.task(kit.study_of(files)))

    job = site.run_to(number, State.SHARED)

    assert site.tally(number) == {"committed": 300}
    assert peers.uids(files) <= omegaai.instances()
    assert job.proof == "commitment"
    assert list(dict.fromkeys(site.states(number))) == [
        "RECEIVED", "VALIDATED", "TRANSFERRING", "VERIFYING", "ELIGIBLE", "SHARING", "SHARED"
    ]  # fmt: skip
    (recipient,) = job_parts.recipients(store.connection, number)
    assert (recipient.state, recipient.link) == ("shared", kit.URL)
    told = [entry.what for entry in reversed(audit.entries(store.connection, entity=f"job:{number}"))]
    assert told == ["share-requested", "transfer-begun", "transfer-ended", "arrival-verified", "study-shared"]
    assert audit.verify(store.connection).broken_at is None

    # The same study for somebody else: both lists are compared, and nothing is sent.
    site.deploy(site.made | {"commitment": False, "proof": "instances"}, "r2")
    again = site.ask(kit.task(kit.study_of(files), recipient=["cy@example.org"]))
    job = site.run_to(again, State.SHARED)

    assert (job.proof, site.tally(again)) == ("instances", {"arrived": 300})
    assert len(fhir.records.all("Task")) == 2


def test_a_study_that_is_there_already_is_not_sent_again(site, pair, fhir, tmp_path):
    powerserver, omegaai = pair
    files = peers.study(tmp_path / "study", 6)
    peers.fill(powerserver, files)
    first = site.ask(kit.task(kit.study_of(files)))
    site.run_to(first, State.SHARED)
    with Cutter(omegaai.port) as line:
        again = site.ask(kit.task(kit.study_of(files), recipient=["cy@example.org"]))
        site.run_to(again, State.SHARED)

    assert line.sent == {}
    assert site.tally(again) == {"arrived": 6}


def test_the_same_request_again_is_the_same_job(site, pair, fhir, tmp_path):
    files = peers.study(tmp_path / "study", 2)
    peers.fill(pair[0], files)
    request = kit.task(kit.study_of(files))
    number = site.ask(request)
    site.run_to(number, State.SHARED)

    assert site.ask(request) == number
    assert len(fhir.records.all("Task")) == 1


@pytest.mark.parametrize("transfer", ["cstore", "stow"])
def test_other_ways_to_send_a_study_end_the_same(transfer, pair, store, fhir, tmp_path):
    powerserver, omegaai = pair
    files = peers.study(tmp_path / "study", 8)
    peers.fill(powerserver, files)
    web = {"dicomweb": {"base": omegaai.dicomweb}} if transfer == "stow" else {}
    site = kit.Site(store, kit.settings(*pair, fhir, transfer=transfer, **web))
    number = site.ask(kit.task(kit.study_of(files)))

    site.run_to(number, State.SHARED)

    assert site.tally(number) == {"arrived": 8}
    assert not list((store.folder / "transfer").iterdir())


@pytest.mark.parametrize("transfer", ["cstore", "stow"])
def test_a_study_of_a_folder_of_files_goes_without_an_archive(transfer, pair, store, fhir, tmp_path):
    """One file is still being written, one is no DICOM, one is of another study: none of them goes."""
    _, omegaai = pair
    files = peers.study(tmp_path / "export" / "2026" / "01", 8)
    for path in peers.study(tmp_path / "export" / "other", 1):
        os.utime(path, (1, 1))
    for path in files:
        os.utime(path, (1, 1))
    (tmp_path / "export" / "readme.txt").write_text("no DICOM")
    os.utime(tmp_path / "export" / "readme.txt", (1, 1))
    (late,) = peers.study(tmp_path / "export" / "late", 1, study_uid=kit.study_of(files))
    web = {"dicomweb": {"base": omegaai.dicomweb}} if transfer == "stow" else {}
    made = kit.settings(*pair, fhir, transfer=transfer, **web) | {"archive": "export"}
    site = kit.Site(store, made | {"folders": {"export": {"folder": str(tmp_path / "export"), "settled_for": 3600}}})
    number = site.ask(kit.task(kit.study_of(files)))

    job = site.run_to(number, State.SHARED)

    assert (job.proof, site.tally(number)) == ("instances", {"arrived": 8})
    assert peers.uids(files) <= omegaai.instances()
    assert not peers.uids([late]) & omegaai.instances()
    assert all(path.exists() for path in files)


def test_a_study_of_another_patient_in_a_folder_is_not_shared(pair, store, fhir, tmp_path):
    files = peers.study(tmp_path / "export", 1)
    os.utime(files[0], (1, 1))
    made = kit.settings(*pair, fhir, transfer="cstore") | {"archive": "export"}
    site = kit.Site(store, made | {"folders": {"export": {"folder": str(tmp_path / "export")}}})
    number = site.ask(kit.task(kit.study_of(files), patient="PH-000002"))

    assert site.run_to(number, State.REJECTED).reason_code == "STUDY_OTHER_PATIENT"


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"transfer": "cmove"}, "a folder sends nothing by itself"),
        ({"folders": {"powerserver": {"folder": "x"}}}, "not in both"),
        ({"archive": "nowhere"}, "archive must be"),
    ],
)
def test_settings_of_folders_that_cannot_be_are_refused(pair, fhir, change, text):
    made = kit.settings(*pair, fhir, transfer="cstore", folders={"export": {"folder": "x"}}) | change
    with pytest.raises(ValueError, match=text):
        StudyShare(**made)


def test_what_somebody_else_sends_is_only_verified(pair, store, fhir, tmp_path):
    powerserver, omegaai = pair
    files = peers.study(tmp_path / "study", 4)
    peers.fill(powerserver, files)
    site = kit.Site(store, kit.settings(*pair, fhir, transfer="external"))
    number = site.ask(kit.task(kit.study_of(files)))
    site.run(lambda: site.job(number).reason_code == "INSTANCES_MISSING")
    assert site.job(number).state is State.VERIFYING

    peers.fill(omegaai, files)
    assert act(store, number, "resume", by="ana").done
    site.run_to(number, State.SHARED)


def test_a_target_that_says_0000_and_keeps_nothing_gets_no_share(store, fhir, tmp_path):
    """The instance is answered with success and dropped: what the transfer says is not believed."""
    script = tmp_path / "filter.lua"
    script.write_text("function ReceivedInstanceFilter(dicom, origin) return dicom['InstanceNumber'] ~= '3' end")
    files = peers.study(tmp_path / "study", SOME)
    with (
        peers.orthanc(tmp_path / "oai", LuaScripts=[str(script)]) as omegaai,
        peers.dcmqrscp(tmp_path / "ps", {peers.OMEGAAI: omegaai.port}) as powerserver,
    ):
        peers.fill(powerserver, files)
        site = kit.Site(store, kit.settings(powerserver, omegaai, fhir, verify_within=0.2, attempts=2))
        number = site.ask(kit.task(kit.study_of(files)))

        job = site.run_to(number, State.VERIFY_FAILED)

    assert (job.reason_code, job.proof) == ("INSTANCES_MISSING", None)
    assert job.reason == f"1 of {SOME} instances are not at the target"
    assert site.tally(number)["arrived"] == SOME - 1
    assert sum(site.tally(number).values()) == SOME
    assert fhir.records.all("Task") == []
    assert "SHARING" not in site.states(number)


def test_an_unsupported_transfer_syntax_gets_no_share_until_the_target_takes_it(store, fhir, tmp_path):
    files = peers.study(tmp_path / "study", SOME, compressed=2)
    plain = ["1.2.840.10008.1.2", "1.2.840.10008.1.2.1"]
    with (
        peers.orthanc(tmp_path / "oai", AcceptedTransferSyntaxes=plain) as omegaai,
        peers.dcmqrscp(tmp_path / "ps", {peers.OMEGAAI: omegaai.port}) as powerserver,
    ):
        peers.fill(powerserver, files)
        site = kit.Site(store, kit.settings(powerserver, omegaai, fhir, verify_within=0.2, attempts=2))
        number = site.ask(kit.task(kit.study_of(files)))
        job = site.run_to(number, State.VERIFY_FAILED, State.TRANSFER_FAILED)

        assert site.tally(number).get("arrived", 0) <= SOME - 2
        assert sum(site.tally(number).values()) == SOME
        assert fhir.records.all("Task") == []
        assert job.proof is None


def test_associations_cut_at_every_tenth_pdu_lose_nothing_and_send_nothing_twice(store, fhir, tmp_path):
    files = peers.study(tmp_path / "study", SOME)
    with (
        peers.orthanc(tmp_path / "oai") as omegaai,
        Cutter(omegaai.port, every=10) as line,
        peers.dcmqrscp(tmp_path / "ps", {peers.OMEGAAI: line.port}) as powerserver,
    ):
        peers.fill(powerserver, files)
        site = kit.Site(store, kit.settings(powerserver, omegaai, fhir, verify_within=0.2))
        number = site.ask(kit.task(kit.study_of(files)))

        site.run_to(number, State.SHARED, within=60 + SOME)
        assert peers.uids(files) == omegaai.instances()

    assert site.tally(number) == {"arrived": SOME}
    assert line.cut >= SOME // 6
    # Cut off in the middle, an instance has not arrived, and goes again; every other went once.
    assert sum(line.sent.values()) <= SOME + line.cut
    assert "INSTANCES_MISSING" in site.codes(number) or "NO_ANSWER" in site.codes(number)


def test_omegaai_killed_and_restarted_is_given_what_it_lacks(store, fhir, tmp_path):
    files = peers.study(tmp_path / "study", SOME)
    with (
        peers.orthanc(tmp_path / "oai") as omegaai,
        Cutter(omegaai.port, every=10, cuts=1) as line,
        peers.dcmqrscp(tmp_path / "ps", {peers.OMEGAAI: line.port}) as powerserver,
    ):
        peers.fill(powerserver, files)
        site = kit.Site(store, kit.settings(powerserver, omegaai, fhir, verify_within=0.2))
        number = site.ask(kit.task(kit.study_of(files)))
        site.run(lambda: line.cut == 1)
        omegaai.kill()
        site.run(lambda: site.job(number).reason_code is not None)
        assert site.job(number).state in {State.TRANSFERRING, State.VERIFYING}
        omegaai.start()

        site.run_to(number, State.SHARED)

    assert site.tally(number) == {"arrived": SOME}


def test_without_the_proof_that_the_site_asks_for_nobody_is_given_access(pair, store, fhir, tmp_path):
    """Storage commitment is asked for and never comes: the comparison of lists alone is too weak here."""
    files = peers.study(tmp_path / "study", SOME)
    peers.fill(pair[0], files)
    made = kit.settings(*pair, fhir, commitment=True, proof="commitment", commit_within=0.5)
    site = kit.Site(store, made)
    number = site.ask(kit.task(kit.study_of(files)))

    job = site.run_to(number, State.VERIFY_FAILED)

    assert job.reason_code == "PROOF_TOO_WEAK"
    assert fhir.records.all("Task") == []


def test_a_commitment_that_never_comes_falls_back_to_the_list(pair, store, fhir, tmp_path):
    files = peers.study(tmp_path / "study", SOME)
    peers.fill(pair[0], files)
    site = kit.Site(store, kit.settings(*pair, fhir, commitment=True, commit_within=0.5))
    number = site.ask(kit.task(kit.study_of(files)))

    job = site.run_to(number, State.SHARED)

    assert job.proof == "instances"
    (asked,) = job_parts.commitments(store.connection, number)
    assert asked.ended is not None or asked.reported_at is None


def test_a_destination_that_powerserver_does_not_know_is_said_at_once(pair, store, fhir, tmp_path):
    files = peers.study(tmp_path / "study", 2)
    peers.fill(pair[0], files)
    made = kit.settings(*pair, fhir)
    made["dicom"]["OMEGAAI LINK"]["ae_title"] = "NOBODY"
    site = kit.Site(store, made)
    number = site.ask(kit.task(kit.study_of(files)))

    job = site.run_to(number, State.TRANSFER_FAILED)

    assert job.reason_code == "MOVE_DESTINATION_UNKNOWN"
