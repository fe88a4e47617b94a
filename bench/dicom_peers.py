"""What bench.dicom sends, and whom to: slices of an invented person, dcmtk's storescp, the host's door for DICOM."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path

import pydicom
from pydicom.data import get_testdata_file
from pydicom.uid import generate_uid

from bench.floor_ledger import Ledger
from bench.processes import cpu_seconds, first_line, leave, pipes, python
from connectors.dicom_base import Instance
from connectors.dicom_part10 import read_instance
from host.roles import Assignment
from host.running import prepare_store

#: Rows and columns of 16 bits: 512 KiB of pixels.
SIDE = 512


def slices(folder: Path, count: int) -> list[Instance]:
    """Write a study of CT slices; those of an earlier call are written over."""
    data = pydicom.dcmread(str(get_testdata_file("CT_small.dcm")))
    data.Rows = data.Columns = SIDE
    data.PixelData = bytes(SIDE * SIDE * 2)
    data.PatientName, data.PatientID = "Fabricated^Ana", "PH-000001"
    data.StudyInstanceUID, data.SeriesInstanceUID = generate_uid(), generate_uid()
    made = []
    for number in range(count):
        data.InstanceNumber = number + 1
        data.SOPInstanceUID = data.file_meta.MediaStorageSOPInstanceUID = generate_uid()
        path = folder / f"{number:04}.dcm"
        data.save_as(path, enforce_file_format=True)
        made.append(read_instance(path))
    return made


@contextmanager
def storescp(folder: Path) -> Iterator[int]:
    """Run dcmtk's receiver as it is shipped; give its port."""
    folder.mkdir()
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    arguments = ["storescp", "--output-directory", str(folder), "--aetitle", "STORESCP", str(port)]
    with subprocess.Popen(arguments, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            _wait_for(port)
            yield port
        finally:
            process.kill()


def _wait_for(port: int) -> None:
    for _ in range(200):
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.05)
    raise TimeoutError("storescp does not listen")


@dataclass(frozen=True)
class Door:
    """The host's `dicom` process."""

    pid: int
    port: int
    ae_title: str = "DOOR"

    def cpu_seconds(self) -> float:
        """Return user and system time so far."""
        return cpu_seconds([self.pid])


@contextmanager
def door(folder: Path) -> Iterator[Door]:
    """Run the process that the supervisor starts where site.yaml has a part `dicom:`, with a store of its own."""
    prepare_store(folder)
    assignment = Assignment(
        role="dicom", data=str(folder), site="bench", zone="UTC", console_host="127.0.0.1", console_port=0,
        folder="mappings", retention_days=30,
        dicom={"ae_title": Door.ae_title, "port": 0, "peers": ["PLUGINHOST@127.0.0.1"]},
    )  # fmt: skip
    process = python("plugin_host.py", "role", "dicom")
    try:
        stdin, _ = pipes(process)
        stdin.write(json.dumps(asdict(assignment)).encode() + b"\n")
        stdin.flush()
        (where,) = first_line(process)["ready"]
        yield Door(process.pid, int(where.rpartition(":")[2]))
    finally:
        leave(process)


class Floor:
    """Puts instances on the disk as the door does: file, name and row of one are synced before the next is begun."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self._folder = folder
        self._ledger = Ledger(folder, "CREATE TABLE instance (uid TEXT, file TEXT)")
        self._kept = 0

    def keep(self, instances: Sequence[Instance]) -> float:
        """Return instances a second."""
        contents = [instance.path.read_bytes() for instance in instances]
        folder = os.open(self._folder, os.O_RDONLY)
        began = time.perf_counter()
        for instance, content in zip(instances, contents, strict=True):
            self._kept += 1
            path = self._folder / f"{self._kept}.dcm"
            with path.with_suffix(".part").open("xb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            path.with_suffix(".part").rename(path)
            os.fsync(folder)
            row = (instance.reference.sop_instance_uid, path.name)
            self._ledger.commit(("INSERT INTO instance VALUES (?, ?)", [row]))
        seconds = time.perf_counter() - began
        os.close(folder)
        return len(instances) / seconds
