"""Checks `document:` of a mapping file, and makes its part of the plan: how a form becomes a PDF."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from messages.problem import Problem, Problems
from transformers import fhir_mapping_check, fhir_validation, form_to_pdf
from transformers.fhir_path_types import Typed
from transformers.form_fonts import characters, font_files
from transformers.form_mapping_model import Document, FormDicomMapping, FormMapping
from transformers.mapping_desk import Desk, Where
from transformers.mapping_file import Steps, did_you_mean, safe_name
from transformers.mapping_lets import value
from transformers.mapping_model import LetItem, LetRule
from transformers.mapping_paths import Paths

#: What %pdf and %pdf_length give: the document as base64, only where a rule asks for it.
GIVES = {"pdf": Typed(frozenset({"base64Binary"}), 1, 1), "pdf_length": Typed(frozenset({"integer"}), 1, 1)}
_HERE: Steps = ("document",)
#: Beside texts, what a heading shows as it is: a name in the order in which it is spoken.
_SHOWN = frozenset({"HumanName"})


def plan(desk: Desk, mapping: FormMapping, left_out: set[Steps]) -> dict[str, Any]:
    """Return the plan of a mapping; what is wrong is noted at the desk."""
    return _plan(desk, mapping, left_out, fhir_mapping_check.writing)


def dicom_plan(desk: Desk, mapping: FormDicomMapping, left_out: set[Steps]) -> dict[str, Any]:
    """Return the plan of a mapping that writes DICOM; what is wrong is noted at the desk."""
    from transformers import dicom_mapping_check  # noqa: PLC0415  # pydicom only where a file writes DICOM

    return _plan(desk, mapping, left_out, dicom_mapping_check.writing)


def _plan(
    desk: Desk, mapping: Any, left_out: set[Steps], writing: Callable[[Desk, Paths, Any, set[Steps]], dict[str, Any]]
) -> dict[str, Any]:
    paths = fhir_mapping_check.names(desk, left_out)
    made = fhir_mapping_check.reading(desk, paths, mapping)
    if mapping.document.read_from:
        made["definitions"] = _definitions(desk, mapping.document.read_from)
    made["document"], files = document(desk, paths, mapping.document)
    paths.gives |= GIVES
    made |= writing(desk, paths, mapping, left_out)
    made["inputs"]["files"] = files
    return made


def _definitions(desk: Desk, station: str) -> dict[str, Any]:
    """Return where Questionnaires are read that a message does not bring (`channels.definitions`)."""
    settings = desk.site.stations.get(station)
    if settings is None:
        hint = did_you_mean(station, desk.site.stations) or f"stations are {', '.join(desk.site.stations)}"
        desk.add("E133", (*_HERE, "read_from"), f"site.yaml has no station '{station}'", hint)
    return {
        "connector": "fhir-definitions", "station": station, "settings": dict(settings or {}),
        "type": "Questionnaire",
    }  # fmt: skip


def document(desk: Desk, paths: Paths, part: Document) -> tuple[dict[str, Any], dict[str, str]]:
    """Return the plan of `document:`, and digests of the site's files that went in."""
    forms = _forms(desk, part.forms) if part.forms else {}
    template = _template(desk, part.template) if part.template else None
    heading = {}
    for name in part.heading:
        heading[name] = _value(paths, (*_HERE, "heading", name), name, part.heading[name])
    if part.form is None and not part.forms and part.read_from is None and part.pdf is None:
        text = "nothing says where the Questionnaire is"
        desk.add("E490", _HERE, text, "add form:, forms:, read_from: or pdf:", key=True)
    made = {
        "response": _path(paths, "response", part.response, "QuestionnaireResponse"),
        "form": part.form and _path(paths, "form", part.form, "Questionnaire"),
        "forms": {name: form for name, (form, _) in forms.items()},
        "pdf": part.pdf and _path(paths, "pdf", part.pdf, "base64Binary"),
        "fields": dict(part.fields),
        "read_from": part.read_from is not None,
        "language": part.language and _value(paths, (*_HERE, "language"), "language", part.language),
        "heading": heading,
        "template": template[0] if template else form_to_pdf.own_template(),
        "fonts": _fonts(desk, part),
        "families": part.fonts.families if part.fonts else [],
        "limits": {"size": part.limits.size, "pages": part.limits.pages},
    }
    files = {str(form["file"]): digest for form, digest in forms.values()}
    if part.template and template:
        files[part.template] = template[1]
    return made, files


