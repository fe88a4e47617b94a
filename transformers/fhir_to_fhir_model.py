"""The words of a mapping file that reads FHIR and writes FHIR: the left side of one direction, the right of the other.

Sources are FHIRPath, as in mappings to HL7; targets and destinations are those of mappings from HL7.
"""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Discriminator, Field, Tag

from transformers import hl7_mapping_model as inward
from transformers import mapping_model as common
from transformers.mapping_model import LetItem
from transformers.mapping_words import Label, Name, Part, Paths, Text


class Rule(inward.Rule):
    """What is written into one element."""

    from_: Paths | None = Field(default=None, alias="from", description="FHIRPath, or several: the first that gives")
    when: Paths | None = Field(default=None, description="actions of the route, or a FHIRPath that must be true")


class Block(inward.Block):
    """An element with rules of its own; with `[]` on its name, once for each thing of `for`."""

    for_: Text | None = Field(default=None, alias="for", description="FHIRPath; one item for each thing it gives")
    name: Name | None = Field(default=None, description="the thing's name in the rules inside: %name")
    when: Paths | None = Field(default=None, description="actions of the route, or a FHIRPath that must be true")
    map: dict[str, Target] = Field(min_length=1)  # type: ignore[assignment]  # of these rules and blocks


PerAction = dict[
    str,
    Annotated[Annotated[str, Tag("text")] | Annotated[Rule, Tag("rule")], Discriminator(inward.text_or_rule)],
]
Item = Annotated[Annotated[Rule, Tag("rule")] | Annotated[Block, Tag("block")], Discriminator(inward.kind_of)]
Target = Annotated[
    Annotated[Rule, Tag("rule")]
    | Annotated[Block, Tag("block")]
    | Annotated[list[Item], Tag("blocks")]
    | Annotated[PerAction, Tag("actions")],
    Discriminator(inward.kind_of),
]


class FhirMapping(Part):
    """A channel that reads FHIR and writes FHIR."""

    #: Models of its parts, for what mapping_shape says about unknown words.
    PARTS: ClassVar[dict[str, type[Part]]] = {
        "rule": Rule,
        "let rule": common.LetRule,
        "block": Block,
        "from": common.From,
        "destinations": inward.Destination,
        "retry": common.Retry,
        "after": common.After,
        "route": common.Route,
        "tests": common.Test,
    }

    version: Literal["1"]
    channel: Label
    title: Text
    kind: Label | None = None
    owner: str | None = None
    docs: str | None = None
    transformer: Literal["fhir-to-fhir"]
    facts: dict[Name, Paths] = Field(default={}, description="where the rules of its kind find what they look at")
    zone: LetItem | None = None
    from_: common.From = Field(alias="from")
    destinations: dict[Label, inward.Destination] = Field(min_length=1)
    order: Paths | None = None
    about: Text | None = None
    let: dict[Name, LetItem] = Field(default_factory=dict)
    index: dict[Name, Text] = Field(default_factory=dict)
    route: list[common.Route] = Field(min_length=1)
    map: dict[str, Target] = Field(min_length=1)
    tests: list[common.Test] = Field(default_factory=list)
