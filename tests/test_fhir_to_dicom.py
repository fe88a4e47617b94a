"""Mappings from FHIR to DICOM: checked at both ends, and what they make is taken by others."""

from __future__ import annotations

import base64
import io
import json
import re
import shutil
import subprocess
import sys
from datetime import datetime
from pathlib import Path

import pydicom
import pypdf
import pytest
from click.testing import CliRunner

from host.command_line import plugin_host as front_door
from messages.problem import Problems
from transformers.base import Given, Transformed
from transformers.dicom_dataset import decoded, encoded
from transformers.differences import differences
from transformers.fhir_to_dicom import compile_plan
from transformers.mapping_check import check_mapping
from transformers.mapping_examples import change
from transformers.mapping_site import load_site
from transformers.mapping_tests import run_tests

HERE = Path(__file__).parent
SHIPPED = HERE.parent / "mappings"
NOW = datetime.fromisoformat("2025-12-01T12:30:00Z")
STUDY = "1.2.826.0.1.3680043.8.498.1"


def pdf() -> bytes:
    out = io.BytesIO()
    writer = pypdf.PdfWriter()
    writer.add_blank_page(100, 100)
    writer.write(out)
    return out.getvalue()


def letter() -> dict:
    patient = {
        "resourceType": "Patient", "gender": "female", "birthDate": "1980-01-02",
        "identifier": [{"system": "urn:oid:2.25.2001", "value": "12345"}],
        "name": [{"family": "Sousa", "given": ["Ana"]}],
    }  # fmt: skip
    document = {
        "resourceType": "DocumentReference", "status": "current", "date": "2025-12-01T12:30:00Z",
        "masterIdentifier": {"system": "urn:blume:letter", "value": "L-1"},
        "subject": {"reference": "urn:uuid:00000000-0000-4000-8000-000000000002"},
        "description": "Aviso à paciente",
        "content": [{"attachment": {"contentType": "application/pdf", "data": base64.b64encode(pdf()).decode()}}],
        "context": {"related": [{"identifier": {"system": "urn:dicom:uid", "value": f"urn:oid:{STUDY}"}}]},
    }  # fmt: skip
    resources = (document, patient)
    entries = [
        {"fullUrl": f"urn:uuid:00000000-0000-4000-8000-00000000000{number}", "resource": resource}
        for number, resource in enumerate(resources, 1)
    ]
    return {"resourceType": "Bundle", "type": "collection", "entry": entries}


@pytest.fixture
def site(tmp_path):
    folder = tmp_path / "mappings"
    shutil.copytree(SHIPPED, folder)
    for path in folder.glob("*.yaml"):
        if path.name != "site.yaml":
            path.unlink()
    shutil.copytree(HERE / "dicom_mappings", folder, dirs_exist_ok=True)
    (folder / "samples" / "letter.json").write_text(json.dumps(letter()))
    text = (folder / "site.yaml").read_text()
    if "\n  pacs:" not in text:
        pacs = "  pacs: { host: 127.0.0.1, port: 11112, ae_title: PACS }\n"
        (folder / "site.yaml").write_text(text.replace("stations:\n", f"stations:\n{pacs}", 1))
    return folder


def checked(site: Path, channel: str, *edits: tuple[str, str]):
    path = site / f"{channel}.yaml"
    text = path.read_text("utf-8")
    for old, new in edits:
        assert old in text, old
        text = text.replace(old, new, 1)
    path.write_text(text, "utf-8")
    return check_mapping(path, load_site(site, {}), path.name)


def made(site: Path, channel: str, document: dict | None = None) -> bytes:
    found = checked(site, channel)
    assert found.plan is not None, "\n".join(map(str, found.problems))
    transformer = compile_plan(found.plan)
    if document is None:
        document = json.loads((site / "samples" / "appointment-request.json").read_bytes())
    document = transformer.check(json.dumps(document).encode())
    (admission,) = transformer.admit(document)
    (name,) = found.plan["destinations"]
    given = Given(now=NOW, control_id="06H018HAZRA4PX00QCYJ", destination=name, focus=admission.focus)
    result = transformer.transform(document, given)
    assert isinstance(result, Transformed)
    return result.encoded


@pytest.mark.parametrize("channel", ["worklist", "letter"])
def test_the_tests_in_the_files_pass(site, channel):
    found = checked(site, channel)

    assert list(map(str, found.problems)) == []
    assert [result.differences for result in run_tests(found, site)] == [()] * 3


