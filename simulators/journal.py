"""What a simulated receiver got and said, byte for byte, in a file that a checker reads after a crash."""

from __future__ import annotations

import struct
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

# kind, seconds since 1970-01-01 UTC, number of the connection, number of bytes that follow
_RECORD = struct.Struct(">cdII")
_RECEIVED = b"R"
_ANSWERED = b"A"


@dataclass(frozen=True, slots=True)
class Received:
    """A message as it arrived, without its MLLP frame."""

    at: float
    connection: int
    payload: bytes


@dataclass(frozen=True, slots=True)
class Answered:
    """Bytes that were given to the network as an answer, as they were, frame included."""

    at: float
    connection: int
    written: bytes


class Journal:
    """Appends records; each is with the operating system before the call returns, so that killing us loses none."""

    def __init__(self, path: Path) -> None:
        self._file: BinaryIO = path.open("ab", buffering=0)

    def received(self, connection: int, payload: bytes) -> None:
        self._append(_RECEIVED, connection, payload)

    def answered(self, connection: int, written: bytes) -> None:
        self._append(_ANSWERED, connection, written)

    def close(self) -> None:
        self._file.close()

    def _append(self, kind: bytes, connection: int, data: bytes) -> None:
        self._file.write(_RECORD.pack(kind, time.time(), connection, len(data)) + data)


def read_journal(path: Path) -> list[Received]:
    """Return what was received, in order. A last record that was cut short by a kill is left out."""
    return [Received(at, connection, data) for kind, at, connection, data in _records(path) if kind == _RECEIVED]


def read_answers(path: Path) -> list[Answered]:
    """Return what was answered, in order."""
    return [Answered(at, connection, data) for kind, at, connection, data in _records(path) if kind == _ANSWERED]


def _records(path: Path) -> Iterator[tuple[bytes, float, int, bytes]]:
    with path.open("rb") as file:
        while len(head := file.read(_RECORD.size)) == _RECORD.size:
            kind, at, connection, length = _RECORD.unpack(head)
            data = file.read(length)
            if len(data) < length:
                return
            yield kind, at, connection, data
