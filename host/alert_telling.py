"""Tells people of alerts: by e-mail and by a webhook, all that is new in one text.

A text holds what the alerts hold: names of the site's files and numbers, no value of a message.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence

import orjson

from connectors import mail
from connectors.http import HttpClient, Limits, tls_context
from connectors.secret import read_secret
from store import alerts
from store.alerts import Alert
from store.store import Store
from store.writer import Transaction
from transformers.site_model import Alerts, Mail, Webhook

_LIMITS = Limits(connect_within=10.0, answer_within=20.0, max_answer_bytes=65_536)

#: A receiver's name, and what tells it: subject, text, and the same as JSON.
Receiver = tuple[str, Callable[[str, str, bytes], None]]


def tell(store: Store, site: str, to: Sequence[Receiver], *, quiet: bool) -> None:
    """Tell all receivers in one text of what is new; who cannot be told is an alert of its own.

    It counts as told when one of them took it: a receiver that is down must not make the others tell it again.
    """
    news = [alert for alert in alerts.untold(store.connection) if alert.severity == "blocker" or not quiet]
    if not news or not to:
        return
    problems = {name: _try(send, site, news) for name, send in to}

    def write(tx: Transaction) -> None:
        for name, problem in problems.items():
            key = f"alerts.{name}"
            if problem is None:
                alerts.close(tx, key)
            else:
                alerts.open(tx, key, "warning", f"alerts cannot be told by {name}: {problem}")
        if None in problems.values():
            for alert in news:
                alerts.told(tx, alert)

    store.writer.now(write)


def _try(send: Callable[[str, str, bytes], None], site: str, news: Sequence[Alert]) -> str | None:
    try:
        send(subject(site, news), "\n".join(map(line, news)) + "\n", document(site, news))
    except (OSError, ValueError) as error:
        return str(error) or type(error).__name__
    return None


def subject(site: str, news: Sequence[Alert]) -> str:
    """Return the subject of a text.

    >>> subject("Clinic", [])
    'Clinic: 0 opened, 0 closed'
    """
    closed = sum(alert.closed_at is not None for alert in news)
    return f"{site}: {len(news) - closed} opened, {closed} closed"


def line(alert: Alert) -> str:
    """Return an alert as a line of text."""
    return f"{'closed' if alert.closed_at is not None else alert.severity}: {alert.text} ({alert.key})"


def document(site: str, news: Sequence[Alert]) -> bytes:
    """Return alerts as JSON. Times are seconds since 1970-01-01 UTC."""
    rows = [
        {"key": one.key, "severity": one.severity, "text": one.text, "opened_at": one.opened_at,
         "closed_at": one.closed_at, "times": one.times}
        for one in news
    ]  # fmt: skip
    return orjson.dumps({"schema": 1, "site": site, "alerts": rows})


def receivers(rules: Alerts) -> list[Receiver]:
    """Return whom site.yaml names; a secret is read when it is needed."""
    folder = rules.secrets_folder
    found: list[Receiver] = []
    if (to := rules.email) is not None:
        found.append(("email", lambda subject, text, _: _mail(to, folder, subject, text)))
    if (hook := rules.webhook) is not None:
        found.append(("webhook", lambda _, __, body: asyncio.run(_post(hook, folder, body))))
    return found


def _mail(to: Mail, folder: str | None, subject: str, text: str) -> None:
    server = mail.MailServer(
        host=to.host, port=to.port, tls=to.tls, user=to.user,
        password=None if to.password is None else read_secret(to.password, folder),
        context=None if to.tls == "off" else tls_context(to.ca_file),
    )  # fmt: skip
    mail.send(server, to.sender, to.to, subject, text)


async def _post(hook: Webhook, folder: str | None, body: bytes) -> None:
    headers = {"Content-Type": "application/json"}
    if hook.token is not None:
        headers["Authorization"] = f"Bearer {read_secret(hook.token, folder)}"
    client = HttpClient(hook.url, _LIMITS, tls_context(hook.ca_file) if hook.url.startswith("https:") else None)
    try:
        answer = await client.ask("POST", "", headers, body)
    finally:
        await client.close()
    if not 200 <= answer.status < 300:
        raise ConnectionError(f"the webhook answered {answer.status}")


def try_out(site: str, to: Sequence[Receiver]) -> dict[str, str | None]:
    """Tell each receiver of an alert that is none; return what went wrong with each, None where nothing did."""
    now = time.time()
    alert = Alert(number=0, key="test", severity="warning", text="this is a test; nothing is wrong", opened_at=now,
                  last_at=now, times=1, closed_at=None)  # fmt: skip
    return {name: _try(send, f"{site} (test)", [alert]) for name, send in to}
