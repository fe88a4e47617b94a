"""What a transformer is. Pure: message in, bytes out; no sockets, no store, no clock of its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol, runtime_checkable

from messages.problem import Problem

#: Texts that a message holds, by the names of the mapping's `facts:`; a fact that it does not have is left out.
Facts = Mapping[str, tuple[str, ...]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """Something that the rules of a kind of channel look at; a mapping says where it stands in its messages."""

    help: str
    #: A mapping must name it. A message may still lack it.
    required: bool = False
    #: All that the mapping's sources give counts, not the first text only.
    many: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class KindWords:
    """What a mapping of a kind of channel says (`facts:`), and the %names that it may use in return."""

    facts: Mapping[str, Fact]
    #: Name -> what it is, and the texts that it may be; None: any text.
    gives: Mapping[str, tuple[str, tuple[str, ...] | None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Admission:
    """What a channel makes of a document at the door: one message to be."""

    #: Ordering key: messages with the same key never overtake (patient identifier and issuer by default).
    key: str
    #: Searchable values, by the names of the mapping's `index:`.
    index: Mapping[str, str] = field(default_factory=dict)
    #: Entry number of a Bundle that this message is about; None for all of it.
    focus: int | None = None
    #: The thing that messages of this channel are about (the mapping's `about:`, such as the placer's
    #: appointment id); `%known` is true once the destination has accepted a message about it.
    about: str | None = None
    #: Identity that the content gives (Bundle.identifier, MSH-3/4/10); None: the SHA-256 of the bytes.
    identity: str | None = None
    #: What the rules of the channel's kind look at, by the names of the mapping's `facts:`.
    facts: Facts = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """What a transformation may know beside the document."""

    now: datetime
    control_id: str
    destination: str
    focus: int | None = None
    #: The destination has accepted an earlier message about the same thing (`%known`).
    known: bool = False
    #: What the rules of the channel's kind say of the message: names that the mapping uses, such as `%change`.
    values: Mapping[str, str] = field(default_factory=dict, repr=False)
    #: The door has asked all rules of `HasDoorRules` of this message, by this very revision: they hold.
    asked: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Transformed:
    """The bytes to send."""

    encoded: bytes
    control_id: str
    #: Event of the route that chose the rules.
    action: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Filtered:
    """A rule said no; `reason` is the rule's own text and place."""

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """One place at which two encodings of a message are not the same."""

    #: `PID-8`, a segment's name when it is in one of them only, or an element's path.
    path: str
    #: Values of the message, "" for nothing: shown when a person asks for them, never logged.
    before: str = field(repr=False)
    after: str = field(repr=False)


@runtime_checkable
class HasTables(Protocol):
    """A transformer that can say whether a code has got its row."""

    def has_row(self, table: str, code: str) -> bool:
        """Say whether a table, named as in `messages.problem.Unmapped`, has a row for a code."""
        ...


@runtime_checkable
class HasFacts(Protocol):
    """A transformer whose mappings may have a kind."""

    def facts(self, document: Any, focus: int | None) -> Facts:
        """Return the facts of one message of a document, as the mapping's `facts:` names them.

        Raises:
            Problems: they cannot be read.
        """
        ...


@runtime_checkable
class NeedsDefinitions(Protocol):
    """A transformer of messages that may refer to a definition, such as a Questionnaire, and not bring it."""

    def missing(self, document: Any) -> Sequence[str]:
        """Return the canonicals, `url|version`, of the definitions that a document needs and that are not known."""
        ...

    def learn(self, canonical: str, body: bytes) -> bool:
        """Take a definition that was read elsewhere, as FHIR JSON; False: it is not the one, or not valid."""
        ...


@runtime_checkable
class HasDoorRules(Protocol):
    """A transformer with rules whose breach is answered before a message is accepted."""

    def refusals(self, document: Any, focus: int | None, now: datetime) -> Sequence[Problem]:
        """Return all rules that one message of a document breaks; none: it may come in."""
        ...


class Transformer(Protocol):
    """One channel's mapping, compiled. Raises `messages.problem.Problems` for what the message lacks."""

    def check(self, body: bytes) -> Any:
        """Parse and validate what stands at the door; return the document.

        Raises:
            Problems: each with `expression` and `issue_type`.
        """
        ...

    def load(self, body: bytes) -> Any:
        """Parse what `check` has let in before; return the document."""
        ...

    def admit(self, document: Any) -> Sequence[Admission]:
        """Return one admission for each thing in the document that concerns this channel; none: not ours.

        Raises:
            Problems: it concerns this channel and cannot be ordered or indexed.
        """
        ...

    def transform(self, document: Any, given: Given) -> Transformed | Filtered:
        """Map the document.

        Raises:
            Problems: with the rule's place and the field; parked for the analyst.
        """
        ...
