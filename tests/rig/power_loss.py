"""T3: power loss. A write log of a real run, and thousands of disks that a power cut could have left of it.

A disk keeps what was synced. Of what was not, each write may be there, or not, or up to a sector; each file on its own,
so writes are also reordered; a new, removed or renamed name counts only once its folder was synced. Every such disk is
opened by the store's own code and held against what had been promised before the cut.

The negative control runs the same program with `synchronous=NORMAL`: if that loses nothing, nothing is proven.
"""

from __future__ import annotations

import random
import re
import shutil
import struct
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from simulators.powerserver import PowerServer
from store import connection
from store.store import Store
from tests.rig import driver
from tests.rig.figures import Figures
from tests.rig.host import ROOT, Processes, deploy, pause
from tests.rig.sender import Sender
from tests.rig.site import Wishes, make_site

SECTOR = 512
_HEAD = struct.Struct("<QQI")
SOURCE = Path(__file__).resolve().parent / "write_log.c"


@dataclass(frozen=True, slots=True)
class Record:
    """One line of the write log; see write_log.c."""

    op: str
    name: str
    #: Where in the log the call began.
    begun: int
    #: Where in the log this record stands.
    place: int
    offset: int
    data: bytes


def build(folder: Path) -> Path:
    """Compile the library that writes the log."""
    library = folder / "write_log.so"
    command = ["gcc", "-O2", "-shared", "-fPIC", "-o", str(library), str(SOURCE), "-ldl"]
    subprocess.run(command, check=True, timeout=60)
    return library


def environment(library: Path, data: Path, log: Path) -> dict[str, str]:
    """Return what makes a process write the log of a store's folder."""
    return {"LD_PRELOAD": str(library), "RIG_LOG_FOLDER": f"{data}/", "RIG_LOG_FILE": str(log)}


def read_log(path: Path) -> list[Record]:
    """Return the records in order."""
    return list(_records(path.read_bytes()))


def _records(log: bytes) -> Iterator[Record]:
    at = 0
    while at < len(log):
        place = at
        op, length = chr(log[at]), log[at + 1]
        name = log[at + 2 : at + 2 + length].decode()
        begun, offset, size = _HEAD.unpack_from(log, at + 2 + length)
        at += 2 + length + _HEAD.size
        yield Record(op, name, begun, place, offset, log[at : at + size])
        at += size


@dataclass(slots=True)
class _File:
    """What is safe of a file, and what was done since: (place in the log, op, offset, data)."""

    safe: bytearray = field(default_factory=bytearray)
    since: list[tuple[int, str, int, bytes]] = field(default_factory=list)


class Disk:
    """Follows a log and tells what a power cut may leave."""

    def __init__(self, base: dict[str, bytes]) -> None:
        """`base`: the files as they were, all safe, before the log began."""
        self._names = {name: _File(bytearray(content)) for name, content in base.items()}
        #: Names as the synced folder has them.
        self._safe_names = dict(self._names)
        #: What was handed to sockets and to standard output.
        self.said: list[bytes] = []

    def follow(self, record: Record) -> None:
        """Take one record."""
        name = record.name
        if record.op == "A":
            self.said.append(record.data)
        elif record.op in "WT":
            self._file(name).since.append((record.place, record.op, record.offset, record.data))
        elif record.op == "S":
            file = self._file(name)
            for change in file.since:
                if change[0] < record.begun:
                    _apply(file.safe, *change[1:])
            file.since = [change for change in file.since if change[0] >= record.begun]
        elif record.op == "C":
            self._names[name] = _File()
        elif record.op == "U":
            self._names.pop(name, None)
        elif record.op == "R":
            self._names[record.data.decode()] = self._names.pop(name)
        elif record.op == "D":
            self._safe_names = dict(self._names)

    def _file(self, name: str) -> _File:
        return self._names.setdefault(name, _File())

    def after_cut(self, chance: random.Random) -> dict[str, bytes]:
        """Return the files that one power cut leaves."""
        left = {}
        for name in sorted(self._names.keys() | self._safe_names.keys()):
            file = chance.choice((self._names, self._safe_names)).get(name)
            if file is not None and not name.endswith("-shm") and "/" not in name:
                left[name] = _torn(file, chance)
        return left


