"""The words for states, statuses and steps, with their icon and their colour class. One place."""

from __future__ import annotations

from flask_babel import LazyString
from flask_babel import lazy_gettext as _l

#: icon (templates/_icons.html), colour class, word.
Word = tuple[str, str, LazyString]

STATES: dict[str, Word] = {
    "running": ("running", "run", _l("Running")),
    "retrying": ("retrying", "warn", _l("Retrying")),
    "unreachable": ("unreachable", "err", _l("Unreachable")),
    "failed": ("error", "err", _l("Failed")),
    "not running": ("error", "err", _l("Not running")),
    "paused": ("paused", "off", _l("Paused")),
    "stopped": ("stopped", "off", _l("Stopped")),
}

#: A channel that needs a person, as a sentence's end behind its name.
IS: dict[str, LazyString] = {
    "running": _l("has problems in its file"),
    "retrying": _l("is retrying"),
    "unreachable": _l("is unreachable"),
    "failed": _l("is failed"),
    "not running": _l("is not running"),
    "paused": _l("is paused"),
    "stopped": _l("is stopped"),
}

#: What a person wished a channel to be, as a sentence's end.
WISHES: dict[str, LazyString] = {"started": _l("started"), "paused": _l("paused"), "stopped": _l("stopped")}

STATUSES: dict[str, Word] = {
    "RECEIVED": ("received", "off", _l("Received")),
    "FILTERED": ("filtered", "fil", _l("Filtered")),
    "TRANSFORMED": ("mapped", "off", _l("Mapped")),
    "QUEUED": ("queued", "warn", _l("Queued")),
    "PENDING": ("pending", "warn", _l("Sending")),
    "SENT": ("sent", "run", _l("Sent")),
    "VERIFIED": ("verified", "run", _l("Verified")),
    "ERROR": ("error", "err", _l("Error")),
    "CANCELLED": ("cancelled", "off", _l("Cancelled")),
}

STEPS: dict[str, Word] = {
    "mapped": ("mapped", "off", _l("Mapped; the bytes to send are stored")),
    "ruled out": ("filtered", "fil", _l("Filtered by a rule")),
    "unmappable": ("error", "err", _l("Could not be mapped")),
    "claimed": ("pending", "off", _l("Sending began")),
    "postponed": ("unreachable", "warn", _l("Not sent: nothing has left")),
    "accepted": ("sent", "run", _l("Accepted by the peer")),
    "refused": ("error", "err", _l("Refused by the peer for good")),
    "deferred": ("queued", "warn", _l("The peer said: not now")),
    "unanswered": ("queued", "warn", _l("Unanswered: it may have arrived")),
    "held": ("error", "err", _l("Unanswered: held for a person to decide")),
    "proven": ("verified", "run", _l("Read back from the peer")),
    "retried": ("person", "off", _l("To be sent again, the same bytes")),
    "overdue": ("error", "err", _l("Not sent again: today it would not be taken")),
    "reprocessed": ("person", "off", _l("To be mapped anew")),
    "cancelled": ("person", "off", _l("Cancelled")),
}

SHARES: dict[str, LazyString] = {
    "delivered": _l("Sent"),
    "filtered": _l("Filtered"),
    "parked": _l("Errored (parked)"),
    "cancelled": _l("Cancelled"),
    "pending": _l("Queued (waiting)"),
}

CONNECTIONS: dict[str, LazyString] = {
    "idle": _l("idle"),
    "connected": _l("connected"),
    "unreachable": _l("cannot be reached"),
    "failed": _l("failed"),
    "stopped": _l("closed"),
}

ROLES: dict[str, LazyString] = {
    "viewer": _l("viewer: sees states and counts"),
    "operator": _l("operator: finds messages, acts on messages and channels"),
    "analyst": _l("analyst: also mappings and their tests"),
    "admin": _l("administrator: also settings and the audit trail"),
}

#: What the templates call by name.
GLOBALS = {
    "STATES": STATES, "IS": IS, "WISHES": WISHES, "STATUSES": STATUSES, "STEPS": STEPS,
    "SHARES": SHARES, "CONNECTIONS": CONNECTIONS, "ROLES": ROLES,
}  # fmt: skip
