"""`plugin-host run`."""

from __future__ import annotations

import signal
import sys
import time
from pathlib import Path
from types import FrameType

import click

from host.command_access import own_site
from host.command_line import EXIT_CONFIGURATION, EXIT_REFUSED, Failure, site_option
from host.command_site import shown
from host.logs import write_logs
from host.running import Host, NothingToRun
from host.supervisor import NotReady
from messages.problem import Problems
from store.connection import UnsafeStore
from store.lock import HeldElsewhere


@click.command()
@site_option
def run_command(site: Path) -> None:
    """Run all channels of a site until told to stop: Ctrl-C, or SIGTERM; both end in order, with exit code 0.

    A mapping file with a problem is not run; the revision that ran before stays. Exit code 3 when nothing can run:
    site.yaml is wrong, the store must not be used, no door can be opened. 6 when a host runs on this store already.
    """
    write_logs("host")
    signal.signal(signal.SIGTERM, _stop)
    began = time.monotonic()
    host = started(own_site(site))
    try:
        for line in host.summary():
            click.echo(line)
        click.echo(f"ready in {time.monotonic() - began:.1f} s; stop with Ctrl-C")
        sys.stdout.flush()
        host.watch()
    except KeyboardInterrupt:
        click.echo("stopping", err=True)
    finally:
        host.stop()


def started(site: Path) -> Host:
    """Return a host that is ready, or say why there is none and leave."""
    try:
        host = Host(site)
        host.start()
    except Problems as error:
        raise Failure(EXIT_CONFIGURATION, "\n".join(map(shown, error.problems))) from None
    except (UnsafeStore, NothingToRun, NotReady) as error:
        raise Failure(EXIT_CONFIGURATION, str(error)) from None
    except HeldElsewhere as error:
        raise Failure(EXIT_REFUSED, str(error)) from None
    return host


def _stop(_signal: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt
