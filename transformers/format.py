"""What a format is: the `as:` of a mapping line, from FHIR values to what stands in an HL7 field."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

#: A list of components, each a list of subcomponents: what `er7` calls a repetition.
Repetition = list[list[str]]


class UnknownCode(ValueError):
    """A code or system is not in the table that the mapping names; the mapping's `on_unmapped` decides."""

    def __init__(self, table: str, what: str, code: str | None = None) -> None:
        """`code` is of the message: it is not in the exception's text."""
        super().__init__(f"{what} is not in the table {table}" if table else f"{what} is in no table")
        self.table = table
        self.code = code


@dataclass(frozen=True, slots=True, kw_only=True)
class FormatContext:
    """What a format may know beside its values."""

    #: IANA name of the zone that times are written in.
    zone: str = "UTC"
    #: Rows of the mapping line's `table:` by their first column; None without one.
    table: Mapping[str, Mapping[str, str]] | None = None
    table_name: str = ""
    #: HL7 version of the message.
    version: str = "2.5.1"


Function = Callable[[Sequence[Any], Mapping[str, Any], FormatContext], list[Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Format:
    """One way to write FHIR values in HL7."""

    name: str
    #: One sentence for the analyst.
    summary: str
    #: FHIR types of the values; "*" takes any.
    accepts: frozenset[str]
    #: HL7 data type of the field it fills; "text": a list of str, for any component.
    gives: str
    #: For whole repetitions: the most subcomponents that each component ever has; None when that is not certain. Where
    #: HL7 checks nothing else inside them, such repetitions are not looked at again.
    widths: tuple[int, ...] | None = None
    #: For `gives="text"`: the HL7 primitive that the text is (DT, TS, NM, IS, ST).
    primitive: str = "ST"
    #: What it gives depends on the zone that times are written in.
    zoned: bool = False
    #: (values, options, context) -> one repetition a value, or one str a value for `gives="text"`. A value that has
    #: nothing to say gives nothing. Raises ValueError with a sentence that holds no value; UnknownCode for the table.
    function: Function
    #: Name of an option -> what it does.
    options: Mapping[str, str] = field(default_factory=dict)
    #: Name of an option -> bool or int, as it must be in the file.
    option_types: Mapping[str, type] = field(default_factory=dict)
    #: Options that must be given.
    required: tuple[str, ...] = ()
    #: Columns that the mapping line's `table:` must have; the first is its key. Empty: takes no table.
    columns: tuple[str, ...] = ()
    #: Standard and chapter.
    source: str

    def complaints(self, options: Mapping[str, Any]) -> list[str]:
        """Return what is wrong with the options of a mapping line, one sentence each."""
        found = []
        for name, value in options.items():
            kind = self.option_types.get(name)
            if kind is None:
                known = ", ".join(self.options) or "none"
                found.append(f"the format {self.name} has no option '{name}' (its options: {known})")
            elif type(value) is not kind:
                wanted = "true or false" if kind is bool else "a whole number"
                found.append(f"the option '{name}' of the format {self.name} must be {wanted}")
            elif isinstance(value, int) and kind is int and value < 1:
                found.append(f"the option '{name}' of the format {self.name} must be 1 or more")
        missing = [name for name in self.required if name not in options]
        return found + [f"the format {self.name} needs the option '{name}': {self.options[name]}" for name in missing]
