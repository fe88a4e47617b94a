"""Problems of files as SARIF 2.1.0, which editors and code reviews show at their lines.

Source: OASIS, Static Analysis Results Interchange Format (SARIF) Version 2.1.0.
"""

from __future__ import annotations

from collections.abc import Iterable
from importlib.metadata import version
from pathlib import Path
from typing import Any
from urllib.parse import quote

from host.codes import codes
from messages.problem import Problem

_SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/os/schemas/sarif-schema-2.1.0.json"


def sarif(problems: Iterable[Problem]) -> dict[str, Any]:
    """Return a SARIF log of one run of `plugin-host check`; paths in the working folder are relative to it."""
    found = list(problems)
    known = codes()
    ids = sorted({problem.code for problem in found})
    driver = {
        "name": "plugin-host",
        "version": version("plugin-host"),
        "rules": [_rule(code, known[code].cause, known[code].cure) if code in known else {"id": code} for code in ids],
    }
    return {
        "$schema": _SCHEMA,
        "version": "2.1.0",
        "runs": [
            {
                "tool": {"driver": driver},
                "columnKind": "unicodeCodePoints",
                "results": [_result(problem, ids.index(problem.code)) for problem in found],
            }
        ],
    }


def _rule(code: str, cause: str, cure: str) -> dict[str, Any]:
    return {"id": code, "shortDescription": {"text": cause}, "help": {"text": cure}}


def _result(problem: Problem, rule: int) -> dict[str, Any]:
    text = f"{problem.text}\n{problem.hint}" if problem.hint else problem.text
    result = {"ruleId": problem.code, "ruleIndex": rule, "level": problem.severity, "message": {"text": text}}
    if problem.place is None:
        return result
    where = {
        "artifactLocation": {"uri": _uri(Path(problem.place.file))},
        "region": {"startLine": problem.place.line, "startColumn": problem.place.column},
    }
    return {**result, "locations": [{"physicalLocation": where}]}


def _uri(path: Path) -> str:
    whole = path.resolve()
    here = Path.cwd()
    return quote(whole.relative_to(here).as_posix()) if whole.is_relative_to(here) else whole.as_uri()
