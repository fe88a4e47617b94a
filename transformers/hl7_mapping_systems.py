"""The table of a format's systems in a mapping that reads HL7: it is read backwards, so no name may stand for two."""

from __future__ import annotations

from typing import Any

from transformers.fhir_formats import FhirFormat
from transformers.mapping_desk import Desk, Where


def systems(desk: Desk, where: Where, rule: Any, name: str, format_: FhirFormat) -> str | None:
    """Return the name of the table; None with a problem noted when it cannot be read backwards."""
    if not isinstance(rule.table, str):
        words = f"as: {name} needs table: with the columns {', '.join(format_.columns)}"
        desk.add("E124", where, words, key=True)
        return None
    table = desk.table((*where, "table"), rule.table)
    if table is None:
        return None
    lacking = [column for column in format_.columns if column not in table.columns]
    if lacking:
        desk.add("E124", (*where, "table"), f"table {rule.table} has no column '{lacking[0]}'")
        return None
    desk.columns.setdefault(rule.table, set()).update(format_.columns)
    back: dict[tuple[str, ...], str] = {}
    for system, row in table.rows.items():
        key = tuple(row[column] for column in format_.columns[1:])
        if key in back:
            words = f"table {rule.table} has {key[0]} for {back[key]} and for {system}: it cannot be read backwards"
            desk.add("E477", (*where, "table"), words, "give each system a name of its own")
        back[key] = system
    return rule.table
