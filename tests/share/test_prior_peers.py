"""Prior studies from Orthanc and a second archive to dcmtk's archive: the right patient's, the newest, once each."""

from __future__ import annotations

from datetime import date

import pydicom
import pytest
from pydicom.uid import generate_uid

from channels import prior_request
from channels.job_control import act
from channels.prior_settings import PullPrior
from messages.job_states import State
from store import audit, job_parts, job_results
from tests.dicom import peers
from tests.share import kit
from tests.share.results_door import door_open

OTHER = "OTHERPACS"


def task(patient=kit.PATIENT, current=None, issuer="", **inputs):
    given = [(name, one) for name, value in inputs.items() for one in (value if isinstance(value, list) else [value])]
    made = {
        "resourceType": "Task", "status": "requested", "intent": "order",
        "identifier": [{"system": "urn:test", "value": generate_uid()}],
        "for": {"identifier": {"value": patient, "assigner": {"display": issuer}}},
        "input": [{"type": {"coding": [{"code": name.replace("_", "-")}]}, "valueString": v} for name, v in given],
    }  # fmt: skip
    return made | ({"focus": {"identifier": {"value": f"urn:oid:{current}"}}} if current else {})


def study(folder, day, *, patient=kit.PATIENT, name="Fabricated^Ana", issuer=None, born=None, template="MR_small.dcm",
          description="", part="HEAD", uid=None, count=1):  # fmt: skip
    """Write a small study of a day."""
    folder.mkdir(parents=True, exist_ok=True)
    uid, series = uid or generate_uid(), generate_uid()
    files = []
    for _ in range(count):
        data = pydicom.dcmread(pydicom.data.get_testdata_file(template))
        data.PatientID, data.PatientName, data.StudyDate, data.StudyTime = patient, name, day, "120000"
        data.StudyInstanceUID, data.SeriesInstanceUID, data.StudyDescription = uid, series, description
        data.BodyPartExamined, data.PatientBirthDate = part, born or "19741225"
        if issuer:
            data.IssuerOfPatientID = issuer
        data.SOPInstanceUID = data.file_meta.MediaStorageSOPInstanceUID = generate_uid()
        files.append(folder / f"{data.SOPInstanceUID}.dcm")
        data.save_as(files[-1], enforce_file_format=True)
    return uid, files


@pytest.fixture(scope="module")
def archives(tmp_path_factory):
    """PowerServer, and two archives with the patient's studies; what each study is, by name."""
    folder = tmp_path_factory.mktemp("prior")
    shared = generate_uid()
    made = {
        "old mr": study(folder / "a", "20200101", description="MRI BRAIN"),
        "mr": study(folder / "a", "20250601", description="MRI KNEE", part="KNEE", count=2),
        "ct": study(folder / "a", "20250801", template="CT_small.dcm", description="CT HEAD"),
        "current": study(folder / "a", "20260105"),
        "namesake": study(folder / "a", "20250901", patient="PH-000777"),
        "twice": study(folder / "a", "20250301", uid=shared),
        "other birth date": study(folder / "a", "20250302", born="19991231"),
        "other issuer": study(folder / "a", "20250303", issuer="ELSEWHERE"),
    }
    with peers.dcmqrscp(folder / "ps") as powerserver:
        knows = {peers.POWERSERVER: powerserver.port}
        with peers.orthanc(folder / "oai", knows) as omegaai, peers.orthanc(folder / "b", knows, OTHER) as other:
            peers.fill(omegaai, [file for _, files in made.values() for file in files])
            elsewhere = study(folder / "c", "20241231", description="MRI SPINE")
            peers.fill(other, [*elsewhere[1], *made["twice"][1]])
            yield (
                powerserver,
                omegaai,
                other,
                {**{name: uid for name, (uid, _) in made.items()}, "elsewhere": elsewhere[0]},
            )


@pytest.fixture
def site(archives, store):
    powerserver, omegaai, other, _ = archives
    made = {
        "dicom": {
            "powerserver": kit.station(powerserver), "omegaai": kit.station(omegaai), "other": kit.station(other),
        },
        "stations": ["omegaai", "other"], "to": "powerserver", "commitment": False, "settle_after": 0.0,
        "retry_after": 0.05, "verify_within": 5.0,
    }  # fmt: skip
    return kit.Site(store, made, channel="pull-prior", kind="pull-prior")


def pulled(site, archives, number):
    names = {uid: name for name, uid in archives[3].items()}
    return sorted(names[uid] for uid in job_parts.chosen(site.store.connection, number))


