"""The command line: names, options and exit codes. The work is done elsewhere and imported when it is asked for.

Data goes to standard output, everything else to standard error. docs/command-line.md says the same to people.
"""

from __future__ import annotations

import difflib
import importlib
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NoReturn

import click

EXIT_DONE, EXIT_FINDINGS, EXIT_USAGE, EXIT_CONFIGURATION, EXIT_UNREACHABLE, EXIT_IN_PART, EXIT_REFUSED = range(7)
#: A bug of ours (EX_SOFTWARE of sysexits.h).
EXIT_BUG = 70
EXIT_INTERRUPTED = 130

ROOMS = Path(__file__).resolve().parents[1]
SHIPPED_SITE = ROOMS / "mappings"
#: Files of a site's folder that are no channel's.
_NO_CHANNELS = ("site.yaml", "resource-sync.yaml")

#: section of `--help` → command → the module that holds it, and what it does.
SECTIONS: dict[str, dict[str, tuple[str, str]]] = {
    "See it work": {
        "demo": ("host.command_demo", "Run the channels against simulators of Blume and PowerServer."),
        "run": ("host.command_run", "Run all channels of a site."),
    },
    "Write mapping files": {
        "init": ("host.command_init", "Make a new site's folder from the shipped one."),
        "check": ("host.command_check", "Check mapping files; all mistakes at once, with their places."),
        "test": ("host.command_test", "Run the tests that stand in mapping files."),
        "try": ("host.command_try", "Map one file and show what would be sent."),
        "explain": ("host.command_explain", "Explain a problem's code: cause, example, cure."),
        "mapping": ("host.command_mapping", "Begin a mapping file, write its specification, make a test sample."),
        "fragments": ("host.command_fragments", "List what mapping files share, and which of them use it."),
        "table": ("host.command_table", "Make a code table of a FHIR ConceptMap, or a ConceptMap of a table."),
        "schema": ("host.command_schema", "Print the JSON Schema of mapping files for editors."),
    },
    "Change what runs": {
        "replay": ("host.command_replay", "Compare what a changed file makes of stored messages with what was sent."),
        "deploy": ("host.command_deploy", "Make a mapping file the revision that runs, without a restart."),
        "rollback": ("host.command_deploy", "Make an earlier revision the one that runs again."),
        "revisions": ("host.command_revisions", "List which revisions of a channel ran since when."),
        "diff": ("host.command_revisions", "Show what differs between two revisions, or the file on disk."),
    },
    "Look after channels": {
        "status": ("host.command_status", "Show channels, counts and connections."),
        "start": ("host.command_state", "Start a channel."),
        "stop": ("host.command_state", "Stop a channel: its door and its lanes."),
        "pause": ("host.command_state", "Close a channel's door; what it has is still delivered."),
        "resume": ("host.command_state", "Open a paused channel's door again."),
        "reach": ("host.command_reach", "Try whether the peers of a channel can be reached."),
        "unmapped": ("host.command_unmapped", "List codes that a table has no row for, and who waits for it."),
        "alerts": ("host.command_alerts", "List what needs a person, watch for it, test whom it is told."),
        "drift": ("host.command_drift", "Show what OmegaAI's and PowerServer's resources have differently."),
        "repair": ("host.command_repair", "Bring the resources of both sides in step: a plan first, then its changes."),
        "appointment": ("host.command_appointment", "Show what each side said of an appointment, and the gaps."),
        "messages": ("host.command_messages", "Find, show, retry, reprocess and cancel messages."),
        "share": ("host.command_share", "List, show, retry and revoke study shares."),
        "prior": ("host.command_prior", "List, show, retry and end pulls of prior studies."),
        "reconcile": ("host.command_reconcile", "Count every delivery and compare with what was accepted."),
        "audit": ("host.command_audit", "Check that no line of the audit trail was changed or removed."),
        "verify": ("host.command_store", "Read every page of the store and check it."),
        "salvage": ("host.command_store", "Copy what can be read of a damaged store into a new one."),
    },
    "Set up": {
        "doctor": ("host.command_doctor", "Check all that the integration needs, before go-live and every day."),
        "user": ("host.command_user", "Add, list and change the accounts of the status page."),
        "plugins": ("host.command_plugins", "List plug-ins and their settings, the broken ones with their reason."),
        "bench": ("host.command_bench", "Measure this host end to end, beside a straight-line program."),
        "completion": ("host.command_completion", "Print the script that completes commands in a shell."),
    },
}
COMMANDS = {name: entry for section in SECTIONS.values() for name, entry in section.items()}


