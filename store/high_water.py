"""The high-water file: proof, beside the store, of how far the store had come.

A flipped bit in a write-ahead log makes SQLite drop the committed rows behind it without an error. So each
writer notes the number of its last commit here before anyone is told, synced where it promises something to
the outside. At start a store that is behind its high-water mark has lost something, and says so instead of
starting quietly.
"""

from __future__ import annotations

import os
import struct
import zlib
from pathlib import Path

_SLOT = 512
_RECORD = struct.Struct("<8sQI")
_MAGIC = b"phwater1"


class HighWater:
    """Two slots of 512 bytes, written in turn, so that a torn write spoils only the older one."""

    def __init__(self, path: Path) -> None:
        self._path = path
        new = not path.exists()
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_BINARY", 0), 0o600)
        if new:
            os.write(self._file, bytes(2 * _SLOT))
            os.fsync(self._file)
        self.mark = self._read()

    def _read(self) -> int:
        os.lseek(self._file, 0, os.SEEK_SET)
        data = os.read(self._file, 2 * _SLOT)
        marks = [0]
        damaged = 0
        for start in (0, _SLOT):
            slot = data[start : start + _SLOT]
            if len(slot) < _SLOT or not any(slot):
                continue
            magic, mark, check = _RECORD.unpack_from(slot)
            if magic == _MAGIC and check == zlib.crc32(slot[:16]) and not any(slot[_RECORD.size :]):
                marks.append(mark)
            else:
                damaged += 1
        if damaged:
            raise DamagedHighWater(f"{self._path} is damaged in {damaged} of 2 slots")
        return max(marks)

    def raise_to(self, mark: int, *, sync: bool = True) -> None:
        """Note `mark`. With `sync` it is then on the disk; without, it survives a killed process, not a power cut."""
        head = _RECORD.pack(_MAGIC, mark, 0)[:16]
        os.lseek(self._file, (mark & 1) * _SLOT, os.SEEK_SET)
        os.write(self._file, head + struct.pack("<I", zlib.crc32(head)))
        if sync:
            _sync(self._file)
        self.mark = mark

    def close(self) -> None:
        """Close the file; the marks stay."""
        os.close(self._file)


class DamagedHighWater(RuntimeError):
    """A slot's checksum does not fit: say so, never guess how far the store had come."""


_sync = getattr(os, "fdatasync", os.fsync)
