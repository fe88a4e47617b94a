"""`plugin-host repair`: a plan of what brings the resources of both sides in step, and its application."""

from __future__ import annotations

import asyncio
import dataclasses
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from host.command_access import opened_store, who
from host.command_drift import plan_of, sync_store
from host.command_line import (
    EXIT_FINDINGS,
    EXIT_IN_PART,
    EXIT_REFUSED,
    EXIT_UNREACHABLE,
    Failure,
    json_option,
    print_json,
    site_option,
)

if TYPE_CHECKING:
    from host.repairing import Plan
    from store.store import Store


@click.command()
@click.option("--apply", "number", metavar="PLAN", help="Apply the plan of this number, which was shown before.")
@site_option
@json_option
def repair_command(number: str | None, site: Path, as_json: bool) -> None:
    """Show what would bring the resources of OmegaAI and PowerServer in step; with --apply do it.

    What is changed where, resource-sync.yaml says (repair:); by default the host only reports. A change is refused
    while appointments are still to come on its resource. A plan is applied once, and only while both sides are as they
    were when it was shown. Exit codes: 1 there is something to do, 5 done in part, 6 refused.
    """
    found, sync = plan_of(site)
    from host.repairing import CannotPlan, make_plan  # noqa: PLC0415 - --help does not need it

    with opened_store(site) as opened, sync_store(opened.folder) as store:
        try:
            plan = asyncio.run(make_plan(found, sync, store.connection))
        except CannotPlan as error:
            raise Failure(EXIT_UNREACHABLE, str(error)) from None
        if number is None:
            _keep(store, plan)
            _print(plan, as_json=as_json)
            sys.exit(EXIT_FINDINGS if plan.changes else 0)
        results = _apply(found, sync, store, plan, number)
    if as_json:
        print_json(plan=plan.id, results=results)
    else:
        for result in results:
            click.echo(
                f"{'done' if result['done'] else 'NOT DONE'}  {result['name']} {result['field']}: {result['said']}"
            )
    done = sum(result["done"] for result in results)
    click.echo(f"{done} of {len(results)} change(s) made; plugin-host drift --now looks again", err=True)
    sys.exit(0 if done == len(results) else EXIT_IN_PART if done else EXIT_REFUSED)


def _keep(store: Store, plan: Plan) -> None:
    from store import drift  # noqa: PLC0415 - loaded for this command only

    changes = [dataclasses.asdict(change) for change in plan.changes]
    store.writer.now(lambda tx: drift.write_plan(tx, plan.id, who(), changes))


def _apply(site: Any, sync: Any, store: Store, plan: Plan, number: str) -> Sequence[dict[str, Any]]:
    from host.repairing import apply_plan  # noqa: PLC0415 - loaded for this command only
    from store import audit, drift  # noqa: PLC0415 - loaded for this command only

    if number not in {line.id for line in drift.plans(store.connection)}:
        raise Failure(EXIT_REFUSED, f"there is no plan {number}; plugin-host repair shows one")
    if plan.id != number:
        raise Failure(
            EXIT_REFUSED, f"the sides have changed since plan {number} was shown; plugin-host repair shows anew"
        )
    by = who()
    if not store.writer.now(lambda tx: drift.claim_plan(tx, number, by)):
        raise Failure(EXIT_REFUSED, f"plan {number} was applied before; plugin-host repair shows what is left")
    results = asyncio.run(apply_plan(site, sync, plan))

    def keep(tx: Any) -> None:
        drift.write_results(tx, number, results)
        detail = {"done": sum(result["done"] for result in results), "changes": len(results)}
        audit.record(tx, by, "configuration-changed", f"resources:{number}", detail=detail)

    store.writer.now(keep)
    return results


def _print(plan: Plan, *, as_json: bool) -> None:
    if as_json:
        print_json(plan=plan.id, changes=[dataclasses.asdict(change) for change in plan.changes])
        return
    for change in plan.changes:
        click.echo(f"{change.side}  {change.facility or '-'} / {change.name}  {change.field} ({change.category})")
        click.echo(f'        "{change.before}" becomes "{change.after}"')
        told = f"by {change.how}" if change.how else f"not by the host: {change.refused}"
        click.echo(f"        {told}")
        if not change.how:
            click.echo(f"        {change.action}")
    able = sum(change.how is not None for change in plan.changes)
    if able:
        click.echo(f"{able} change(s) by the host: plugin-host repair --apply {plan.id}", err=True)
    elif not plan.changes:
        click.echo("the sides are in step", err=True)
