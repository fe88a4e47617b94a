"""Writes each message to a file of its own."""

from __future__ import annotations

import asyncio
import os
from dataclasses import dataclass, field
from pathlib import Path

from connectors.base import Reply
from messages.lifecycle import Event


@dataclass(kw_only=True)
class FileWriter:
    """DestinationConnector that writes messages to a folder; the file's name is the control id."""

    folder: str = field(metadata={"help": "Folder that the files are written to; it must be there."})
    suffix: str = field(default=".hl7", metadata={"help": "End of each file's name."})

    async def open(self) -> None:
        """Raise OSError when the folder is not there: nothing has left, the delivery waits."""
        if not await asyncio.to_thread(Path(self.folder).is_dir):
            raise FileNotFoundError(f"{self.folder} is not there")

    async def send(self, encoded: bytes, control_id: str) -> Reply:
        """Write and sync the file; a resend has the same name and the same bytes, so it does no harm."""
        path = Path(self.folder) / f"{control_id}{self.suffix}"
        await asyncio.to_thread(_write, path, encoded)
        return Reply(raw=path.name.encode(), event=Event.ACCEPTED, reason=f"written to {path.name}")

    async def close(self) -> None:
        """Do nothing: no line is kept."""


def _write(path: Path, content: bytes) -> None:
    unfinished = path.with_suffix(".part")
    with unfinished.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    unfinished.replace(path)
