"""`plugin-host schema`."""

from __future__ import annotations

import click

from transformers.mapping_schema import KINDS, json_schema


@click.command()
@click.argument("kind", type=click.Choice(list(KINDS)), default="mapping")
def schema_command(kind: str) -> None:
    """Print the JSON Schema of mapping files, fragments or site.yaml, for completion in editors.

    The site's folder has them; a file names its schema in its first line:
    # yaml-language-server: $schema=mapping.schema.json
    """
    import orjson  # noqa: PLC0415  # --help does not need it

    click.echo(orjson.dumps(json_schema(kind), option=orjson.OPT_INDENT_2).decode())
