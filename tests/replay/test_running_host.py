"""A deploy on a host that runs: no message is lost, none goes twice, and each tells which revision mapped it."""

from __future__ import annotations

import shutil
import threading

import pytest

from simulators.blume import make_bundle
from simulators.powerserver import PowerServer
from tests.cli.console_script import CHANNEL, ROOT, RunningHost, wait_until


@pytest.fixture
def site(tmp_path):
    shutil.copytree(ROOT / "mappings", tmp_path / "mappings")
    return tmp_path / "mappings"


class Sender:
    """Books one appointment after the other until told to stop."""

    def __init__(self, host: RunningHost) -> None:
        self._host = host
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._book)
        self.ids: list[str] = []

    def _book(self) -> None:
        while not self._stop.is_set():
            self.ids.append(self._host.book(make_bundle(len(self.ids) + 1)))

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(20)


def test_a_deploy_on_a_running_host_loses_no_message(tmp_path, site):
    changed = tmp_path / "changed.yaml"
    text = (site / f"{CHANNEL}.yaml").read_text("utf-8").replace("NTE-2: { value: P }", "NTE-2: { value: O }")
    for golden in ("appointment-request", "appointment-several-studies"):  # they have the note that is changed
        text = text.replace(f"{{ message: samples/golden/{golden}.hl7, ", "{ ")
    changed.write_text(text, "utf-8")
    with PowerServer() as powerserver, RunningHost(tmp_path / "data", powerserver.port, site=site) as host:
        with Sender(host) as sender:
            wait_until(lambda: len(sender.ids) > 20, "some are on their way")
            deployed = host.command("deploy", changed, "--last", 5, "--accept-differences")
            assert deployed.code == 0, deployed.err
            wait_until(lambda: b"NTE|1|O|" in powerserver.received[-1].payload, "the new revision maps")
            back = host.command("rollback", CHANNEL)
            wait_until(lambda: b"NTE|1|P|" in powerserver.received[-1].payload, "the old revision maps again")

        assert back.code == 0, back.err
        assert "the running host follows within a second" in deployed.out
        wait_until(lambda: len(powerserver.received) >= len(sender.ids), "all arrived")
        assert host.command("reconcile").code == 0
        payloads = [received.payload for received in powerserver.received]
        appointments = [payload.split(b"SCH|")[1].split(b"^")[0].decode() for payload in payloads]
        assert sorted(appointments) == sorted(f"appt-{number + 1}" for number in range(len(sender.ids)))

        listed = host.command("revisions", CHANNEL, "--json").json["deployments"]
        assert [entry["how"] for entry in listed] == ["rollback", "deploy", "start"]
        old, new = listed[0]["revision"], listed[1]["revision"]
        by_new = next(position for position, payload in enumerate(payloads) if b"NTE|1|O|" in payload)
        number = int(appointments[by_new].removeprefix("appt-"))
        for message, revision in ((sender.ids[0], old), (sender.ids[number - 1], new), (sender.ids[-1], old)):
            shown = host.command("messages", "show", message).out
            assert f"mapped → TRANSFORMED by revision {revision}" in shown
