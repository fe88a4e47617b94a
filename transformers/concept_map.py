"""Code tables and FHIR ConceptMaps: one made of the other.

Source: FHIR R4, ConceptMap (http://hl7.org/fhir/R4/conceptmap.html). A table has one row for a code, so an element that
maps to several targets is refused, and one without a target (equivalence `unmatched`) has no row.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from messages.problem import Problem, Problems
from transformers.code_table import Table

#: Columns of a table that is made of a ConceptMap.
COLUMNS = ("code", "text", "target", "target_text")
#: Equivalences that say that there is nothing to translate to.
_NOTHING = frozenset({"unmatched", "disjoint"})


def table_text(concept_map: Any) -> str:
    """Return a ConceptMap as the text of a CSV table: code, text, target, target_text.

    Raises:
        Problems: it is no ConceptMap, holds a code twice, or a code with several targets.
    """
    if not isinstance(concept_map, dict) or concept_map.get("resourceType") != "ConceptMap":
        raise Problems.one("E213", "the file is no FHIR ConceptMap")
    rows: dict[str, tuple[str, ...]] = {}
    problems: list[Problem] = []
    for path, element in _elements(concept_map):
        targets = [
            one for one in _list(element, "target") if one.get("equivalence") not in _NOTHING and one.get("code")
        ]
        code = str(element.get("code", ""))
        if not targets or not code:
            continue
        if code in rows:
            problems.append(_wrong(f"the code '{code}' stands in it twice", path))
        elif len(targets) > 1:
            problems.append(_wrong(f"the code '{code}' has {len(targets)} targets, and a table has one", path))
        target = targets[0]
        rows[code] = (code, _text(element), str(target["code"]), _text(target))
    if problems:
        raise Problems(problems)
    about = concept_map.get("title") or concept_map.get("name") or concept_map.get("url") or "a ConceptMap"
    head = " ".join(str(about).split())
    return "".join([f"# {head}\n", *(f"{_line(row)}\n" for row in [COLUMNS, *rows.values()])])


def concept_map(table: Table, column: str, *, source: str, target: str, text: str | None = None) -> dict[str, Any]:
    """Return a table as a ConceptMap, its first column's codes to those of another column.

    Args:
        table: as read.
        column: that holds the target codes; a row without one is left out.
        source: the code system of the first column.
        target: the code system of the target codes.
        text: the column with the displays of the codes; None for none.

    Raises:
        Problems: the table has no such column.
    """
    for name in [column] + ([text] if text else []):
        if name not in table.columns:
            words = f"the table has no column '{name}'; it has {', '.join(table.columns)}"
            raise Problems.one("E213", words)
    elements = []
    for code, row in table.rows.items():
        if row[column]:
            display = {"display": row[text]} if text and row[text] else {}
            elements.append({"code": code, **display, "target": [{"code": row[column], "equivalence": "equivalent"}]})
    name = "".join(word.capitalize() for word in re.split(r"[^A-Za-z0-9]+", table.name))
    return {
        "resourceType": "ConceptMap",
        "name": name,
        "title": f"{table.name}: {table.columns[0]} to {column}",
        "status": "draft",
        "group": [{"source": source, "target": target, "element": elements}],
    }


def _elements(concept_map: Mapping[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for number, group in enumerate(_list(concept_map, "group")):
        for position, element in enumerate(_list(group, "element")):
            yield f"ConceptMap.group[{number}].element[{position}]", element


def _list(part: Mapping[str, Any], name: str) -> list[dict[str, Any]]:
    found = part.get(name)
    return [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []


def _text(part: Mapping[str, Any]) -> str:
    return " ".join(str(part.get("display") or "").split())


def _wrong(text: str, path: str) -> Problem:
    return Problem(code="E213", text=text, expression=path)


def _line(cells: Sequence[str]) -> str:
    return ",".join(_cell(cell) for cell in cells)


def _cell(text: str) -> str:
    plain = not set(text) & set(',;\t"\r\n') and text == text.strip() and not text.startswith("#")
    return text if plain else '"' + text.replace('"', '""') + '"'
