"""A migration of 512 kB slices over one association: our station beside dcmtk's storescu, into the same storescp.

    python -m bench.dicom [--slices 240] [--rounds 3] [--json]

Both send the same files to dcmtk's storescp as it is shipped, in turns in one run. dcmtk's own pair waits some 40 ms at
each instance (Nagle against delayed acknowledgement). Exit code 0: the goals are met; 1: some are not.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from statistics import median

import pydicom
from pydicom.data import get_testdata_file
from pydicom.uid import generate_uid

from connectors.dicom_base import Instance, Verdict
from connectors.dicom_part10 import read_instance
from connectors.dicom_peer import DimseStation

#: Rows and columns of 16 bits: 512 KiB of pixels.
SIDE = 512
#: figure → (relation, limit)
GOALS = {"ratio": (">=", 8.0), "cpu_ms_per_instance": ("<=", 3.0), "grew_mb": ("<=", 8.0)}
#: Instances after which the memory is first looked at, and that dcmtk sends in a round: it needs 40 ms for each.
WARM, DCMTK = 40, 40


def slices(folder: Path, count: int) -> list[Instance]:
    """Write a study of CT slices of an invented person."""
    data = pydicom.dcmread(get_testdata_file("CT_small.dcm"))
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
    """Run dcmtk's receiver; give its port."""
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


def dcmtk(port: int, sent: Sequence[Instance]) -> float:
    """Send by dcmtk's storescu; return instances a second."""
    began = time.perf_counter()
    arguments = ["storescu", "-aec", "STORESCP", "127.0.0.1", str(port), *(str(instance.path) for instance in sent)]
    subprocess.run(arguments, check=True, capture_output=True)
    return len(sent) / (time.perf_counter() - began)


async def ours(port: int, sent: Sequence[Instance]) -> dict[str, float]:
    """Send by our station; return its figures."""
    station = DimseStation(ae_title="STORESCP", host="127.0.0.1", port=port)
    began, cpu, resident, count = time.perf_counter(), time.process_time(), 0.0, 0
    async for outcome in station.store(sent):
        assert outcome.verdict is Verdict.SUCCESS, outcome.words
        count += 1
        if count == WARM:
            resident = _resident_mb()
    assert count == len(sent)
    return {
        "instances_per_second": count / (time.perf_counter() - began),
        "cpu_ms_per_instance": (time.process_time() - cpu) * 1000 / count,
        "grew_mb": _resident_mb() - resident,
    }


def _resident_mb() -> float:
    status = Path("/proc/self/status")
    if not status.exists():
        return 0.0
    return (
        int(next(line for line in status.read_text("ascii").splitlines() if line.startswith("VmRSS")).split()[1]) / 1024
    )


def measure(folder: Path, count: int, rounds: int) -> dict[str, float]:
    """Return the figures: the median of the rounds, dcmtk and ours in turns."""
    sent = slices(folder, count)
    theirs, mine = [], []
    with storescp(folder / "received") as port:
        for _ in range(rounds):
            theirs.append(dcmtk(port, sent[:DCMTK]))
            mine.append(asyncio.run(ours(port, sent)))
    figures = {name: median(one[name] for one in mine) for name in mine[0]}
    figures["grew_mb"] = max(one["grew_mb"] for one in mine)
    figures["dcmtk_instances_per_second"] = median(theirs)
    figures["ratio"] = figures["instances_per_second"] / figures["dcmtk_instances_per_second"]
    figures["mb_per_second"] = figures["instances_per_second"] * sent[0].size / 1e6
    return figures


def holds(figures: dict[str, float], name: str) -> bool:
    """Return whether a goal is met."""
    relation, limit = GOALS[name]
    return figures[name] >= limit if relation == ">=" else figures[name] <= limit


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--slices", type=int, default=240)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", action="store_true")
    wanted = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        figures = measure(Path(folder), max(wanted.slices, DCMTK, WARM), wanted.rounds)
    if wanted.json:
        print(json.dumps({**figures, "pass": all(holds(figures, name) for name in GOALS)}, indent=1))
    else:
        print("\n".join(f"{name.replace('_', ' '):28} {value:9.2f}" for name, value in figures.items()))
        for name, (relation, limit) in GOALS.items():
            print(
                f"{'PASS' if holds(figures, name) else 'FAIL'}  {name} {figures[name]:.2f}, goal {relation} {limit:g}"
            )
    return 0 if all(holds(figures, name) for name in GOALS) else 1


if __name__ == "__main__":
    sys.exit(main())
