"""`deploy`, `rollback`, `revisions`, `diff`: which revision runs, and what a start does about it."""

from __future__ import annotations

import json

import pytest

from store import reads, revisions
from tests.replay.kit import CHANNEL, bundle

NOTE = ("NTE-2: { value: P }", "NTE-2: { value: O }")
#: A change that no test of the file looks at.
GOLDEN = [
    ("    expect: { message: samples/golden/appointment-request.hl7, action", "    expect: { action"),
    ("    expect: { message: samples/golden/appointment-several-studies.hl7, SCH-26", "    expect: { SCH-26"),
]


def runs(site) -> str:
    return site.command("revisions", CHANNEL, "--json").json["runs"]


def test_a_good_file_is_checked_tested_replayed_and_runs(running):
    running.deliver(bundle(1))
    before = runs(running)
    file = running.changed(("\nroute:", "\n# a remark\n\nroute:"))
    result = running.command("deploy", file, "--reason", "a remark")

    assert result.code == 0
    assert result.out.startswith("1 messages: 1 same, 0 differ, 0 new errors\n")
    assert f"{CHANNEL}: revision {runs(running)} runs instead of {before}" in result.out
    assert f"copy {file} over it" in result.out
    assert runs(running) != before


def test_a_file_whose_tests_fail_is_refused(running):
    before = runs(running)
    result = running.command("deploy", running.changed(NOTE))

    assert result.code == 1
    assert "FAIL a request from Blume is an S12" in result.err
    assert "NTE-2 Source of Comment: expected P, got O" in result.err
    assert "not deployed: 2 of " in result.err
    assert runs(running) == before


def test_a_file_with_a_mistake_is_refused(running):
    before = runs(running)
    result = running.command("deploy", running.changed(("PID-8: {", "PID-88: {")))

    assert result.code == 3
    assert "E403" in result.err
    assert runs(running) == before


def test_a_file_that_makes_other_messages_is_deployed_only_when_that_is_meant(running):
    running.deliver(bundle(1), bundle(2))
    before = runs(running)
    file = running.changed(NOTE, *GOLDEN)
    refused = running.command("deploy", file)

    assert refused.code == 6
    assert "not deployed: 2 messages: 0 same, 2 differ, all in NTE-2, 0 new errors" in refused.err
    assert "--accept-differences" in refused.err
    assert runs(running) == before

    assert running.command("deploy", file, "--accept-differences").code == 0
    assert runs(running) != before
    assert running.command("deploy", file).out == f"revision {runs(running)} runs already\n"


def test_other_hosts_or_ports_are_a_difference(running):
    result = running.command("deploy", running.mapping, POWERSERVER_MLLP_PORT="7777")

    assert result.code == 6
    assert "+destinations.powerserver.port: 7777" in result.out
    assert "the settings of its stations differ" in result.err


def test_each_mapping_is_recorded_with_the_revision_that_did_it(running):
    first = runs(running)
    [old] = running.deliver(bundle(1))
    running.command("deploy", running.changed(NOTE, *GOLDEN), "--accept-differences")
    second = runs(running)
    [new] = running.deliver(bundle(2))

    for message, revision in ((old, first), (new, second)):
        shown = running.command("messages", "show", message)
        assert f"mapped → TRANSFORMED by revision {revision}" in shown.out
    assert [b"NTE|1|O|" in received.payload for received in running.powerserver.received] == [False, True]


def test_a_message_that_waits_is_mapped_by_the_revision_that_runs_then(running):
    accepted = runs(running)
    [message] = running.deliver(bundle(1), until=lambda _: True)
    store = running.store()
    assert reads.line(store.connection, message).deliveries[0].status == "RECEIVED"
    store.close()
    running.command("deploy", running.changed(NOTE, *GOLDEN), "--last", 0)
    running.deliver()
    shown = running.command("messages", "show", message, "--json").json

    assert shown["revision"] == accepted
    mapped = next(entry for entry in shown["deliveries"][0]["timeline"] if entry["event"] == "mapped")
    assert mapped["revision"] == runs(running) != accepted
    assert "NTE|1|O|" in shown["deliveries"][0]["sent"]


def test_a_rollback_lets_the_revision_before_run_again(running):
    first = runs(running)
    running.command("deploy", running.changed(("\nroute:", "\n# one\nroute:")))
    second = runs(running)
    back = running.command("rollback", CHANNEL, "--reason", "wrong rooms")

    assert back.out.startswith(f"{CHANNEL}: revision {first} runs instead of {second}; the host is not running")
    assert runs(running) == first
    assert running.command("rollback", CHANNEL, "--to", second[:6]).code == 0
    assert runs(running) == second
    listed = [line.split()[2:4] for line in running.command("revisions", CHANNEL).out.splitlines()[:4]]
    assert listed == [[second, "rollback"], [first, "rollback"], [second, "deploy"], [first, "start"]]


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        ([CHANNEL], 6, "no other revision ran before"),
        ([CHANNEL, "--to", "ffff"], 2, "has no single revision 'ffff'"),
        (["appointment-to-powerservr"], 2, "did you mean 'appointment-to-powerserver'?"),
    ],
)
def test_a_rollback_that_cannot_be_is_refused(running, arguments, code, said):
    result = running.command("rollback", *arguments)

    assert result.code == code
    assert said in result.err


