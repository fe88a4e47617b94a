"""Tries a checked mapping file on stored messages; for `plugin-host replay` and `plugin-host deploy`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from channels import registry
from channels.replay import Comparison, Replay, Tally, Verdict
from host.site import CheckedFile
from store import history
from store.connection import Connection
from transformers import differences

Step = tuple[history.Past, list[Comparison]]


class Trial:
    """One revision on trial: its messages one by one, and the tally so far."""

    def __init__(self, connection: Connection, file: CheckedFile, destination: str | None = None) -> None:
        """`file` is fit to run; `destination` restricts the trial to one of its destinations."""
        self._connection = connection
        self.plan: dict[str, Any] = file.checked.plan or {}
        names = [name for name in self.plan["destinations"] if destination in {None, name}]
        transformer = registry.load("transformer", self.plan["transformer"])(self.plan)
        self._replay = Replay(transformer, names, differences.differences, differences.moment, connection)
        self.tally = Tally()
        #: Id of the message that was compared last; None before the first.
        self.reached: str | None = None

    def run(self, numbers: Iterable[int]) -> Iterator[Step]:
        """Compare messages, the oldest first; yields each with what came out."""
        for number in numbers:
            past = history.past(self._connection, number)
            if past is None:
                continue
            comparisons = self._replay.run(past)
            self.tally.add(past, comparisons)
            self.reached = past.message.id
            yield past, comparisons

    def look_at_refusals(self, since: float) -> None:
        """Count what the door refused since then and would take."""
        door = self.plan["from"]["connector"]
        self.tally.taken = sum(
            self._replay.would_take(refused.body) for refused in history.refused(self._connection, door, since)
        )

    def words(self, path: str) -> str:
        """Return a path in the words of HL7."""
        versions = [part["hl7"] for part in self.plan["destinations"].values() if "hl7" in part]
        return differences.words(path, versions[0]) if versions else path


def lines(trial: Trial) -> Iterator[str]:
    """Say what came out, for people: the sentence, then what differs by field and by cause. No values."""
    tally = trial.tally
    yield tally.sentence()
    for path, number in tally.paths.most_common():
        yield f"  {number:6}  {trial.words(path)}{_examples(tally.examples[path])}"
    for (verdict, cause), number in sorted(tally.causes.items()):
        first = cause.partition("\n")[0]
        why = f"was: {first}" if verdict is Verdict.SENT else first
        yield f"  {number:6}  {verdict}: {why}{_examples(tally.examples[verdict, cause])}"


def _examples(ids: list[str]) -> str:
    return f"  (such as {ids[0]})" if ids else ""


def as_json_parts(trial: Trial) -> dict[str, Any]:
    """Return what came out, for programs. No values."""
    tally = trial.tally
    return {
        "messages": tally.messages,
        "compared": tally.compared,
        **{verdict.name.lower(): tally.verdicts[verdict] for verdict in Verdict},
        "new_errors": tally.new_errors,
        "not_mapped_yet": tally.waiting,
        "refused_before_taken_now": tally.taken,
        "sentence": tally.sentence(),
        "fields": [
            {"path": path, "name": trial.words(path), "deliveries": number, "such_as": tally.examples[path]}
            for path, number in tally.paths.most_common()
        ],
        "causes": [
            {"verdict": verdict, "cause": cause, "deliveries": number, "such_as": tally.examples[verdict, cause]}
            for (verdict, cause), number in sorted(tally.causes.items())
        ],
    }
