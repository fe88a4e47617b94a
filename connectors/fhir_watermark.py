"""How far a FHIR server has been read, kept in a small file: times and technical ids, nothing of a person."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import orjson


@dataclass(slots=True, kw_only=True)
class Watermark:
    """The newest change that was handed on, and which versions were, in the overlap before it."""

    path: Path
    #: Newest `meta.lastUpdated` that was handed on; None: read from the beginning.
    at: datetime | None
    #: `Type/id/_history/version` to its `meta.lastUpdated`, as far back as the overlap goes.
    seen: dict[str, datetime] = field(default_factory=dict)

    @classmethod
    def load(cls, folder: Path, subject: str, begin: datetime | None) -> Watermark:
        """Return the watermark of what is read; `begin` where it never was, and kept from then on.

        Raises:
            OSError: the file cannot be read or written, or holds something else: a person must look.
        """
        path = folder / f"poll-{hashlib.sha256(subject.encode()).hexdigest()[:16]}.json"
        try:
            kept = orjson.loads(path.read_bytes())
            seen = {name: datetime.fromisoformat(at) for name, at in kept["seen"].items()}
            return cls(path=path, at=kept["at"] and datetime.fromisoformat(kept["at"]), seen=seen)
        except FileNotFoundError:
            watermark = cls(path=path, at=begin)
            watermark.keep()  # or changes before the first restart would be from another beginning
            return watermark
        except (ValueError, TypeError, KeyError, AttributeError):
            raise OSError(f"{path.name} in the state folder is damaged: remove it to read anew") from None

    def since(self, overlap: float) -> str | None:
        """Return what `_lastUpdated` is searched from: the watermark and `overlap` seconds before it."""
        return instant(self.at - timedelta(seconds=overlap)) if self.at else None

    def advance(self, read: Mapping[str, datetime], overlap: float) -> None:
        """Keep how far was read, on the disk before it returns; forget what lies before the overlap.

        Raises:
            OSError: it cannot be kept. What was handed on will be read again.
        """
        if read:
            self.at = max(read.values()) if self.at is None else max(self.at, *read.values())
            # Twice the overlap: a change that is listed late may be a little older than what is searched from.
            oldest = self.at - timedelta(seconds=2 * overlap)
            self.seen = {name: at for name, at in {**self.seen, **read}.items() if at >= oldest}
            self.keep()

    def keep(self) -> None:
        """Write the file anew, whole or not at all.

        Raises:
            OSError: it cannot be written.
        """
        seen = {name: instant(at) for name, at in self.seen.items()}
        fresh = self.path.with_suffix(".new")
        with fresh.open("wb") as file:
            file.write(orjson.dumps({"at": instant(self.at) if self.at else None, "seen": seen}))
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(self.path)


def instant(at: datetime) -> str:
    """Return a FHIR instant in UTC, to the microsecond.

    >>> instant(datetime(2025, 11, 20, 15, 30, tzinfo=UTC))
    '2025-11-20T15:30:00.000000Z'
    """
    return at.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