def test_a_revision_that_no_plug_in_can_run_any_more_is_not_rolled_back_to(running):
    store = running.store()
    plan = revisions.revision(store.connection, CHANNEL, runs(running)).plan
    old = {**plan, "language": 0}
    row = (1, "aaaaaaaaaaaa", 0, "", json.dumps(old))
    store.writer.now(lambda tx: tx.execute("INSERT INTO revision VALUES (?, ?, ?, ?, ?)", row))
    store.close()
    result = running.command("rollback", CHANNEL, "--to", "aaaa")

    assert result.code == 3
    assert "cannot run any more: the plan is of mapping language 0" in result.err


def test_what_was_rolled_back_is_not_brought_back_by_a_start(running):
    first = runs(running)
    running.mapping.write_text(running.changed(("\nroute:", "\n# one\nroute:")).read_text("utf-8"), "utf-8")
    running.command("deploy", running.mapping)
    running.command("rollback", CHANNEL, "--reason", "wrong rooms")

    said = running.start()[CHANNEL]
    assert said.startswith(f"revision {first}, rollback by ")
    assert "(wrong rooms); appointment-to-powerserver.yaml as it is now waits (plugin-host deploy " in said
    assert runs(running) == first
    status = running.command("status", "--json").json["channels"][0]
    assert "as it is now waits" in status["problem"]
    assert "it waits until it changes" in running.command("revisions", CHANNEL).out


def test_a_file_that_changed_after_a_rollback_is_deployed_by_a_start(running):
    running.command("deploy", running.changed(("\nroute:", "\n# one\nroute:")))
    running.command("rollback", CHANNEL)
    running.mapping.write_text(running.changed(("\nroute:", "\n# two\nroute:")).read_text("utf-8"), "utf-8")
    [listed] = running.command("revisions", CHANNEL).out.splitlines()[-1:]
    assert "the next start deploys it" in listed
    said = running.start()[CHANNEL]

    assert said == f"revision {runs(running)}"
    assert running.command("status", "--json").json["channels"][0]["problem"] is None


def test_a_table_that_changed_after_a_rollback_brings_the_file_back_too(running):
    first = runs(running)
    running.command("deploy", running.changed(("\nroute:", "\n# one\nroute:")))
    running.command("rollback", CHANNEL)
    table = running.folder / "tables" / "ordersets.csv"
    table.write_text(table.read_text("utf-8") + "US01,US ABDOMEN,US\n", "utf-8")
    running.start()

    assert runs(running) != first


def test_a_file_deployed_from_elsewhere_outlives_a_start(running):
    running.command("deploy", running.changed(("\nroute:", "\n# one\nroute:")))
    chosen = runs(running)
    running.start()

    assert runs(running) == chosen


def test_a_new_port_reaches_a_channel_whose_file_was_deployed(running, monkeypatch):
    running.mapping.write_text(running.changed(("\nroute:", "\n# one\nroute:")).read_text("utf-8"), "utf-8")
    running.command("deploy", running.mapping)
    before = runs(running)
    monkeypatch.setenv("POWERSERVER_MLLP_PORT", "7777")
    running.start()

    assert runs(running) != before


def test_the_diff_shows_text_tables_and_settings(running):
    text = running.changed(("    NTE-2: { value: P }", "    NTE-2: { value: O }")).read_text("utf-8")
    running.mapping.write_text(text.replace("      NTE-2: { value: P }", "      NTE-2: { value: O }"), "utf-8")
    table = running.folder / "tables" / "ordersets.csv"
    table.write_text(
        table.read_text("utf-8").replace("CT01,CT HEAD W/O CONTRAST,CT", "CT01,CT HEAD,XA\nUS01,US,US"), "utf-8"
    )
    result = running.command("diff", CHANNEL, POWERSERVER_MLLP_PORT="7777")

    assert result.code == 1
    for line in (
        "-      NTE-2: { value: P }", "+      NTE-2: { value: O }", "-tables/ordersets.csv CT01: modality=CT",
        "+tables/ordersets.csv CT01: modality=XA", "+tables/ordersets.csv US01: modality=US, text=US",
        f"-destinations.powerserver.port: {running.powerserver.port}", "+destinations.powerserver.port: 7777",
    ):  # fmt: skip
        assert line in result.out.splitlines(), line


def test_there_is_no_diff_where_nothing_changed(running):
    result = running.command("diff", CHANNEL)

    assert (result.code, result.out) == (0, "")


def test_the_text_of_a_revision_is_kept_letter_by_letter(running):
    assert running.command("revisions", CHANNEL, "--show", runs(running)[:5]).out == running.mapping.read_text("utf-8")
