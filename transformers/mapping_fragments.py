"""Fragments: lines of a `map:` that several mapping files share, in files of their own.

    # fragments/pid.yaml
    version: 1
    fragment: Patient identification
    needs: [patient, mrn]
    map:
      PID-1: { number: true }

A mapping takes them in by `use: fragments/pid.yaml` inside a `map:`. They are put in before the mapping is checked,
with their own places: what is wrong with a line of a fragment is told where it stands.

A *profile* is a fragment with `message:` too. `profile: fragments/profile-orm.yaml` at a destination lets its messages
and its map stand for the file's own: the same channel, in another family of messages.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from messages.problem import Place, Problem, Problems
from transformers import mapping_shape
from transformers.mapping_file import Document, Steps, did_you_mean, load, safe_name
from transformers.mapping_model import Fragment

WORD = "use"
#: Of a destination.
PROFILE = "profile"
#: The folder inside a site's.
FOLDER = "fragments"


def put_in(document: Document, folder: Path) -> list[Problem]:
    """Replace each `use:` of a mapping by the lines of its fragment; return what is wrong with that.

    Args:
        document: of the mapping; its data and places are changed, `document.fragments` says what was put in.
        folder: of the site.
    """
    problems: list[Problem] = []
    destinations = document.data.get("destinations")
    for destination, part in destinations.items() if isinstance(destinations, dict) else ():
        if isinstance(part, dict) and isinstance(part.get(PROFILE), str):
            problems += _put_profile(document, folder, destination, part)
    for where, targets in list(_maps(document.data)):
        if WORD in targets:
            names = _names(document, (*where, WORD), targets.pop(WORD), problems)
            for place, name in names:
                problems += _put(document, folder, where, targets, place, name)
    return problems


def used(document: Document) -> set[str]:
    """Return the names of the fragments that a mapping uses."""
    found = set()
    for _, targets in _maps(document.data):
        names = targets.get(WORD, [])
        found |= {name for name in ([names] if isinstance(names, str) else names or []) if isinstance(name, str)}
    return found


def read(folder: Path, name: str) -> tuple[Document, Fragment]:
    """Read a fragment. A profile, which has `message:`, may use others.

    Raises:
        Problems: all that is wrong with its own words.
    """
    path = folder / name
    document = load(path, path.as_posix())
    model, problems, _ = mapping_shape.read(document, Fragment, document.data)
    for where, targets in _maps(document.data):
        if WORD in targets and "message" not in document.data:
            text = "a fragment uses no other fragment"
            problems.append(Problem(code="E162", text=text, place=document.key((*where, WORD))))
    if problems or not isinstance(model, Fragment):
        raise Problems(problems)
    return document, model


def digests(document: Document) -> dict[str, str]:
    """Return digests of the fragments that were put in, by name."""
    texts = sorted(document.fragments.values())
    return {name: hashlib.sha256(text.encode()).hexdigest() for name, text in texts}


def _maps(data: Any) -> Iterator[tuple[Steps, dict[str, Any]]]:
    """Yield every `map:` of a mapping, with the way to it; inner ones too."""
    if not isinstance(data, dict):
        return
    yield from _inside(("map",), data.get("map"))
    destinations = data.get("destinations")
    for name, part in destinations.items() if isinstance(destinations, dict) else ():
        if isinstance(part, dict):
            yield from _inside(("destinations", name, "map"), part.get("map"))


def _inside(where: Steps, targets: Any) -> Iterator[tuple[Steps, dict[str, Any]]]:
    if not isinstance(targets, dict):
        return
    yield where, targets
    for key, target in list(targets.items()):
        for step, block in enumerate(target) if isinstance(target, list) else [(None, target)]:
            if isinstance(block, dict):
                way = (*where, key) if step is None else (*where, key, step)
                yield from _inside((*way, "map"), block.get("map"))


def _names(document: Document, where: Steps, given: Any, problems: list[Problem]) -> list[tuple[Place, str]]:
    """Return the names behind a `use:`, each with its place."""
    several = isinstance(given, list)
    found = []
    for position, name in enumerate(given) if several else [(0, given)]:
        place = document.place((*where, position) if several else where)
        if isinstance(name, str):
            found.append((place, name))
        else:
            text = f"'{WORD}' names a file in {FOLDER}/, or a list of them"
            problems.append(Problem(code="E022", text=text, place=place))
    return found


def _found(document: Document, folder: Path, place: Place, name: str) -> tuple[Document, Fragment, list[Problem]]:
    """Return the fragment of a name, and what the mapping lacks for it.

    Raises:
        Problems: there is none, or it is not fit.
    """
    wrong = _wrong_name(folder, name, place)
    if wrong is not None:
        raise Problems([wrong])
    fragment, model = read(folder, name)
    return fragment, model, _lacking(document, fragment, model, place, name)


def _put(  # noqa: PLR0913, PLR0917 - what, and where to
    document: Document, folder: Path, where: Steps, targets: dict[str, Any], place: Place, name: str
) -> list[Problem]:
    try:
        fragment, _, problems = _found(document, folder, place, name)
    except Problems as found:
        return list(found.problems)
    for key in fragment.data["map"]:
        if key in targets:
            first = document.key((*where, key))
            text = f"{name} writes {key} too: see {first.file}:{first.line}"
            hint = "a fragment's lines stand beside a file's own and replace none of them"
            problems.append(Problem(code="E163", text=text, hint=hint, place=place))
    if not problems:
        targets |= fragment.data["map"]
        document.take_in(fragment, ("map",), where, name)
    return problems


def _put_profile(document: Document, folder: Path, destination: str, part: dict[str, Any]) -> list[Problem]:
    """Let a profile's message and map stand for the file's own, at one destination."""
    where: Steps = ("destinations", destination)
    name, place = part[PROFILE], document.place((*where, PROFILE))
    try:
        fragment, model, problems = _found(document, folder, place, name)
    except Problems as found:
        return list(found.problems)
    if model.message is None:
        text = f"{name} is no profile: it does not say which messages are sent"
        problems.append(Problem(code="E164", text=text, hint="add message: to it", place=place))
    if "map" in part:
        text = f"{destination} has a map of its own, and {name} has one too"
        problems.append(Problem(code="E163", text=text, hint="keep one", place=document.key((*where, "map"))))
    if not problems:
        part |= {word: fragment.data[word] for word in ("message", "map")}
        for word in ("message", "map"):
            document.take_in(fragment, (word,), (*where, word), name)
    return problems


def _lacking(document: Document, fragment: Document, model: Fragment, place: Place, name: str) -> list[Problem]:
    """Return a problem for each name that a fragment needs and the mapping does not have."""
    lets = document.data.get("let")
    problems = []
    for position, needed in enumerate(model.needs):
        if not isinstance(lets, dict) or needed not in lets:
            there = fragment.place(("needs", position))
            hint = f"add {needed}: to let: ({there.file}:{there.line} asks for it)"
            text = f"{name} needs %{needed}, and let: does not have it"
            problems.append(Problem(code="E161", text=text, hint=hint, place=place))
    return problems


def _wrong_name(folder: Path, name: str, place: Place) -> Problem | None:
    if not safe_name(name) or not name.startswith(f"{FOLDER}/") or not name.endswith(".yaml"):
        text = f"'{name}' is not a file in the site's {FOLDER}/"
        hint = f"such as {FOLDER}/pid.yaml"
        return Problem(code="E006", text=text, hint=hint, place=place)
    if not (folder / name).is_file():
        known = [f"{FOLDER}/{path.name}" for path in sorted((folder / FOLDER).glob("*.yaml"))]
        return Problem(code="E160", text=f"there is no {name}", hint=did_you_mean(name, known), place=place)
    return None
