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

from host.command_line import EXIT_UNREACHABLE, SHIPPED_SITE, Failure
from host.command_run import started
from host.logs import write_logs
from simulators import omegaai_resources
from simulators.blume import Blume, make_bundle
from simulators.omegaai import OmegaAI
from simulators.powerserver import PowerServer, read_answers

if TYPE_CHECKING:
    from host.running import Host
    from simulators.blume import Answer

#: Seconds that the first message may take.
PATIENCE = 20.0
#: Seconds between two bookings.
EVERY = 3.0


@click.command()
@click.option("--once", is_flag=True, help="Stop after the first message went through.")
@click.option(
    "--site",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    default=SHIPPED_SITE,
    show_default="the shipped one",
    help="Folder with site.yaml and the mapping files.",
)
def demo_command(once: bool, site: Path) -> None:
    """Run the channels against simulators of Blume and PowerServer.

    It books an appointment every few seconds until Ctrl-C; the store is a temporary one and goes with it (unless
    PLUGIN_HOST_DATA names another). Ports that are taken are replaced by free ones (unless the environment names them).
    Exit code 4 when the message does not arrive.
    """
    with tempfile.TemporaryDirectory(prefix="plugin-host-demo-", ignore_cleanup_errors=True) as folder:
        write_logs("demo", (Path(folder) / "demo.log").open("w", encoding="utf-8"))
        os.environ.setdefault("PLUGIN_HOST_DATA", folder)
        _choose_ports()
        journal = Path(folder) / "powerserver.journal"
        with (
            PowerServer([], port=int(os.environ["POWERSERVER_MLLP_PORT"]), journal=journal) as powerserver,
            OmegaAI(port=_omegaai_port()) as omegaai,
        ):
            omegaai_resources.load(omegaai.records)
            began = time.monotonic()
            host = started(site)
            try:
                _demo(host, powerserver, journal, time.monotonic() - began, once=once)
            except KeyboardInterrupt:
                click.echo("stopping", err=True)
            finally:
                host.stop()


def _choose_ports() -> None:
    """Take a free port where the site's default is taken and the environment names none."""
    for name, default in (
        ("PLUGIN_HOST_FHIR_PORT", 8080),
        ("PLUGIN_HOST_CONSOLE_PORT", 8090),
        ("POWERSERVER_MLLP_PORT", 6661),
    ):
        if name not in os.environ:
            os.environ[name] = str(_free(default))


def _omegaai_port() -> int:
    """Return where OmegaAI's simulator listens: where the site looks for it, unless the environment names another."""
    if "OMEGAAI_FHIR_URL" in os.environ:
        return 0
    port = _free(8095)
    os.environ["OMEGAAI_FHIR_URL"] = f"http://127.0.0.1:{port}/fhir"
    return port


def _free(port: int) -> int:
    for wanted in (port, 0):
        with socket.socket() as probe:
            if os.name == "posix":
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", wanted))
            except OSError:
                continue
            number: int = probe.getsockname()[1]
            return number
    return port


def _demo(host: Host, powerserver: PowerServer, journal: Path, seconds: float, *, once: bool) -> None:
    click.echo(f"host ready in {seconds:.1f} s")
    for line in host.summary():
        click.echo(f"  {line}")
    _first(powerserver, journal)
    click.echo(f"\nlook: http://127.0.0.1:{os.environ['PLUGIN_HOST_CONSOLE_PORT']}/")
    sys.stdout.flush()
    if not once:
        click.echo(f"booking another every {EVERY:.0f} seconds; stop with Ctrl-C")
        _go_on()


def _first(powerserver: PowerServer, journal: Path) -> None:
    """Send the first booking and print all of its way; leave when it does not arrive."""
    bundle = make_bundle(1)
    answer = _post(bundle)
    click.echo(f"\nBlume → POST /fhir  {len(bundle)} bytes of FHIR R4 (a transaction Bundle):\n  {_short(bundle)}")
    click.echo(f"Blume ← {answer.status}, Location: {answer.headers.get('location', '–')}")
    try:
        received = powerserver.wait_for(1, PATIENCE)
    except TimeoutError:
        raise Failure(EXIT_UNREACHABLE, "PowerServer received nothing") from None
    click.echo("\nPowerServer ← HL7 v2 over MLLP:")
    click.echo(_lines(received[0].payload))
    deadline = time.monotonic() + PATIENCE
    while not (answers := read_answers(journal)) and time.monotonic() < deadline:
        time.sleep(0.02)
    if not answers:
        raise Failure(EXIT_UNREACHABLE, "PowerServer did not answer")
    click.echo("\nPowerServer → acknowledgement:")
    click.echo(_lines(answers[0].written))


def _go_on() -> None:
    number = 2
    while True:
        time.sleep(EVERY)
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
