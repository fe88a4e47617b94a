"""Study shares from end to end, with dcmtk's archive as PowerServer and Orthanc as OmegaAI."""

from __future__ import annotations

import pytest

from messages.job_states import State
from store import audit, job_parts
from tests.dicom import peers
from tests.share import kit


@pytest.fixture(scope="module")
def pair(tmp_path_factory):
    """PowerServer that knows OmegaAI, and OmegaAI."""
    folder = tmp_path_factory.mktemp("pair")
    with (
        peers.orthanc(folder / "omegaai") as omegaai,
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


def test_a_study_of_300_instances_is_moved_compared_and_shared(pair, site, fhir, tmp_path):
    powerserver, omegaai = pair
    files = peers.study(tmp_path / "study", 300)
    peers.fill(powerserver, files)
    number = site.ask(kit.task(kit.study_of(files)))

    job = site.run_to(number, State.SHARED)

    assert site.tally(number) == {"arrived": 300}
    assert peers.uids(files) <= omegaai.instances()
    assert job.proof == "instances"
    assert site.states(number) == [
        "RECEIVED", "VALIDATED", "TRANSFERRING", "VERIFYING", "ELIGIBLE", "SHARING", "SHARED"
    ]  # fmt: skip
    (recipient,) = job_parts.recipients(site.store.connection, number)
    assert (recipient.state, recipient.link) == ("shared", kit.URL)
    assert len(fhir.records.all("Task")) == 1
    told = [entry.what for entry in reversed(audit.entries(site.store.connection, entity=f"job:{number}"))]
    assert told == ["share-requested", "transfer-begun", "transfer-ended", "arrival-verified", "study-shared"]
    assert audit.verify(site.store.connection).broken_at is None
