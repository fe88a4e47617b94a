"""Forms from Blume's door to PowerServer's document viewer, on a running host: one live document, whatever comes."""

import itertools
import json

import pytest

from simulators.document_viewer import DOCUMENTS, PATIENT_DOCUMENTS, DocumentViewer
from tests.cli.console_script import wait_until
from tests.forms import form_kit, pdf_kit

_numbers = itertools.count(1)


@pytest.fixture
def name():
    """The form's own identifier: each test has its own, and its own patient."""
    return f"qr-{next(_numbers)}00"


def of(name, document):
    """Give a form its name and its patient."""
    response = form_kit.resource(document, "QuestionnaireResponse")
    response["identifier"]["value"] = name
    form_kit.resource(document, "Patient")["identifier"][0]["value"] = name.removeprefix("qr-")
    return form_kit.body(document)


def submit(host, name, document, ends="SENT"):
    """Send a form; return the reason once its delivery has come to a status."""
    message = host.book(of(name, document))
    wait_until(lambda: host.status_of(message) == ends, f"the form is {ends}")
    return form_kit.reason_of(host, message)


def version(name, number, **changes):
    return json.loads(form_kit.version(number, **changes))


def viewer(powerserver):
    return DocumentViewer(received.payload for received in powerserver.received)


def test_a_registration_form_stands_under_patient_documents_with_every_answer(host, powerserver, name, tmp_path):
    submit(host, name, form_kit.bundle("registration"))

    (document,) = [one for one in viewer(powerserver).live(PATIENT_DOCUMENTS) if one.number == f"{name}.v1"]
    text = pdf_kit.text_of(document.pdf)
    assert (document.type, document.study, document.patient) == ("REGISTRATION", "", name.removeprefix("qr-"))
    for answer in ("Maria da Conceição", "+55 11 98888-0000", "Português", "Sim", "José da Silva Conceição"):
        assert answer in text
    assert pdf_kit.is_sound(document.pdf, tmp_path)


def test_a_clinical_form_stands_under_documents_with_its_study(host, powerserver, name):
    submit(host, name, form_kit.bundle("clinical"))

    (document,) = [one for one in viewer(powerserver).live(DOCUMENTS) if one.number == f"{name}.v1"]
    assert (document.type, document.study) == ("CLINICAL", "sr-55")
    assert "Iodo – reação leve" in pdf_kit.text_of(document.pdf)


def test_a_form_that_is_answered_again_takes_the_place_of_the_document_before_it(host, powerserver, name):
    submit(host, name, version(name, 1))
    submit(host, name, version(name, 2))

    seen = viewer(powerserver)
    assert seen.versions(name) == [(f"{name}.v1", "obsolete"), (f"{name}.v2", "live")]
    assert "Iodo, versão 2" in pdf_kit.text_of(seen.live()[-1].pdf)


def test_a_version_that_comes_late_is_superseded(host, powerserver, name):
    submit(host, name, version(name, 2))
    reason = submit(host, name, version(name, 1), ends="FILTERED")

    assert viewer(powerserver).versions(name) == [(f"{name}.v2", "live")]
    assert "superseded" in reason


def test_the_same_version_in_another_envelope_is_not_sent_twice(host, powerserver, name):
    submit(host, name, version(name, 1))
    again = version(name, 1)
    again["entry"].reverse()
    submit(host, name, again, ends="FILTERED")

    assert viewer(powerserver).versions(name) == [(f"{name}.v1", "live")]


def test_a_form_without_versions_is_told_apart_by_when_it_was_answered(host, powerserver, name):
    first, second = version(name, 1), version(name, 2, minute=40)
    for document in (first, second):
        del form_kit.resource(document, "QuestionnaireResponse")["meta"]
    submit(host, name, second)
    submit(host, name, first, ends="FILTERED")
    third = version(name, 3, minute=50)
    del form_kit.resource(third, "QuestionnaireResponse")["meta"]
    submit(host, name, third)

    assert viewer(powerserver).versions(name) == [(f"{name}.v1", "obsolete"), (f"{name}.v2", "live")]


