"""`plugin-host status` says in one line which resources are blocked and which alerts are open."""

from __future__ import annotations

import contextlib
import json

from host.running import prepare_store
from messages.resource import Drift
from store import alerts, drift
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
