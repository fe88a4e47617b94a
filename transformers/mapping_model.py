"""The words of a mapping file, as pydantic models: what may stand where. `docs/mapping-language.md` explains them.

Decisions where a reader could doubt:

* What an analyst writes (`value`, `site`, `default`, cells of a table, words per action) is HL7 text when the target
  is a whole field: `^` and `&` separate. When the target is a component it is plain text. What a message holds is
  always plain text; its `^` and `&` are escaped.
* A rule that gives nothing and is not `required` writes nothing. A segment in which no rule gave anything is not
  written, a group without segments neither.
* Without `[]` a target takes one value: a source that may give several is refused by the check; at run time several
  values are an error and never cut.
* `number: true` counts where HL7 repeats: an AIS counts inside its RGS group, an RGS counts the groups.
* `same:` uses the rule of another target again, with everything that rule says.
* `order:` with several paths is one key made of all of them, and each must give something; `from:` with several paths
  is the first that gives something.
* `when:` is an action of the route (or a list of them) or a FHIRPath that must be true.
* `about:` names the thing that the channel's messages are about (the placer's appointment id). `%known` is true once
  the destination has accepted a message about the same thing.
* `kind:` names rules that are tables in code (an appointment's states); `facts:` says where they find what they look
  at, and the names that they give (`%change`) are used like those of `let:`.
* `%site.name` is a value of site.yaml; it is put in at the check.
* Every scalar is text as it stands in the file; `required: true` and the like are understood where they may stand.
"""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

from pydantic import BeforeValidator, Discriminator, Field, Tag, WithJsonSchema

from transformers.mapping_words import Action, Code, Label, Name, OpenPart, Part, Paths, Text


def _format(value: Any) -> Any:
    return {"format": value} if isinstance(value, str) else value


class FormatUse(OpenPart):
    """`as: timestamp`, or `as: { format: minutes, minimum: 15 }` with the format's own options."""

    format: Text


Format = Annotated[
    FormatUse,
    BeforeValidator(_format),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "string", "minLength": 1},
                {"type": "object", "properties": {"format": {"type": "string"}}, "required": ["format"]},
            ]
        }
    ),
]
Table = Text | dict[str, str]


class LetRule(Part):
    """A named value that is more than a path."""

    from_: Paths = Field(alias="from", description="FHIRPath, or several: the first that gives something")
    as_: Format | None = Field(default=None, alias="as", description="a format that gives text")
    table: Table | None = Field(default=None, description="`file.column` in tables/, or the table itself")
    on_unmapped: Literal["error", "skip", "keep"] | None = None
    code: Code | None = Field(default=None, description="business code of the problem when the table has no such row")
    default: Text | None = None
    note: str | None = None


class Rule(Part):
    """What is written into one field, component or repeating field."""

    from_: Paths | None = Field(default=None, alias="from", description="FHIRPath, or several: the first that gives")
    value: Text | None = Field(default=None, description="HL7 text for a field, plain text for a component")
    site: Text | None = Field(default=None, description="a value of site.yaml by name, such as endpoint.sending_app")
    same: Text | None = Field(default=None, description="another target whose rule is used again")
    number: Literal["true"] | None = Field(default=None, description="the number of this repetition, from 1")
    table: Table | None = Field(default=None, description="`file.column`, a file for a format's systems, or the table")
    as_: Format | None = Field(default=None, alias="as", description="the format that makes HL7 of FHIR")
    default: Text | None = Field(default=None, description="when the rule would give nothing")
    required: Literal["true", "false"] = Field(default="false", description="giving nothing is a problem")
    on_unmapped: Literal["error", "skip", "keep"] | None = Field(default=None, description="a code that no row has")
    code: Code | None = Field(default=None, description="business code of the problem, such as FACILITY_UNKNOWN")
    when: Paths | None = Field(default=None, description="actions of the route, or a FHIRPath that must be true")
    note: str | None = Field(default=None, description="for the interface specification")


class Block(Part):
    """A segment, group or field with rules of its own; with `[]` on its name, once for each thing of `for`."""

    for_: Text | None = Field(default=None, alias="for", description="FHIRPath; one repetition for each thing it gives")
    name: Name | None = Field(default=None, description="the thing's name in the rules inside: %name")
    when: Paths | None = None
    required: Literal["true", "false"] = Field(default="false", description="nothing to repeat is a problem")
    code: Code | None = Field(default=None, description="business code of that problem")
    map: dict[str, Target] = Field(min_length=1)
    note: str | None = None


RULE_WORDS = frozenset(field.alias or name for name, field in Rule.model_fields.items())

PerAction = Annotated[
    dict[
        str,
        Annotated[Annotated[str, Tag("text")] | Annotated[Rule, Tag("rule")], Discriminator(lambda v: _or(v, "rule"))],
    ],
    Field(json_schema_extra={"propertyNames": {"not": {"enum": sorted(RULE_WORDS - {"note"})}}}),
]


def _or(value: Any, tag: str) -> str:
    return "text" if isinstance(value, str) else tag


def _kind(value: Any) -> str:
    if isinstance(value, Part):
        return {"Rule": "rule", "Block": "block"}[type(value).__name__]
    if isinstance(value, list):
        return "blocks"
    if not isinstance(value, dict) or not value:
        return "rule"
    if "map" in value or "for" in value:
        return "block"
    return "rule" if RULE_WORDS & (set(value) - {"note"}) else "actions"


