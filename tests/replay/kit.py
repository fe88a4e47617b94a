"""A site of its own with the shipped channel, and a store that messages went through: without processes, for speed."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from channels import channel as channels
from channels.channel import Channel
from channels.door import Door
from channels.lane import Runner
from connectors.base import Answer, Arrival
from host.deploying import deploy_site
from host.running import prepare_store
from host.site import check_files, data_folder, mapping_files, read_site
from simulators.blume import make_bundle
from simulators.powerserver import PowerServer
from store import connection, directory
from store.store import Store
from tests.cli import console_script
from tests.cli.console_script import Result

ROOT = Path(__file__).resolve().parents[2]
CHANNEL = "appointment-to-powerserver"


@dataclass
class Site:
    """The shipped site in a folder of its own; commands run on it as a person runs them."""

    folder: Path
    powerserver: PowerServer
    env: dict[str, str]

    @property
    def mapping(self) -> Path:
        return self.folder / f"{CHANNEL}.yaml"

    def command(self, *arguments: object, **extra: str) -> Result:
        """Run a command as a person does, in this process: a hundred of them cost no hundred starts."""
        return console_script.command(*arguments, "--site", self.folder, env=self.env | extra)

    def act(self, word: str, message: str) -> None:
        """Cancel or reprocess a message as a person does."""
        done = console_script.plugin_host("messages", word, message, "--site", self.folder, env=self.env)
        assert done.code == 0, done.err

    def changed(self, *changes: tuple[str, str], name: str = "changed.yaml") -> Path:
        """Write a copy of the mapping with some texts replaced; return its path."""
        text = self.mapping.read_text("utf-8")
        for before, after in changes:
            assert text.count(before) == 1, before
            text = text.replace(before, after)
        path = self.folder.parent / name
        path.write_text(text, "utf-8")
        return path

    def store(self) -> Store:
        return Store(data_folder(read_site(self.folder)), "test")

    def reasons(self) -> list[str | None]:
        """Return why deliveries stand where they stand, all that was ever noted."""
        store = self.store()
        try:
            return [row[0] for row in store.connection.execute("SELECT reason FROM event").fetchall()]
        finally:
            store.close()

    def start(self) -> dict[str, str]:
        """Deploy the files on disk, as a start of the host does; return what it says of each channel."""
        site = read_site(self.folder)
        folder = data_folder(site)
        connection.store_key(folder)
        prepare_store(folder)
        store = self.store()
        try:
            return deploy_site(store.writer, store.connection, check_files(site, mapping_files(self.folder)))
        finally:
            store.close()

    def deliver(self, *bundles: bytes, until: Callable[[str], bool] | None = None) -> list[str]:
        """Take bundles in and deliver all that is open; return the ids of the messages."""
        return asyncio.run(self._deliver(bundles, until or (lambda status: status not in _OPEN)))

    async def _deliver(self, bundles: tuple[bytes, ...], at_rest: Callable[[str], bool]) -> list[str]:
        store = self.store()
        try:
            channel = self.channel(store)
            door = Door("fhir-listener", store, [channel], lambda _lanes: None)
            ids: list[str] = []

            def compose(messages: Any) -> Answer:
                ids.extend(message.id for message in messages)
                return Answer(status=202, body=b"")

            for bundle in bundles:
                await door.accept(Arrival(body=bundle, content_type="application/fhir+json", peer="test"), compose)
            await _until(store, channel, at_rest)
            return ids
        finally:
            store.close()

    def channel(self, store: Store) -> Channel:
        row = next(row for row in directory.channels(store.connection) if row.name == CHANNEL)
        channel = channels.load(store.connection, row)
        assert channel is not None
        return channel


_OPEN = {"RECEIVED", "TRANSFORMED", "QUEUED", "PENDING"}


async def _until(store: Store, channel: Channel, at_rest: Callable[[str], bool]) -> None:
    runners = [Runner(store, channel, destination) for destination in channel.destinations]
    tasks = [asyncio.create_task(runner.run()) for runner in runners]
    try:
        async with asyncio.timeout(10):
            while not all(at_rest(row[0]) for row in store.connection.execute(_HEADS)):
                await asyncio.sleep(0.01)
    finally:
        for runner in runners:
            runner.stop()
        await asyncio.gather(*tasks)


#: Status of each delivery that nothing stands in front of.
_HEADS = "SELECT d.status FROM lane l JOIN delivery d ON d.id = l.head UNION SELECT 'SENT'"


def bundle(number: int, **changes: Any) -> bytes:
    """Return a booking; changes are made to resources by type: `Patient=lambda patient: …`.

    Its resource is open all day, whatever the zone of its organization.
    """
    document = json.loads(make_bundle(number))
    for entry in document["entry"]:
        if entry["resource"]["resourceType"] == "HealthcareService":
            entry["resource"]["availableTime"] = [{"allDay": True}]
        change = changes.get(entry["resource"]["resourceType"])
        if change:
            change(entry["resource"])
    return json.dumps(document).encode()
