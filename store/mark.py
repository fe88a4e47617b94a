"""What a process was at when it died: one number in a file, for work that may kill the process.

Written before the try and cleared after it, without a sync: a killed process leaves it behind, a power cut need not.
"""

from __future__ import annotations

import os
import struct
from pathlib import Path

_NUMBER = struct.Struct("<Q")
_NOTHING = _NUMBER.pack(0)


class Mark:
    """The mark of one process."""

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_BINARY", 0), 0o600)

    def left_over(self) -> int:
        """Return what the process before this one was at when it died; 0 when it died at nothing."""
        os.lseek(self._file, 0, os.SEEK_SET)
        data = os.read(self._file, _NUMBER.size)
        number: int = _NUMBER.unpack(data)[0] if len(data) == _NUMBER.size else 0
        return number

    def set(self, number: int) -> None:
        """Say what is tried now."""
        self._write(_NUMBER.pack(number))

    def clear(self) -> None:
        """Say that it is over."""
        self._write(_NOTHING)

    def _write(self, data: bytes) -> None:
        os.lseek(self._file, 0, os.SEEK_SET)
        os.write(self._file, data)

    def close(self) -> None:
        """Close the file."""
        os.close(self._file)
