"""An instance on its way to the disk: nobody sees it under its name until it is whole, checked and synced."""

from __future__ import annotations

import asyncio
import hashlib
import os
import warnings
from pathlib import Path

from pydicom import config, dcmread

from connectors.dicom_base import Instance, Reference
from connectors.dicom_part10 import write_head
from messages.identity import message_id

# As in dicom_dataset: what a peer wrote is checked by us, not remarked on.
config.settings.reading_validation_mode = config.IGNORE

#: Tags that are read to know what came: SOP class and instance, study, series.
_TAGS = (0x00080016, 0x00080018, 0x0020000D, 0x0020000E)


class NotKept(OSError):
    """The disk, or the limit for one instance, does not let us keep it."""


class Mismatch(ValueError):
    """The data set is not the instance that the command announced, or is none."""


class Incoming:
    """A `Sink` for one instance. Its file's name is a ULID of ours: a UID in a name would be an identifier."""

    def __init__(self, folder: Path, reference: Reference, transfer_syntax: str, ae_title: str, limit: int) -> None:
        """Begin the file; `limit` is the most bytes that its data set may have."""
        self._reference, self._transfer_syntax = reference, transfer_syntax
        self._limit = limit
        self._head = write_head(reference, transfer_syntax, ae_title)
        self._path = folder / f"{message_id()}.dcm"
        self._part = self._path.with_suffix(".part")
        self._digest = hashlib.sha256()
        self._written = 0
        self._failed: OSError | None = None
        self._file = self._part.open("xb")
        self._write(self._head)
        #: Study and Series Instance UID; known once it is kept.
        self.study_uid = self.series_uid = ""

    @property
    def digest(self) -> bytes:
        """SHA-256 of the data set."""
        return self._digest.digest()

    def write(self, piece: memoryview) -> None:
        """Take a piece of the data set; what cannot be kept is dropped, and said by `keep`."""
        self._written += len(piece)
        if self._failed is None and self._written > self._limit:
            self._failed = NotKept(f"longer than {self._limit} bytes")
        if self._failed is None:
            self._digest.update(piece)
            self._write(piece)

    def _write(self, piece: bytes | memoryview) -> None:
        try:
            self._file.write(piece)
        except OSError as error:
            self._failed = error

    async def keep(self) -> Instance:
        """Check, sync and name the file.

        Raises:
            Mismatch: it is not what was announced. The file is gone.
            OSError: it cannot be kept. The file is gone.
        """
        try:
            return await asyncio.to_thread(self._keep)
        except BaseException:
            self.drop()
            raise

    def _keep(self) -> Instance:
        if self._failed is not None:
            raise self._failed
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()
        self._check()
        self._part.rename(self._path)
        _sync_folder(self._path.parent)
        offset = len(self._head)
        return Instance(
            reference=self._reference, transfer_syntax_uid=self._transfer_syntax, path=self._path, offset=offset,
            size=offset + self._written,
        )  # fmt: skip

    def _check(self) -> None:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                found = dcmread(self._part, stop_before_pixels=True, specific_tags=list(_TAGS))
                uids = [str(found[tag].value) if tag in found else "" for tag in _TAGS]
        except Exception as error:  # noqa: BLE001 - the library raises many kinds for what a peer may send
            raise Mismatch(f"the data set cannot be read ({type(error).__name__})") from None
        if Reference(uids[0], uids[1]) != self._reference or not uids[2]:
            raise Mismatch("the data set is not the instance that was announced")
        self.study_uid, self.series_uid = uids[2], uids[3]

    def drop(self) -> None:
        """Forget it: the association broke, or it cannot be kept; never raises."""
        self._file.close()
        self._part.unlink(missing_ok=True)


def _sync_folder(folder: Path) -> None:
    if os.name != "posix":  # elsewhere a folder cannot be opened, and the file system orders the rename itself
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
