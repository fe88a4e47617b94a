"""`plugin-host table`: code tables from FHIR ConceptMaps, and back."""

from __future__ import annotations

import json
from pathlib import Path

import click

from host.command_line import EXIT_FINDINGS, EXIT_REFUSED, Failure, Group
from host.command_site import shown
from messages.problem import Problems
from transformers import code_table, concept_map

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.group(cls=Group)
def table_command() -> None:
    """Make a code table of a FHIR ConceptMap, or a ConceptMap of a code table."""


@table_command.command("import")
@click.argument("file", type=_FILE)
@click.option(
    "--to", type=click.Path(dir_okay=False, path_type=Path), help="The CSV file to write; else it is printed."
)
@click.option("--force", is_flag=True, help="Write over a file that is there.")
def import_command(file: Path, to: Path | None, force: bool) -> None:
    """Make a table (code, text, target, target_text) of a ConceptMap in JSON.

    A code with several targets is refused: a table has one row for a code.
    """
    try:
        text = concept_map.table_text(json.loads(file.read_bytes()))
    except (ValueError, RecursionError) as error:
        told = str(error) if isinstance(error, Problems) else "the file is not JSON"
        raise Failure(EXIT_FINDINGS, f"{file}: {told}") from None
    if to is None:
        click.echo(text, nl=False)
        return
    if to.exists() and not force:
        raise Failure(EXIT_REFUSED, f"{to} is there already; nothing was written (--force writes over it)")
    to.write_text(text, "utf-8")
    click.echo(f"{to}: {len(code_table.load(to).rows)} rows", err=True)


@table_command.command("export")
@click.argument("file", type=_FILE)
@click.option(
    "--column", help="The column with the target codes; the third of a table made by import, else the second."
)
@click.option("--text", help="The column with the codes' displays.")
@click.option("--source", default="urn:source", show_default=True, help="Code system of the first column.")
@click.option("--target", default="urn:target", show_default=True, help="Code system of the target codes.")
def export_command(file: Path, column: str | None, text: str | None, source: str, target: str) -> None:
    """Print a code table as a FHIR R4 ConceptMap."""
    try:
        table = code_table.load(file)
        made = table.columns == concept_map.COLUMNS
        chosen = column or ("target" if made else table.columns[min(1, len(table.columns) - 1)])
        found = concept_map.concept_map(
            table, chosen, source=source, target=target, text=text or ("text" if made else None)
        )
    except Problems as error:
        raise Failure(EXIT_FINDINGS, "\n".join(map(shown, error.problems))) from None
    click.echo(json.dumps(found, indent=2, ensure_ascii=False))
