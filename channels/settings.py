"""A connector's settings are its dataclass fields: checked, converted and explained from them."""

from __future__ import annotations

import dataclasses
import difflib
import functools
import types
import typing
from collections.abc import Mapping
from typing import Any

from channels import registry

_WORDS = {
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    str: "text",
    tuple: "a list of texts",
    dict: "settings by name",
}


def mistakes(cls: type, settings: Mapping[str, object]) -> list[tuple[str | None, str, str | None]]:
    """Return what is wrong with the settings for `cls`: (setting, text, hint); setting None where one is missing."""
    fields = {field.name: field for field in dataclasses.fields(cls) if field.init}
    hints = _hints(cls)
    found: list[tuple[str | None, str, str | None]] = []
    for name, value in settings.items():
        if name not in fields:
            near = difflib.get_close_matches(name, fields, 1)
            hint = f"did you mean '{near[0]}'?" if near else f"it has: {', '.join(fields)}"
            found.append((name, f"{cls.__name__} has no setting '{name}'", hint))
            continue
        if fields[name].metadata.get("secret") and value is not None and not _is_reference(value):
            # The text never shows what stands there: it may be the secret itself.
            found.append((name, f"{name} must be a reference such as ${{secret:NAME}}, not the secret", None))
            continue
        try:
            converted = _convert(value, hints[name])
        except ValueError as error:
            found.append((name, f"{name} must be {error}, not {value!r}", _help(fields[name])))
            continue
        found += _nested(name, converted, fields[name])
    for name, field in fields.items():
        if name not in settings and _is_required(field):
            found.append((None, f"{name} is missing: {_help(field) or 'it has no default'}", None))
    if not found:
        try:
            build(cls, settings)
        except ValueError as error:
            found.append((None, str(error), None))
    return found


def _nested(name: str, value: Any, field: dataclasses.Field[Any]) -> list[tuple[str | None, str, str | None]]:
    """Check a setting that holds the settings of another connector (`of`), or of several by name (`each_of`)."""
    if value is None:
        return []
    if "of" in field.metadata:
        parts = {name: value}
        connector = field.metadata["of"]
    elif "each_of" in field.metadata:
        parts = {f"{name}.{key}": part for key, part in value.items()}
        connector = field.metadata["each_of"]
    else:
        return []
    found: list[tuple[str | None, str, str | None]] = []
    for where, part in parts.items():
        if not isinstance(part, Mapping):
            found.append((name, f"{where} must be {_WORDS[dict]}", _help(field)))
            continue
        cls = registry.load("connector", connector)
        found += [(name, f"{where}: {text}", hint) for _, text, hint in mistakes(cls, part)]
    return found


def build(cls: type, settings: Mapping[str, object]) -> Any:
    """Return an instance of `cls` from settings in which `mistakes` finds none."""
    hints = _hints(cls)
    return cls(**{name: _convert(value, hints[name]) for name, value in settings.items()})


@functools.cache
def _hints(cls: type) -> dict[str, Any]:
    """Return the types of a connector's settings; a site has many channels and few connectors."""
    return typing.get_type_hints(cls)


def _is_reference(value: object) -> bool:
    return isinstance(value, str) and value.startswith("${secret:") and value.endswith("}")


def _is_required(field: dataclasses.Field[Any]) -> bool:
    return field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING


def _help(field: dataclasses.Field[Any]) -> str | None:
    text: str | None = field.metadata.get("help")
    return text


def _convert(value: object, kind: Any) -> object:
    """Return the value as `kind`; numbers may come as text, because the environment knows only text."""
    if isinstance(kind, types.UnionType) or typing.get_origin(kind) is typing.Union:
        options = typing.get_args(kind)
        if value is None and type(None) in options:
            return None
        return _convert(value, next(option for option in options if option is not type(None)))
    if typing.get_origin(kind) is tuple:
        if isinstance(value, list | tuple) and all(isinstance(item, str) for item in value):
            return tuple(value)
        raise ValueError(_WORDS[tuple])
    if typing.get_origin(kind) is dict:
        if isinstance(value, Mapping):
            return dict(value)
        raise ValueError(_WORDS[dict])
    if typing.get_origin(kind) is typing.Literal:
        if value in typing.get_args(kind):
            return value
        raise ValueError("one of " + ", ".join(map(str, typing.get_args(kind))))
    return _convert_plain(value, kind)


def _convert_plain(value: object, kind: Any) -> object:
    if kind is bool:
        if isinstance(value, bool):
            return value
        if value in {"true", "false"}:
            return value == "true"
    elif kind in {int, float}:
        if isinstance(value, int | float) and not isinstance(value, bool) and (kind is float or value == int(value)):
            return kind(value)
        if isinstance(value, str):
            try:
                return kind(value)
            except ValueError:
                pass  # the sentence below says it
    elif isinstance(value, kind):
        return value
    raise ValueError(_WORDS.get(kind, kind.__name__))
