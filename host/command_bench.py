"""`plugin-host bench`: what a message costs, beside a straight-line program that does the same work."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import click

from host.command_line import EXIT_USAGE, json_option

HOUSE = Path(__file__).resolve().parents[1]


@click.command()
@click.option("--seconds", type=float, default=3.0, show_default=True, help="Seconds of load in each run.")
@click.option("--clients", default="1,8,32", show_default=True, help="Numbers of clients, with commas.")
@click.option("--only", type=click.Choice(["host", "floor"]), help="Measure one of the two.")
@json_option
def bench_command(seconds: float, clients: str, only: str | None, as_json: bool) -> None:
    """Measure this host end to end, on this machine, with 1, 8 and 32 clients.

    It runs a host with a store of its own, and in turns with it the floor: the same work and durability without the
    engine. Exit code 0: all goals are met; 1: some are not.
    """
    if not (HOUSE / "bench" / "pipeline.py").exists():
        click.echo("bench comes with the source, not with the package: run it in a checkout.", err=True)
        sys.exit(EXIT_USAGE)
    arguments = ["--seconds", str(seconds), "--clients", clients]
    if only:
        arguments += ["--only", only]
    if as_json:
        arguments.append("--json")
    sys.exit(subprocess.run([sys.executable, "-m", "bench.pipeline", *arguments], cwd=HOUSE, check=False).returncode)  # noqa: S603  # our own program
