"""Checks of what is declared: versions, licences and switches of systems that nobody can ask from here.

Source: vendor's pages "Blume Share - PowerServer Feature Overview" and "Power Server - Blume Integration".
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from datetime import UTC, date, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

from host.doctor.check import Examined, Told, bad, doubtful, good, unknown
from host.doctor.of_tables import table_of

#: PowerServer 6.0 needs a patch of this day or later; 6.7 has the share built in.
PATCH = date(2026, 1, 7)
NATIVE = (6, 7)
#: The oldest Mirth that Blume Share works with.
MIRTH = (4, 4, 2)
SKU = "PSCR127GB"
_SHARE_PATH = re.compile(r"/share-study/(?P<organization>[A-Za-z0-9._-]{1,64})/?")


def version(text: object) -> tuple[int, ...] | None:
    """Return a version as numbers, so that 4.10 is newer than 4.4; None where it is none.

    >>> version("4.10.0") > version("4.4.2"), version("6.0"), version("four")
    (True, (6, 0), None)
    """
    words = str(text).strip().removeprefix("v")
    return tuple(int(part) for part in words.split(".")) if re.fullmatch(r"\d+(\.\d+)*", words) else None


def _share(examined: Examined, name: str, setting: str) -> tuple[Any, str]:
    """Return a fact, of the share's own settings or declared, and by whom; None where neither says it."""
    for part in examined.uses("study-share"):
        value = part["settings"].get(setting)
        if value not in (None, ""):
            return value, f"setting {setting} of the share"
    return examined.declared(name), examined.by(name)


def _shares(examined: Examined) -> bool:
    return bool(examined.uses("study-share")) or any(name.startswith("share.") for name in examined.site.declared)


def _undeclared(name: str, words: str, where: str) -> Told:
    return unknown(f"{words}: nobody has declared it", f"look at {where}; declare {name} in site.yaml")


def patch(examined: Examined) -> Iterable[Told]:
    """PowerServer has the patch that the integration needs."""
    release, _ = _share(examined, "powerserver.version", "powerserver_version")
    given, by = _share(examined, "powerserver.patch", "powerserver_patch")
    native = version(release) if release is not None else None
    if native is not None and native >= NATIVE:
        yield good(f"PowerServer {release} needs no patch", declared=by or examined.by("powerserver.version"))
        return
    if given is None:
        yield _undeclared("powerserver.patch", "the day of PowerServer's last patch", "PowerServer's About box")
        return
    try:
        day = date.fromisoformat(str(given))
    except ValueError:
        yield bad(f"'{given}' is no day", "write the patch's day as 2026-01-07", declared=by)
        return
    if day < PATCH:
        yield bad(f"PowerServer's patch is of {day}; {PATCH} or later is needed", declared=by)
    else:
        yield good(f"PowerServer's patch is of {day}", declared=by)


def mirth(examined: Examined) -> Iterable[Told]:
    """PowerServer's Mirth is new enough."""
    given, by = _share(examined, "mirth.version", "mirth_version")
    if given is None:
        yield _undeclared("mirth.version", "the version of PowerServer's Mirth", "Mirth's Help > About")
        return
    found = version(given)
    least = ".".join(map(str, MIRTH))
    if found is None:
        yield bad(f"'{given}' is no version", f"write it as {least}", declared=by)
    elif found < MIRTH:
        yield bad(f"Mirth is {given}; {least} or later is needed", declared=by)
    else:
        yield good(f"Mirth is {given}", declared=by)


def sku(examined: Examined) -> Iterable[Told]:
    """The feature is licensed."""
    given = examined.declared("powerserver.sku")
    if given is None:
        yield _undeclared("powerserver.sku", f"the licence for Blume Share ({SKU})", "RamSoft's order")
    elif given != SKU:
        yield bad(f"the licence is '{given}', not {SKU}", f"order {SKU}", declared=examined.by("powerserver.sku"))
    else:
        yield good(f"{SKU} is licensed", declared=examined.by("powerserver.sku"))


def share_url(examined: Examined) -> Iterable[Told]:
    """OmegaAI Share URL is https://{host}/share-study/{organizationId}."""
    given, by = _share(examined, "share.url", "share_url")
    if given is None:
        yield _no_share(examined, "share.url", "OmegaAI Share URL")
        return
    parts = urlsplit(str(given))
    found = _SHARE_PATH.fullmatch(parts.path)
    organization, _ = _share(examined, "share.organization", "organization")
    if parts.scheme != "https":
        yield bad("OmegaAI Share URL does not begin with https://", declared=by)
    elif not parts.hostname or found is None:
        yield bad("OmegaAI Share URL is not https://HOST/share-study/ORGANIZATION", declared=by)
    elif parts.query or parts.fragment or parts.username:
        yield bad("OmegaAI Share URL has something behind the organization: no patient or study stands in a URL",
                  declared=by)  # fmt: skip
    elif organization is not None and str(organization) != found["organization"]:
        yield bad(f"OmegaAI Share URL names the organization {found['organization']}, the site is {organization}",
                  declared=by)  # fmt: skip
    else:
        yield good(f"OmegaAI Share URL leads to {parts.hostname}", declared=by)


