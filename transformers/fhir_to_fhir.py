"""FHIR in, FHIR out: a mapping's plan compiled to closures. The transformer plug-in `fhir-to-fhir`.

It reads as `fhir-to-hl7` does and writes as `hl7-to-fhir` does: one change to a FHIR server, as an envelope of
`connectors/fhir_envelope.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from messages.problem import Problem, Problems
from transformers import hl7_to_fhir
from transformers.base import Admission, Facts, Filtered, Given, Transformed
from transformers.fhir_path import PathError, Scope, compile_values
from transformers.fhir_to_hl7 import FhirToHl7
from transformers.hl7_to_fhir import Hl7ToFhir
from transformers.hl7_values import Give, Plan, Run
from transformers.mapping_values import named

#: Name of the transformer in a mapping file, and of its plug-in.
KIND = "fhir-to-fhir"


@dataclass(frozen=True, slots=True)
class Place:
    """Where a rule looks: the document, and the things of the blocks around."""

    scope: Scope

    def each(self, loop: Sequence[Any]) -> Iterator[Place]:
        """Return the places of a block, one for each thing of its `for:`."""
        values, name = loop
        for thing in values(self.scope, self.scope.focus):
            yield Place(self.scope.nested({name: [thing]}))


class FhirToFhir(Hl7ToFhir):
    """One channel's mapping, compiled (see `transformers.base.Transformer`).

    Raises:
        ValueError: the plan was made for another release of the mapping language.
    """

    #: What reads the documents.
    reads: ClassVar[type[FhirToHl7]] = FhirToHl7

    def __init__(self, plan: Plan) -> None:
        self._reader = self.reads({**plan, "destinations": {}, "maps": {}, "validators": {}})
        self._plan = plan
        self._route = hl7_to_fhir.lines([{**line, "when": _condition(line["when"])} for line in plan["route"]])
        self._maps = hl7_to_fhir.blocks(
            {key: [_entered(part) for part in parts] for key, parts in plan["maps"].items()}, plan["tables"]
        )
        self._lets = {name: _let(item) for name, item in plan["let"].items()}

    def check(self, body: bytes) -> Any:
        """Parse and validate a document; raises Problems."""
        return self._reader.check(body)

    def load(self, body: bytes) -> Any:
        """Parse what `check` has let in before."""
        return self._reader.load(body)

    def admit(self, document: Any) -> Sequence[Admission]:
        """Return one admission for each thing of `from.each`; raises Problems."""
        return self._reader.admit(document)

    def facts(self, document: Any, focus: int | None) -> Facts:
        """Return the facts of one message of a document; raises Problems."""
        return self._reader.facts(document, focus)

    def transform(self, document: Any, given: Given) -> Transformed | Filtered:
        """Map the document; raises Problems with the rule's place and the element."""
        try:
            return super().transform(document, given)
        except PathError as error:
            raise Problems([Problem(code="E302", text=str(error))]) from None

    def _start(self, document: Any, given: Given | None = None) -> Run:
        scope = self._reader.scope(document, None if given is None else given.focus, given)
        root: Any = Place(scope)
        return Run(root, self._lets)


def compile_plan(plan: Plan) -> FhirToFhir:
    """Return the transformer of a plan; raises ValueError for a plan of another language."""
    return FhirToFhir(plan)


def _condition(tree: Any) -> Any:
    return tree and ["fhirpath", tree]


def _let(item: Mapping[str, Any]) -> Give:
    values: Callable[[Scope], list[Any]] = named(item)

    def give(_run: Run, place: Any) -> list[Any]:
        return values(place.scope)

    return give


def _entered(part: Plan) -> Plan:
    """Return a block with its `for:` compiled."""
    loop = part["for"] and (compile_values(part["for"][1]), part["for"][2])
    return {**part, "for": loop, "parts": [_entered(inner) for inner in part["parts"]]}
