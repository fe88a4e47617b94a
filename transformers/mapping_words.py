"""What the models of analysts' files are made of: names, texts, lists of them, and parts that know their words.

A model's validator is built when it is first used: a command that reads no mapping need not wait for its words.
"""

from __future__ import annotations

from typing import Annotated, Any, ClassVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints, WithJsonSchema

Name = Annotated[str, StringConstraints(pattern=r"^[a-z][a-zA-Z0-9_]*$")]
#: Names of channels, destinations and stations.
Label = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9-]*$")]
Action = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]*$")]
Code = Annotated[str, StringConstraints(pattern=r"^[A-Z][A-Z0-9_]*$")]
Text = Annotated[str, StringConstraints(min_length=1)]


def _list(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


def _or_several(one: dict[str, Any]) -> WithJsonSchema:
    """Say to editors that a single text may stand for a list of one."""
    return WithJsonSchema({"anyOf": [one, {"type": "array", "items": one, "minItems": 1}]})


Paths = Annotated[
    list[Text], BeforeValidator(_list), Field(min_length=1), _or_several({"type": "string", "minLength": 1})
]
Actions = Annotated[
    list[Action], BeforeValidator(_list), Field(min_length=1), _or_several({"type": "string", "minLength": 1})
]


class Part(BaseModel):
    """A part of an analyst's file: a word that is not in it is a mistake."""

    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)
    #: Of a whole file: the parts that are told by a word on the way to a mistake, for "did you mean".
    PARTS: ClassVar[dict[str, type[Part]]] = {}


class OpenPart(Part):
    """A part that takes the settings of a connector, or the options of a format, besides."""

    model_config = ConfigDict(extra="allow")
