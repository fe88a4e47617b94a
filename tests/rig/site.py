"""The shipped site with the ports, waits and transformer of a trial: a copy, changed where a trial needs it."""

from __future__ import annotations

import shutil
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

SHIPPED = Path(__file__).resolve().parents[2] / "mappings"
MAPPING = "appointment-to-powerserver.yaml"


@dataclass(frozen=True, slots=True, kw_only=True)
class Wishes:
    """What a trial wants otherwise than the shipped site has it."""

    #: Messages under way to PowerServer at once.
    connections: int = 4
    retry_wait: str = "20ms..200ms"
    #: Seconds.
    answer_within: float = 5.0
    transformer: str | None = None
    #: Without the rules of the channel's kind: whatever comes is a request, however often it came.
    plain: bool = False
    parked: str = "block"


def free_port() -> int:
    """Return a port that nobody listens at now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def make_site(folder: Path, data: Path, powerserver: int, wishes: Wishes | None = None) -> Path:
    """Copy the shipped site into `folder` for a store in `data`; PowerServer listens at port `powerserver`."""
    wishes = wishes or Wishes()
    shutil.copytree(SHIPPED, folder)
    for path in folder.glob("*.yaml"):
        if path.name not in {"site.yaml", MAPPING}:
            path.unlink()
    site = _read(folder / "site.yaml")
    site["data"] = str(data)
    site["console"]["port"] = free_port()
    site["stations"] = {
        "blume-intake": {"host": "127.0.0.1", "port": free_port()},
        "powerserver": {"host": "127.0.0.1", "port": powerserver, "answer_within": wishes.answer_within},
    }
    _write(folder / "site.yaml", site)
    mapping = _read(folder / MAPPING)
    destination = mapping["destinations"]["powerserver"]
    destination["connections"] = wishes.connections
    destination["retry"]["wait"] = wishes.retry_wait
    destination["parked"] = wishes.parked
    mapping.pop("tests", None)
    if wishes.plain:
        del mapping["kind"], mapping["facts"]
        mapping["let"] |= {"change": "'request'", "state": "'REQUESTED'"}
        mapping["let"] |= dict.fromkeys(("parent", "parent_filler"), "%booking.value.where(false)")
    if wishes.transformer:
        mapping["transformer"] = wishes.transformer
    _write(folder / MAPPING, mapping)
    return folder


@contextmanager
def change(path: Path) -> Iterator[Any]:
    """Let a file of a site be changed."""
    content = _read(path)
    yield content
    _write(path, content)


def fhir_of(site: Path) -> str:
    """Return the FHIR base of a site that was made here."""
    return f"http://127.0.0.1:{_read(site / 'site.yaml')['stations']['blume-intake']['port']}/fhir"


def _read(path: Path) -> Any:
    return YAML().load(path)


def _write(path: Path, content: Any) -> None:
    YAML().dump(content, path)