Target = Annotated[
    Annotated[Rule, Tag("rule")]
    | Annotated[Block, Tag("block")]
    | Annotated[list[Block], Tag("blocks")]
    | Annotated[PerAction, Tag("actions")],
    Discriminator(_kind),
]

LetItem = Annotated[
    Annotated[Text, Tag("text")] | Annotated[LetRule, Tag("let rule")],
    Discriminator(lambda value: _or(value, "let rule")),
]


class From(OpenPart):
    """Where messages come from. Further words override the station's settings."""

    connector: Label
    station: Label | None = Field(default=None, description="of site.yaml; outcomes of a channel come from no station")
    accept: Text | None = Field(default=None, description="FHIRPath; false: not for this channel")
    each: Text | None = Field(default=None, description="FHIRPath; one message for each, %it in the rules")


class Retry(Part):
    """How a message that was not taken is tried again."""

    wait: str = Field(default="1s..5m", description="shortest and longest wait between two attempts, such as 1s..5m")
    refused: int = Field(default=5, ge=0, le=1000, description="how often an AE is tried again before it is parked")


class After(Part):
    """Wait for another destination, or for what another channel does with the same document."""

    sent: Label | None = None
    verified: Label | None = None
    channel: Label | None = Field(
        default=None, description="until its message of the same document is sent, or filtered"
    )


_LABEL = {"type": "string", "pattern": "^[a-z0-9][a-z0-9-]*$"}
Wait = Annotated[
    After,
    BeforeValidator(lambda value: {"sent": value} if isinstance(value, str) else value),
    WithJsonSchema(
        {
            "anyOf": [
                _LABEL,
                {
                    "type": "object",
                    "properties": {"sent": _LABEL, "verified": _LABEL, "channel": _LABEL},
                    "additionalProperties": False,
                },
            ]
        }
    ),
]


class Destination(OpenPart):
    """Where messages go. Further words override the station's settings."""

    connector: Label
    station: Label
    hl7: str = "2.5.1"
    charset: str = "UNICODE UTF-8"
    profile: Text | None = Field(default=None, description="a fragment whose message and map stand for the file's own")
    message: Text | dict[str, str] = Field(description="MSH-9, for all actions or for each")
    when_unanswered: Literal["resend", "hold"] = "resend"
    retry: Retry = Retry()
    parked: Literal["block", "pass"] = "block"
    connections: int = Field(default=1, ge=1, le=64)
    after: Wait | None = None
    map: dict[str, Target] | None = None


class Route(Part):
    """One line of the route: the first whose `when` is true decides."""

    when: Text | None = None
    otherwise: Literal["true"] | None = None
    do: Action | None = Field(default=None, description="the action: which rules apply and which message is sent")
    filter: Text | None = Field(default=None, description="not sent, for this reason")
    error: Text | None = Field(default=None, description="parked, with this text")
    code: Code | None = Field(default=None, description="business code of the error")
    at: Literal["door"] | None = Field(
        default=None, description="the error is answered before the message is accepted, whatever stands above it"
    )
    note: str | None = None


class Test(Part):
    """An example: given this document, the message has these fields."""

    name: Text
    given: Text = Field(description="a file of the site, such as samples/request.json")
    now: str | None = Field(default=None, description="the time of the test, with offset")
    known: Literal["true", "false"] = "false"
    values: dict[Name, Text] = Field(default={}, description="what the rules of the kind say: { change: confirm }")
    destination: Label | None = None
    change: dict[str, Any] | None = Field(default=None, description="JSON Pointer and new value; null removes")
    expect: dict[str, str] = Field(min_length=1)


class Mapping(Part):
    """A channel: where messages come from, what they become, where they go, and its tests."""

    #: The first three are pydantic's names for what a rule, a named value or a block may be.
    PARTS: ClassVar[dict[str, type[Part]]] = {
        "rule": Rule,
        "let rule": LetRule,
        "block": Block,
        "from": From,
        "destinations": Destination,
        "retry": Retry,
        "after": After,
        "route": Route,
        "tests": Test,
    }

    version: Literal["1"]
    channel: Label
    title: Text
    kind: Label | None = None
    owner: str | None = None
    docs: str | None = None
    transformer: Label = "fhir-to-hl7"
    zone: LetItem | None = Field(default=None, description="time zone of the times sent; site.time_zone by default")
    from_: From = Field(alias="from")
    destinations: dict[Label, Destination] = Field(min_length=1)
    order: Paths | None = None
    about: Text | None = None
    let: dict[Name, LetItem] = Field(default={})
    index: dict[Name, Text] = Field(default={})
    facts: dict[Name, Paths] = Field(default={}, description="where the rules of its kind find what they look at")
    route: list[Route] = Field(min_length=1)
    map: dict[str, Target] | None = None
    tests: list[Test] = Field(default=[])


class Fragment(Part):
    """Lines of a map that several mappings share."""

    version: Literal["1"]
    fragment: Text = Field(description="what it writes, for people")
    needs: list[Name] = Field(default=[], description="names of let: that its lines use")
    message: Text | dict[str, str] | None = Field(default=None, description="of a profile: MSH-9, for each action")
    map: dict[str, Any] = Field(min_length=1)
