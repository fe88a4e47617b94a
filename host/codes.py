"""All codes of problems in files, gathered from where they are raised, for `plugin-host explain`."""

from __future__ import annotations

from typing import Protocol

from transformers.code_table import CODES as TABLE_CODES
from transformers.mapping_codes import CODES as MAPPING_CODES


class Explained(Protocol):
    """What is known of a code."""

    @property
    def cause(self) -> str:
        """What makes it."""
        ...

    @property
    def example(self) -> str:
        """A line that makes it."""
        ...

    @property
    def cure(self) -> str:
        """What to do."""
        ...


def codes() -> dict[str, Explained]:
    """Return code → explanation."""
    return {**MAPPING_CODES, **TABLE_CODES}
