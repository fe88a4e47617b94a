"""A form whose Questionnaire Blume does not send: from the site's folder, or read once from OmegaAI."""

import json
import shutil
from datetime import UTC, datetime

import pytest

from host.site import kinds
from messages.problem import Problems
from simulators.document_viewer import DOCUMENTS, DocumentViewer
from tests.cli.console_script import edit, wait_until
from tests.forms import form_kit, pdf_kit
from transformers.base import Given
from transformers.form_to_hl7 import FormToHl7
from transformers.mapping_check import check_mapping
from transformers.mapping_site import load_site


def without_its_form(name):
    """Return a clinical form that names its Questionnaire and does not bring it, and that Questionnaire."""
    document = form_kit.bundle("clinical")
    form_kit.resource(document, "QuestionnaireResponse")["identifier"]["value"] = name
    form_kit.resource(document, "Patient")["identifier"][0]["value"] = name.removeprefix("qr-")
    form = form_kit.resource(document, "Questionnaire")
    document["entry"] = [entry for entry in document["entry"] if entry["resource"] is not form]
    return form_kit.body(document), form


@pytest.fixture
def site(tmp_path):
    return shutil.copytree(form_kit.SITE, tmp_path / "mappings")


def checked(site):
    return check_mapping(site / form_kit.MAPPING, load_site(site, {}, kinds()))


def searches(omegaai):
    return [one for one in omegaai.requests if "Questionnaire/_search" in one.target]


def test_a_questionnaire_is_read_once_from_omegaai_by_its_url_and_version(host, powerserver, omegaai):
    first, form = without_its_form("qr-801")
    omegaai.records.write({**form, "version": "1", "title": "an older version"})
    omegaai.records.write(form)
    before = len(searches(omegaai))
    form_kit.sent(host, first)
    asked = len(searches(omegaai))
    form_kit.sent(host, without_its_form("qr-802")[0])

    seen = DocumentViewer(received.payload for received in powerserver.received).live(DOCUMENTS)
    documents = {one.number: one for one in seen}
    assert {"qr-801.v1", "qr-802.v1"} <= documents.keys()
    assert "Questionário de segurança para TC" in pdf_kit.text_of(documents["qr-801.v1"].pdf)
    assert (asked, len(searches(omegaai))) == (before + 1, before + 1)


def test_a_questionnaire_that_omegaai_does_not_have_parks_its_form_and_a_later_one_lets_it_go(host, omegaai):
    body, form = without_its_form("qr-803")
    document = json.loads(body)
    form_kit.resource(document, "QuestionnaireResponse")["questionnaire"] = f"{form['url']}|3"
    message = host.book(form_kit.body(document))
    wait_until(lambda: host.status_of(message) == "ERROR", "the form is parked")
    assert "FORM_UNKNOWN" in form_kit.reason_of(host, message)

    omegaai.records.write({**form, "version": "3"})
    host.command("messages", "reprocess", message, "--reason", "published")
    wait_until(lambda: host.status_of(message) == "SENT", "the form is sent")


def test_a_form_waits_and_says_so_while_omegaai_does_not_answer(host, omegaai):
    body, form = without_its_form("qr-804")
    document = json.loads(body)
    form_kit.resource(document, "QuestionnaireResponse")["questionnaire"] = f"{form['url']}|4"
    omegaai.add("503 1")
    message = host.book(form_kit.body(document))

    wait_until(lambda: "omegaai does not give it" in form_kit.reason_of(host, message), "the reason is shown")
    assert host.status_of(message) == "RECEIVED"
    host.command("messages", "cancel", message, "--reason", "the test ends")


def test_a_station_that_is_not_there_and_one_that_is_no_fhir_server_are_told_by_the_check(site):
    edit(site / form_kit.MAPPING, form_kit.QUESTIONNAIRE, f"{form_kit.QUESTIONNAIRE}  read_from: omegai\n")

    assert [problem.code for problem in checked(site).problems] == ["E133"]


def folder_of(site, **changes):
    """Put the clinical Questionnaire into a folder of the site instead of the message; return the check."""
    _, form = without_its_form("qr-1")
    (site / "forms").mkdir()
    (site / "forms" / "ct-safety.json").write_text(json.dumps({**form, **changes}), "utf-8")
    edit(site / form_kit.MAPPING, form_kit.QUESTIONNAIRE, f"{form_kit.QUESTIONNAIRE}  forms: forms\n")
    return checked(site)


def transformer(check):
    assert check.plan is not None, check.problems
    return FormToHl7(json.loads(json.dumps(check.plan)))


def test_a_questionnaire_of_the_site_s_folder_stands_in_for_the_message_s(site):
    mapping = transformer(folder_of(site))
    document = mapping.check(without_its_form("qr-1")[0])

    assert form_kit.resource(document, "Questionnaire")["title"] == "Questionário de segurança para TC"
    assert mapping.admit(document)[0].facts["form"] == ("qr-1",)
    assert mapping.missing(document) == []


def test_another_version_of_the_site_s_folder_does_not(site):
    mapping = transformer(folder_of(site, version="1"))
    document = mapping.check(without_its_form("qr-1")[0])

    assert [entry for entry in document["entry"] if entry["resource"]["resourceType"] == "Questionnaire"] == []


def test_a_questionnaire_of_the_folder_without_a_version_is_refused_by_the_check(site):
    assert [problem.code for problem in folder_of(site, version="").problems] == ["E492"]


@pytest.mark.parametrize(("change", "learned"), [({}, True), ({"version": "9"}, False), ({"status": "odd"}, False)])
def test_what_is_read_must_be_the_form_that_was_asked_for_and_valid(site, change, learned):
    edit(site / form_kit.MAPPING, form_kit.QUESTIONNAIRE, f"{form_kit.QUESTIONNAIRE}  read_from: omegaai\n")
    mapping = transformer(checked(site))
    body, form = without_its_form("qr-1")
    canonical = f"{form['url']}|{form['version']}"

    assert mapping.missing(mapping.load(body)) == [canonical]
    assert mapping.learn(canonical, json.dumps({**form, **change}).encode()) is learned
    assert mapping.missing(mapping.load(body)) == ([] if learned else [canonical])


def test_a_form_that_turns_out_to_go_another_way_is_parked_and_not_sent_by_this_one(site):
    edit(site / "tables/documents.csv", "CLINICAL,study,CLINICAL,MDM", "CLINICAL,study,CLINICAL,DICOM")
    edit(site / form_kit.MAPPING, form_kit.QUESTIONNAIRE, f"{form_kit.QUESTIONNAIRE}  read_from: omegaai\n")
    mapping = transformer(checked(site))
    body, form = without_its_form("qr-1")
    (admission,) = mapping.admit(mapping.check(body))
    mapping.learn(f"{form['url']}|{form['version']}", json.dumps(form).encode())
    given = Given(
        now=datetime(2025, 11, 20, tzinfo=UTC), control_id="1", destination="powerserver", focus=admission.focus,
        values={"change": "new", "version": "1", "document": "qr-1.v1"},
    )  # fmt: skip

    with pytest.raises(Problems, match="FORM_KIND_UNKNOWN"):
        mapping.transform(mapping.load(body), given)