def _torn(file: _File, chance: random.Random) -> bytes:
    content = bytearray(file.safe)
    keep = chance.choice((0.0, 0.5, 0.9))
    for _, op, offset, data in file.since:
        if chance.random() >= keep:
            if op == "W" and len(data) > SECTOR and chance.random() < 0.3:
                _apply(content, op, offset, data[: SECTOR * chance.randint(1, len(data) // SECTOR)])
            continue
        _apply(content, op, offset, data)
    return bytes(content)


def _apply(content: bytearray, op: str, offset: int, data: bytes) -> None:
    if op == "T":
        del content[offset:]
    content.extend(bytes(max(0, offset - len(content))))
    if op == "W":
        content[offset : offset + len(data)] = data


def files_of(folder: Path) -> dict[str, bytes]:
    """Return the store's files, without shared memory. What stands in folders of its own can be made again."""
    files = [path for path in folder.iterdir() if path.is_file() and not path.name.endswith("-shm")]
    return {path.name: path.read_bytes() for path in files}


@dataclass(slots=True)
class Tally:
    """What came of the crash states."""

    states: int = 0
    #: States in which a promise was broken and nothing said so, with the first few promises.
    silent: list[str] = field(default_factory=list)
    #: States that the store refused to start on.
    refused: list[str] = field(default_factory=list)
    #: Promises that had been made before the cuts, all states together.
    promises: int = 0


Before = frozenset[Any]


@dataclass(frozen=True, slots=True)
class Promised:
    """What a program promises, read from what it said; and which of it a store does not keep."""

    read: Callable[[Sequence[bytes]], Before]
    broken: Callable[[Store, Before], list[str]]


def _lines(said: Sequence[bytes]) -> Before:
    return frozenset(b"".join(said).decode().split("\n")) - {""}


DRIVER = Promised(_lines, driver.broken)

_STORED = re.compile(rb"^HTTP/1\.1 202 .*?\r\nlocation: [^\r]*/Task/([0-9A-Z]{26})\r\n", re.DOTALL | re.IGNORECASE)


def _answers_and_frames(said: Sequence[bytes]) -> Before:
    """Return the messages that were answered with 202, and what went to PowerServer."""
    answered = {found[1] for bytes_ in said if (found := _STORED.match(bytes_))}
    return frozenset(answered | {bytes_[1:-2] for bytes_ in said if bytes_.startswith(b"\x0bMSH")})


def _not_kept(store: Store, promises: Before) -> list[str]:
    execute = store.connection.execute
    stored = {row[0].encode() for row in execute("SELECT id FROM message")}
    claimed = {
        bytes(row[0])
        for row in execute(
            "SELECT o.encoded FROM outgoing o JOIN delivery d ON d.id = o.delivery "
            "WHERE d.status IN ('PENDING', 'QUEUED', 'SENT')"
        )
    }
    return [promise[:60].decode("utf-8", "replace") for promise in promises if promise not in stored | claimed]


HOST = Promised(_answers_and_frames, _not_kept)


class Explorer:
    """Runs the driver under the log and looks at the disks that power cuts would leave."""

    def __init__(self, folder: Path, seed: int) -> None:
        self._folder = folder
        self.library = build(folder)
        self._chance = random.Random(seed)
        self._runs = 0

    def set_up(self) -> dict[str, bytes]:
        """Return the files of a new store."""
        data = self._folder / "new"
        driver.set_up(data)
        return files_of(data)

    def run(self, base: dict[str, bytes], first: int, count: int, *words: str) -> list[Record]:
        """Let the driver go on from `base`; return its write log."""
        self._runs += 1
        data, log = self._folder / f"run-{self._runs}", self._folder / f"log-{self._runs}"
        _lay_down(data, base)
        command = [sys.executable, "-m", "tests.rig.driver", str(data), str(first), str(count), *words]
        done = subprocess.run(
            ["/usr/bin/env", *(f"{name}={value}" for name, value in environment(self.library, data, log).items()),
             *command],
            input=b"\n", stdout=subprocess.DEVNULL, cwd=ROOT, check=False, timeout=120,
        )  # fmt: skip
        if done.returncode:
            raise RuntimeError(f"the driver ended with {done.returncode}")
        return read_log(log)

    def explore(
        self, base: dict[str, bytes], log: list[Record], states: int, promised: Promised, before: Before = frozenset()
    ) -> Tally:
        """Cut the power at `states` moments; `before`: promises that were made before the log began."""
        tally = Tally()
        disk = Disk(base)
        cuts = sorted(self._chance.randrange(len(log) + 1) for _ in range(states))
        followed = 0
        for cut in cuts:
            for record in log[followed:cut]:
                disk.follow(record)
            followed = cut
            self._look(tally, disk.after_cut(self._chance), before | promised.read(disk.said), promised)
        return tally

    def _look(self, tally: Tally, left: dict[str, bytes], promises: Before, promised: Promised) -> None:
        with tempfile.TemporaryDirectory(dir=_memory()) as place:
            _lay_down(Path(place), left)
            found = driver.inspect(Path(place), lambda store: promised.broken(store, promises))
        tally.states += 1
        tally.promises += len(promises)
        if found.refused:
            tally.refused.append(found.refused)
        elif found.broken:
            tally.silent.append("; ".join(sorted(found.broken)[:3]))

    def crash_state(self, base: dict[str, bytes], log: list[Record]) -> tuple[dict[str, bytes], frozenset[str]]:
        """Return one disk, and what had been promised."""
        disk = Disk(base)
        for record in log[: self._chance.randrange(len(log) // 2, len(log))]:
            disk.follow(record)
        return disk.after_cut(self._chance), DRIVER.read(disk.said)


def _lay_down(folder: Path, files: dict[str, bytes]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (folder / name).write_bytes(content)
    (folder / connection.KEY_FILE).chmod(0o600)


def _memory() -> str | None:
    return "/dev/shm" if Path("/dev/shm").is_dir() else None


def power_loss(folder: Path, states: int, control: int, seed: int, messages: int = 60) -> Figures:
    """Run the trial: power cuts of a run and of recoveries from them, and the negative control."""
    figures = Figures("T3", seed)
    explorer = Explorer(folder, seed)
    base = explorer.set_up()
    log = explorer.run(base, 1, messages)
    tally = explorer.explore(base, log, states, DRIVER)
    figures.equal("FULL, states", tally.states, states)
    figures.at_least("FULL, promises looked for", tally.promises, states)
    figures.equal("FULL, states that lost something", "; ".join(tally.silent[:3]) or 0, 0)
    figures.equal("FULL, states that were refused", "; ".join(tally.refused[:3]) or 0, 0)
    again = Tally()
    for _ in range(max(2, states // 500)):
        crashed, promised = explorer.crash_state(base, log)
        recovery = explorer.run(crashed, messages + 1, 6)
        part = explorer.explore(crashed, recovery, max(20, states // 50), DRIVER, promised)
        again.states += part.states
        again.silent += part.silent
        again.refused += part.refused
    figures.at_least("a cut in a recovery, states", again.states, 40)
    figures.equal("a cut in a recovery, lost or refused", "; ".join((again.silent + again.refused)[:3]) or 0, 0)
    _whole_host(figures, explorer, folder, states // 5, messages)
    weak = explorer.explore(base, explorer.run(base, 1, messages, "--synchronous", "NORMAL"), control, DRIVER)
    figures.at_least("NORMAL (control), states that lost", len(weak.silent) + len(weak.refused), control * 0.05)
    unsaid = [state for state in weak.silent if state.startswith("A ") or "; A " in state]
    figures.equal("NORMAL (control), acceptances lost in silence", "; ".join(unsaid[:3]) or 0, 0)
    shutil.rmtree(folder / "new")
    return figures


def _whole_host(figures: Figures, explorer: Explorer, folder: Path, states: int, messages: int) -> None:
    """The same of the host's own processes: what Blume was answered, what PowerServer was sent."""
    log = folder / "log-host"
    with PowerServer() as powerserver:
        site = make_site(folder / "site", folder / "data", powerserver.port, Wishes())
        data = deploy(site)
        base = files_of(data)
        with Processes(site) as host:
            for role in ("intake", "lanes"):
                host.treatment[role] = {"environment": environment(explorer.library, data, log)}
            host.start()
            with Sender(host.fhir, folder / "sender", keys=5, clients=3) as sender:
                sender.grant(messages)
                sender.finish(30)
            powerserver.wait_for(messages, 30)
            pause(0.3)
            host.kill()
    records = read_log(log)
    disk = Disk(base)
    for record in records:
        disk.follow(record)
    figures.equal("host, promises in the log", len(HOST.read(disk.said)), 2 * messages)
    tally = explorer.explore(base, records, states, HOST)
    figures.equal("host, states that lost something", "; ".join(tally.silent[:3]) or 0, 0)
    figures.equal("host, states that were refused", "; ".join(tally.refused[:3]) or 0, 0)
