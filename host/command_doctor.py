"""`plugin-host doctor`: every prerequisite of the integration, checked before go-live and every day after."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from host.command_access import own_site
from host.command_line import EXIT_FINDINGS, Failure, json_option, print_json, site_option
from host.command_site import read_site_or_leave
from messages.health import Finding, Mark

if TYPE_CHECKING:
    from host.doctor.check import Examined
    from transformers.mapping_site import Site

_SIGNS = {Mark.PASS: "pass", Mark.WARN: "WARN", Mark.FAIL: "FAIL", Mark.UNKNOWN: "  ? "}


@click.command()
@click.option(
    "--only", multiple=True, metavar="NAME", help="Only checks whose name begins so, such as peer or share.url."
)
@click.option("--offline", is_flag=True, help="Do not call any peer.")
@click.option("--quiet", is_flag=True, help="Only what warns or fails.")
@site_option
@json_option
def doctor_command(only: tuple[str, ...], offline: bool, quiet: bool, site: Path, as_json: bool) -> None:
    """Check all that the integration needs, with or without a running host.

    Each check ends as pass, warn, fail, or not checkable from here; with why it matters and how to cure it. What is
    not measurable is declared in site.yaml, with a name and a day. Where there is a store, the round is kept: the
    page shows it, and what fails is an alert. Exit code 1 when something fails.
    """
    found = read_site_or_leave(own_site(site))
    findings = examine_site(found, only, offline=offline)
    if as_json:
        counts = Counter(finding.mark for finding in findings)
        print_json(
            findings=[{**dataclasses.asdict(finding), "mark": finding.mark.value} for finding in findings],
            counts={mark.value: counts[mark] for mark in Mark},
        )
    else:
        _print(findings, quiet=quiet)
    sys.exit(EXIT_FINDINGS if any(finding.mark is Mark.FAIL for finding in findings) else 0)


def examine_site(site: Site, only: Sequence[str] = (), *, offline: bool = False) -> list[Finding]:
    """Run the checks; keep the round where there is a store and all of them were run."""
    from host.doctor.check import examine  # noqa: PLC0415 - --help does not need it
    from host.doctor.examination import examination  # noqa: PLC0415 - loaded for this command only
    from host.doctor.table import CHECKS  # noqa: PLC0415 - loaded for this command only

    checks = [check for check in CHECKS if not only or check.name.startswith(tuple(only))]
    if not checks:
        names = ", ".join(sorted({check.name.partition(".")[0] for check in CHECKS}))
        raise Failure(2, f"there is no check of this name; names begin with: {names}")
    with examination(site, offline=offline) as examined:
        findings = asyncio.run(examine(examined, checks))
    if not only and not offline and examined.store is not None:
        _keep(examined, findings)
    return findings


def _keep(examined: Examined, findings: Sequence[Finding]) -> None:
    from store import doctor  # noqa: PLC0415 - loaded for this command only
    from store.lock import HeldElsewhere, Lock  # noqa: PLC0415 - loaded for this command only
    from store.store import Store  # noqa: PLC0415 - loaded for this command only
    from store.writer import Unavailable  # noqa: PLC0415 - loaded for this command only

    # Another round that ends just now is as good as this one.
    with contextlib.suppress(HeldElsewhere, Unavailable):
        lock = Lock(examined.data, "doctor", wait=5.0)
        store = Store(examined.data, "doctor")
        try:
            store.writer.now(lambda tx: doctor.write_round(tx, findings))
        finally:
            store.close()
            lock.release()


def _print(findings: Sequence[Finding], *, quiet: bool) -> None:
    from host.doctor.table import SECTIONS  # noqa: PLC0415 - loaded for this command only

    for heading, checks in SECTIONS.items():
        names = {check.name for check in checks}
        shown = [one for one in findings if one.check in names and (not quiet or one.mark in {Mark.WARN, Mark.FAIL})]
        if shown:
            click.echo(f"{heading}")
        for one in shown:
            about = f" {one.about}:" if one.about else ""
            declared = f" ({one.declared}, not measured)" if one.declared else ""
            click.echo(f"  {_SIGNS[one.mark]}  {one.check}{about} {one.found}{declared}")
            if one.mark in {Mark.WARN, Mark.FAIL}:
                click.echo(f"        why: {one.why}")
            if one.cure:
                click.echo(f"        cure: {one.cure}")
    counts = Counter(finding.mark for finding in findings)
    click.echo(", ".join(f"{counts[mark]} {mark.value}" for mark in Mark), err=True)
