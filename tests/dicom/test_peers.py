"""The peers themselves do what the other tests take for granted."""

import pydicom

from tests.dicom.peers import OMEGAAI, dcmqrscp, dcmtk, fill, orthanc, study, uids


def test_a_study_goes_from_one_peer_to_the_other_without_us(tmp_path):
    files = study(tmp_path / "study", 8)
    with orthanc(tmp_path / "omegaai") as omegaai, dcmqrscp(tmp_path / "ps", {OMEGAAI: omegaai.port}) as powerserver:
        fill(powerserver, files)
        study_uid = pydicom.dcmread(files[0]).StudyInstanceUID
        done = dcmtk(
            "movescu", "-S", "-aec", powerserver.ae_title, "-aem", OMEGAAI, "-k", "0008,0052=STUDY",
            "-k", f"0020,000d={study_uid}", powerserver.host, powerserver.port,
        )  # fmt: skip

        assert done.returncode == 0, done.stderr
        assert omegaai.instances() == uids(files)
        omegaai.kill()
        omegaai.start()
        assert omegaai.instances() == uids(files)
