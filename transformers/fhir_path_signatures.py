"""What FHIRPath's functions take and give, as a table, and how FHIR's types are spoken of. For check time.

Source: FHIRPath N1, chapter 5 and 7; FHIR R4, 2.9.1.2 (types) and 2.9.1.5 (functions of FHIR).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal, NamedTuple

#: What a type can be compared and worked with.
Sort = Literal["string", "number", "boolean", "date", "time", "quantity", "parts", "any"]

_SORTS: dict[Sort, str] = {
    "string": "string code id uri url canonical oid uuid markdown base64Binary xhtml String",
    "number": "integer decimal positiveInt unsignedInt Integer Decimal",
    "boolean": "boolean Boolean",
    "date": "date dateTime instant Date DateTime",
    "time": "time Time",
    "quantity": "Quantity Age Count Distance Duration SimpleQuantity",
    "any": "any",
}
_SORT_OF: dict[str, Sort] = {name: sort for sort, names in _SORTS.items() for name in names.split()}
PRIMITIVES = frozenset(name for name, sort in _SORT_OF.items() if sort not in {"quantity", "any"})
#: Types of FHIRPath itself, which may be written with `System.` before them.
SYSTEM = frozenset({"String", "Integer", "Decimal", "Boolean", "Date", "DateTime", "Time", "Quantity"})


def sort_of(type_name: str) -> Sort:
    """Return the sort of a type; "parts" for an element that has elements of its own.

    >>> sort_of("code"), sort_of("HumanName")
    ('string', 'parts')
    """
    return _SORT_OF.get(type_name, "parts")


def spoken(types: Iterable[str]) -> str:
    """Return types as a sentence names them.

    >>> spoken({"dateTime", "boolean"}), spoken({"Appointment.participant"}), spoken(["String"])
    ('a boolean or a dateTime', 'an Appointment.participant', 'a string')
    """
    names = sorted({name.lower() if name in {"String", "Boolean", "Integer", "Decimal"} else name for name in types})
    shown = [f"{'an' if name[:1] in 'AEIOaeio' or name[:2] == 'un' else 'a'} {name}" for name in names]
    if len(shown) > 4:
        return f"one of {len(shown)} types"
    return " or ".join(shown) if shown else "nothing"


class Signature(NamedTuple):
    """What one function takes and gives."""

    #: The fewest and the most arguments.
    fewest: int
    most: int
    #: The sort that must stand before the dot ("any" if it does not matter), and that of the arguments.
    on: Sort = "any"
    argument: Sort = "any"
    #: The type of what it gives; "=" is that of what stands before the dot.
    gives: str = "any"
    #: How many it gives: "as many" (0 or 1, as it is given), "one", "up to one", "some" (up to as many), "any".
    how_many: Literal["as many", "one", "up to one", "some", "any"] = "any"


_TEXT_TEST = Signature(1, 1, "string", "string", "Boolean", "as many")
_TEXT = Signature(0, 0, "string", "any", "String", "as many")
_CONVERTS = Signature(0, 1, "any", "any", "Boolean", "as many")
_MATH = Signature(0, 0, "number", "any", "Decimal", "up to one")
_FACT = Signature(0, 0, "any", "any", "Boolean", "one")

SIGNATURES: dict[str, Signature] = {
    **dict.fromkeys(("startsWith", "endsWith", "contains", "matches"), _TEXT_TEST),
    "indexOf": Signature(1, 1, "string", "string", "Integer", "as many"),
    "length": Signature(0, 0, "string", "any", "Integer", "as many"),
    **dict.fromkeys(("upper", "lower", "trim"), _TEXT),
    **dict.fromkeys(("replace", "replaceMatches"), Signature(2, 2, "string", "string", "String", "as many")),
    **dict.fromkeys(("encode", "decode"), Signature(1, 1, "string", "string", "String", "as many")),
    "substring": Signature(1, 2, "string", "number", "String", "up to one"),
    "split": Signature(1, 1, "string", "string", "String"),
    "toChars": Signature(0, 0, "string", "any", "String"),
    "join": Signature(0, 1, "string", "string", "String", "as many"),
    "toString": Signature(0, 0, "any", "any", "String", "as many"),
    **{
        f"to{name}": Signature(0, 0, "any", "any", name, "up to one")
        for name in ("Integer", "Decimal", "Boolean", "Date", "DateTime", "Time")
    },
    "toQuantity": Signature(0, 1, "any", "string", "Quantity", "up to one"),
    **{f"convertsTo{name}": _CONVERTS for name in SYSTEM},
    **dict.fromkeys(("exists", "empty", "isDistinct", "hasValue", "allTrue", "anyTrue", "allFalse", "anyFalse"), _FACT),
    "exists": Signature(0, 1, "any", "any", "Boolean", "one"),
    "all": Signature(1, 1, "any", "any", "Boolean", "one"),
    "not": Signature(0, 0, "any", "any", "Boolean", "as many"),
    **dict.fromkeys(("subsetOf", "supersetOf"), Signature(1, 1, "any", "any", "Boolean", "one")),
    "count": Signature(0, 0, "any", "any", "Integer", "one"),
    **dict.fromkeys(("first", "last", "single", "getValue"), Signature(0, 0, gives="=", how_many="as many")),
    **dict.fromkeys(("tail",), Signature(0, 0, gives="=", how_many="some")),
    **dict.fromkeys(("skip", "take"), Signature(1, 1, "any", "number", "=", "some")),
    **dict.fromkeys(("where", "intersect", "exclude"), Signature(1, 1, gives="=", how_many="some")),
    "distinct": Signature(0, 0, gives="=", how_many="some"),
    **dict.fromkeys(("select", "repeat"), Signature(1, 1)),
    **dict.fromkeys(("union", "combine"), Signature(1, 1)),
    "iif": Signature(2, 3),
    "coalesce": Signature(1, 99),
    **dict.fromkeys(("ofType", "as", "is"), Signature(1, 1)),
    "resolve": Signature(0, 0, gives="Resource", how_many="some"),
    "extension": Signature(1, 1, "any", "string", "Extension", "any"),
    **dict.fromkeys(("children", "descendants", "type"), Signature(0, 0)),
    "aggregate": Signature(1, 2, how_many="up to one"),
    **dict.fromkeys(("sum", "avg", "min", "max"), Signature(0, 0, gives="=", how_many="up to one")),
    **dict.fromkeys(("abs", "ceiling", "exp", "floor", "ln", "sqrt", "truncate"), _MATH),
    **dict.fromkeys(("log", "power", "round"), Signature(1, 1, "number", "number", "Decimal", "up to one")),
    "now": Signature(0, 0, gives="DateTime", how_many="one"),
    "today": Signature(0, 0, gives="Date", how_many="one"),
    "timeOfDay": Signature(0, 0, gives="Time", how_many="one"),
}

#: Functions that end with an error when there are several values before the dot.
ON_ONE = frozenset(
    {name for name, signature in SIGNATURES.items() if signature.on in {"string", "number"} and name != "join"}
    | {"not", "toString", "toInteger", "toDecimal", "toBoolean", "iif", "is", "as"}
)

#: What people call these functions elsewhere.
OTHER_NAMES = {
    "size": "count",
    "len": "length",
    "isEmpty": "empty",
    "filter": "where",
    "map": "select",
    "toUpper": "upper",
    "toUpperCase": "upper",
    "toLower": "lower",
    "toLowerCase": "lower",
    "substr": "substring",
    "regex": "matches",
    "strip": "trim",
    "if": "iif",
    "if_else": "iif",
    "hasExtension": "extension",
    "any": "exists",
    "cast": "as",
    "unique": "distinct",
}
