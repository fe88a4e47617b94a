"""`plugin-host test`."""

from __future__ import annotations

import sys
from datetime import datetime
from pathlib import Path

import click

from host.command_line import EXIT_FINDINGS, json_option, print_json, site_option
from host.command_site import checked, files_argument, now_option
from transformers.mapping_tests import TestResult, run_tests, untouched


@click.command()
@files_argument
@click.option("-k", "name", help="Only tests whose name holds this text.")
@click.option("--coverage", is_flag=True, help="List the rules and lines of the route that no test touches.")
@now_option
@site_option
@json_option
def test_command(
    mappings: tuple[str, ...], name: str | None, coverage: bool, now: datetime | None, site: Path, as_json: bool
) -> None:
    """Run the tests that stand in mapping files.

    MAPPING is a channel or a file; without one the whole site is tested. Exit code 1 when a test fails, a file is
    not fit to run, or there is nothing to test.
    """
    outcomes: list[TestResult] = []
    unfit: list[str] = []
    missed: list[str] = []
    for file in checked(site, mappings):
        if not file.is_fit or file.checked.plan is None:
            unfit.append(str(file.path))
            click.echo(f"{file.path}: not tested, the file has problems (plugin-host check)", err=True)
            continue
        results = run_tests(file.checked, site, now)
        missed += untouched(file.checked.plan, results)
        outcomes += [result for result in results if name is None or name in result.name]
    failed = [result for result in outcomes if not result.passed]
    if as_json:
        tests = [
            {"name": r.name, "place": str(r.place), "passed": r.passed, "differences": list(r.differences)}
            for r in outcomes
        ]
        print_json(tests=tests, failed=len(failed), not_tested=unfit, untouched=missed)
    else:
        _print(outcomes)
    for place in missed if coverage and not as_json else ():
        click.echo(f"{place}: no test touches this")
    click.echo(f"{len(outcomes) - len(failed)} of {len(outcomes)} tests passed", err=True)
    sys.exit(EXIT_FINDINGS if failed or unfit or not outcomes else 0)


def _print(outcomes: list[TestResult]) -> None:
    for result in outcomes:
        click.echo(f"{'ok  ' if result.passed else 'FAIL'} {result.name}  ({result.place})")
        for difference in result.differences:
            click.echo(f"       {difference}")