def test_the_patient_s_priors_of_all_stations_arrive_once_and_verified(site, archives):
    current = archives[3]["current"]
    number = site.ask(task(current=current, issuer="BLUME TEST", birth_date="1974-12-25"))

    job = site.run_to(number, State.ARRIVED)

    assert pulled(site, archives, number) == ["ct", "elsewhere", "mr", "old mr", "twice"]
    assert job.proof == "instances"
    assert site.tally(number) == {"arrived": 6}
    assert len(archives[0].instances()) >= 6
    words = [entry.what for entry in reversed(audit.entries(site.store.connection, entity=f"job:{number}"))]
    assert words == ["prior-requested", "priors-queried", "transfer-begun", "transfer-ended", "arrival-verified"]


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ({"maximum": "2"}, ["ct", "current"]),
        ({"modality": "CT"}, ["ct"]),
        ({"from": "2025-06-01", "to": "2025-12-31"}, ["ct", "mr"]),
        ({"description": "brain"}, ["old mr"]),
        ({"description": ["brain", "spine"]}, ["elsewhere", "old mr"]),
        ({"body_part": "KNEE"}, ["mr"]),
        ({"type": "imaging-reports"}, []),
        ({"patient": "PH-000777"}, ["namesake"]),
        ({"patient": "PH-00000"}, []),
        ({"station": "other"}, ["elsewhere", "twice"]),
    ],
)
def test_filters_narrow_what_is_pulled(site, archives, asked, found):
    number = site.ask(task(**({"issuer": "BLUME TEST", "birth_date": "1974-12-25"} | asked)))

    site.run_to(number, State.ARRIVED)

    assert pulled(site, archives, number) == found


def test_studies_and_laboratory_results_are_one_pull_and_both_are_proven(site, archives):
    with kit.fhir() as omegaai, door_open() as door:
        (one,) = omegaai.records.all("Patient")
        omegaai.records.write({
            "resourceType": "Observation", "status": "final", "subject": {"reference": f"Patient/{one['id']}"},
            "category": [{"coding": [{"code": "laboratory"}]}], "effectiveDateTime": "2025-06-15",
        })  # fmt: skip
        with_system = task(type=["images", "laboratory-results"], modality="CT")
        with_system["for"]["identifier"]["system"] = kit.SYSTEM
        site.deploy(site.made | {"omegaai": {"base": omegaai.base}, "results": {"base": door.base}}, "r2")
        door.says = "in-progress"
        number = site.ask(with_system)
        site.run(lambda: site.job(number).reason_code == "RESULTS_NOT_DELIVERED")
        assert site.tally(number) == {"arrived": 1}
        door.says = "completed"
        assert act(site.store, number, "resume", by="ana").done
        job = site.run_to(number, State.ARRIVED)

    assert pulled(site, archives, number) == ["ct"]
    assert job.proof == "instances"
    assert job_results.tally(site.store.connection, number) == {"delivered": 1}


@pytest.mark.parametrize(
    ("asked", "code"),
    [
        ({"patient": ""}, "PATIENT_MISSING"),
        ({"patient": "PH*"}, "PATIENT_ID_WILDCARD"),
        ({"patient": "PH-00000?"}, "PATIENT_ID_WILDCARD"),
        ({"current": "1.02"}, "STUDY_INVALID"),
        ({"from": "2026-01-02", "to": "2026-01-01"}, "PERIOD_INVALID"),
        ({"from": "yesterday"}, "INPUT_INVALID"),
        ({"maximum": "-1"}, "INPUT_INVALID"),
        ({"maximum": "0"}, "MAXIMUM_INVALID"),
        ({"type": "films"}, "TYPE_UNKNOWN"),
        ({"type": "laboratory-results"}, "TYPE_NOT_SERVED"),
        ({"station": "nowhere"}, "STATION_UNKNOWN"),
    ],
)
def test_a_request_that_is_wrong_is_refused_by_its_code(asked, code, site):
    number = site.ask(task(**asked))

    job = site.run_to(number, State.REJECTED)

    assert job.reason_code == code
    assert "PH" not in (job.reason or "")


def test_months_are_counted_back_from_today():
    settings = PullPrior(dicom={"a": {}}, stations=("a",), to="a", months_back=6)

    assert prior_request.read(task(), settings, date(2026, 8, 31)).first == "20260228"
    assert prior_request.read(task(months_back="12"), settings, date(2026, 1, 5)).first == "20250105"
    assert prior_request.read(task(**{"from": "2024-01-01"}), settings, date(2026, 1, 5)).first == "20240101"
    assert prior_request.read(task(maximum="500"), settings, date(2026, 1, 5)).most == 10
