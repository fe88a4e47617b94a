"""`plugin-host completion`."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

from host.command_line import plugin_host

#: shell → where its script belongs, for the help.
_PLACES = {
    "bash": '~/.bashrc:  eval "$(plugin-host completion bash)"',
    "zsh": '~/.zshrc:  eval "$(plugin-host completion zsh)"',
    "fish": "~/.config/fish/completions/plugin-host.fish",
}


@click.command(epilog="\b\n" + "\n".join(_PLACES.values()))
@click.argument("shell", type=click.Choice(sorted(_PLACES)))
def completion_command(shell: str) -> None:
    """Print the script that completes commands, options and channels in SHELL."""
    found = get_completion_class(shell)
    if found is None:
        raise click.UsageError(f"there is no completion for {shell}")
    click.echo(found(plugin_host, {}, "plugin-host", "_PLUGIN_HOST_COMPLETE").source())
