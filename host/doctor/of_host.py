"""Checks of this machine and this host: the store, the disk, the processes, what waits for a person."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterable
from zoneinfo import ZoneInfo

from host.doctor.check import Examined, Told, bad, doubtful, good, unknown
from messages.lifecycle import Status
from messages.turned_away import TurnedAway
from store import alerts, dicom, directory, health, reads, traffic
from store.connection import STORE_FILE

#: Bytes that a message takes in the store for each byte that came: as received, as sent, the answer, the indexes.
FACTOR = 4
_GB = 1_000_000_000
#: Why callers of the DICOM door were turned away → what is found, and how it is cured.
_TURNED_AWAY = {
    TurnedAway.ADDRESS: ("addresses that nobody named", "if it is yours: AE_TITLE@ADDRESS in site.yaml, dicom: peers"),
    TurnedAway.CONNECTIONS: ("too many connections were open", "raise dicom: connections, or find who holds them"),
    TurnedAway.TLS: ("no TLS with us", "compare certificate_file and client_ca_file with the station's"),
    TurnedAway.PROTOCOL: ("no request for an association in time", "find who it is: a port scan, or no DICOM"),
    TurnedAway.CALLED: ("another AE title than ours", "correct the called AE title at the station"),
    TurnedAway.CALLING: ("an AE title that is not named with its address", "add it to site.yaml, dicom: peers"),
    TurnedAway.ASSOCIATIONS: ("too many associations stood", "raise dicom: associations"),
}


def store(examined: Examined) -> Iterable[Told]:
    """The store is what it was."""
    if examined.store_problem:
        yield bad(examined.store_problem.splitlines()[0], "restore a backup, or: plugin-host salvage")
    elif examined.store is None:
        yield unknown(f"there is no {STORE_FILE} in {examined.data} yet", "plugin-host run makes it")
    else:
        lost = list(health.missing_commits(examined.data, examined.store))
        yield bad(lost[0]) if lost else good("the store has all that was committed")


def disk(examined: Examined) -> Iterable[Told]:
    """There is room for what the site keeps."""
    folder = next(path for path in (examined.data, *examined.data.parents) if path.exists())
    free = shutil.disk_usage(folder).free
    least = examined.site.doctor.free_gigabytes * _GB
    if free < least:
        yield bad(f"{free / _GB:.1f} GB are free for the store; {least / _GB:.0f} GB must be",
                  "make room, or shorten retention: days")  # fmt: skip
        return
    daily = _daily(examined)
    needed = daily * examined.site.retention_days * FACTOR
    if needed > free - least:
        yield doubtful(f"at {daily / 1e6:.0f} MB of messages a day, {examined.site.retention_days} days need about "
                       f"{needed / _GB:.1f} GB; {free / _GB:.1f} GB are free",
                       "make room, or shorten retention: days")  # fmt: skip
    else:
        rate = f" at {daily / 1e6:.1f} MB of messages a day" if daily else ""
        yield good(f"{free / _GB:.0f} GB are free{rate}")


def _daily(examined: Examined) -> float:
    """Return the bytes of messages that come in a day, by the last days."""
    if examined.store is None:
        return 0.0
    days = examined.site.doctor.traffic_days
    _, size = traffic.bytes_since(examined.store, examined.now - days * 86400)
    return size / days


def processes(examined: Examined) -> Iterable[Told]:
    """All processes of the host are alive."""
    rows = directory.processes(examined.store) if examined.store is not None else []
    if not rows:
        yield unknown("the host is not running", "plugin-host run")
        return
    gone = [row.role for row in rows if not directory.is_alive(row)]
    if gone:
        yield bad(f"not alive: {', '.join(gone)}", "look at the host's log; restart it")
    else:
        yield good(f"alive: {', '.join(row.role for row in rows)}")


def channels(examined: Examined) -> Iterable[Told]:
    """Every channel runs the file on disk."""
    rows = directory.channels(examined.store) if examined.store is not None else []
    if not rows:
        yield unknown("no channel was ever deployed", "plugin-host run")
    for row in rows:
        if row.problem:
            yield bad(
                row.problem.splitlines()[0], "plugin-host check; mend the file, then plugin-host deploy", row.name
            )
        elif row.state != "started":
            yield doubtful(f"it is {row.state}", f"plugin-host start {row.name}", row.name)
        else:
            yield good(f"revision {row.revision} runs", row.name)


def parked(examined: Examined) -> Iterable[Told]:
    """Nothing waits for a person."""
    if examined.store is None:
        yield unknown("there is no store yet", "")
        return
    counts = reads.counts(examined.store, since=examined.now)
    total = sum(one.levels.get(Status.ERROR, 0) for one in counts.values())
    if total:
        yield doubtful(f"{total} deliveries are parked", "plugin-host messages find --status ERROR")
    else:
        yield good("nothing is parked")


def alerted(examined: Examined) -> Iterable[Told]:
    """No alert is open beside those that these checks open themselves."""
    if examined.store is None:
        yield unknown("there is no store yet", "")
        return
    found = [alert for alert in alerts.open_alerts(examined.store) if not alert.key.startswith("doctor.")]
    for alert in found:
        told = bad if alert.severity == "blocker" else doubtful
        yield told(alert.text, about=alert.key)
    if not found:
        yield good("no alert is open")


def dicom_callers(examined: Examined) -> Iterable[Told]:
    """Nobody was turned away at the DICOM door in the last day."""
    if examined.store is None:
        yield unknown("there is no store yet", "")
        return
    lately = [row for row in dicom.turned_away(examined.store) if row.last_at > examined.now - 86_400]
    for row in lately:
        what, cure = _TURNED_AWAY[TurnedAway(row.why)]
        yield doubtful(f"{what}: {row.times} callers so far, the last from {row.last_peer}", cure, row.why)
    if not lately:
        yield good("nobody was turned away at the DICOM door in the last day")


def clock(examined: Examined) -> Iterable[Told]:
    """The clock of this machine runs, and knows the site's zone."""
    year = time.gmtime(examined.now).tm_year
    if year < 2025:  # before this program was written
        yield bad(f"this machine's clock says {year}", "set the clock; let NTP keep it")
    else:
        yield good(f"this machine's clock is in {year}; the site's zone is {ZoneInfo(examined.site.time_zone).key}")