def test_pydicom_reads_a_worklist_item_with_its_sequences(site):
    data = pydicom.dcmread(io.BytesIO(made(site, "worklist")))
    (step,) = data.ScheduledProcedureStepSequence

    assert data.file_meta.TransferSyntaxUID == pydicom.uid.ExplicitVRLittleEndian
    assert data.SOPClassUID == "1.2.840.10008.5.1.4.31"
    assert (str(data.PatientName), data.PatientID) == ("Conceição^José^da Silva", "12345")
    assert (step.Modality, step.ScheduledProcedureStepStartDate) == ("CT", "20251201")
    assert [item.CodeValue for item in data.RequestedProcedureCodeSequence] == ["CT01"]
    assert (data.PregnancyStatus, step.ScheduledProcedureStepLocation) == (None, ""), "type 2 is there, empty"


def test_dciodvfy_finds_nothing_wrong_with_an_encapsulated_pdf(site, tmp_path):
    file = tmp_path / "letter.dcm"
    file.write_bytes(made(site, "letter", letter()))
    told = subprocess.run(["dciodvfy", file], capture_output=True, text=True, check=False).stderr

    assert "EncapsulatedPDF" in told
    assert [line for line in told.splitlines() if line.startswith("Error")] == []
    data = pydicom.dcmread(file)
    assert data.EncapsulatedDocument.rstrip(b"\0") == pdf().rstrip(b"\0")
    assert (data.StudyInstanceUID, data.DocumentTitle) == (STUDY, "Aviso à paciente")


def test_dciodvfy_would_have_found_something(site, tmp_path):
    """The control: without what the check asks for, the same validator complains."""
    tree = decoded(made(site, "letter", letter()))
    del tree["Modality"], tree["SOPClassUID"], tree["SpecificCharacterSet"]
    file = tmp_path / "letter.dcm"
    file.write_bytes(encoded(tree, "1.2.840.10008.5.1.4.1.1.104.1", "2.25.1"))

    assert "Error" in subprocess.run(["dciodvfy", file], capture_output=True, text=True, check=False).stderr


def test_the_same_message_gives_the_same_bytes(site):
    assert made(site, "letter", letter()) == made(site, "letter", letter())


#: Channel, text of its file, what stands there instead, and what is said of it.
MISTAKES = [
    ("letter", "  PatientName:", "  PatientsName:", "E700 DICOM has no attribute 'PatientsName'; did you mean 'P"),
    ("letter", "  PatientName:", "  (0010,0011):", "E700 DICOM has no attribute '(0010,0011)'; a keyword such as"),
    ("letter", "{ value: DOC }", "{ value: doc }", "E701 'doc' is no CS; Modality takes one (DICOM PS3.5, 6.2)"),
    ("letter", '{ value: "900" }', "{ value: nine }", "E701 'nine' is no IS; SeriesNumber takes one"),
    ("letter", "  Modality:", "  SOPClassUID:", "E702 SOPClassUID is written by the host"),
    ("letter", "  SeriesNumber:", "  (0002,0010):", "E702 (0002,0010) is written by the host"),
    ("letter", "  Manufacturer:", "  OtherPatientIDs:", "E703 OtherPatientIDs (0010,1000) is retired from DICOM"),
    ("letter", "  SeriesNumber:", "  SeriesDescription:", "E704 SeriesNumber must have a value in object"),
    ("letter", "as: UI, required: true,", "as: UI,", "E705 StudyInstanceUID must have a value in object"),
    ("letter", ", when_unanswered: resend", "", "E707 'when_unanswered' is missing: a C-STORE may have arrived"),
    ("letter", "object: encapsulated-pdf", "object: pdf", "E706 there is no object 'pdf'"),
    ("letter", "object: encapsulated-pdf", "object: attributes", "E021 'sop_class' is missing"),
    ("letter", "object: encapsulated-pdf", "object: attributes, sop_class: 1.x", "E701 '1.x' is no UID"),
    ("letter", "as: PN }\n  PatientID", "as: PNN }\n  PatientID", "E120 there is no format 'PNN' to DICOM"),
    ("letter", "as: DA }\n  PatientSex", "as: TM }\n  PatientSex", "E121 as: TM takes dateTime, instant, time, and"),
    ("letter", "as: DA }\n  PatientSex", "as: DT }\n  PatientSex", "E123 as: DT gives DT, and PatientBirthDate is DA"),
    ("letter", ", as: DA }\n  PatientSex", " }\n  PatientSex", "E464 %patient.birthDate gives date; Pat"),
    ("letter", ", as: PN }\n  PatientID", " }\n  PatientID", "E464 %patient.name.first() gives HumanName; Pat"),
    ("letter", "%patient.gender", "%patient.gendre", "E103 "),
    ("letter", "  PatientID:", "  PatientID[]:", "E405 PatientID[]: there is one PatientID at most"),
    ("letter", "  DocumentTitle:", "  PatientName.Given:", "E700 DICOM has no attribute 'Given'"),
    ("letter", "  DocumentTitle:", "  PatientName.PatientID:", "E463 PatientName is PN, no sequence"),
    ("letter", "  DocumentTitle: {", "  RequestAttributesSequence: {", "E464 RequestAttributesSequence is a sequence"),
    ("letter", "  ConceptNameCodeSequence[]:", "  DocumentTitle[]:", "E405 "),
    ("letter", "      PatientSex: F", "      PatientSx: F", "E700 DICOM has no attribute 'PatientSx'; did you mean"),
    ("worklist", "    name: code\n", "", "E021 'name' is missing"),
    ("worklist", "  ScheduledProcedureStepSequence.Modality:", "  Modality:", "E460 'Modality' is not inside"),
]  # fmt: skip
#: Problems that do not stand at the changed text: where something is missing.
_ELSEWHERE = ("E704", "E021")


