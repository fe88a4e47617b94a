"""`plugin-host demo`: the whole way of a message, against simulators, on this machine only."""

from __future__ import annotations

import os
import socket
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from host.command_line import EXIT_CONFIGURATION, EXIT_FINDINGS, site_option
from host.logs import write_logs
from host.running import Host, NothingToRun
from host.supervisor import NotReady
from messages.problem import Problems
from simulators.blume import Blume, make_bundle
from simulators.powerserver import PowerServer, read_answers
from store.connection import UnsafeStore

if TYPE_CHECKING:
    from simulators.blume import Answer

#: Seconds that the first message may take.
PATIENCE = 20.0


@click.command()
@click.option("--once", is_flag=True, help="Stop after the first message went through.")
@site_option
def demo_command(once: bool, site: Path) -> None:
    """Run the channels against simulators of Blume and PowerServer.

    Without --once it books an appointment every few seconds until Ctrl-C.
    """
    write_logs("demo", Path(os.devnull).open("w", encoding="utf-8"))  # noqa: SIM115  # for the life of the process
    with tempfile.TemporaryDirectory(prefix="plugin-host-demo-") as folder:
        os.environ.setdefault("PLUGIN_HOST_DATA", folder)
        _choose_ports()
        journal = Path(folder) / "powerserver.journal"
        with PowerServer([], port=int(os.environ["POWERSERVER_MLLP_PORT"]), journal=journal) as powerserver:
            sys.exit(_demo(site, powerserver, journal, once=once))


def _choose_ports() -> None:
    """Take a free port where the site's default is taken and the environment names none."""
    for name, default in (
        ("PLUGIN_HOST_FHIR_PORT", 8080),
        ("PLUGIN_HOST_CONSOLE_PORT", 8090),
        ("POWERSERVER_MLLP_PORT", 6661),
    ):
        if name not in os.environ:
            os.environ[name] = str(_free(default))


def _free(port: int) -> int:
    for wanted in (port, 0):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", wanted))
            except OSError:
                continue
            number: int = probe.getsockname()[1]
            return number
    return port


def _demo(site: Path, powerserver: PowerServer, journal: Path, *, once: bool) -> int:
    began = time.monotonic()
    try:
        host = Host(site)
        host.start()
    except (Problems, UnsafeStore, NothingToRun, NotReady) as error:
        click.echo(str(error), err=True)
        return EXIT_CONFIGURATION
    try:
        click.echo(f"host ready in {time.monotonic() - began:.1f} s")
        for line in host.summary():
            click.echo(f"  {line}")
        if not _first(powerserver, journal):
            return EXIT_FINDINGS
        click.echo(f"\nlook: http://127.0.0.1:{os.environ['PLUGIN_HOST_CONSOLE_PORT']}/")
        if not once:
            click.echo("booking another every 3 seconds; stop with Ctrl-C")
            _go_on()
    except KeyboardInterrupt:
        click.echo("stopping")
    finally:
        host.stop()
    return 0


def _first(powerserver: PowerServer, journal: Path) -> bool:
    """Send the first booking and print all of its way."""
    bundle = make_bundle(1)
    answer = _post(bundle)
    click.echo(f"\nBlume → POST /fhir  {len(bundle)} bytes of FHIR R4 (a transaction Bundle):\n  {_short(bundle)}")
    click.echo(f"Blume ← {answer.status}, Location: {answer.headers.get('location', '–')}")
    try:
        received = powerserver.wait_for(1, PATIENCE)
    except TimeoutError:
        click.echo("PowerServer received nothing", err=True)
        return False
    click.echo("\nPowerServer ← HL7 v2 over MLLP:")
    click.echo(_lines(received[0].payload))
    deadline = time.monotonic() + PATIENCE
    while not (answers := read_answers(journal)) and time.monotonic() < deadline:
        time.sleep(0.02)
    click.echo("\nPowerServer → acknowledgement:")
    click.echo(_lines(answers[0].written))
    return bool(answers)


def _go_on() -> None:
    number = 2
    while True:
        time.sleep(3)
        answer = _post(make_bundle(number))
        click.echo(f"booking {number}: {answer.status}")
        number += 1


def _post(bundle: bytes) -> Answer:
    with Blume(f"http://127.0.0.1:{os.environ['PLUGIN_HOST_FHIR_PORT']}/fhir") as blume:
        return blume.book(bundle)


def _short(bundle: bytes) -> str:
    text = bundle.decode()
    return text if len(text) < 300 else f"{text[:300]} …"


def _lines(message: bytes) -> str:
    text = message.strip(b"\x0b\x1c\r").decode("utf-8", "replace")
    return "\n".join(f"  {line}" for line in text.split("\r") if line)
