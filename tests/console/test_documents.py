"""The PDF of a form on its message's page: where it stands, which version, and who looked."""

from __future__ import annotations

import base64

import pytest

from messages.lifecycle import Event, Status
from store import audit

PDF = b"%PDF-1.7\n%a form\n%%EOF\n"
ORDER = "ORC|SC|sr-55^BLUME\rOBR|1|sr-55^BLUME||CT01\r"


def encoded(order: str = "") -> bytes:
    data = base64.b64encode(PDF).decode()
    return (
        f"MSH|^~\\&|BLUME|||||||MDM^T10^MDM_T02|A1|P|2.5.1\rPID|1||12345\r{order}"
        f"TXA|1|CLINICAL|AP|||||||||qr-10.v2^BLUME|qr-10.v1^BLUME||||AU\r"
        f"OBX|1|ED|74465-6||BLUME^application^pdf^Base64^{data}||||||F\r"
    ).encode()


@pytest.fixture
def form(site):
    """Make a message that carries a form; return its id."""
    site.deploy("forms", "Forms", powerserver="127.0.0.1:6661")

    def make(order: str = "") -> str:
        message, (delivery,) = site.receive("forms")
        step = (Status.RECEIVED, Event.MAPPED, {"encoded": encoded(order), "control_id": "A1", "action": "again"})
        site.move(delivery, step)
        return message

    return make


def show(client, message, csrf):
    client.post(f"/messages/{message}/read", data={"csrf": csrf, "reason": "a call of the ward"})
    return client.get(f"/messages/{message}").text


@pytest.mark.parametrize(("order", "section"), [("", "Patient Documents"), (ORDER, "Documents, under its study")])
def test_the_page_says_where_the_document_stands_and_which_version_it_is(client, form, csrf, order, section):
    page = show(client, form(order), csrf)

    for text in (section, "CLINICAL", "qr-10.v2", "qr-10.v1", "<iframe"):
        assert text in page


def test_before_somebody_asks_nothing_of_it_is_shown(client, form):
    message = form()

    assert "<iframe" not in client.get(f"/messages/{message}").text
    assert client.get(f"/messages/{message}/documents/1").status_code == 403


def test_the_pdf_may_do_nothing_and_who_looked_is_kept(client, site, form, csrf):
    message = form()
    show(client, message, csrf)
    answer = client.get(f"/messages/{message}/documents/1")

    assert (answer.status_code, answer.mimetype, answer.data) == (200, "application/pdf", PDF)
    assert answer.headers["Content-Security-Policy"] == "default-src 'none'; sandbox; frame-ancestors 'self'"
    assert answer.headers["Cache-Control"] == "no-store"
    assert message in answer.headers["Content-Disposition"]
    assert "message-viewed" in [entry.what for entry in audit.after(site.store.connection, 0)]


def test_there_is_no_document_where_none_was_sent(client, site, csrf):
    site.deploy("others", "Others", powerserver="127.0.0.1:6661")
    message = site.sent("others")
    page = show(client, message, csrf)

    assert "<iframe" not in page
    assert client.get(f"/messages/{message}/documents/1").status_code == 404
