"""`plugin-host plugins` and `plugin-host explain`."""

from __future__ import annotations

import dataclasses
import difflib
import sys

import click
import orjson

from channels import registry
from host.codes import codes
from host.command_line import EXIT_FINDINGS, json_option


@click.command()
@json_option
def plugins_command(as_json: bool) -> None:
    """List plug-ins, the broken ones with their reason. Exit code 1 when one is broken."""
    found = registry.plugins()
    if as_json:
        click.echo(orjson.dumps({"schema": 1, "plugins": [dataclasses.asdict(plugin) for plugin in found]}).decode())
    for plugin in () if as_json else found:
        state = f"BROKEN: {plugin.broken}" if plugin.broken else "ok"
        click.echo(f"{plugin.kind:12} {plugin.name:20} {plugin.origin:24} {plugin.target:44} {state}")
    sys.exit(EXIT_FINDINGS if any(plugin.broken for plugin in found) else 0)


@click.command()
@click.argument("code")
def explain_command(code: str) -> None:
    """Explain a problem's CODE: what causes it, an example, what to do."""
    known = codes()
    explanation = known.get(code.upper())
    if explanation is None:
        near = difflib.get_close_matches(code.upper(), known, 3)
        click.echo(f"there is no code {code}" + (f"; did you mean {', '.join(near)}?" if near else ""), err=True)
        sys.exit(EXIT_FINDINGS)
    click.echo(
        f"{code.upper()}\n\nCause    {explanation.cause}\nExample  {explanation.example}\nCure     {explanation.cure}"
    )
