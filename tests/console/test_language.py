"""Every text that a person sees is in both languages, and pages are in the one that the reader chose."""

from __future__ import annotations

import ast
import doctest
import re
from html.parser import HTMLParser

import pytest

from console import language, passwords

from .conftest import ROOT
from .texts import CONSOLE, visible_texts

TEXTS = visible_texts()
TEMPLATES = sorted((CONSOLE / "templates").glob("*.html"))
CODE = sorted(CONSOLE.glob("*.py"))

#: Words that stand in a template as they are, in every language: names, and units of the international system.
NAMES = {"Plugin", "host", "API", "FHIR", "HL7", "DICOM", "JSON", "CSV", "PDF", "TOTP"}

#: Attributes that a person sees or hears.
SEEN = {"aria-label", "title", "placeholder", "alt", "value", "label"}


def untranslated(texts, language_name: str) -> list[str]:
    """Return the texts that the language lacks, or whose placeholders or tags differ, with their places."""
    known = {message.id: message for message in language.catalog(language_name) if message.id}
    wrong = []
    for text, place in texts.items():
        message = known.get(text)
        if message is None or not all(_strings(message.string)) or message.fuzzy:
            wrong.append(f"{place}: {text}")
            continue
        wanted = _marks(_strings(text)[-1])
        if any(_marks(string) != wanted for string in _strings(message.string)[-1:]):
            wrong.append(f"{place}: other placeholders or tags: {message.string}")
    return wrong


def _strings(text) -> list[str]:
    return [text] if isinstance(text, str) else list(text)


def _marks(text: str) -> list[str]:
    return sorted(re.findall(r"%\(\w+\)s|</?\w+>", text))


def test_every_text_has_its_portuguese():
    assert untranslated(TEXTS, "pt_BR") == []


def test_a_text_without_portuguese_and_one_that_lost_a_placeholder_are_found(monkeypatch, tmp_path):
    (tmp_path / "pt").mkdir()
    (tmp_path / "pt" / "page.po").write_text('msgid "Sent to %(name)s"\nmsgstr "Enviada"\n', "utf-8")
    monkeypatch.setattr(language, "FOLDER", tmp_path)
    found = untranslated({"Retry": "a:1", "Sent to %(name)s": "b:2"}, "pt")

    assert [text.partition(" ")[0] for text in found] == ["a:1:", "b:2:"]


#: What these hold is the same in every language: commands, drawings.
SILENT = {"script", "style", "svg", "code"}


class _Plain(HTMLParser):
    """The words that stand in a page outside of tags and calls."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.words: list[str] = []
        self._silent = 0

    def handle_starttag(self, tag, attrs):
        self._silent += tag in SILENT
        hidden = tag in {"option", "button"} or ("type", "hidden") in attrs
        for name, value in attrs:
            if name in SEEN and not (name == "value" and hidden):
                self.words += _words(value or "")

    def handle_endtag(self, tag):
        self._silent -= tag in SILENT

    def handle_data(self, data):
        if not self._silent:
            self.words += _words(data)


def _words(text: str) -> list[str]:
    return [word for word in re.findall(r"[^\W\d_]{3,}", text) if word not in NAMES]


def plain_words(template: str) -> list[str]:
    """Return the words of a template that no call of `_()` gives."""
    page = _Plain()
    page.feed(re.sub(r"\{#.*?#\}|\{%.*?%\}|\{\{.*?\}\}", "", template, flags=re.DOTALL))
    return page.words


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: path.name)
def test_a_template_has_no_word_outside_of_a_translation(path):
    assert plain_words(path.read_text("utf-8")) == []


@pytest.mark.parametrize("wrong", ["<p>Stop now</p>", '<a title="Open it">{{ _("x") }}</a>', "<h1>{{ n }} files</h1>"])
def test_a_word_outside_of_a_translation_is_found(wrong):
    assert plain_words(wrong) != []


@pytest.mark.parametrize("path", CODE, ids=lambda path: path.name)
def test_what_the_code_refuses_with_is_in_the_readers_language(path):
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "abort":
            assert not any(isinstance(part, ast.Constant) for part in node.args[1:]), f"line {node.lineno}"


@pytest.mark.parametrize(
    ("asked", "given"),
    [("pt-BR,pt;q=0.9", "pt-BR"), ("pt", "pt-BR"), ("de, en;q=0.5", "en"), ("ja", "en"), ("", "en")],
)
def test_a_page_is_in_the_first_language_that_the_browser_asks_for_and_we_have(client, asked, given):
    page = client.get("/", headers={"Accept-Language": asked}).text

    assert f'<html lang="{given}">' in page
    assert ("Canais" in page) == (given == "pt-BR")


def test_a_language_is_chosen_and_stays_and_the_person_is_where_she_was(client, csrf):
    answer = client.post("/language", data={"language": "pt_BR", "back": "/messages?status=parked", "csrf": csrf})

    assert (answer.status_code, answer.location) == (303, "/messages?status=parked")
    assert '<html lang="pt-BR">' in client.get("/refused").text


@pytest.mark.parametrize("back", ["//evil.example", "/\\evil.example", "http://evil.example", "/a\r\nb", "\t//x", ""])
def test_the_way_back_leads_to_no_other_house(client, csrf, back):
    answer = client.post("/language", data={"language": "en", "back": back, "csrf": csrf})

    assert answer.location == "/"


def test_a_language_that_we_do_not_have_is_refused(client, csrf):
    assert client.post("/language", data={"language": "tlh", "csrf": csrf}).status_code == 400


def test_numbers_and_counts_are_in_the_readers_language(app):
    with app.test_request_context(headers={"Accept-Language": "pt-BR"}):
        assert language.number(1234567) == "1.234.567"
        assert language.listed(["a", "b", "c"]) == "a, b e c"


def test_the_wheel_holds_the_translations():
    assert list((ROOT / "console" / "translations" / "pt_BR").glob("*.po"))


@pytest.mark.parametrize("module", [passwords, language])
def test_the_examples_in_the_docstrings_are_true(module):
    assert doctest.testmod(module).failed == 0
