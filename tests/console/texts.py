"""Which texts the pages have: found in templates and code, to be held against the translations."""

from __future__ import annotations

from pathlib import Path

from babel.messages.extract import extract_from_dir

from .conftest import ROOT

CONSOLE = ROOT / "console"
KEYWORDS = {"_": None, "_l": None, "gettext": None, "ngettext": (1, 2), "lazy_gettext": None}


def visible_texts() -> dict[str | tuple[str, str], str]:
    """Return each text that is marked to be translated, with a place where it stands."""
    found: dict[str | tuple[str, str], str] = {}
    for path, line, text, _, _ in extract_from_dir(
        CONSOLE,
        method_map=[("**.py", "python"), ("templates/**.html", "jinja2.ext:babel_extract")],
        options_map={"templates/**.html": {"silent": "false", "trimmed": "true"}},
        keywords=KEYWORDS,
    ):
        found.setdefault(text, f"console/{Path(path)}:{line}")
    return found
