"""Takes in each file of a folder as a message."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from connectors.base import Answer, Arrival, IdentityConflict, Intake, StoreUnavailable
from messages.message import Message
from messages.problem import Problems


@dataclass(kw_only=True)
class FolderReader:
    """SourceConnector that takes in `*.json` files; done ones go to `taken/`, the others to `refused/`."""

    folder: str = field(metadata={"help": "Folder to look into; it must be there."})
    every: float = field(default=1.0, metadata={"help": "Seconds between two looks."})

    async def serve(self, intake: Intake, ready: Callable[[str], None]) -> None:
        """Look into the folder until cancelled."""
        folder = Path(self.folder)
        for name in ("taken", "refused"):
            (folder / name).mkdir(exist_ok=True)  # OSError: the folder is not there; the host says so
        ready(str(folder))
        while True:
            for path in await asyncio.to_thread(_files, folder):
                await _take(path, intake)
            await asyncio.sleep(self.every)


async def _take(path: Path, intake: Intake) -> None:
    body = await asyncio.to_thread(path.read_bytes)
    arrival = Arrival(body=body, content_type="application/fhir+json", peer="folder")
    try:
        await intake.accept(arrival, _answer)
        where = "taken"  # stored: only now may the file go
    except StoreUnavailable:
        return  # not stored: the file stays, the next look tries again
    except (Problems, IdentityConflict):
        where = "refused"
    await asyncio.to_thread(path.rename, path.parent / where / path.name)


def _files(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.json"))


def _answer(messages: Sequence[Message]) -> Answer:  # nobody listens behind a file
    return Answer(status=202, body=b"")
