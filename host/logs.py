"""Logs: one JSON object a line, an event with numbers, never content.

Only the fields named here are written; what a message holds cannot get in by mistake. Of an exception the type
and the place are written, not its text.
"""

from __future__ import annotations

import json
import logging
import sys
import traceback
from datetime import UTC, datetime
from typing import TextIO

#: Names that a log line may carry beside its event.
FIELDS = (
    "role", "channel", "destination", "door", "message_id", "delivery", "code", "status", "error", "at", "bytes",
    "count", "seconds", "pid", "exit_code", "peer", "error_id", "by", "revision",
)  # fmt: skip


class JsonLines(logging.Formatter):
    """Formats a record as one line of JSON."""

    def __init__(self, role: str) -> None:
        super().__init__()
        self._role = role

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        line: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "role": self._role,
            "event": _event(record),
        }
        line |= {name: getattr(record, name) for name in FIELDS if hasattr(record, name)}
        if record.exc_info and record.exc_info[0]:
            frames = traceback.extract_tb(record.exc_info[2])
            line["exception"] = record.exc_info[0].__name__
            line["frames"] = [f"{frame.filename.rsplit('/', 2)[-1]}:{frame.lineno}" for frame in frames[-8:]]
        return json.dumps(line, ensure_ascii=False)


def _event(record: logging.LogRecord) -> str:
    """Return our own constant words: without arguments, which may be anything; of a library's record its name alone."""
    is_ours = record.name.split(".")[0] in _OURS
    return record.msg if is_ours and isinstance(record.msg, str) else record.name


_OURS = {"messages", "connectors", "transformers", "store", "channels", "console", "host", "plugin_host"}


def write_logs(role: str, stream: TextIO | None = None) -> None:
    """Send all logs of this process to the stream (standard error by default)."""
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(JsonLines(role))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.INFO)
    logging.getLogger("uvicorn").setLevel(logging.WARNING)
