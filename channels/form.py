"""The kind of channel for submitted forms: one live document for each form, whatever comes and in whatever order.

| PowerServer has | comes | becomes |
|---|---|---|
| nothing | a form | new (MDM^T02) |
| nothing | a form that adds to one that stands there | addendum (T06) |
| a version | a later one | again (T10): the document before it becomes obsolete |
| a version | the same, or an earlier one | nothing: it stands there, or is superseded |
| a version | entered in error | withdraw (T11) |
| nothing | entered in error | nothing, and what is older than it neither |

Sources: HL7 v2.5.1 chapter 9, 9.5 (document events) and TXA-12, -13; FHIR R4 QuestionnaireResponse.status.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, ClassVar

from channels.kind import Go, Hold, Occasion, Outcome, Wait
from messages.lifecycle import Event
from messages.problem import Problems
from messages.subject import Memory
from transformers.base import Fact, Facts, KindWords

#: `values.form:` of site.yaml.
_SETTINGS: Mapping[str, object] = {"study_within_hours": 168}
_DAY = 86400.0
#: Days that the versions of a form are remembered after its last one.
_KEPT = 3660
#: Seconds between looks whether PowerServer knows a study by now.
_LOOK = 5.0
#: The kind that remembers appointments, each by its order too, and how PowerServer has them.
_APPOINTMENTS = "appointment"

_FACTS = {
    "form": Fact(help="the form's own identifier, the same in all its versions", required=True),
    "status": Fact(help="QuestionnaireResponse.status", required=True),
    "authored": Fact(help="when it was answered", required=True),
    "version": Fact(help="the version that Blume counts; without one, a later time of answering is a later version"),
    "adds_to": Fact(help="the identifier of the form that this one adds to"),
    "study": Fact(help="the placer's number of an order that PowerServer may not know yet"),
}
_GIVES: Mapping[str, tuple[str, tuple[str, ...] | None]] = {
    "change": ("what is to be done", ("new", "addendum", "again", "withdraw")),
    "version": ("number of the version", None),
    "document": ("unique number of the document that is sent", None),
    "previous": ("unique number of the document that stands there", None),
}


class Form:
    """The rules of one mapping of forms (see `channels.kind.Kind`).

    What is remembered of a form: `live`, the document that stands in PowerServer (number, version, authored) or
    nothing; `last`, the latest version that was accepted or withdrawn; `sending`, by delivery what is on its way.
    """

    words: ClassVar[Mapping[str, KindWords]] = {
        "form-to-hl7": KindWords(facts=_FACTS, gives=_GIVES),
        "form-to-dicom": KindWords(facts=_FACTS, gives=_GIVES),
    }

    def __init__(self, transformer: str, settings: Mapping[str, Any]) -> None:  # noqa: ARG002 - the same for both
        self._study_within = float({**_SETTINGS, **settings}["study_within_hours"]) * 3600

    @staticmethod
    def check(settings: Mapping[str, Any]) -> list[tuple[Sequence[str | int], str, str | None]]:
        """Return what is wrong with `values.form` of site.yaml."""
        found: list[tuple[Sequence[str | int], str, str | None]] = [
            ((name,), f"forms have no setting '{name}'", f"they have: {', '.join(_SETTINGS)}")
            for name in settings
            if name not in _SETTINGS
        ]
        hours = settings.get("study_within_hours", 1)
        if isinstance(hours, bool) or not isinstance(hours, int) or not 0 <= hours <= 24 * 366:
            found.append((("study_within_hours",), "study_within_hours must be a number of hours up to a year", None))
        return found

    def keys(self, facts: Facts) -> tuple[str, ...]:
        """Return what the form is known by."""
        return facts.get("form", ())

    def also(self, facts: Facts) -> tuple[str, ...]:  # noqa: ARG002 - a form has one name
        """Return nothing: a form has one name."""
        return ()

    def keep_until(self, facts: Facts) -> float:
        """Return until when its versions are remembered: ten years after it was answered."""
        return _moment(facts).timestamp() + _KEPT * _DAY

    def at_door(self, facts: Facts, memory: Memory | None) -> None:
        """Let every form in: what becomes of it depends on what is on its way."""

    def before_mapping(self, facts: Facts, memory: Memory | None, occasion: Occasion) -> Go | Hold | Wait:
        """Decide what becomes of a form; raises Problems.

        A form of the same name that is still on its way stands before this one in its lane, or is parked there.
        """
        memory = memory or {}
        if _status(facts) in ("in-progress", "stopped"):
            return Hold(reason="not completed in Blume", memory=memory)
        live: Memory | None = memory.get("live")
        said = self._of_version(facts, memory)
        if said is not None:
            return said
        if _status(facts) == "entered-in-error":
            return self._withdrawn(facts, memory, live, occasion)
        number = _next(facts, memory)
        values = {"version": number, "document": f"{facts['form'][0]}.v{number}"}
        if live is not None:
            values |= {"change": "again", "previous": live["document"]}
            return self._go(facts, memory, values, occasion)
        waiting = self._study(facts, occasion)
        if waiting is not None:
            return waiting
        if facts.get("adds_to"):
            values |= {"change": "addendum", "previous": _parent(facts, occasion)}
        else:
            values["change"] = "new"
        return self._go(facts, memory, values, occasion)

    def _of_version(self, facts: Facts, memory: Memory) -> Hold | None:
        """Return why a version is not sent: it stands there, or a later one came before it."""
        last: Memory | None = memory.get("last")
        if last is None:
            return None
        order = _compared(facts, last)
        if order < 0:
            return Hold(reason="superseded: a later version came before it", memory=memory, note={"superseded": True})
        if order == 0 and last["status"] == _settled_status(facts):
            return Hold(reason="the same version has been sent", memory=memory, note={"repeated": True})
        return None

    def _withdrawn(self, facts: Facts, memory: Memory, live: Memory | None, occasion: Occasion) -> Go | Hold:
        number = _next(facts, memory)
        if live is None:
            after = {**memory, "last": _stamp(facts, number, "withdrawn")}
            return Hold(reason="entered in error before PowerServer had it", memory=after)
        values = {
            "change": "withdraw", "version": number, "document": f"{facts['form'][0]}.v{number}",
            "previous": live["document"],
        }  # fmt: skip
        return self._go(facts, memory, values, occasion)

    @staticmethod
    def _go(facts: Facts, memory: Memory, values: Mapping[str, str], occasion: Occasion) -> Go:
        status = "withdrawn" if values["change"] == "withdraw" else "sent"
        sending = {"document": values["document"], **_stamp(facts, values["version"], status)}
        on_the_way = {**memory.get("sending", {}), str(occasion.delivery): sending}
        return Go(values=values, memory={**memory, "sending": on_the_way}, note={"change": values["change"]})

    def _study(self, facts: Facts, occasion: Occasion) -> Wait | None:
        """Return the wait for the study of a clinical form; raises Problems when it took too long."""
        for order in facts.get("study", ()):
            appointment = occasion.elsewhere(_APPOINTMENTS, f"order {order}") or {}
            if appointment.get("powerserver") is not None:
                continue
            if self._study_within and occasion.now - _moment(facts).timestamp() > self._study_within:
                text = "PowerServer does not know the study of this form: no appointment with its order was accepted"
                raise Problems.one("FORM_STUDY_UNKNOWN", text)
            return Wait(reason="waits for its study: no appointment with this order was accepted yet", seconds=_LOOK)
        return None

    def settled(self, memory: Memory, outcome: Outcome) -> tuple[Memory, Memory]:
        """Return what is remembered once PowerServer has answered."""
        sending = dict(memory.get("sending", {}))
        sent = sending.pop(str(outcome.delivery), None)
        after = {**memory, "sending": sending}
        if sent is None or outcome.event is not Event.ACCEPTED:
            # What was refused does not stand there; what was held may, and its bytes go again or never.
            return after, {}
        after["last"] = {name: sent[name] for name in ("version", "authored", "status")}
        after["live"] = None if sent["status"] == "withdrawn" else sent
        return after, {"live": None if sent["status"] == "withdrawn" else sent["document"]}


def _status(facts: Facts) -> str:
    return next(iter(facts.get("status", ())), "")


def _settled_status(facts: Facts) -> str:
    return "withdrawn" if _status(facts) == "entered-in-error" else "sent"


def _moment(facts: Facts) -> datetime:
    """Return when the form was answered; raises Problems."""
    text = next(iter(facts.get("authored", ())), "")
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise Problems.one("FORM_INVALID", "the response does not say when it was answered") from None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _stamp(facts: Facts, version: str, status: str) -> dict[str, str]:
    return {"version": version, "authored": _moment(facts).isoformat(), "status": status}


def _next(facts: Facts, memory: Memory) -> str:
    """Return the number of this version: Blume's own, else one more than the last."""
    if facts.get("version"):
        return facts["version"][0]
    last = str((memory.get("last") or {"version": "0"})["version"])
    return str(int(last) + 1) if last.isdigit() else f"{last}.1"


def _compared(facts: Facts, last: Memory) -> int:
    """Return below 0 for a version before the last one, 0 for the same, above 0 for a later one.

    Numbers are compared where Blume counts; a name of a version says only whether it is the same; then the time of
    answering decides.
    """
    version = next(iter(facts.get("version", ())), None)
    if version is not None and version.isdigit() and str(last["version"]).isdigit():
        return int(version) - int(last["version"])
    if version is not None and version == last["version"]:
        return 0
    seconds = (_moment(facts) - datetime.fromisoformat(last["authored"])).total_seconds()
    if seconds or version is None:
        return (seconds > 0) - (seconds < 0)
    return 1


def _parent(facts: Facts, occasion: Occasion) -> str:
    """Return the number of the document that a form adds to; raises Problems."""
    memory = occasion.remembered(facts["adds_to"][0]) or {}
    live = memory.get("live")
    if live is None:
        raise Problems.one("FORM_PARENT_UNKNOWN", "PowerServer does not have the form that this one adds to")
    return str(live["document"])
