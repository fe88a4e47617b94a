"""Clinical forms as DICOM Encapsulated PDF: whole, without errors, and the same bytes when they are taken out again."""

import asyncio
import io
import json
import shutil
import subprocess
from datetime import UTC, datetime

import pydicom
import pytest

from connectors.dicom_sender import DicomSender
from host.site import kinds
from messages.lifecycle import Event
from messages.problem import Problems
from tests.cli.console_script import edit
from tests.dicom.peers import POWERSERVER, command, orthanc, storescp
from tests.forms import form_kit, pdf_kit
from transformers.base import Given
from transformers.form_to_dicom import FormToDicom
from transformers.form_to_hl7 import FormToHl7
from transformers.mapping_check import check_mapping
from transformers.mapping_file import show
from transformers.mapping_site import load_site
from transformers.mapping_tests import run_tests

STUDY = "1.2.826.0.1.3680043.9.7.77"


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """A site that sends clinical forms as DICOM: one line of a table, and a station."""
    folder = shutil.copytree(form_kit.SITE, tmp_path_factory.mktemp("site") / "mappings")
    shutil.copy(folder / "examples/clinical-form-to-dicom.yaml", folder)
    edit(folder / "tables/documents.csv", "CLINICAL,study,CLINICAL,MDM", "CLINICAL,study,CLINICAL,DICOM")
    station = "  powerserver-dicom: { ae_title: POWERSERVER, host: 127.0.0.1, port: 104 }\n"
    edit(folder / "site.yaml", "stations:\n", f"stations:\n{station}")
    return folder


@pytest.fixture(scope="module")
def checked(site):
    return check_mapping(site / "clinical-form-to-dicom.yaml", load_site(site, {}, kinds()))


def document(**changes):
    found = form_kit.bundle("clinical", **changes)
    order = form_kit.resource(found, "ServiceRequest")
    order["identifier"].append({"system": "urn:dicom:uid", "value": f"urn:oid:{STUDY}"})
    return found


@pytest.fixture(scope="module")
def instance(checked):
    transformer = FormToDicom(json.loads(json.dumps(checked.plan)))
    parsed = transformer.check(form_kit.body(document()))
    (admission,) = transformer.admit(parsed)
    given = Given(
        now=datetime(2025, 11, 20, 18, 30, tzinfo=UTC), control_id="A1", destination="powerserver",
        focus=admission.focus, values={"change": "new", "version": "1", "document": "qr-10.v1"},
    )  # fmt: skip
    return transformer.transform(parsed, given).encoded


def test_the_example_has_no_problem_and_passes_its_tests(checked, site):
    assert [show(problem, checked.source) for problem in checked.problems] == []
    assert {one.name: one.differences for one in run_tests(checked, site) if not one.passed} == {}


def test_the_line_of_the_table_takes_the_kind_from_the_other_channel(site):
    mdm = check_mapping(site / "form-to-document-viewer.yaml", load_site(site, {}, kinds()))
    body = form_kit.body(document())
    transformer = FormToHl7(mdm.plan)

    assert list(transformer.admit(transformer.check(body))) == []


def test_a_form_that_nobody_knows_is_taken_by_one_channel_and_parked_there(checked, site):
    mdm = check_mapping(site / "form-to-document-viewer.yaml", load_site(site, {}, kinds()))
    body = form_kit.body(document(questionnaire="https://example.org/Questionnaire/ct-safety|9"))
    taken = {
        transformer: list(transformer.admit(transformer.check(body)))
        for transformer in (FormToHl7(mdm.plan), FormToDicom(checked.plan))
    }
    transformer, other = taken
    (admission,) = taken[transformer]
    given = Given(
        now=datetime(2025, 11, 20, tzinfo=UTC), control_id="A1", destination="powerserver", focus=admission.focus,
        values={"change": "new", "version": "1", "document": "qr-10.v1"},
    )  # fmt: skip

    assert taken[other] == []
    with pytest.raises(Problems, match="FORM_UNKNOWN"):
        transformer.transform(transformer.check(body), given)


def test_dciodvfy_finds_no_error(instance, tmp_path):
    path = tmp_path / "form.dcm"
    path.write_bytes(instance)
    said = subprocess.run([command("dciodvfy"), path], capture_output=True, text=True, check=False).stderr

    assert "EncapsulatedPDF" in said
    assert [line for line in said.splitlines() if line.startswith("Error")] == []


def test_dcm2pdf_gives_back_the_exact_bytes(instance, tmp_path):
    (tmp_path / "form.dcm").write_bytes(instance)
    subprocess.run([command("dcm2pdf"), tmp_path / "form.dcm", tmp_path / "form.pdf"], check=True)
    data = pydicom.dcmread(io.BytesIO(instance))
    pdf = data.EncapsulatedDocument[: data.EncapsulatedDocumentLength]

    assert (tmp_path / "form.pdf").read_bytes() == pdf
    assert data.EncapsulatedDocumentLength in (len(data.EncapsulatedDocument), len(data.EncapsulatedDocument) - 1)
    assert "Iodo – reação leve" in pdf_kit.text_of(pdf)


def test_the_same_version_is_the_same_instance(checked, instance):
    data = pydicom.dcmread(io.BytesIO(instance))

    assert data.SOPInstanceUID.startswith("2.25.")
    assert (data.StudyInstanceUID, str(data.PatientName)) == (STUDY, "Conceição^José^da Silva")
    assert data.file_meta.MediaStorageSOPInstanceUID == data.SOPInstanceUID


async def store(peer, instance):
    sender = DicomSender(ae_title=peer.ae_title, host="127.0.0.1", port=peer.port)
    try:
        await sender.open()
        return await sender.send(instance, "A1")
    finally:
        await sender.close()


def test_orthanc_receives_it(instance, tmp_path):
    with orthanc(tmp_path / "orthanc", ae_title=POWERSERVER) as peer:
        reply = asyncio.run(store(peer, instance))
        again = asyncio.run(store(peer, instance))
        held = peer.instances()

    assert reply.event is again.event is Event.ACCEPTED
    assert held == {str(pydicom.dcmread(io.BytesIO(instance)).SOPInstanceUID)}


def test_storescp_receives_it_and_keeps_the_pdf(instance, tmp_path):
    with storescp(tmp_path / "scp") as peer:
        reply = asyncio.run(store(peer, instance))
        (path,) = peer.instances()

    assert reply.event is Event.ACCEPTED
    assert pydicom.dcmread(path).EncapsulatedDocument == pydicom.dcmread(io.BytesIO(instance)).EncapsulatedDocument
