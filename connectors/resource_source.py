"""Where PowerServer's bookable resources are read: a folder into which exports are dropped, or an HTTP address."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from connectors.fhir_client import Call, FhirClient, FhirServer

#: What an export's name ends with; everything else in the folder is not looked at.
ENDINGS = (".csv", ".json", ".hl7")
_TYPES = {"text/csv": ".csv", "application/json": ".json", "x-application/hl7-v2+er7": ".hl7"}
#: Longest export that is read, in bytes.
LONGEST = 50 * 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Export:
    """What was read."""

    #: The file's name, or the last part of the address; its ending says what it holds.
    name: str
    body: bytes = field(repr=False)
    #: When it was made, as far as anybody knows: seconds since 1970-01-01 UTC.
    made_at: float


@dataclass(kw_only=True)
class ResourceFolder:
    """A folder with exports."""

    folder: str = field(metadata={"help": "Folder into which exports are dropped; a relative one is of the site's."})
    take: Literal["newest", "all"] = field(
        default="newest", metadata={"help": "newest: the newest file is the export. all: all files together are."}
    )
    settled_for: float = field(
        default=2.0, metadata={"help": "Seconds that a file must have lain unchanged: it may still be written."}
    )

    async def read(self) -> list[Export]:
        """Return the exports; MFN messages (.hl7) are always all read, by the order of their names.

        Raises:
            OSError: the folder or a file cannot be read, or there is no export in it.
        """
        return await asyncio.to_thread(self._read)

    def _read(self) -> list[Export]:
        before = time.time() - self.settled_for
        files = [
            path
            for path in sorted(Path(self.folder).iterdir())
            if path.suffix.lower() in ENDINGS and not path.name.startswith(".") and path.stat().st_mtime <= before
        ]
        if not files:
            raise FileNotFoundError("no export lies in the folder")
        newest = max(files, key=lambda path: (path.stat().st_mtime, path.name))
        if self.take == "newest":
            files = [path for path in files if path.suffix.lower() == ".hl7"] if newest.suffix == ".hl7" else [newest]
        return [_export(path) for path in files]


def _export(path: Path) -> Export:
    status = path.stat()
    if status.st_size > LONGEST:
        raise OSError(f"{path.name} is longer than {LONGEST} bytes")
    return Export(name=path.name, body=path.read_bytes(), made_at=status.st_mtime)


@dataclass(kw_only=True)
class ResourceAddress(FhirServer):
    """An HTTP address that gives an export as CSV or JSON; read only. `base` is the whole address."""

    async def read(self) -> list[Export]:
        """Ask for the export.

        Raises:
            OSError: not reached, refused with a status, or neither CSV nor JSON.
        """
        client = FhirClient(self)
        try:
            call = Call(method="GET", path="", headers={"Accept": "text/csv, application/json"}, repeatable=True)
            answer = await client.ask(call, "")
        finally:
            await client.close()
        if answer.status != 200:
            raise ConnectionError(f"the address answers {answer.status}")
        kind = answer.headers.get("content-type", "").partition(";")[0].strip().lower()
        ending = _TYPES.get(kind)
        if ending is None:
            raise ConnectionError("the address gives neither CSV nor JSON")
        return [Export(name=f"export{ending}", body=answer.body, made_at=time.time())]


#: The readers of resource-sync.yaml, by their word.
READERS: dict[str, type[ResourceFolder | ResourceAddress]] = {
    "folder": ResourceFolder,
    "http": ResourceAddress,
}
