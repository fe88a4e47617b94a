"""`plugin-host test`."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import click

from host.command_line import EXIT_FINDINGS, Failure, json_option, print_json, site_option
from host.command_site import checked, files_argument, now_option
from host.test_report import write_junit
from host.watching import changes
from transformers.mapping_coverage import Coverage, coverage
from transformers.mapping_tests import TestResult, run_tests

#: Seconds between two looks of `--watch`.
_LOOK = 0.5


@click.command()
@files_argument
@click.option("-k", "name", help="Only tests whose name holds this text.")
@click.option("--coverage", "covered", is_flag=True, help="Say which rules, table rows and routes no test touches.")
@click.option("--junit", type=click.Path(dir_okay=False, path_type=Path), help="Write JUnit XML to this file, too.")
@click.option("--watch", is_flag=True, help="Run again whenever a file of the site changes; until Ctrl-C.")
@now_option
@site_option
@json_option
def test_command(
    mappings: tuple[str, ...],
    name: str | None,
    covered: bool,
    junit: Path | None,
    watch: bool,
    now: datetime | None,
    site: Path,
    as_json: bool,
) -> None:
    """Run the tests that stand in mapping files.

    MAPPING is a channel or a file; without one the whole site is tested. Exit code 1 when a test fails, a file is
    not fit to run, or there is nothing to test.
    """

    def run() -> bool:
        found = _tested(site, mappings, name, now)
        if junit is not None:
            write_junit(junit, found.results, found.unfit)
        if as_json:
            print_json(**found.as_json())
        else:
            found.show(covered=covered)
        return found.is_good

    if not watch:
        sys.exit(0 if run() else EXIT_FINDINGS)
    _watch(site, run)


def _watch(site: Path, run: Any) -> None:
    """Run, and run again after each change; a site that is broken for a moment is told and waited for."""

    def wait() -> bool:
        time.sleep(_LOOK)
        return True

    def once() -> None:
        try:
            run()
        except Failure as failure:
            failure.show()

    seen = changes(site, wait)  # what changes while the tests run counts
    once()
    for changed in seen:
        click.echo(f"\n-- {', '.join(path.name for path in changed)} changed --", err=True)
        once()


@dataclass(slots=True)
class _Tested:
    """What the tests of several files gave."""

    results: dict[str, list[TestResult]] = field(default_factory=dict)
    #: Files with problems; they were not tested.
    unfit: list[str] = field(default_factory=list)
    coverage: Coverage = field(default_factory=Coverage)

    @property
    def outcomes(self) -> list[TestResult]:
        return [result for results in self.results.values() for result in results]

    @property
    def failed(self) -> int:
        return sum(not result.passed for result in self.outcomes)

    @property
    def is_good(self) -> bool:
        return bool(self.outcomes) and not self.failed and not self.unfit

    def as_json(self) -> dict[str, Any]:
        missing = [{"kind": kind, "place": item.place, "text": item.text} for kind, item in self.coverage.missing()]
        figures = {kind: {"touched": some, "all": all_} for kind, (some, all_) in self.coverage.figures().items()}
        return {
            "tests": [
                {"name": r.name, "place": str(r.place), "passed": r.passed, "differences": list(r.differences)}
                for r in self.outcomes
            ],
            "failed": self.failed,
            "not_tested": self.unfit,
            "untouched": list(dict.fromkeys(one["place"] for one in missing)),
            "coverage": {"figures": figures, "missing": missing},
        }

    def show(self, *, covered: bool) -> None:
        for file in self.unfit:
            click.echo(f"{file}: not tested, the file has problems (plugin-host check)", err=True)
        for result in self.outcomes:
            click.echo(f"{'ok  ' if result.passed else 'FAIL'} {result.name}  ({result.place})")
            for difference in result.differences:
                click.echo(f"       {difference}")
        if covered:
            _show_coverage(self.coverage)
        click.echo(f"{len(self.outcomes) - self.failed} of {len(self.outcomes)} tests passed", err=True)


def _tested(site: Path, mappings: Sequence[str], name: str | None, now: datetime | None) -> _Tested:
    found = _Tested()
    for file in checked(site, mappings):
        plan = file.checked.plan
        if not file.is_fit or plan is None:
            found.unfit.append(str(file.path))
            continue
        results = run_tests(file.checked, site, now)
        found.coverage.add(coverage(plan, [result.trace for result in results], site))
        found.results[str(file.path)] = [result for result in results if name is None or name in result.name]
    return found


def _show_coverage(found: Coverage) -> None:
    for _, item in found.missing():
        click.echo(f"{item.place}: no test touches this: {item.text}")
    figures = found.figures()
    width = max((len(kind) for kind in figures), default=0)
    for kind, (some, all_) in figures.items():
        click.echo(f"{kind:{width}}  {some:>4} of {all_:<4} {100 * some / all_:3.0f} %")