def _no_share(examined: Examined, name: str, words: str) -> Told:
    if not _shares(examined):
        return unknown(f"{words}: no channel of this site shares studies", "")
    return _undeclared(name, words, "OmegaAI's Maintenance page")


def share_station(examined: Examined) -> Iterable[Told]:
    """OmegaAI Migration Station Name is one of the site's DICOM stations."""
    given, by = _share(examined, "share.station", "migration_station")
    if given is None:
        yield _no_share(examined, "share.station", "OmegaAI Migration Station Name")
        return
    known = {name for name, settings in examined.site.stations.items() if "ae_title" in settings}
    known |= {name for part in examined.uses("study-share") for name in part["settings"].get("dicom", {})}
    if given not in known:
        listed = ", ".join(sorted(known)) or "none"
        yield bad(f"there is no DICOM station '{given}'; there are: {listed}", declared=by)
    else:
        yield good(f"OmegaAI Migration Station Name is '{given}'", declared=by)


def share_volume(examined: Examined) -> Iterable[Told]:
    """OmegaAI Migration Volume ID is set and of the right form; whether the volume is there, only OmegaAI knows."""
    given, by = _share(examined, "share.volume", "volume")
    if given is None:
        yield _no_share(examined, "share.volume", "OmegaAI Migration Volume ID")
    elif not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}", str(given)):
        yield bad("OmegaAI Migration Volume ID has spaces or characters that no id has", declared=by)
    else:
        yield unknown(f"OmegaAI Migration Volume ID is '{given}'; that the volume is there cannot be proved from here",
                      "look at OmegaAI: Maintenance > Volumes")  # fmt: skip


def switch(name: str, setting: str, words: str, where: str) -> Callable[[Examined], Iterable[Told]]:
    """Return the check of something that is on or off, and must be on."""

    def look(examined: Examined) -> Iterable[Told]:
        given, by = _share(examined, name, setting)
        if given is None:
            told = _no_share(examined, name, words) if name.startswith("share.") else _undeclared(name, words, where)
            yield told
        elif given is True:
            yield good(f"{words}: yes", declared=by)
        elif given is False:
            yield bad(f"{words}: no", f"turn it on: {where}", declared=by)
        else:
            yield bad(f"{words}: '{given}' is neither true nor false", f"write true or false: {name}", declared=by)

    return look


def issuers(examined: Examined) -> Iterable[Told]:
    """The issuer of patient IDs that PowerServer uses exists under the master organization in OmegaAI."""
    table = examined.site.folder / "tables" / "authorities.csv"
    ours = _issuers_of(examined)
    if not ours:
        yield bad(f"{table.name} has no issuer of medical record numbers (identifier_type MR)",
                  "add the row of PowerServer's issuer to tables/authorities.csv")  # fmt: skip
        return
    menu = "Settings > Users & Facilities > Imaging Facilities > Issuer of Patient ID"
    sides = (
        ("powerserver.issuers", "PowerServer", f"PowerServer: {menu}"),
        ("omegaai.master_issuers", "OmegaAI", "OmegaAI: the master organization's issuers of patient ID"),
    )
    for name, side, where in sides:
        known = examined.declared(name)
        if not isinstance(known, list):
            yield unknown(f"the issuers of {side} cannot be read from here, and nobody has declared them",
                          f"look at {where}; declare {name} in site.yaml", side)  # fmt: skip
            continue
        missing = [issuer for issuer in ours if issuer not in known]
        if missing:
            near = [str(one) for one in known if str(one).strip().casefold() in {m.strip().casefold() for m in missing}]
            told = f"{side} has no issuer '{missing[0]}'" + (f", but '{near[0]}'" if near else "")
            yield bad(told, f"{where}: make it '{missing[0]}', exactly so", side, examined.by(name))
        else:
            yield good(f"{side} has {', '.join(ours)}", side, examined.by(name))


def _issuers_of(examined: Examined) -> list[str]:
    table = table_of(examined, "authorities")
    if table is None:
        return []
    return [row["namespace"] for row in table.rows.values() if row.get("identifier_type") == "MR"]


def ages(examined: Examined) -> Iterable[Told]:
    """Declared facts are of this site's time: neither of the future nor forgotten."""
    # A day later than UTC's: the day of who declared it may have begun already.
    latest = datetime.fromtimestamp(examined.now, UTC).date() + timedelta(days=1)
    late = {name: date.fromisoformat(fact.on) for name, fact in examined.site.declared.items() if _is_day(fact.on)}
    wrong = [name for name, fact in examined.site.declared.items() if not _is_day(fact.on)]
    future = [name for name, day in late.items() if day > latest]
    for name in wrong + future:
        on = examined.site.declared[name].on
        yield doubtful(f"{name} was declared on {on}, which is " + ("no day" if name in wrong else "still to come"),
                       "correct the day in site.yaml", name)  # fmt: skip
    if not wrong and not future:
        count = len(examined.site.declared)
        yield (
            good(f"{count} fact(s) are declared, with day and name")
            if count
            else unknown("nobody has declared anything in site.yaml", "docs/doctor.md lists what can be declared")
        )


def _is_day(text: str) -> bool:
    try:
        date.fromisoformat(text)
    except ValueError:
        return False
    return True
