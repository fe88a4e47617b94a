"""What a check is: a small function in a table, with why it matters and how what it finds is cured."""

from __future__ import annotations

import asyncio
import functools
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from host.site import CheckedFile, check_files, mapping_files
from messages.health import Finding, Mark
from store.connection import Connection
from transformers.mapping_site import Site
from transformers.resource_file import SyncPlan

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Examined:
    """What is examined: a site, and its store where there is one."""

    site: Site
    #: None where the site has no resource-sync.yaml, or it cannot be used.
    sync: SyncPlan | None
    data: Path
    #: None before the first `plugin-host run`.
    store: Connection | None
    #: Why the store that is there cannot be used.
    store_problem: str
    #: Seconds since 1970-01-01 UTC.
    now: float
    #: Do not reach out: peers are not checkable then.
    offline: bool = False

    @functools.cached_property
    def files(self) -> Sequence[CheckedFile]:
        """The mapping files, checked when the first check asks for them."""
        return check_files(self.site, mapping_files(self.site.folder))

    def declared(self, name: str) -> Any:
        """Return the value of a declared fact; None where nobody declared it."""
        fact = self.site.declared.get(name)
        return None if fact is None else fact.value

    def by(self, name: str) -> str:
        """Return who declared a fact, and when; "" where nobody did."""
        fact = self.site.declared.get(name)
        return "" if fact is None else f"declared by {fact.by} on {fact.on}"

    def plans(self) -> list[dict[str, Any]]:
        """Return the plans of all channels that are fit to run."""
        return [file.checked.plan for file in self.files if file.checked.plan is not None]

    def uses(self, connector: str) -> list[Mapping[str, Any]]:
        """Return the parts of channels that use a connector: sources and destinations."""
        parts = [part for plan in self.plans() for part in (plan["from"], *plan["destinations"].values())]
        return [part for part in parts if part["connector"] == connector]


@dataclass(frozen=True, slots=True)
class Told:
    """What a check tells of one thing."""

    mark: Mark
    found: str
    #: What to do about this very thing; None: what the check says in general.
    cure: str | None = None
    about: str = ""
    declared: str = ""


def good(found: str, about: str = "", declared: str = "") -> Told:
    """A pass."""
    return Told(Mark.PASS, found, "", about, declared)


def doubtful(found: str, cure: str | None = None, about: str = "", declared: str = "") -> Told:
    """A warning."""
    return Told(Mark.WARN, found, cure, about, declared)


def bad(found: str, cure: str | None = None, about: str = "", declared: str = "") -> Told:
    """A failure."""
    return Told(Mark.FAIL, found, cure, about, declared)


def unknown(found: str, cure: str | None = None, about: str = "") -> Told:
    """Not checkable from here."""
    return Told(Mark.UNKNOWN, found, cure, about)


Looks = Callable[[Examined], Iterable[Told] | AsyncIterator[Told]]


@dataclass(frozen=True, slots=True)
class Check:
    """One check."""

    name: str
    why: str
    #: What to do where it fails and the finding itself does not say more.
    cure: str
    look: Looks = field(repr=False)


async def examine(examined: Examined, checks: Sequence[Check]) -> list[Finding]:
    """Run checks, those that wait for peers at the same time; findings come in the order of the table."""
    found = await asyncio.gather(*(_look(check, examined) for check in checks))
    return [finding for findings in found for finding in findings]


async def _look(check: Check, examined: Examined) -> list[Finding]:
    try:
        told = check.look(examined)
        gathered = [one async for one in told] if isinstance(told, AsyncIterator) else list(told)
    except Exception as error:
        # One check's bug must not hide what the others find.
        log.exception("a check failed", extra={"code": check.name})
        gathered = [unknown(f"the check itself failed ({type(error).__name__}): please report it", "")]
    return [
        Finding(
            check=check.name, about=one.about, mark=one.mark, found=one.found, why=check.why,
            cure=_cure(check, one), declared=one.declared,
        )
        for one in gathered
    ]  # fmt: skip


def _cure(check: Check, told: Told) -> str:
    if told.mark is Mark.PASS:
        return ""
    return check.cure if told.cure is None else told.cure


async def together(waits: Iterable[Awaitable[Told]]) -> list[Told]:
    """Wait for several looks at once."""
    return list(await asyncio.gather(*waits))
