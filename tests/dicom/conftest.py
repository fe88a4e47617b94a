"""Peers and a study that the tests of one worker share: nothing in these changes what another test counts on."""

import pydicom
import pytest

from connectors.dicom_part10 import read_instance
from tests.dicom.peers import dcmqrscp, fill, orthanc, storescp, study


@pytest.fixture(scope="session")
def files(tmp_path_factory):
    """300 instances of one study, in files."""
    return study(tmp_path_factory.mktemp("study"), 300)


@pytest.fixture(scope="session")
def study_uid(files):
    return str(pydicom.dcmread(files[0], stop_before_pixels=True).StudyInstanceUID)


@pytest.fixture(scope="session")
def instances(files):
    return [read_instance(path) for path in files]


@pytest.fixture(scope="session")
def omegaai(tmp_path_factory):
    with orthanc(tmp_path_factory.mktemp("omegaai")) as peer:
        yield peer


@pytest.fixture(scope="session")
def powerserver(tmp_path_factory, omegaai, files):
    """dcmtk's archive with the study, and a configuration that knows Orthanc."""
    with dcmqrscp(tmp_path_factory.mktemp("powerserver"), {"OMEGAAI": omegaai.port}) as peer:
        fill(peer, files)
        yield peer


@pytest.fixture(scope="session")
def receiver(tmp_path_factory):
    """dcmtk's storescp as it is shipped."""
    with storescp(tmp_path_factory.mktemp("receiver")) as peer:
        yield peer
