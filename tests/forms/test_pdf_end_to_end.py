"""PDF forms from Blume's door to PowerServer's document viewer, on a running host; and what a replay says of forms."""

import base64
import shutil

from simulators.document_viewer import PATIENT_DOCUMENTS, DocumentViewer
from tests.cli.console_script import edit, wait_until
from tests.forms import form_kit, hostile, pdf_kit

NAME = "José Conceição Müller"


def choice(name, *codes):
    options = [{"valueCoding": {"code": code, "display": code.upper()}} for code in codes]
    return {"linkId": name, "type": "choice", "text": name, "answerOption": options}


def coded(name, code):
    return {"linkId": name, "answer": [{"valueCoding": {"code": code}}]}


def submitted(name, pdf, answers):
    """Return a registration form of three questions, with a PDF beside it."""
    document = form_kit.bundle("registration", item=answers or None)
    form_kit.resource(document, "Questionnaire")["item"] = [
        {"linkId": "name", "type": "string", "text": "Nome"}, choice("allergy", "yes", "no"), choice("language", "en"),
    ]  # fmt: skip
    response = form_kit.resource(document, "QuestionnaireResponse")
    response["identifier"]["value"] = name
    form_kit.resource(document, "Patient")["identifier"][0]["value"] = name.removeprefix("qr-")
    binary = {
        "resourceType": "Binary", "contentType": "application/pdf", "data": base64.b64encode(pdf).decode(),
    }  # fmt: skip
    entry = {"fullUrl": "urn:uuid:4f3f2c1e-0000-4000-8000-000000000001", "resource": binary}
    document["entry"].append({**entry, "request": {"method": "POST", "url": "Binary"}})
    return form_kit.body(document)


ANSWERS = [{"linkId": "name", "answer": [{"valueString": NAME}]}, coded("allergy", "no"), coded("language", "en")]


def live(powerserver, number):
    documents = DocumentViewer(one.payload for one in powerserver.received).live(PATIENT_DOCUMENTS)
    (document,) = [one for one in documents if one.number == number]
    return document


def test_a_pdf_form_is_filled_in_and_stands_flat_in_the_document_viewer(host, powerserver, tmp_path):
    form_kit.sent(host, submitted("qr-901", pdf_kit.by_hand(), ANSWERS))

    pdf = live(powerserver, "qr-901.v1").pdf
    assert NAME in pdf_kit.text_of(pdf)
    assert "English" in pdf_kit.text_of(pdf)
    assert pdf_kit.is_sound(pdf, tmp_path)
    assert [word for word in hostile.ACTIVE if word in pdf] == []


def test_a_pdf_that_blume_has_finished_goes_without_its_scripts(host, powerserver):
    source = pdf_kit.by_hand(catalog="/OpenAction << /Type /Action /S /JavaScript /JS (app.alert(1)) >>")
    form_kit.sent(host, submitted("qr-902", source, []))

    pdf = live(powerserver, "qr-902.v1").pdf
    assert pdf.startswith(b"%PDF-")
    assert [word for word in hostile.ACTIVE if word in pdf] == []


def test_a_pdf_form_without_a_field_for_an_answer_is_parked(host):
    answers = [{"linkId": "name", "answer": [{"valueString": NAME}]}]
    message = host.book(submitted("qr-903", pdf_kit.by_hand().replace(b"(name)", b"(naam)"), answers))
    wait_until(lambda: host.status_of(message) == "ERROR", "the form is parked")

    assert "PDF_FIELD_UNKNOWN" in form_kit.reason_of(host, message)
    assert NAME not in form_kit.reason_of(host, message)


def test_a_replay_makes_the_same_documents_and_tells_what_a_change_would_do(host):
    form_kit.sent(host, form_kit.version(1))
    same = host.command("replay", "form-to-document-viewer", "--with", host.site / form_kit.MAPPING, "--json")

    changed = shutil.copy(host.site / form_kit.MAPPING, host.site / "changed.yaml")
    edit(changed, "TXA-18: { value: U }", "TXA-18: { value: R }")
    other = host.command("replay", "form-to-document-viewer", "--with", changed, "--json")

    assert (same.code, same.json["different"], same.json["new_errors"]) == (0, 0, 0)
    assert same.json["same"] >= 1
    assert other.code == 1
    assert [field["path"] for field in other.json["fields"]] == ["TXA-18"]
