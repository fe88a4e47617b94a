"""The words of a mapping file that reads HL7 and writes FHIR; mapping_model has what both directions share.

Decisions where a reader could doubt:

* A path means the first segment of its name in the message, or the one that the block's `for:` has; for a target with
  `[]` all of them. A field that repeats says which repetition (`PID-3[1]`), or goes to a target with `[]`.
* `when:` is an action of the route (or a list of them), or places with the values that they must have.
* HL7's null (`""`) removes an element of the resource itself; empty leaves what the server has.
* A list on the way to a target (`Appointment.cancelationReason.coding.code`) has one item, which all lines that name
  it share.
"""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

from pydantic import Discriminator, Field, Tag

from transformers import mapping_model as common
from transformers.mapping_model import Format, LetItem, Table
from transformers.mapping_words import Action, Actions, Code, Label, Name, OpenPart, Part, Paths, Text

Condition = Annotated[dict[str, Paths], Field(min_length=1)]
When = Annotated[
    Annotated[Actions, Tag("text")] | Annotated[Condition, Tag("condition")],
    Discriminator(lambda value: "condition" if isinstance(value, dict) else "text"),
]


class Rule(Part):
    """What is written into one element."""

    from_: Paths | None = Field(default=None, alias="from", description="an HL7 path or %name, or several: the first")
    value: Text | None = Field(default=None, description="this text")
    site: Text | None = Field(default=None, description="a value of site.yaml by name")
    table: Table | None = Field(default=None, description="`file.column`, a file for a format's systems, or the table")
    as_: Format | None = Field(default=None, alias="as", description="the format that makes FHIR of HL7")
    default: Text | None = Field(default=None, description="when the rule would give nothing")
    required: Literal["true", "false"] = Field(default="false", description="giving nothing is a problem")
    on_unmapped: Literal["error", "skip", "keep"] | None = Field(default=None, description="a code that no row has")
    code: Code | None = Field(default=None, description="business code of the problem, such as ISSUER_UNKNOWN")
    when: When | None = Field(default=None, description="actions of the route, or places and their values")
    note: str | None = Field(default=None, description="for the interface specification")


class Block(Part):
    """An element with rules of its own; with `[]` on its name, once for each thing of `for`."""

    for_: Text | None = Field(default=None, alias="for", description="what repeats: NTE, AIG, PID-3, RESOURCES")
    when: When | None = None
    required: Literal["true", "false"] = Field(default="false", description="nothing to repeat is a problem")
    code: Code | None = Field(default=None, description="business code of that problem")
    map: dict[str, Target] = Field(min_length=1)
    note: str | None = None


def text_or_rule(value: Any) -> str:
    """Return what stands there for one action: a text, or a rule."""
    return "text" if isinstance(value, str) else "rule"


RULE_WORDS = frozenset(field.alias or name for name, field in Rule.model_fields.items())


def kind_of(value: Any) -> str:
    """Return what stands at a target, by its words: a rule, a block, several, or a rule for each action."""
    if isinstance(value, Part):
        return {"Rule": "rule", "Block": "block"}[type(value).__name__]
    if isinstance(value, list):
        return "blocks"
    if not isinstance(value, dict) or not value:
        return "rule"
    if "map" in value or "for" in value:
        return "block"
    return "rule" if RULE_WORDS & (set(value) - {"note"}) else "actions"


PerAction = dict[
    str,
    Annotated[Annotated[str, Tag("text")] | Annotated[Rule, Tag("rule")], Discriminator(text_or_rule)],
]
Item = Annotated[Annotated[Rule, Tag("rule")] | Annotated[Block, Tag("block")], Discriminator(kind_of)]
Target = Annotated[
    Annotated[Rule, Tag("rule")]
    | Annotated[Block, Tag("block")]
    | Annotated[list[Item], Tag("blocks")]
    | Annotated[PerAction, Tag("actions")],
    Discriminator(kind_of),
]


class From(OpenPart):
    """Where messages come from. Further words override the station's settings."""

    connector: Label
    station: Label
    hl7: str = Field(default="2.5.1", description="the version whose paths the file names")
    accept: Paths = Field(description="the messages for this channel, such as SIU^S12; all of one structure")


class Destination(OpenPart):
    """A FHIR server. Further words override the station's settings."""

    connector: Label
    station: Label
    resource: Text = Field(description="type of the resource that is written, such as Appointment")
    find: dict[str, Paths] = Field(min_length=1, description="search parameter, and the names of let: that it takes")
    missing: Literal["create", "refuse"] | dict[Action, Literal["create", "refuse"]] = "create"
    join: dict[str, Paths] = Field(
        default_factory=dict, description="lists whose items are merged, and what tells items apart"
    )
    only_if: dict[str, Paths] = Field(
        default_factory=dict, description="element, and the values that the server may have there"
    )
    when_unanswered: Literal["resend", "hold"] = "resend"
    retry: common.Retry = common.Retry()
    parked: Literal["block", "pass"] = "block"
    connections: int = Field(default=1, ge=1, le=64)
    after: common.Wait | None = None


class Route(Part):
    """One line of the route: the first whose `when` holds decides."""

    when: Condition | None = None
    otherwise: Literal["true"] | None = None
    do: Action | None = Field(default=None, description="the action: which rules apply")
    filter: Text | None = Field(default=None, description="not sent, for this reason")
    error: Text | None = Field(default=None, description="parked, with this text")
    code: Code | None = Field(default=None, description="business code of the error")
    at: Literal["door"] | None = Field(
        default=None, description="the error is answered (AE) before the message is accepted, whatever stands above it"
    )
    note: str | None = None


class Hl7Mapping(Part):
    """A channel that reads HL7 and writes FHIR."""

    #: Models of its parts, for what mapping_shape says about unknown words.
    PARTS: ClassVar[dict[str, type[Part]]] = {
        "rule": Rule,
        "let rule": common.LetRule,
        "block": Block,
        "from": From,
        "destinations": Destination,
        "retry": common.Retry,
        "after": common.After,
        "route": Route,
        "tests": common.Test,
    }

    version: Literal["1"]
    channel: Label
    title: Text
    kind: Label | None = None
    owner: str | None = None
    docs: str | None = None
    transformer: Literal["hl7-to-fhir"]
    zone: LetItem | None = Field(default=None, description="zone of times without offset; site.time_zone by default")
    from_: From = Field(alias="from")
    destinations: dict[Label, Destination] = Field(min_length=1)
    order: Paths
    about: Text | None = None
    let: dict[Name, LetItem] = Field(default_factory=dict)
    index: dict[Name, Text] = Field(default_factory=dict)
    facts: dict[Name, Paths] = Field(
        default_factory=dict, description="where the rules of its kind find what they look at"
    )
    route: list[Route] = Field(min_length=1)
    map: dict[str, Target] = Field(min_length=1)
    tests: list[common.Test] = Field(default_factory=list)
