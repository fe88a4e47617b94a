"""The pages of resources and of the doctor: what differs, what fails, since when, and what to do about it."""

from __future__ import annotations

import pytest

from messages.health import Finding, Mark
from messages.resource import Drift
from store import doctor, drift

DRIFT = Drift(
    facility="BLUME TEST", name="BLUME CT", category="NAME_CASE", field="name", severity="blocker",
    omegaai="BLUME CT", powerserver="Blume CT", action="Settings > Users & Facilities: write BLUME CT",
    change="powerserver", omegaai_where="HealthcareService/1", powerserver_where="resources.csv:2",
)  # fmt: skip
LONGER = Drift(
    facility="BLUME TEST", name="BLUME MR", category="DURATION", field="duration", severity="warning",
    omegaai="60", powerserver="30", omegaai_normal="60", powerserver_normal="30",
)  # fmt: skip


def compare(site, *drifts):
    new = drift.NewComparison(omegaai=3, powerserver=3, pairs=3, looked_at={"duration": 2}, drifts=drifts)
    site.store.writer.now(lambda tx: drift.write_comparison(tx, new))


def examine(site, *findings):
    site.store.writer.now(lambda tx: doctor.write_round(tx, findings))


def finding(check, mark, about="", **rest):
    return Finding(check=check, about=about, mark=mark, found=f"{check} is so", why="it matters", **rest)


@pytest.mark.parametrize("address", ["/resources", "/doctor"])
def test_before_the_first_look_the_page_says_so_and_how(client, address):
    page = client.get(address)

    assert page.status_code == 200
    assert "plugin-host d" in page.text


def test_a_drift_is_shown_with_both_values_and_the_menu_path_until_it_is_cured(site, client):
    compare(site, DRIFT, LONGER)
    page = client.get("/resources").text
    compare(site, LONGER)
    later = client.get("/resources").text
    told = client.get("/resources.json").json

    for words in ("Blume CT", "HealthcareService/1", "NAME_CASE", "Settings &gt; Users &amp; Facilities", "duration 2"):
        assert words in page
    assert "Bookings on 1 resource are refused." in page
    assert "What was cured" not in page
    assert "What was cured" in later
    assert "are refused" not in later
    assert [line["category"] for line in told["open"]] == ["DURATION"]
    assert [line["category"] for line in told["cured"]] == ["NAME_CASE"]


def test_the_plan_of_repairs_is_shown_with_its_command_until_it_is_applied(site, client):
    change = {
        "side": "OmegaAI", "facility": "BLUME TEST", "name": "BLUME MR", "category": "DURATION", "field": "duration",
        "before": "60", "after": "30", "how": "fhir", "refused": None, "action": "", "payload": {"envelope": "secret"},
    }  # fmt: skip
    other = {**change, "name": "BLUME CT", "how": None, "refused": "1 appointment(s) are still to come on it"}
    compare(site, LONGER)
    site.store.writer.now(lambda tx: drift.write_plan(tx, "3f9a2c81d07e", "somebody", [change, other]))
    page, told = client.get("/resources").text, client.get("/resources.json").text
    site.store.writer.now(lambda tx: drift.claim_plan(tx, "3f9a2c81d07e", "somebody"))
    later = client.get("/resources").text

    assert "plugin-host repair --apply 3f9a2c81d07e" in page
    assert "“60” → “30”" in page
    assert "1 appointment(s) are still to come on it" in page
    assert "still to come" in told
    assert "secret" not in page + told
    assert "--apply" not in later
    assert "Applied:" in later


def test_a_side_that_cannot_be_read_is_said(site, client):
    site.store.writer.now(lambda tx: drift.write_failure(tx, "powerserver", "export", "no export lies in the folder"))

    assert "PowerServer could not be read" in client.get("/resources").text


def test_the_doctor_s_round_is_shown_with_why_and_cure(site, client):
    examine(
        site,
        finding("peer.port", Mark.FAIL, "powerserver", cure="is it running?"),
        finding("mirth.version", Mark.PASS),
        finding("powerserver.mirth", Mark.PASS, declared="declared by Ana on 2025-11-20"),
        finding("share.volume", Mark.UNKNOWN),
    )
    page = client.get("/doctor").text
    told = client.get("/doctor.json").json

    for words in ("peer.port", "is it running?", "it matters", "declared by Ana", "Not checkable from here", "Fails"):
        assert words in page
    assert told["counts"] == {"fail": 1, "warn": 0, "not checkable from here": 1, "pass": 2}
    assert told["findings"][-1]["check"] == "peer.port"


def test_since_when_it_fails_stays_while_it_fails(site, client):
    examine(site, finding("peer.port", Mark.FAIL, "powerserver"))
    began = client.get("/doctor.json").json["findings"][0]["since"]
    examine(site, finding("peer.port", Mark.FAIL, "powerserver"))
    still = client.get("/doctor.json").json["findings"][0]["since"]
    examine(site, finding("peer.port", Mark.PASS, "powerserver"))
    mended = client.get("/doctor.json").json["findings"][0]["since"]

    assert still == began
    assert mended > began


def test_what_a_side_writes_is_text_and_nothing_else(site, client):
    compare(site, Drift(facility="F", name="<b>X</b>", category="NAME_CASE", field="name", severity="blocker"))

    assert "<b>X</b>" not in client.get("/resources").text
