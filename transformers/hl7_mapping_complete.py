"""Whether a mapping that reads HL7 gives all that FHIR requires, for every action."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from transformers import fhir_model
from transformers.mapping_desk import Desk, Where


@dataclass(slots=True)
class Held:
    """An object of the resource, and what the mapping puts into it."""

    type: str
    where: Where
    name: str
    #: Element -> what writes it: (actions or None, whether it always gives something, what is inside).
    parts: dict[str, list[tuple[frozenset[str] | None, bool, Held | None, Where]]] = field(default_factory=dict)


def only(actions: list[str] | None) -> frozenset[str] | None:
    """Return the actions of a line as a set; None for all."""
    return None if actions is None else frozenset(actions)


def hold(  # noqa: PLR0913 - what is put where, by which rule
    start: Held, steps: list[tuple[str, bool]], actions: frozenset[str] | None, *, certain: bool, inside: Held | None,
    where: Where,
) -> None:  # fmt: skip
    """Note in the objects on the way to a target that a line writes it."""
    held = start
    for name, _ in steps[:-1]:
        lines = held.parts.setdefault(name, [])
        inner = next((line[2] for line in lines if line[2] is not None), None)
        if inner is None:
            element = fhir_model.element(held.type, name)
            # The target was checked: what FHIR does not know is a sequence of DICOM.
            inner = Held(element.types[0] if element else "SQ", where, f"{held.name}.{name}")
        lines.append((actions, certain, inner, where))
        held = inner
    held.parts.setdefault(steps[-1][0], []).append((actions, certain, inside, where))


def required(type_name: str) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Return the required elements of a type, each with the names under which it may be written."""
    for name in fhir_model.names(type_name):
        element = fhir_model.element(type_name, name)
        if element is not None and element.minimum:
            several = len(element.types) > 1
            yield name, tuple(fhir_model.choice_name(name, one) for one in element.types) if several else (name,)


def complete(desk: Desk, held: Held, actions: list[str], whole: list[str], lost: frozenset[str]) -> None:
    """Note a problem for each required element that is not mapped, or may be left empty.

    Args:
        desk: for the problems.
        held: the resource.
        actions: those of the route.
        whole: those that may create the resource: only then must it be complete.
        lost: targets that have mistakes of their own.
    """
    _complete(desk, held, whole, len(actions), lost)
    for lines in held.parts.values():
        for of, _, inside, _ in lines:
            if inside is not None:
                mine = [action for action in actions if of is None or action in of]
                complete(desk, inside, mine, mine, lost)


def _complete(desk: Desk, held: Held, actions: list[str], all_: int, lost: frozenset[str]) -> None:
    for name, names in required(held.type):
        path = f"{held.name}.{name}"
        if any(key == path or key.startswith((f"{path}.", f"{path}[")) for key in lost):
            continue
        lines = [line for one in names for line in held.parts.get(one, ())]
        bare = [action for action in actions if not any(of is None or action in of for of, *_ in lines)]
        if bare:
            of = "" if len(bare) == all_ or not lines else f" (action {', '.join(bare)})"
            desk.add(
                "E470", held.where, f"{path} is required in FHIR, and nothing maps it{of}", f"add {path}", key=True
            )
            continue
        unsure = [a for a in actions if not any(sure and (of is None or a in of) for of, sure, *_ in lines)]
        if unsure:
            desk.add(
                "E471", lines[0][3], f"{path} is required in FHIR, and its line may give nothing",
                "add required: true, or a default", key=True,
            )  # fmt: skip
