"""`plugin-host plugins`."""

from __future__ import annotations

import dataclasses
import sys
from typing import Any

import click

from channels import registry
from channels.registry import Plugin
from host.command_line import EXIT_FINDINGS, Failure, json_option, print_json, suggestion


@click.command()
@click.argument("name", required=False)
@json_option
def plugins_command(name: str | None, as_json: bool) -> None:
    """List plug-ins, the broken ones with their reason; with NAME, the settings of that one.

    Exit code 1 when one is broken.
    """
    found = [plugin for plugin in registry.plugins() if name in {None, plugin.name}]
    if not found:
        known = [plugin.name for plugin in registry.plugins()]
        raise Failure(EXIT_FINDINGS, f"there is no plug-in '{name}': {suggestion(name or '', known)}")
    described = [dataclasses.asdict(plugin) | {"settings": _settings(plugin)} for plugin in found]
    if as_json:
        print_json(plugins=described)
    else:
        _print(described, in_full=name is not None)
    sys.exit(EXIT_FINDINGS if any(plugin.broken for plugin in found) else 0)


def _settings(plugin: Plugin) -> list[dict[str, Any]]:
    """Return the settings of a connector: its dataclass fields, with their help."""
    target = None if plugin.broken else registry.load(plugin.kind, plugin.name)
    if not (isinstance(target, type) and dataclasses.is_dataclass(target)):
        return []
    return [
        {
            "name": field.name,
            "type": str(field.type),
            "required": field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING,
            "default": None if field.default is dataclasses.MISSING else field.default,
            "help": field.metadata.get("help"),
        }
        for field in dataclasses.fields(target)
        if field.init
    ]


def _print(described: list[dict[str, Any]], *, in_full: bool) -> None:
    for plugin in described:
        state = f"BROKEN: {plugin['broken']}" if plugin["broken"] else "ok"
        click.echo(
            f"{plugin['kind']:12} {plugin['name']:20} {plugin['origin']:24} {plugin['target']:44} {state}".rstrip()
        )
        for setting in plugin["settings"] if in_full else ():
            default = "required" if setting["required"] else f"default {setting['default']}"
            click.echo(f"  {setting['name']}: {setting['type']}, {default}\n      {setting['help'] or ''}".rstrip())