def test_a_form_that_was_entered_in_error_leaves_no_live_document(host, powerserver, name):
    submit(host, name, version(name, 1))
    submit(host, name, version(name, 2, status="entered-in-error"))
    submit(host, name, version(name, 1, minute=20), ends="FILTERED")

    assert viewer(powerserver).versions(name) == [(f"{name}.v1", "cancelled")]


def test_what_powerserver_never_had_is_not_withdrawn_and_does_not_come_later(host, powerserver, name):
    submit(host, name, version(name, 2, status="entered-in-error"), ends="FILTERED")
    submit(host, name, version(name, 1), ends="FILTERED")

    assert viewer(powerserver).versions(name) == []


def test_a_resend_of_the_same_bytes_gives_the_same_answer_and_no_second_document(host, powerserver, name):
    body = of(name, version(name, 1))
    message = host.book(body)
    wait_until(lambda: host.status_of(message) == "SENT", "the form is sent")

    assert host.book(body) == message
    assert viewer(powerserver).versions(name) == [(f"{name}.v1", "live")]


def test_a_send_without_an_answer_is_made_again_and_leaves_one_document(host, powerserver, name):
    powerserver.add("hang up")
    submit(host, name, version(name, 1))
    sent = [one.payload for one in powerserver.received if f"{name}.v1^".encode() in one.payload]

    assert len(sent) == 2
    assert sent[0] == sent[1]
    assert viewer(powerserver).versions(name) == [(f"{name}.v1", "live")]


def test_a_form_that_is_not_whole_is_parked_with_the_questions_that_are_missing(host, powerserver, name):
    document = version(name, 1)
    del form_kit.resource(document, "QuestionnaireResponse")["item"][0]
    reason = submit(host, name, document, ends="ERROR")

    assert "FORM_INCOMPLETE" in reason
    assert "not answered: 1" in reason
    assert viewer(powerserver).versions(name) == []


def test_an_addendum_stands_beside_the_form_that_it_adds_to(host, powerserver, name):
    submit(host, name, form_kit.bundle("registration"))
    addition = form_kit.bundle("registration", extension=[{"url": "urn:blume:form-adds-to", "valueString": name}])
    other = f"{name}a"
    submit(host, other, addition)

    seen = viewer(powerserver)
    assert seen.versions(name) == [(f"{name}.v1", "live")]
    assert [(one.state, one.parent) for one in seen.documents if one.number == f"{other}.v1"] == [
        ("live", f"{name}.v1")
    ]
    assert seen.astray == []


def test_a_clinical_form_waits_for_its_appointment_and_says_so(host, powerserver, name):
    document = version(name, 1)
    order = form_kit.resource(document, "ServiceRequest")
    order["identifier"] = [{**order["identifier"][0], "value": f"sr-{name}"}]
    form_kit.resource(document, "QuestionnaireResponse")["authored"] = "2099-01-01T00:00:00Z"
    message = host.book(of(name, document))
    wait_until(lambda: "waits for its study" in form_kit.reason_of(host, message), "the reason is shown")
    assert viewer(powerserver).versions(name) == []

    booking = json.loads((form_kit.SAMPLES / "appointment-request.json").read_bytes())
    form_kit.resource(booking, "ServiceRequest")["identifier"][0]["value"] = f"sr-{name}"
    form_kit.resource(booking, "Appointment")["identifier"][0]["value"] = f"appt-{name}"
    host.book(form_kit.body(booking))

    wait_until(lambda: host.status_of(message) == "SENT", "the form has gone", within=30)
    assert viewer(powerserver).versions(name) == [(f"{name}.v1", "live")]


def test_the_pages_are_made_in_the_process_for_heavy_work(host):
    assert set(host.pids()) == {"intake", "lanes", "console", "work"}
