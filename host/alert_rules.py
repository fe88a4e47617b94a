"""What `alerts:` in site.yaml says, as the status page shows it: whom and when, and no secret."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from transformers.site_model import Alerts

_SHOWN = {"every", "queue_age", "queue_depth", "error_percent", "error_least", "silence", "working_hours", "quiet"}


def shown(rules: Alerts) -> dict[str, Any]:
    """Return the rules as plain values; `receivers` has the kind and the place of each: addresses, the hook's host."""
    found = rules.model_dump(include=_SHOWN)
    receivers = []
    if rules.email is not None:
        receivers.append({"kind": "email", "where": ", ".join(rules.email.to)})
    if rules.webhook is not None:
        # The path of a hook's address is often its secret.
        receivers.append({"kind": "webhook", "where": urlsplit(rules.webhook.url).netloc})
    return {**found, "receivers": receivers}