class Failure(click.ClickException):
    """Ends a command: a text for standard error, and an exit code."""

    def __init__(self, exit_code: int, text: str) -> None:
        super().__init__(text)
        self.exit_code = exit_code  # type: ignore[misc]  # click itself sets it on instances

    def show(self, file: Any = None) -> None:
        """Write the text to standard error."""
        click.echo(self.message, file=file, err=file is None)


def suggestion(word: str, known: Iterable[str]) -> str:
    """Return what a wrong name may have meant, as the end of a sentence.

    >>> suggestion("stauts", ["start", "status"])
    "did you mean 'status'?"
    """
    names = list(known)
    near = difflib.get_close_matches(word, names, 1)
    return f"did you mean '{near[0]}'?" if near else f"there are: {', '.join(names) or 'none'}"


_DEBUG = click.Option(["--debug"], is_flag=True, expose_value=False, help="Show the whole traceback of a bug.")


class Group(click.Group):
    """Commands by name; a wrong one is answered with the nearest."""

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return a command, which knows `--debug` as all of them do."""
        command = super().get_command(ctx, cmd_name)
        if command is not None and _DEBUG not in command.params:
            command.params.append(_DEBUG)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command that the arguments begin with."""
        names = self.list_commands(ctx)
        if args and args[0] not in names and not args[0].startswith("-"):
            raise click.UsageError(f"There is no command '{args[0]}': {suggestion(args[0], names)}", ctx)
        return super().resolve_command(ctx, args)


class _FrontDoor(Group):
    """All commands. One is imported when it is run; `--help` needs only the table above."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002  # click's signature
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name in COMMANDS and cmd_name not in self.commands:
            module = importlib.import_module(COMMANDS[cmd_name][0])
            self.add_command(getattr(module, f"{cmd_name}_command"), cmd_name)
        return super().get_command(ctx, cmd_name)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002 - as click calls it
        for section, commands in SECTIONS.items():
            with formatter.section(section):
                formatter.write_dl([(name, text) for name, (_, text) in commands.items()])

    def main(self, args: Sequence[str] | None = None, prog_name: str | None = None, **extra: Any) -> NoReturn:  # type: ignore[override]  # always leaves
        """Run a command and leave with its exit code; nobody is shown a traceback who did not ask for it."""
        given = list(sys.argv[1:] if args is None else args)
        try:
            code = super().main(given, prog_name, **{**extra, "standalone_mode": False})
        except click.ClickException as error:
            error.show()
            code = error.exit_code
        except (click.Abort, KeyboardInterrupt):
            click.echo("interrupted", err=True)
            code = EXIT_INTERRUPTED
        except Exception as error:  # noqa: BLE001  # the last one who can say something
            code = importlib.import_module("host.command_bug").report(error, in_full="--debug" in given)
        sys.exit(code if isinstance(code, int) else EXIT_DONE)


@click.group(cls=_FrontDoor, params=[_DEBUG], context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="plugin-host", prog_name="plugin-host")
def plugin_host() -> None:
    """A channel host that joins OmegaAI and Blume to PowerServer: HL7 v2, FHIR R4 and DICOM.

    Exit codes: 0 done, 1 findings, 2 usage, 3 configuration, 4 peer unreachable, 5 done in part, 6 refused,
    130 interrupted.
    """


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
    return here if (here / "site.yaml").exists() else SHIPPED_SITE


def print_json(**found: Any) -> None:
    """Print one JSON object; its keys do not change while `schema` does not."""
    import orjson  # noqa: PLC0415  # --help does not need it

    click.echo(orjson.dumps({"schema": 1, **found}, option=orjson.OPT_INDENT_2).decode())


def complete_channel(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:  # noqa: ARG001 - as click calls it
    """Return the channels of the site that begin so, for the shell: by the names of their files, unread."""
    site = ctx.params.get("site") or default_site()
    return sorted(path.stem for path in site.glob(f"{incomplete}*.yaml") if path.name not in _NO_CHANNELS)
