"""What the check says of mapping files and site.yaml when one character is wrong: each is fit, or told with its place.

    python -m bench.mutations                    2,000 mutations of the shipped files; seed 1
    python -m bench.mutations --number 200 --seed 7

Prints every mutation that was answered otherwise: those are bugs. Exit code 1 when there is one. A fragment is checked
with a file that uses it.
"""

from __future__ import annotations

import argparse
import random
import re
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from shutil import copytree

if __name__ == "__main__":  # runs from a checkout
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from messages.problem import Place, Problems
from transformers import mapping_fragments
from transformers.mapping_check import Checked, check_mapping
from transformers.mapping_site import Site, load_site

SHIPPED = Path(__file__).resolve().parents[1] / "mappings"
#: What takes the place of a character: marks of YAML and of the paths, letters, what editors and keyboards slip in.
STRANGE = "\t\n \"'[]{}()#&*!|>%@`,:;?.-+=<>~^\\/$_aZ0é\u00a0\u200b\u2028\ufeff\x00\x07"


@dataclass(frozen=True, slots=True)
class Mutation:
    """One change of one character."""

    file: Path
    position: int
    #: What stands there instead; "" where the character was deleted.
    instead: str
    text: str

    def __str__(self) -> str:
        line = self.text.count("\n", 0, self.position) + 1
        return f"{self.file.name}, character {self.position} (line {line}): {self.instead!r}"


def files(folder: Path = SHIPPED) -> list[Path]:
    """Return the mapping files of a folder, site.yaml, the examples, and the fragments."""
    found = (*folder.glob("*.yaml"), *folder.glob("examples/*.yaml"), *folder.glob("fragments/*.yaml"))
    return sorted(p for p in found if p.parent != folder or _is_mapping(p))


def _is_mapping(path: Path) -> bool:
    return path.name == "site.yaml" or "\nroute:" in path.read_text("utf-8")


def mutated(file: Path, position: int, kind: int, instead: str) -> Mutation:
    """Return a file with one character replaced (0), deleted (1), doubled (2) or one put before it (3)."""
    text = file.read_text("utf-8")
    position %= len(text)
    there = text[position]
    new = {0: instead, 1: "", 2: there * 2, 3: instead + there}[kind % 4]
    return Mutation(file, position, new, text[:position] + new + text[position + 1 :])


def judged(mutation: Mutation, site: Site, folder: Path) -> str | None:
    """Return what is wrong with the answer of the check to a mutation; None when all is well."""
    path = folder / mutation.file.relative_to(SHIPPED)
    before = path.read_text("utf-8")
    path.write_text(mutation.text, "utf-8")
    try:
        if path.name == "site.yaml":
            return _unplaced(_site(folder), mutation, path)
        user = _user(path, folder) if path.parent.name == "fragments" else path
        return _unplaced(_read(path, folder) if user is None else check_mapping(user, site), mutation, path)
    except Exception as error:  # noqa: BLE001  # whatever it is: an analyst must not see it
        return f"{type(error).__name__}: {error}"
    finally:
        path.write_text(before, "utf-8")


def _user(fragment: Path, folder: Path) -> Path | None:
    """Return a mapping file that uses a fragment; None for one that is there to be used."""
    line = re.compile(rf"^ *(use|profile): fragments/{re.escape(fragment.name)}", re.MULTILINE)
    return next((p for p in files(folder) if p != fragment and line.search(p.read_text("utf-8"))), None)


def _read(fragment: Path, folder: Path) -> Checked:
    try:
        mapping_fragments.read(folder, f"fragments/{fragment.name}")
    except Problems as found:
        return Checked(list(found.problems), None, lambda _: Place(fragment.as_posix(), 1, 1))
    return Checked([], {}, lambda _: Place(fragment.as_posix(), 1, 1))


def _site(folder: Path) -> Checked:
    try:
        load_site(folder, {})
    except Problems as found:
        return Checked(list(found.problems), None, lambda _: Place("site.yaml", 1, 1))
    return Checked([], {}, lambda _: Place("site.yaml", 1, 1))


def _unplaced(checked: Checked, mutation: Mutation, path: Path) -> str | None:
    errors = [problem for problem in checked.problems if problem.severity == "error"]
    if checked.plan is None and not errors:
        return "neither fit nor a problem"
    lines = mutation.text.count("\n") + 2
    for problem in checked.problems:
        place = problem.place
        if place is None or place.line < 1 or place.column < 1:
            return f"{problem.code} has no place"
        if place.file == path.as_posix() and place.line > lines:
            return f"{problem.code} stands behind the end of the file"
    return None


def mutations(number: int, seed: int) -> Iterator[Mutation]:
    """Yield so many mutations, the same for the same seed; each file as often as it is long."""
    dice = random.Random(seed)
    shipped = files()
    weights = [file.stat().st_size for file in shipped]
    for _ in range(number):
        (file,) = dice.choices(shipped, weights)
        yield mutated(file, dice.randrange(1 << 30), dice.randrange(4), dice.choice(STRANGE))


def main() -> int:
    """Run as a command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--number", type=int, default=2000, help="how many mutations (2000)")
    parser.add_argument("--seed", type=int, default=1, help="which ones (1)")
    options = parser.parse_args()
    told: Counter[str] = Counter()
    with tempfile.TemporaryDirectory() as folder:
        place = Path(copytree(SHIPPED, Path(folder) / "mappings"))
        site = load_site(place, {})
        for mutation in mutations(options.number, options.seed):
            wrong = judged(mutation, site, place)
            told["wrong" if wrong else "right"] += 1
            if wrong:
                print(f"{mutation}: {wrong}", flush=True)
    print(f"{options.number} mutations of {len(files())} files: {told['right']} answered well, {told['wrong']} bugs")
    return 1 if told["wrong"] else 0


if __name__ == "__main__":
    sys.exit(main())
