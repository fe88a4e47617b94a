"""Looks at the channels, and opens and closes alerts.

What is found is a key and a text of our own words, names of the site's files and numbers: no value of a message. An
alert is opened once however often it is found, and closed once it was not found for a while (`SETTLED`).
"""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from zoneinfo import ZoneInfo

from host import alert_telling
from messages.lifecycle import OPEN, Status
from store import alerts, directory, lists, reads
from store.alerts import Severity
from store.connection import Connection
from store.store import Store
from store.writer import Transaction
from transformers.mapping_site import Site, seconds
from transformers.site_model import Alerts, Quiet, WorkingHours

#: Seconds for which something must not be found before its alert is closed: it does not come and go by the minute.
SETTLED = 300.0
#: What this module opens, and so may close.
PREFIX = "watch."
_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_HOUR = 3600


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """Something that needs a person now."""

    key: str
    severity: Severity
    text: str


def look(connection: Connection, rules: Alerts, zone: ZoneInfo, now: float) -> list[Found]:
    """Return what needs a person now (seconds since 1970-01-01 UTC); the cost does not grow with the store."""
    counts = reads.counts(connection, now - _HOUR)
    received = lists.last_received(connection)
    found: list[Found] = []
    for channel in directory.channels(connection):
        if channel.state == "stopped" or channel.revision is None:
            continue  # a person's will, and what `check` and the first page say
        for line in channel.destinations:
            of = counts[line.number]
            found += _of_destination(f"{channel.name}.{line.name}", of, rules, now)
        found += _silence(channel.name, received.get(channel.number), rules, zone, now)
    return found


def _of_destination(name: str, of: reads.DestinationCounts, rules: Alerts, now: float) -> Iterator[Found]:
    waiting = sum(of.levels.get(status, 0) for status in OPEN)
    if rules.queue_age != "off" and of.oldest_open_at is not None:
        age = now - of.oldest_open_at
        if age >= seconds(rules.queue_age):
            text = f"{name}: the oldest of {waiting} open deliveries waits for {age / 60:.0f} minutes"
            yield Found(key=f"{PREFIX}queue-age.{name}", severity="blocker", text=text)
    if rules.queue_depth and waiting >= rules.queue_depth:
        text = f"{name}: {waiting} deliveries are open"
        yield Found(key=f"{PREFIX}queue-depth.{name}", severity="warning", text=text)
    parked, sent = of.flows.get(Status.ERROR, 0), of.flows.get(Status.SENT, 0)
    share = 100 * parked / (parked + sent) if parked else 0.0
    if rules.error_percent and parked >= rules.error_least and share >= rules.error_percent:
        text = f"{name}: {parked} deliveries were parked lately, {share:.0f} % of what ended"
        yield Found(key=f"{PREFIX}errors.{name}", severity="warning", text=text)


def _silence(channel: str, last: float | None, rules: Alerts, zone: ZoneInfo, now: float) -> Iterator[Found]:
    after = rules.silence.get(channel, "off")
    began = work_began(rules.working_hours, zone, now)
    if after == "off" or began is None:
        return
    if now - max(began, last or 0.0) >= seconds(after):
        text = f"{channel}: no message came for {after} in working hours"
        yield Found(key=f"{PREFIX}silence.{channel}", severity="warning", text=text)


def work_began(hours: WorkingHours, zone: ZoneInfo, now: float) -> float | None:
    """Return when today's working hours began (seconds since 1970-01-01 UTC); None outside of them."""
    local = dt.datetime.fromtimestamp(now, zone)
    begin, end = (
        local.replace(hour=h, minute=m, second=0, microsecond=0) for h, m in map(_time, (hours.begin, hours.end))
    )
    is_now = _DAYS[local.weekday()] in hours.days and begin <= local < end
    return begin.timestamp() if is_now else None


def is_quiet(quiet: Quiet | None, zone: ZoneInfo, now: float) -> bool:
    """Tell whether only blockers are told now; quiet hours may go over midnight."""
    if quiet is None:
        return False
    local = dt.datetime.fromtimestamp(now, zone)
    at, begin, end = (local.hour, local.minute), _time(quiet.begin), _time(quiet.end)
    return begin <= at < end if begin <= end else at >= begin or at < end


def _time(clock: str) -> tuple[int, int]:
    return int(clock[:2]), int(clock[3:])


def keep(store: Store, found: Sequence[Found], now: float) -> None:
    """Open what is found, and close what was not found for a while; one transaction."""
    keys = {one.key for one in found}
    over = [
        alert.key
        for alert in alerts.open_alerts(store.connection)
        if alert.key.startswith(PREFIX) and alert.key not in keys and now - alert.last_at >= SETTLED
    ]

    def write(tx: Transaction) -> None:
        for one in found:
            alerts.open(tx, one.key, one.severity, one.text)
        for key in over:
            alerts.close(tx, key)

    if found or over:
        store.writer.now(write)


def watch(store: Store, site: Site, rules: Alerts, now: float | None = None) -> None:
    """Look, keep, and tell whoever site.yaml names of what they were not told yet."""
    at, zone = time.time() if now is None else now, ZoneInfo(site.time_zone)
    keep(store, look(store.connection, rules, zone, at), at)
    alert_telling.tell(store, site.name, alert_telling.receivers(rules), quiet=is_quiet(rules.quiet, zone, at))
