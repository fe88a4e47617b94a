"""An instance on its way to the disk: nobody sees it under its name until it is whole, checked and synced."""

from __future__ import annotations

import asyncio
import hashlib
import mmap
import os
import re
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from connectors.dicom_base import Instance, Reference
from connectors.dicom_command import Command, text
from connectors.dicom_elements import texts
from connectors.dicom_negotiation import Context
from connectors.dicom_part10 import write_head
from messages.identity import message_id

#: Tags that are read to know what came.
_SOP_CLASS, _SOP_INSTANCE, _STUDY, _SERIES = _TAGS = (0x00080016, 0x00080018, 0x0020000D, 0x0020000E)
#: PS3.5 9.1: digits and dots, 64 at most.
_UID = re.compile(r"[0-9.]{1,64}")


class Mismatch(ValueError):
    """The data set is not the instance that the command announced, or is none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shelf:
    """Where instances are put."""

    folder: Path
    #: Most bytes that a data set may have.
    max_bytes: int


class Incoming:
    """A `Sink` for one instance. Its file's name is a ULID of ours: a UID in a name would be an identifier."""

    def __init__(self, shelf: Shelf, context: Context, command: Command, ae_title: str) -> None:
        """Begin the file for a C-STORE-RQ; what is wrong with it, or with the disk, is said by `keep`."""
        self._reference = Reference(context.abstract_syntax, text(command, "AffectedSOPInstanceUID"))
        self._transfer_syntax = context.transfer_syntax
        self._limit = shelf.max_bytes
        self._path = shelf.folder / f"{message_id()}.dcm"
        self._part = self._path.with_suffix(".part")
        self._digest = hashlib.sha256()
        self._written = 0
        self._file: BinaryIO | None = None
        self._failed: Exception | None = None
        self._offset = 0
        #: Study and Series Instance UID; known once it is kept.
        self.study_uid = self.series_uid = ""
        if text(command, "AffectedSOPClassUID") != context.abstract_syntax or not _UID.fullmatch(
            self._reference.sop_instance_uid
        ):
            self._failed = Mismatch("the command does not name an instance of its presentation context")
        else:
            self._begin(write_head(self._reference, self._transfer_syntax, ae_title))

    def _begin(self, head: bytes) -> None:
        self._offset = len(head)
        try:
            self._file = self._part.open("xb")
            self._file.write(head)
        except OSError as error:
            self._failed = error

    @property
    def digest(self) -> bytes:
        """SHA-256 of the data set."""
        return self._digest.digest()

    def write(self, piece: memoryview) -> None:
        """Take a piece of the data set; what cannot be kept is dropped, and said by `keep`."""
        self._written += len(piece)
        if self._failed is None and self._written > self._limit:
            self._failed = OSError(f"longer than {self._limit} bytes")
        if self._failed is None and self._file is not None:
            self._digest.update(piece)
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
        if self._failed is not None or self._file is None:
            raise self._failed or OSError("it was not begun")
        self._file.flush()
        self._check()
        os.fsync(self._file.fileno())
        self._file.close()
        self._part.rename(self._path)
        _sync_folder(self._path.parent)
        return Instance(
            reference=self._reference, transfer_syntax_uid=self._transfer_syntax, path=self._path, offset=self._offset,
            size=self._offset + self._written,
        )  # fmt: skip

    def _check(self) -> None:
        """Read from the data set what it says that it is."""
        try:
            found = self._read()
        except ValueError as error:
            raise Mismatch(str(error)) from None
        said = Reference(found.get(_SOP_CLASS, ""), found.get(_SOP_INSTANCE, ""))
        if said != self._reference or not found.get(_STUDY):
            raise Mismatch("the data set is not the instance that was announced")
        self.study_uid, self.series_uid = found[_STUDY], found.get(_SERIES, "")

    def _read(self) -> dict[int, str]:
        with self._part.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            return texts(data, self._transfer_syntax, _TAGS, self._offset)

    def drop(self) -> None:
        """Forget it: the association broke, or it cannot be kept; never raises."""
        if self._file is not None:
            with suppress(OSError):  # a full disk may say so once more at the last write
                self._file.close()
            with suppress(OSError):
                self._part.unlink(missing_ok=True)
            self._file = None


def _sync_folder(folder: Path) -> None:
    if os.name != "posix":  # elsewhere a folder cannot be opened, and the file system orders the rename itself
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
