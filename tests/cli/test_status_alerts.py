"""`plugin-host status` says in one line which resources are blocked and which alerts are open."""

from __future__ import annotations

import contextlib
import json

from host.running import prepare_store
from messages.resource import Drift
from store import alerts, dicom, directory, drift
from store.lock import Lock
from store.store import Store
from tests.cli.console_script import ROOT, run

FOUND = Drift(facility="F", name="R", category="NAME_CASE", field="name", severity="blocker", omegaai="R")


def test_blocked_resources_and_open_alerts_are_one_line_of_the_status_until_they_are_cured(tmp_path):
    prepare_store(tmp_path)

    def told():
        shown = run("status", "--site", ROOT / "mappings", "--json", PLUGIN_HOST_DATA=str(tmp_path))
        return shown.exit_code, json.loads(shown.stdout)

    def compared(*drifts):
        new = drift.NewComparison(omegaai=1, powerserver=1, pairs=1, looked_at={}, drifts=drifts)
        with contextlib.closing(Store(tmp_path, "host")) as store:
            store.writer.now(lambda tx: drift.write_comparison(tx, new))
            change = alerts.open if drifts else alerts.close
            more = ("blocker", "no bookings on 1 resource(s): R") if drifts else ()
            store.writer.now(lambda tx: change(tx, "resources.blocked", *more))

    compared(FOUND)
    code, blocked = told()
    text = run("status", "--site", ROOT / "mappings", PLUGIN_HOST_DATA=str(tmp_path))
    compared()
    _, cured = told()

    line = "1 resource(s) blocked (plugin-host drift); 1 alert(s) open, first: no bookings on 1 resource(s): R"
    assert (code, text.exit_code) == (1, 1)
    assert line in blocked["attention"]
    assert line in text.stdout.splitlines()
    assert (blocked["blocked_resources"], [one["key"] for one in blocked["alerts"]]) == (1, ["resources.blocked"])
    # Without them nothing is said of them: what is left is that no host runs.
    assert (cured["blocked_resources"], cured["alerts"], cured["attention"]) == (0, [], ["the host is not running"])


def test_a_supervisor_that_was_killed_is_not_taken_for_alive_while_its_processes_were_heard_lately(tmp_path):
    prepare_store(tmp_path)
    with contextlib.closing(Store(tmp_path, "host")) as store:
        directory.announce(store.writer, "lanes", 4711, None, ())

    def told():
        shown = run("status", "--site", ROOT / "mappings", "--json", PLUGIN_HOST_DATA=str(tmp_path))
        text = run("status", "--site", ROOT / "mappings", PLUGIN_HOST_DATA=str(tmp_path)).stdout
        return json.loads(shown.stdout), text

    lock = Lock(tmp_path, "host")
    running, while_it_runs = told()
    lock.release()  # as the system does for a process that is killed
    gone, afterwards = told()

    assert (running["supervisor"]["runs"], running["attention"]) == (True, [])
    assert "processes: lanes" in while_it_runs
    assert gone["supervisor"]["runs"] is False
    assert 0 <= gone["supervisor"]["heard_seconds_ago"] < 60
    assert gone["attention"][0].startswith("the host is not running: its supervisor is gone; its processes were last")
    assert "its supervisor is gone" in afterwards
    assert "processes: none is running" in afterwards
    with contextlib.closing(Store(tmp_path, "host")) as store:  # and nobody is kept from starting it again
        store.writer.now(lambda tx: tx.now)
    Lock(tmp_path, "host").release()


def test_callers_that_the_dicom_door_did_not_let_in_are_counted(tmp_path):
    prepare_store(tmp_path)
    with contextlib.closing(Store(tmp_path, "host")) as store:
        store.writer.now(lambda tx: dicom.turn_away(tx, {"address": (3, "10.1.0.6")}))
        store.writer.now(
            lambda tx: dicom.turn_away(tx, {"calling_ae_title": (1, "10.1.0.7"), "address": (2, "10.1.0.8")})
        )
    shown = run("status", "--site", ROOT / "mappings", "--json", PLUGIN_HOST_DATA=str(tmp_path))
    text = run("status", "--site", ROOT / "mappings", PLUGIN_HOST_DATA=str(tmp_path)).stdout
    counted = {one["why"]: (one["times"], one["last_peer"]) for one in json.loads(shown.stdout)["dicom_turned_away"]}

    assert counted == {"address": (5, "10.1.0.8"), "calling_ae_title": (1, "10.1.0.7")}
    assert "5 × address" in text
    assert "1 × calling_ae_title" in text
