"""Who may import whom, and which library belongs to which room. docs/house.md is generated from this table."""

from __future__ import annotations

#: room → what it is for, and the rooms (or single modules) that it may import.
ROOMS: dict[str, tuple[str, frozenset[str]]] = {
    "messages": ("the vocabulary: message, lifecycle, acknowledgement, problem", frozenset()),
    "connectors": ("the edges: bytes in, bytes out", frozenset({"messages"})),
    "transformers": ("pure functions: message in, bytes out", frozenset({"messages"})),
    "store": ("the only room with SQL", frozenset({"messages"})),
    "channels": (
        "what a channel is and how it runs",
        frozenset(
            {
                "messages",
                "store",
                "connectors.base",
                "connectors.dicom_base",
                "connectors.share_base",
                "transformers.base",
            }
        ),
    ),
    "console": ("the admins' pages", frozenset({"messages", "store", "channels.control"})),
    "simulators": ("Blume and PowerServer with scripts, for the demo and the tests", frozenset()),
    "host": (
        "the host itself: its processes, their supervisor, the commands",
        frozenset({"messages", "connectors", "transformers", "store", "channels", "console", "simulators"}),
    ),
    "plugin_host": ("the front door: finds the rooms, hands over the command", frozenset({"host"})),
}

#: library → the rooms, or single modules, that alone may import it.
LIBRARIES: dict[str, frozenset[str]] = {
    "starlette": frozenset({"connectors"}),
    "uvicorn": frozenset({"connectors"}),
    "httpx": frozenset({"connectors.http"}),
    "msal": frozenset({"connectors.oauth_token", "console.oidc"}),
    "requests": frozenset({"connectors.oauth_token"}),
    "pynetdicom": frozenset({"connectors"}),
    "hl7apy": frozenset({"transformers"}),
    "fhir": frozenset({"transformers"}),
    "fhirpathpy": frozenset({"transformers"}),
    "antlr4": frozenset({"transformers"}),
    "jsonschema_rs": frozenset({"transformers"}),
    "pydicom": frozenset({"transformers", "connectors"}),
    "pydantic": frozenset({"transformers"}),
    "ruamel": frozenset({"transformers"}),
    "re2": frozenset({"transformers"}),
    "sqlite_utils": frozenset({"store"}),
    "sqlcipher3": frozenset({"store"}),
    "sqlite3": frozenset(),
    "psycopg": frozenset({"store"}),
    "flask": frozenset({"console"}),
    "pikepdf": frozenset({"transformers"}),
    "pypdf": frozenset({"transformers"}),
    "typst": frozenset({"transformers"}),
    "jwt": frozenset({"connectors.token_check"}),
    "argon2": frozenset({"console.passwords"}),
    "prometheus_client": frozenset({"console.metrics", "console.pages_metrics"}),
    "flask_babel": frozenset({"console"}),
    "babel": frozenset({"console"}),
    "jinja2": frozenset({"console"}),
    "waitress": frozenset({"console"}),
    "click": frozenset({"host"}),
    "rich": frozenset({"host"}),
}

#: Modules that a worker process must not load: they are for checking, not for running.
CHECK_TIME = ("ruamel", "pydantic", "antlr4", "hl7apy", "fhirpathpy", "rich", "click", "fhir", "flask")


def page() -> str:
    """Return docs/house.md."""
    lines = [
        "# The house",
        "",
        "Generated from `tests/house/table.py` by `make docs`; `tests/house/test_imports.py` holds it.",
        "",
        "| room | is for | may import |",
        "|---|---|---|",
        *(
            f"| `{room}` | {purpose} | {', '.join(f'`{name}`' for name in sorted(allowed)) or '–'} |"
            for room, (purpose, allowed) in ROOMS.items()
        ),
        "",
        "| library | is imported only by |",
        "|---|---|",
        *(
            f"| `{library}` | {', '.join(f'`{room}`' for room in sorted(rooms)) or 'nobody'} |"
            for library, rooms in sorted(LIBRARIES.items())
        ),
        "",
    ]
    return "\n".join(lines)
