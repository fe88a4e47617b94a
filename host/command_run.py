"""`plugin-host run`."""

from __future__ import annotations

import logging
import signal
import sys
import time
from pathlib import Path
from types import FrameType

import click

from host.command_line import EXIT_CONFIGURATION, EXIT_REFUSED, site_option
from host.logs import write_logs
from host.running import Host, NothingToRun
from host.supervisor import NotReady
from messages.problem import Problems
from store.connection import UnsafeStore
from store.lock import HeldElsewhere

log = logging.getLogger(__name__)


@click.command()
@site_option
def run_command(site: Path) -> None:
    """Run all channels of a site until told to stop (Ctrl-C, SIGTERM).

    A mapping file with a problem is not run; the revision that ran before stays.
    """
    write_logs("host")
    began = time.monotonic()
    try:
        host = Host(site)
        host.start()
    except (Problems, UnsafeStore, NothingToRun, NotReady) as error:
        click.echo(str(error), err=True)
        sys.exit(EXIT_CONFIGURATION)
    except HeldElsewhere as error:
        click.echo(str(error), err=True)
        sys.exit(EXIT_REFUSED)
    for line in host.summary():
        click.echo(line)
    click.echo(f"ready in {time.monotonic() - began:.1f} s; stop with Ctrl-C")

    def stop(_signal: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, stop)
    try:
        host.watch()
    except KeyboardInterrupt:
        click.echo("stopping", err=True)
    finally:
        host.stop()
