"""The command line: names, options and exit codes. The work is done elsewhere and imported when it is asked for."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import click

EXIT_DONE, EXIT_FINDINGS, EXIT_USAGE, EXIT_CONFIGURATION, EXIT_UNREACHABLE, EXIT_IN_PART, EXIT_REFUSED = range(7)

_COMMANDS = {
    "run": ("host.command_run", "Run all channels of a site."),
    "demo": ("host.command_demo", "Run the channels against simulators of Blume and PowerServer."),
    "check": ("host.command_check", "Check mapping files; all mistakes at once, with their places."),
    "test": ("host.command_check", "Run the tests that stand in mapping files."),
    "try": ("host.command_try", "Map one file and show what would be sent."),
    "status": ("host.command_status", "Show channels, counts and connections."),
    "start": ("host.command_status", "Start a channel."),
    "stop": ("host.command_status", "Stop a channel: its door and its lanes."),
    "pause": ("host.command_status", "Close a channel's door; what it has is still delivered."),
    "resume": ("host.command_status", "Open a paused channel's door again."),
    "messages": ("host.command_messages", "Find, show, retry and cancel messages."),
    "reconcile": ("host.command_messages", "Count every delivery and compare with what was accepted."),
    "plugins": ("host.command_plugins", "List plug-ins, the broken ones with their reason."),
    "explain": ("host.command_plugins", "Explain a problem's code: cause, example, cure."),
    "init": ("host.command_init", "Make a new site's folder from the shipped one."),
}


class _Lazy(click.Group):
    """Imports a command when it is run; `--help` needs only the list above."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002  # click's signature
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        if cmd_name not in _COMMANDS:
            return None
        module = importlib.import_module(_COMMANDS[cmd_name][0])
        command: click.Command = getattr(module, f"{cmd_name}_command")
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in _COMMANDS.items()])

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        name = args[0] if args else ""
        if name not in _COMMANDS and not name.startswith("-"):
            import difflib  # noqa: PLC0415  # only for a mistake

            near = difflib.get_close_matches(name, _COMMANDS, 1)
            hint = f" Did you mean '{near[0]}'?" if near else " See 'plugin-host --help'."
            raise click.UsageError(f"There is no command '{name}'.{hint}", ctx)
        return super().resolve_command(ctx, args)


@click.group(cls=_Lazy, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="plugin-host", prog_name="plugin-host")
def plugin_host() -> None:
    """A channel host that joins OmegaAI and Blume to PowerServer: HL7 v2, FHIR R4 and DICOM."""


def site_option(command: Any) -> Any:
    """Add `--site DIR`."""
    return click.option(
        "--site",
        type=click.Path(exists=True, file_okay=False, path_type=Path),
        default=default_site,
        show_default="mappings",
        help="Folder with site.yaml and the mapping files.",
    )(command)


def json_option(command: Any) -> Any:
    """Add `--json`."""
    return click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")(command)


def default_site() -> Path:
    """Return ./mappings where there is one, else the shipped site."""
    here = Path("mappings")
    return here if (here / "site.yaml").exists() else Path(__file__).resolve().parent.parent / "mappings"
