"""The supervised host with a door for DICOM: instances are stored, reports are taken, a killed process comes back."""

import asyncio
import json
import os
import shutil
import signal
import sys
from pathlib import Path

import pytest

from connectors.dicom_base import Reference, Verdict
from host import role_dicom
from store import dicom, directory
from store.connection import connect
from tests.cli.console_script import ROOT, RunningHost, plugin_host, wait_until
from tests.dicom.kit import ours, station
from tests.dicom.peers import US, dcmtk, free_port, orthanc

DOOR = """
dicom:
  ae_title: PLUGINHOST
  port: {port}
  peers: [ANY@127.0.0.1, PLUGINHOST@127.0.0.1, OMEGAAI@127.0.0.0/8]
"""


def _site(folder: Path, port: int) -> Path:
    site = Path(shutil.copytree(ROOT / "mappings", folder / "mappings"))
    with (site / "site.yaml").open("a", encoding="utf-8") as file:
        file.write(DOOR.format(port=port))
    return site


@pytest.fixture(scope="module")
def host(tmp_path_factory):
    """One host for all tests here; each stores instances of its own."""
    folder = tmp_path_factory.mktemp("host")
    with RunningHost(folder / "data", free_port(), site=_site(folder, 0)) as running:
        line = next(line for line in running.said if "listening for DICOM on" in line)
        running.dicom_port = int(line.rpartition(":")[2])
        yield running


def _process(host: RunningHost) -> directory.ProcessRow:
    connection = connect(host.data)
    try:
        return next(row for row in directory.processes(connection) if row.role == "dicom")
    finally:
        connection.close()


def _rows(host: RunningHost, study_uid: str, some: list) -> list:
    """Return the rows of these instances."""
    wanted = {instance.reference.sop_instance_uid for instance in some}
    connection = connect(host.data)
    try:
        return [row for row in dicom.of_study(connection, study_uid) if row.sop_instance_uid in wanted]
    finally:
        connection.close()


def test_the_host_takes_instances_and_keeps_each_data_set_once(host, files, instances, study_uid):
    some = instances[:6]

    async def store():
        peer = ours(host.dicom_port)
        return [outcome for _ in range(2) for outcome in [one async for one in peer.store(some)]]

    done = dcmtk("echoscu", "-aet", "ANY", "-aec", US, "127.0.0.1", host.dicom_port)
    outcomes = asyncio.run(store())
    rows = _rows(host, study_uid, some)

    assert done.returncode == 0
    assert [outcome.verdict for outcome in outcomes] == [Verdict.SUCCESS] * 12
    assert [row.sop_instance_uid for row in rows] == [instance.reference.sop_instance_uid for instance in some]
    assert {path.name for path in (host.data / "dicom").iterdir()} >= {row.file for row in rows}
    data = (host.data / "dicom" / rows[0].file).read_bytes()[rows[0].offset :]
    assert data == files[0].read_bytes()[some[0].offset :]


@pytest.mark.skipif(sys.platform != "linux", reason="limits are read from /proc")
def test_the_dicom_process_has_a_cap_on_its_memory(host):
    limits = Path(f"/proc/{_process(host).pid}/limits").read_text("ascii")
    cap = next(line for line in limits.splitlines() if line.startswith("Max data size"))

    assert int(cap.split()[3]) == role_dicom.MEMORY


def test_a_killed_dicom_process_is_started_again_and_has_what_it_said_it_has(host, instances, study_uid):
    async def store(some):
        return [outcome async for outcome in ours(host.dicom_port, attempts=1).store(some)]

    before = asyncio.run(store(instances[20:23]))
    pid = _process(host).pid
    os.kill(pid, signal.SIGKILL)
    wait_until(lambda: _process(host).pid != pid and _process(host).doors, "the process is back", within=60)
    host.dicom_port = int(_process(host).doors[0].rpartition(":")[2])
    after = asyncio.run(store(instances[20:25]))

    assert {outcome.verdict for outcome in [*before, *after]} == {Verdict.SUCCESS}
    assert len(_rows(host, study_uid, instances[20:25])) == 5


def test_a_report_on_a_commitment_that_nobody_asked_for_is_taken_and_recorded(host, tmp_path, instances):
    transactions = []

    async def remember(transaction):
        transactions.append(transaction)

    async def commit():
        with orthanc(tmp_path / "archive", {US: host.dicom_port}) as archive:
            peer = station(archive, report_within=0.1)
            outcomes = [outcome async for outcome in peer.store(instances[:2])]
            references = [*(outcome.reference for outcome in outcomes), Reference("1.2.840.10008.5.1.4.1.1.4", "1.2.3")]
            asked = await peer.commit(references, remember, remember)
            found = await asyncio.to_thread(wait_until, reported, "the report is in the store", 30)
            return asked, found

    def reported():
        connection = connect(host.data)
        try:
            statement = "SELECT job, committed, failed, ae_title FROM commitment WHERE transaction_uid = ?"
            return connection.execute(statement, (transactions[0],)).fetchone()
        finally:
            connection.close()

    asked, found = asyncio.run(commit())

    assert asked.verdict is Verdict.SUCCESS
    assert found == (None, 2, 1, "OMEGAAI")


def test_wrong_settings_of_the_door_are_refused_with_their_place(tmp_path):
    site = _site(tmp_path, 11112)
    text = (site / "site.yaml").read_text("utf-8").replace("ae_title: PLUGINHOST", "ae_titel: PLUGINHOST")
    (site / "site.yaml").write_text(text, "utf-8")
    result = plugin_host("check", "--site", site)

    assert result.code == 3
    assert "site.yaml" in result.out + result.err
    assert "did you mean 'ae_title'?" in result.out + result.err
    assert json.dumps("Traceback") not in result.err
