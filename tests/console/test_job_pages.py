"""The pages of shares and jobs: how far each is and by what its arrival is proven; no identifier of a request."""

from __future__ import annotations

import pytest

from channels.job_starter import begin, new_job
from messages.identity import message_id
from messages.job_states import Event, State
from store import audit, job_parts, jobs
from store.job_parts import JobInstance, Recipient

SECRETS = ("PH-000001", "1.2.840.77", "bo@example.org", "ACC-77")


@pytest.fixture
def share(site):
    """A share that has failed to be verified, with what it is about."""
    task = {
        "resourceType": "Task", "focus": {"identifier": {"value": "urn:oid:1.2.840.77"}},
        "for": {"identifier": {"value": "PH-000001"}},
        "input": [{"type": {"coding": [{"code": "accession"}]}, "valueString": "ACC-77"}],
    }  # fmt: skip
    new = new_job("study-share", "study-share", "jobs", task, message_id())
    write = site.store.writer.now
    number = write(lambda tx: begin(tx, new, by="test"))[0]
    rows = [
        JobInstance(sop_instance=f"1.2.{n}", sop_class="1.2", series="1.3", study="1.2.840.77", station="ps")
        for n in range(3)
    ]
    write(lambda tx: job_parts.expect(tx, number, rows))
    write(lambda tx: job_parts.mark(tx, number, ["1.2.0", "1.2.1"], "arrived"))
    write(lambda tx: jobs.progress(tx, number, {"total": 3, "arrived": 2}))
    write(lambda tx: job_parts.address(tx, number, [("email", "bo@example.org")]))
    write(lambda tx: job_parts.settle(tx, number, Recipient(number=1, kind="email", address="x", link="https://l")))
    for event in (Event.PASSED, Event.BEGUN, Event.MOVED, Event.FAILED):
        job = jobs.get(site.store.connection, number)
        reason = "1 of 3 instances are not at the target" if event is Event.FAILED else None
        write(
            lambda tx, job=job, event=event, reason=reason: jobs.move(
                tx, job, event, code="INSTANCES_MISSING", reason=reason
            )
        )
    return number


@pytest.mark.parametrize("address", ["/shares", "/shares/{}", "/jobs", "/jobs/{}"])
def test_a_page_shows_how_far_a_share_is_and_no_identifier(client, share, address):
    page = client.get(address.format(share))

    assert page.status_code == 200
    assert "Arrival not proven" in page.text
    assert "2 of 3" in page.text
    assert '<progress max="3" value="2"' in page.text
    assert "1 of 3 instances are not at the target" in page.text
    assert not [secret for secret in SECRETS if secret in page.text]


@pytest.mark.parametrize("address", ["/shares.json", "/shares/{}.json", "/jobs.json", "/jobs/{}.json"])
def test_the_json_beside_it_holds_the_same_and_no_identifier(client, share, address):
    page = client.get(address.format(share))

    assert page.status_code == 200
    assert "VERIFY_FAILED" in page.text
    assert not [secret for secret in SECRETS if secret in page.text]


def test_the_list_is_narrowed_by_state(client, share):
    assert client.get("/shares.json?state=SHARED").json["jobs"] == []
    assert [job["number"] for job in client.get("/shares.json?state=VERIFY_FAILED").json["jobs"]] == [share]
    assert client.get("/shares?state=NOWHERE").status_code == 400
    assert client.get("/shares/4711").status_code == 404


def test_a_retry_moves_the_share_wakes_the_host_and_is_audited(client, site, share, csrf):
    answer = client.post(f"/shares/{share}/act", data={"csrf": csrf, "act": "retry", "reason": "link is up"})

    assert answer.status_code == 303
    assert jobs.get(site.store.connection, share).state is State.TRANSFERRING
    assert site.rung >= 1
    changed = audit.entries(site.store.connection, entity=f"job:{share}", what=("job-changed",))
    assert [entry.detail["reason"] for entry in changed] == ["link is up"]


def test_what_the_table_does_not_allow_is_not_done(client, site, share, csrf):
    for act in ("revoke", "retry"):
        client.post(f"/shares/{share}/act", data={"csrf": csrf, "act": act})

    assert jobs.get(site.store.connection, share).state is State.REVOKED
    assert "nothing was done" in client.get(f"/shares/{share}").text
    assert client.post(f"/shares/{share}/act", data={"csrf": csrf, "act": "delete"}).status_code == 400


def test_who_looks_at_a_share_stands_in_the_audit_trail(client, site, share):
    client.get(f"/shares/{share}")

    assert audit.entries(site.store.connection, entity=f"job:{share}")[0].what == "share-viewed"
