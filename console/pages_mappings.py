"""Mappings as their specification: every field, whence it comes, what the tests say, and what no test touches."""

from __future__ import annotations

import time
from http import HTTPStatus
from typing import Any

from flask import Blueprint, Response, abort, jsonify, render_template
from flask_babel import gettext as _

from console.access import needs
from console.desk import desk
from console.works import CannotTell
from store import directory

pages = Blueprint("mappings", __name__)

#: Seconds for which what was found out is shown again: a check and its tests take two or three.
KEPT_FOR = 30.0


@pages.get("/mappings")
@needs("analyst")
def page() -> str:
    """List the mappings."""
    return render_template("mappings.html", channels=_channels())


@pages.get("/mappings.json")
@needs("analyst")
def page_json() -> Response:
    """Return the mappings."""
    return jsonify(
        schema=1,
        mappings=[
            {"channel": row.name, "title": row.title, "revision": row.revision, "problem": row.problem}
            for row in _channels()
        ],
    )


def _channels() -> list[directory.ChannelRow]:
    with desk().reader.snapshot() as connection:
        return directory.channels(connection)


@pages.get("/mappings/<name>")
@needs("analyst")
def mapping(name: str) -> str:
    """Show one mapping as its specification, with its tests."""
    return render_template("mapping.html", **_found(name))


@pages.get("/mappings/<name>.json")
@needs("analyst")
def mapping_json(name: str) -> Response:
    """Return one mapping as its specification, with its tests."""
    found = _found(name)
    return jsonify(schema=1, specification=found["spec"], tests=found["tests"], problem=found["problem"])


def _found(name: str) -> dict[str, Any]:
    row = next((row for row in _channels() if row.name == name), None)
    if row is None:
        abort(HTTPStatus.NOT_FOUND, _("There is no channel of this name."))
    kept = desk().found_out.get(name)
    if kept is None or kept[0] < time.monotonic():
        kept = (time.monotonic() + KEPT_FOR, _find_out(name))
        desk().found_out[name] = kept
    return {"channel": row, **kept[1]}


def _find_out(name: str) -> dict[str, Any]:
    found: dict[str, Any] = {"spec": None, "tests": None, "problem": None}
    try:
        found["tests"] = desk().works.tests(name)
        found["spec"] = desk().works.specification(name)
    except CannotTell as error:
        found["problem"] = str(error)
    return found
