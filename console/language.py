"""In which language a page is. Every visible text is English in `_()`; `translations/` holds the other languages.

A language is a folder of .po files, read as they are when it is first asked for: nothing is compiled at build.
"""

from __future__ import annotations

import io
import threading
from http import HTTPStatus
from pathlib import Path
from typing import Any

from babel.lists import format_list
from babel.messages.catalog import Catalog
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from babel.support import NullTranslations, Translations
from flask import Blueprint, Flask, abort, redirect, request, session
from flask_babel import Babel, Domain, format_datetime, format_decimal, get_locale
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l

from console.access import for_anyone

#: As Babel names a language → its own name, for the switch.
LANGUAGES = {"en": "English", "pt_BR": "Português (Brasil)"}

#: "": as the system has it.
THEMES = {"": _l("Colours of the system"), "light": _l("Light"), "dark": _l("Dark")}

FOLDER = Path(__file__).parent / "translations"

pages = Blueprint("language", __name__)


def catalog(language: str) -> Catalog:
    """Return the texts of all .po files of a language as one."""
    whole = Catalog(locale=language)
    for path in sorted((FOLDER / language).glob("*.po")):
        with path.open("rb") as file:
            for message in read_po(file, locale=language):
                if message.id and message.string:
                    whole[message.id] = message
    return whole


class _Texts(Domain):  # type: ignore[misc]  # flask-babel has no types
    """The texts of each language, read once."""

    _turn = threading.Lock()

    def get_translations(self) -> NullTranslations:
        language = str(get_locale() or "en")
        with self._turn:
            if language not in self.cache:
                self.cache[language] = _read(language)
            found: NullTranslations = self.cache[language]
        return found


def _read(language: str) -> NullTranslations:
    if language == "en":
        return NullTranslations()
    compiled = io.BytesIO()
    write_mo(compiled, catalog(language))
    compiled.seek(0)
    return Translations(compiled)


def install(app: Flask) -> None:
    """Let pages be in the language of the person who reads them."""
    babel = Babel(app, locale_selector=language)
    babel.domain_instance = _Texts()
    app.register_blueprint(pages)
    app.jinja_env.filters.update(number=number, listed=listed)
    app.context_processor(
        lambda: {
            "lang": tag(language()),
            "languages": LANGUAGES,
            "language": language(),
            "themes": THEMES,
            "theme": session.get("theme", ""),
        }
    )


def language() -> str:
    """Return the language that was chosen, else the first that the browser asks for and we have."""
    chosen = session.get("language")
    if chosen in LANGUAGES:
        return str(chosen)
    wanted = request.accept_languages.best_match([tag(name) for name in LANGUAGES])
    return "en" if wanted is None else wanted.replace("-", "_")


def tag(language: str) -> str:
    """Return a language as HTML and HTTP name it (BCP 47).

    >>> tag("pt_BR")
    'pt-BR'
    """
    return language.replace("_", "-")


def number(n: float) -> str:
    """Return a number as the reader's language writes it."""
    return str(n) if isinstance(n, int) and -1000 < n < 1000 else str(format_decimal(n))


def listed(words: list[str]) -> str:
    """Return words as a list in a sentence."""
    return format_list([str(word) for word in words], locale=get_locale() or "en")


def day(local: Any) -> str:
    """Return a date without its year, short."""
    return str(format_datetime(local, "d MMM", rebase=False))


@pages.post("/language")
@for_anyone
def choose() -> Any:
    """Choose a language, and go back to where the person was."""
    wanted = request.form.get("language", "")
    if wanted not in LANGUAGES:
        abort(HTTPStatus.BAD_REQUEST, _("There is no such language."))
    session["language"] = wanted
    return redirect(way_back(request.form.get("back", "/")), HTTPStatus.SEE_OTHER)


@pages.post("/theme")
@for_anyone
def choose_theme() -> Any:
    """Choose light or dark, and go back to where the person was."""
    wanted = request.form.get("theme", "")
    if wanted not in THEMES:
        abort(HTTPStatus.BAD_REQUEST, _("There are no such colours."))
    session["theme"] = wanted
    return redirect(way_back(request.form.get("back", "/")), HTTPStatus.SEE_OTHER)


def way_back(address: str) -> str:
    """Return an address that a form brought, if it is a path of ours; what begins with `//` is other people's.

    >>> way_back("/messages?status=parked"), way_back("//evil.example/")
    ('/messages?status=parked', '/')
    """
    ours = address.startswith("/") and not address.startswith(("//", "/\\")) and address.isprintable()
    return address if ours else "/"
