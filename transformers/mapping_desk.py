"""What the parts of the mapping check share: the file, the site, the tables, and the list of problems."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from messages.problem import Problem, Problems
from transformers import code_table
from transformers.mapping_file import Document, did_you_mean, safe_name
from transformers.mapping_site import Site, is_secret

Where = Sequence[str | int]


@dataclass(slots=True)
class Desk:
    """One check of one mapping."""

    document: Document
    site: Site
    #: The mapping as the plan names it: `mappings/file.yaml`.
    file: str
    #: Actions of the route.
    actions: tuple[str, ...] = ()
    problems: list[Problem] = field(default_factory=list)
    #: Tables by file name without `.csv`; None for one that cannot be read.
    tables: dict[str, code_table.Table | None] = field(default_factory=dict)
    #: Columns that rules use, by table; they are what the plan holds.
    columns: dict[str, set[str]] = field(default_factory=dict)

    def add(  # noqa: PLR0913 - a problem has that many sides
        self,
        code: str,
        where: Where,
        text: str,
        hint: str | None = None,
        *,
        offset: int | None = None,
        key: bool = False,
        severity: Literal["error", "warning"] = "error",
    ) -> None:
        """Note a problem at a value (at its key; at an offset inside its text); the same one only once."""
        if offset is not None:
            place = self.document.within(where, offset)
        else:
            place = self.document.key(where) if key else self.document.place(where)
        problem = Problem(code=code, text=text, hint=hint, place=place, severity=severity)
        if problem not in self.problems:
            self.problems.append(problem)

    def at(self, where: Where) -> str:
        """Return a place as the plan keeps it, the same on every machine: `mappings/file.yaml:line:column`."""
        place = self.document.key(where)
        file = self.file
        if place.file in self.document.fragments:
            file = f"{self.site.folder.resolve().name}/{self.document.fragments[place.file][0]}"
        return f"{file}:{place.line}:{place.column}"

    def table(self, where: Where, name: str) -> code_table.Table | None:
        """Return tables/NAME.csv; None, with a problem noted, when it is not there or broken."""
        if name not in self.tables:
            self.tables[name] = self._load(where, name)
        elif self.tables[name] is None and not (self.site.folder / "tables" / f"{name}.csv").exists():
            self._no_table(where, name)
        return self.tables[name]

    def column(self, where: Where, dotted: str) -> dict[str, str] | None:
        """Return one column of a table (`file.column`) by the codes of its rows; None with a problem noted."""
        name, dot, column = dotted.rpartition(".")
        if not dot:
            table = self.table(where, dotted)
            if table is not None:
                columns = ", ".join(f"{dotted}.{column}" for column in table.columns)
                self.add("E111", where, f"'{dotted}' names a table; a column is missing", f"write one of {columns}")
            return None
        table = self.table(where, name)
        if table is None:
            return None
        if column not in table.columns:
            hint = did_you_mean(column, table.columns) or f"its columns are {', '.join(table.columns)}"
            self.add("E111", where, f"table {name} has no column '{column}'", hint)
            return None
        self.columns.setdefault(name, set()).add(column)
        return {code: row[column] for code, row in table.rows.items()}

    def rows(self) -> dict[str, dict[str, dict[str, str]]]:
        """Return what the plan needs of the tables: by table, code and column."""
        return {
            name: {code: {column: row[column] for column in sorted(columns)} for code, row in table.rows.items()}
            for name, columns in sorted(self.columns.items())
            if (table := self.tables[name]) is not None
        }

    def site_value(self, where: Where, name: str, offset: int | None = None) -> Any:
        """Return a single value of site.yaml; None with a problem noted."""
        value = self.site.value(name)
        if value is None or isinstance(value, dict | list):
            names = self.site.names()
            hint = did_you_mean(name, names) or f"its values are {', '.join(names)}"
            self.add("E130", where, f"site.yaml has no value '{name}'", hint, offset=offset)
            return None
        if is_secret(value):
            self.add("E132", where, f"'{name}' is a secret; it cannot be put into a message", offset=offset)
            return None
        return value

    def _load(self, where: Where, name: str) -> code_table.Table | None:
        if not safe_name(name):
            self.add("E006", where, f"'{name}' is not a name inside tables/", "a table's name has no path")
            return None
        path = self.site.folder / "tables" / f"{name}.csv"
        if not path.exists():
            self._no_table(where, name)
            return None
        try:
            return code_table.load(path)
        except Problems as found:
            self.problems += found.problems
            return None

    def _no_table(self, where: Where, name: str) -> None:
        known = sorted(path.stem for path in (self.site.folder / "tables").glob("*.csv"))
        hint = did_you_mean(name, known) or f"tables are {', '.join(known) or 'missing altogether'}"
        self.add("E110", where, f"there is no tables/{name}.csv", hint)