def _path(paths: Paths, name: str, text: str, wanted: str) -> Any:
    """Return the tree of a path that must give one thing of a type."""
    where: Where = (*_HERE, name) if (*_HERE, name) in paths.desk.document else _HERE
    expression = paths.read(where, text)
    if expression is None:
        return None
    others = sorted(expression.gives.types - {wanted, "any"})
    if others:
        paths.desk.add("E121", where, f"{text} gives {' or '.join(others)}; a {wanted} is needed here")
    elif expression.gives.maximum is None or expression.gives.maximum > 1:
        paths.desk.add("E105", where, f"{text} may give several, and one is needed", "take one with .first()")
    return expression.tree


def _value(paths: Paths, where: Where, name: str, item: LetItem) -> Any:
    rule = item if isinstance(item, LetRule) else LetRule.model_validate({"from": item})
    made, gives = value(paths, where, name, rule)
    if gives is not None and any(kind[0].isupper() for kind in gives.types - _SHOWN):
        text = f"{' or '.join(sorted(gives.types))} is no text"
        paths.desk.add("E121", where, text, "name the part that is meant, such as .value, or a format")
    return made


def _inside(desk: Desk, where: Where, name: str) -> Path | None:
    """Return a path inside the site's folder; None with a problem noted."""
    if not all(safe_name(step) for step in name.split("/")):
        desk.add("E006", where, f"'{name}' is not a name inside the site's folder")
        return None
    path = desk.site.folder / name
    if not path.exists():
        desk.add("E491", where, f"there is no {name} in the site's folder")
        return None
    return path


def _forms(desk: Desk, name: str) -> dict[str, tuple[dict[str, Any], str]]:
    """Return the Questionnaires of a folder by their canonical, `url|version`."""
    where = (*_HERE, "forms")
    folder = _inside(desk, where, name)
    found: dict[str, tuple[dict[str, Any], str]] = {}
    for path in sorted(folder.glob("*.json")) if folder else ():
        body = path.read_bytes()
        form = _questionnaire(desk, where, f"{name}/{path.name}", body)
        if form is None:
            continue
        canonical = f"{form['url']}|{form['version']}"
        if canonical in found:
            desk.add("E492", where, f"{name}/{path.name} is the same form as {found[canonical][0]['file']}")
        digest = hashlib.sha256(body).hexdigest()
        found[canonical] = {"file": f"{name}/{path.name}", "form": form}, digest
    return found


def _questionnaire(desk: Desk, where: Where, name: str, body: bytes) -> dict[str, Any] | None:
    try:
        form: Any = json.loads(body)
        errors: Iterable[Problem] = [one for one in fhir_validation.validate(form) if one.severity == "error"]
    except (ValueError, Problems) as error:
        desk.add("E492", where, f"{name} is no FHIR JSON: {type(error).__name__}")
        return None
    for first in errors:
        desk.add("E492", where, f"{name}: {first.expression}: {first.text}")
        return None
    if form.get("resourceType") != "Questionnaire" or not form.get("url") or not form.get("version"):
        desk.add("E492", where, f"{name} is no Questionnaire with a url and a version")
        return None
    return dict(form)


def _template(desk: Desk, name: str) -> tuple[str, str] | None:
    where = (*_HERE, "template")
    path = _inside(desk, where, name)
    if path is None:
        return None
    body = path.read_bytes()
    source = body.decode("utf-8", "replace")
    if '"@' in source:
        desk.add("E493", where, f"{name} imports a package", "a page is set without the network: copy what is needed")
    return source, hashlib.sha256(body).hexdigest()


def _fonts(desk: Desk, part: Document) -> list[str]:
    if part.fonts is None:
        return []
    where = (*_HERE, "fonts", "folder")
    folder = _inside(desk, where, part.fonts.folder)
    if folder is None:
        return []
    files = [path for path in font_files([str(folder)]) if path.parent == folder]
    if not files:
        desk.add("E491", where, f"{part.fonts.folder} has no .ttf or .otf file")
    for path in files:
        try:
            characters(path)
        except ValueError as error:
            desk.add("E491", where, str(error))
    return [str(folder.resolve())]
