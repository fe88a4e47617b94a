"""`plugin-host explain`."""

from __future__ import annotations

from typing import Any

import click

from host.codes import codes
from host.command_line import EXIT_FINDINGS, Failure, json_option, print_json, suggestion
from transformers.mapping_codes import Explanation


def _complete(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:  # noqa: ARG001  # click's
    return sorted(code for code in codes() if code.startswith(incomplete.upper()))


@click.command()
@click.argument("code", required=False, shell_complete=_complete)
@json_option
def explain_command(code: str | None, as_json: bool) -> None:
    """Explain a problem's CODE: what causes it, an example, what to do. Without CODE: list all codes."""
    known = codes()
    if code is not None and code.upper() not in known:
        raise Failure(EXIT_FINDINGS, f"there is no code '{code}': {_near(code, known)}")
    wanted = sorted(known) if code is None else [code.upper()]
    if as_json:
        print_json(codes={name: _as_json(known[name]) for name in wanted})
    elif code is None:
        width = max(map(len, wanted))
        for name in wanted:
            click.echo(f"{name:{width}}  {known[name].cause}")
    else:
        it = known[wanted[0]]
        click.echo(f"{wanted[0]}\n\nCause    {it.cause}\nExample  {it.example}\nCure     {it.cure}")


def _near(code: str, known: dict[str, Explanation]) -> str:
    near = suggestion(code.upper(), known)
    return near if near.startswith("did you mean") else "'plugin-host explain' lists them all"


def _as_json(explained: Explanation) -> dict[str, Any]:
    return {"cause": explained.cause, "example": explained.example, "cure": explained.cure}
