"""The two ways in which a FHIRPath expression fails: when it is read, and when it meets values it cannot work on."""

from __future__ import annotations


class PathSyntaxError(ValueError):
    """The text is not FHIRPath. `column` counts the characters of the whole text from 1."""

    def __init__(self, message: str, column: int) -> None:
        super().__init__(message)
        self.message = message
        self.column = column


class PathError(ValueError):
    """An expression met values that it cannot work on. The text never holds such a value."""
