"""Help opens where it is about the page; an edited copy is sent; colours are chosen."""

from __future__ import annotations

import doctest
import re

import pytest

from channels.control import Control
from console import help as documents
from console.app import create_app
from console.works import CannotTell, NoWorks

from .conftest import SURNAME, asked_for, describe


class Works(NoWorks):
    def __init__(self) -> None:
        self.sent: list[tuple[str, bytes, str, str | None]] = []
        self.copy = ""

    def resend(self, message, body, *, by, reason):
        if b"resourceType" not in body:
            raise CannotTell("the copy is refused: this is not FHIR")
        self.sent.append((message, body, by, reason))
        return self.copy


@pytest.fixture
def works(site):
    found = Works()
    found.copy = site.ids["queued"]
    return found


@pytest.fixture
def app(site, works):
    app = create_app(
        site.folder, Control(site.store, site.ring), name="Clinic 01", open_to_all=True, describe=describe, works=works
    )
    yield app
    app.extensions["desk"].reader.close()


@pytest.mark.parametrize("part", sorted(set(documents.PARTS.values())))
def test_every_part_that_a_page_names_is_in_the_document(part):
    assert f' id="{part}">' in documents.html(documents.text())


def test_the_help_of_a_page_opens_where_it_is_about_that_page(client):
    assert 'data-help="/help#errors"' in client.get("/errors").text
    assert 'data-help="/help#one-channel"' in client.get("/channels/study-share").text
    assert '<h2 id="errors">' in client.get("/help").text


@pytest.mark.parametrize(
    ("markdown", "html"),
    [
        ("# A & B", '<h1 id="a-b">A &amp; B</h1>'),
        ("a **b** *c* `d **e** <f>` [g](h.md)", "<p>a <b>b</b> <i>c</i> <code>d **e** &lt;f&gt;</code> g</p>"),
        ("- a\n- b", "<ul><li>a\n</li><li>b</li></ul>"),
        (
            "| a |\n|---|\n| b |",
            '<table><thead><tr><th scope="col">a</th></tr></thead><tbody><tr><td>b</td></tr></tbody></table>',
        ),
        ("```\n<x> **y**\n```", '<pre class="code">&lt;x&gt; **y**</pre>'),
        ("<script>alert(1)</script>", "<p>&lt;script&gt;alert(1)&lt;/script&gt;</p>"),
    ],
)  # fmt: skip
def test_markdown_becomes_html_and_nothing_of_it_becomes_a_tag_by_itself(markdown, html):
    assert documents.html(markdown) == html


def test_a_copy_can_be_edited_only_once_the_body_was_asked_for(client, site):
    address = f"/messages/{site.ids['refused']}/edit"
    assert client.get(address).status_code == 403

    asked_for(client, site.ids["refused"])

    assert SURNAME in client.get(address).text
    assert SURNAME not in client.get(f"{address}.json").text


def test_an_edited_copy_is_sent_with_who_and_why_and_its_page_is_shown(client, csrf, site, works):
    asked_for(client, site.ids["refused"])
    address = f"/messages/{site.ids['refused']}/edit"
    form = {"csrf": csrf, "body": '{"resourceType":\r\n "Bundle"}', "reason": "typed wrong"}
    answer = client.post(address, data=form)

    assert answer.location == f"/messages/{works.copy}"
    assert works.sent == [
        (site.ids["refused"], b'{"resourceType":\n "Bundle"}', "somebody at the status page", "typed wrong")
    ]
    assert re.search(rf'href="/messages/{site.ids["refused"]}">The original', client.get(answer.location).text)


def test_a_copy_that_is_refused_stays_in_the_form_with_the_reason(client, csrf, site, works):
    asked_for(client, site.ids["refused"])
    form = {"csrf": csrf, "body": "MSH|^~\\&|", "reason": "typed wrong"}
    answer = client.post(f"/messages/{site.ids['refused']}/edit", data=form)

    assert answer.status_code == 422
    assert "the copy is refused: this is not FHIR" in answer.text
    assert "MSH|^~\\&amp;|" in answer.text
    assert works.sent == []


def test_a_form_with_a_message_may_be_large_and_no_other(client, csrf, site, works):
    asked_for(client, site.ids["refused"])
    large = '{"resourceType": "' + "x" * 200_000 + '"}'
    form = {"csrf": csrf, "body": large, "reason": "large"}

    assert client.post(f"/messages/{site.ids['refused']}/edit", data=form).status_code == 303
    assert client.post("/search", data={"q": large, "csrf": csrf}).status_code == 413


@pytest.mark.parametrize("theme", ["light", "dark", ""])
def test_colours_are_chosen_and_stay(client, csrf, theme):
    answer = client.post("/theme", data={"theme": theme, "back": "/errors", "csrf": csrf})

    assert answer.location == "/errors"
    assert ('data-theme="dark"' in client.get("/").text) == (theme == "dark")
    assert client.post("/theme", data={"theme": "pink", "csrf": csrf}).status_code == 400


def test_the_examples_in_the_docstrings_are_true():
    assert doctest.testmod(documents).failed == 0