@pytest.mark.parametrize(("channel", "old", "new", "says"), MISTAKES)
def test_what_is_wrong_is_told_with_its_place(site, channel, old, new, says):
    before = (site / f"{channel}.yaml").read_text()
    found = checked(site, channel, (old, new))
    told = [f"{one.code} {one.text}{'; ' + one.hint if one.hint else ''}" for one in found.problems]

    (at,) = [number for number, one in enumerate(told) if one.startswith(says)] or [None]
    assert at is not None, told
    place = found.problems[at].place
    assert place.file == f"{channel}.yaml"
    if says[:4] not in _ELSEWHERE:
        assert place.line == before[: before.index(old)].count("\n") + 1


def test_a_data_set_may_wait_for_what_another_channel_does_with_its_document(site):
    found = checked(site, "letter", (", when_unanswered", ", after: { channel: patients }, when_unanswered"))

    assert found.problems == []
    assert found.plan["destinations"]["pacs"]["after_channel"] == "patients"


def test_a_value_that_does_not_fit_is_parked_with_the_rules_place_and_without_the_value(site):
    document = change(letter(), "/entry/1/resource/birthDate", "1980")
    document["entry"][0]["resource"]["content"][0]["attachment"]["data"] = "QUJD"
    found = checked(site, "letter")
    transformer = compile_plan(found.plan)
    loaded = transformer.check(json.dumps(document).encode())

    with pytest.raises(Problems) as parked:
        transformer.transform(loaded, Given(now=NOW, control_id="C", destination="pacs", focus=0))
    (problem,) = parked.value.problems
    assert (problem.code, problem.place.line) == ("E304", 22)
    assert (
        problem.text
        == "PatientBirthDate: as: DA of %patient.birthDate: the value names no day, and a DA is a whole day"
    )
    assert "1980" not in str(problem)


def test_names_and_texts_cannot_part_values(site):
    document = change(letter(), "/entry/1/resource/name/0/family", "Sou\\sa^X=Y")
    data = pydicom.dcmread(io.BytesIO(made(site, "letter", document)))

    assert str(data.PatientName) == "Sou sa X Y^Ana"


def test_try_explains_each_attribute(site):
    result = CliRunner().invoke(
        front_door, ["try", "letter", str(site / "samples" / "letter.json"), "--site", str(site), "--explain"]
    )

    assert result.exit_code == 0, result.output
    assert '"PatientName": "Sousa^Ana"' in result.stdout
    assert re.search(
        r"StudyDate +20251201 +2025-12-01T12:30:00Z +%letter\.date +as: DA +mappings/letter\.yaml:\d+:3", result.stdout
    )
    assert "ConceptNameCodeSequence.CodeValue" in result.stdout


def test_the_specification_names_each_attribute_with_its_tag(site):
    result = CliRunner().invoke(front_door, ["mapping", "spec", "letter", "--site", str(site), "--json"])
    found = json.loads(result.stdout)
    lines = {line["field"]: line for line in found["lines"]}

    assert result.exit_code == 0, result.output
    study = lines["StudyInstanceUID"]
    assert (study["name"], study["datatype"], study["standard"]) == (
        "Study Instance UID (0020,000D)", "UI", "required"
    )  # fmt: skip
    assert study["example"] == STUDY
    assert lines["ConceptNameCodeSequence.CodeValue"]["source"] == "“51851-4”"
    assert ["object", "encapsulated-pdf (1.2.840.10008.5.1.4.1.1.104.1), a Part 10 file in UTF-8"] in found["facts"]


def test_a_worker_that_runs_no_such_channel_loads_no_pydicom():
    program = (
        "import sys, transformers.fhir_to_hl7, transformers.hl7_to_fhir, transformers.mapping_follow;"
        "sys.exit(any(name.partition('.')[0] in ('pydicom', 'ruamel', 'pydantic', 'antlr4') for name in sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", program], cwd=HERE.parent, check=False).returncode == 0


def test_what_differs_is_told_attribute_by_attribute(site):
    before = made(site, "letter", letter())
    after = made(site, "letter", change(letter(), "/entry/1/resource/gender", "male"))

    assert [(one.path, one.before, one.after) for one in differences(before, after)] == [("PatientSex", "F", "M")]
