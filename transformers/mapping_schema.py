"""JSON Schemas of mapping files and of site.yaml, for completion and first aid in editors. `check` sees far more."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from transformers.dicom_formats import DICOM_FORMATS
from transformers.fhir_formats import FHIR_FORMATS
from transformers.formats import FORMATS
from transformers.mapping_check import DIRECTIONS, USUAL
from transformers.mapping_model import Fragment
from transformers.resource_model import SyncFile
from transformers.site_model import SiteFile

#: Kinds of file. A mapping's words depend on its transformer.
KINDS = ("mapping", "fragment", "site", "resource-sync")
_OTHERS: Mapping[str, type[BaseModel]] = {"fragment": Fragment, "site": SiteFile, "resource-sync": SyncFile}
_NAME = {"type": "string", "pattern": r"^fragments/.+\.yaml$"}
_USE = {"anyOf": [_NAME, {"type": "array", "items": _NAME}], "description": "fragments whose lines stand here"}
_DIALECT = "http://json-schema.org/draft-07/schema#"


def json_schema(kind: str = "mapping") -> dict[str, Any]:
    """Return the JSON Schema (draft 7, which all editors know) of a kind of file; KeyError for no such kind.

    A file names it in its first line: `# yaml-language-server: $schema=mapping.schema.json`.
    """
    if kind != "mapping":
        schema: dict[str, Any] = _OTHERS[kind].model_json_schema(by_alias=True, ref_template="#/definitions/{model}")
        schema["definitions"] = schema.pop("$defs", {})
    else:
        schema = _by_transformer()
    seen: dict[str, Any] = _as_editors_see(schema, variables=kind == "site")
    return {"$schema": _DIALECT, **seen}


def _by_transformer() -> dict[str, Any]:
    """Return the schema of mapping files: which words a file has, its transformer says."""
    models = {name: direction.model for name, direction in DIRECTIONS.items()}
    ways, found = models_json_schema(
        [(model, "validation") for model in models.values()], by_alias=True, ref_template="#/definitions/{model}"
    )
    schema: dict[str, Any] = ways[models[USUAL], "validation"]
    for name, model in models.items():
        if name != USUAL:
            named = {"properties": {"transformer": {"const": name}}, "required": ["transformer"]}
            schema = {"if": named, "then": ways[model, "validation"], "else": schema}
    return {"title": "Mapping", "type": "object", "definitions": found["$defs"], **schema}


def _as_editors_see(schema: Any, *, variables: bool) -> Any:
    """Editors type `1` and `true` as YAML does; we read them as text. In site.yaml a variable may stand for a value."""
    if isinstance(schema, list):
        return [_as_editors_see(item, variables=variables) for item in schema]
    if not isinstance(schema, dict):
        return schema
    single = _single(schema, variables=variables)
    if single is not None:
        return single | _described(schema)
    found = {key: _as_editors_see(value, variables=variables) for key, value in schema.items()}
    if "oneOf" in found:
        # What is told apart by its words; a text and a rule are never both.
        found["anyOf"] = found.pop("oneOf")
        found.pop("discriminator", None)
    if "enum" not in found.get("properties", {}).get("as", {"enum": ()}):
        format_: dict[str, Any] = {"enum": sorted({*FORMATS, *FHIR_FORMATS, *DICOM_FORMATS})}
        options = {"type": "object", "properties": {"format": format_}, "required": ["format"]}
        found["properties"]["as"] = {"anyOf": [format_, options]} | _described(found["properties"]["as"])
    map_ = found.get("properties", {}).get("map")
    for variant in map_.get("anyOf", [map_]) if map_ else ():
        if isinstance(variant.get("additionalProperties"), dict):
            variant["properties"] = {"use": _USE}
    return found


def _single(schema: dict[str, Any], *, variables: bool) -> dict[str, Any] | None:
    """Return how editors see a single value; None for what has parts, or is as they see it."""
    if schema.get("const") in ("1", "true"):
        return {"enum": [1, "1"] if schema["const"] == "1" else [True, "true"]}
    if schema.get("enum") == ["true", "false"]:
        return {"enum": [True, False]}
    if schema.get("type") == "string" and "pattern" not in schema and "enum" not in schema:
        return schema | {"type": ["string", "number", "boolean"]}
    if schema.get("type") == "integer" and variables:
        bare = {key: value for key, value in schema.items() if key not in _described(schema)}
        return {"anyOf": [bare, {"type": "string", "pattern": r"^\$\{"}]}
    return None


def _described(schema: dict[str, Any]) -> dict[str, Any]:
    return {key: schema[key] for key in ("description", "title", "default") if key in schema}
