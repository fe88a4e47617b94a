"""The audit trail: append-only, chained, and told in the words of the standards."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from messages.audit import DCM, EVENTS, Outcome
from store import audit
from tests.cli.console_script import run

SITE = Path(__file__).parents[2] / "mappings"


def write(store, count=5):
    for number in range(count):
        store.writer.now(
            lambda tx, number=number: audit.record(
                tx, "ana", "message-viewed", f"message:{number}", address="127.0.0.1", detail={"pane": "sent"}
            )
        )


def test_a_line_is_read_as_it_was_written(store):
    write(store, 2)
    store.writer.now(lambda tx: audit.record(tx, "host", "study-shared", "job:1", Outcome.SERIOUS_FAILURE))

    last, older, oldest = audit.entries(store.connection)

    assert (last.number, last.who, last.what, last.entity) == (3, "host", "study-shared", "job:1")
    assert (last.outcome, last.detail) == (Outcome.SERIOUS_FAILURE, {})
    assert (older.entity, older.address, older.detail) == ("message:1", "127.0.0.1", {"pane": "sent"})
    assert audit.after(store.connection, 0, 1) == [oldest]
    assert audit.head(store.connection) == (3, last.chain)


def test_lines_are_found_by_entity_person_and_word(store):
    write(store, 3)
    store.writer.now(lambda tx: audit.record(tx, "bia", "signed-in", "account:bia"))

    def found(**wanted):
        return [entry.number for entry in audit.entries(store.connection, **wanted)]

    assert found(entity="message:1") == [2]
    assert found(who="bia") == [4]
    assert found(what=("signed-in", "signed-out")) == [4]
    assert found(who="ana", before=3) == [2, 1]
    assert found(limit=1) == [4]


def test_a_line_cannot_be_changed_or_removed(store):
    write(store)
    for statement in ("UPDATE audit SET who = 'eve'", "DELETE FROM audit"):
        with pytest.raises(Exception, match="append-only"):
            store.connection.execute(statement)


def test_a_transaction_that_is_undone_leaves_no_line(store):
    def work(tx):
        audit.record(tx, "ana", "message-viewed", "message:1")
        raise ValueError("undone")

    with pytest.raises(ValueError, match="undone"):
        store.writer.now(work)

    assert audit.head(store.connection)[0] == 0


def test_a_word_that_is_not_in_the_table_is_refused(store):
    with pytest.raises(KeyError):
        store.writer.now(lambda tx: audit.record(tx, "ana", "looked", "message:1"))


@pytest.mark.parametrize(
    ("tampering", "broken_at"),
    [
        ("UPDATE audit SET who = 'eve' WHERE number = 3", 3),
        ("UPDATE audit SET at = at + 1 WHERE number = 1", 1),
        ("UPDATE audit SET detail = '{}' WHERE number = 5", 5),
        ("DELETE FROM audit WHERE number = 2", 2),
        ("UPDATE audit SET number = number + 1 WHERE number = 5", 5),
    ],
)
def test_whoever_gets_around_the_triggers_breaks_the_chain(store, tampering, broken_at):
    write(store)
    assert audit.verify(store.connection) == audit.Verdict(lines=5, chain=audit.head(store.connection)[1])
    for trigger in ("audit_keeps", "audit_stays"):
        store.connection.execute(f"DROP TRIGGER {trigger}")

    store.connection.execute(tampering)

    assert audit.verify(store.connection).broken_at == broken_at


def test_a_trail_cut_short_at_its_end_is_seen_by_the_head_that_was_noted(store):
    write(store)
    noted = audit.head(store.connection)
    write(store, 2)
    assert audit.verify(store.connection, noted).broken_at is None
    store.connection.execute("DROP TRIGGER audit_stays")
    store.connection.execute("DELETE FROM audit WHERE number > 4")

    assert audit.verify(store.connection).broken_at is None
    assert audit.verify(store.connection, noted).broken_at == 5


def test_audit_verify_finds_a_row_that_was_changed_on_the_disk_and_a_trail_that_was_cut_short(tmp_path, store):
    """The command, on a store that somebody with the key has changed behind the host's back."""

    def verify(*more):
        said = run("audit", "verify", "--site", SITE, "--json", *more, PLUGIN_HOST_DATA=str(store.folder))
        return said.exit_code, json.loads(said.stdout)

    write(store)
    code, told = verify()
    assert (code, told["holds"], told["lines"], told["broken_at"]) == (0, True, 5, None)
    write(store, 2)
    assert verify("--head", told["head"])[1]["lines"] == 7
    for trigger in ("audit_keeps", "audit_stays"):
        store.connection.execute(f"DROP TRIGGER {trigger}")
    store.connection.execute("DELETE FROM audit WHERE number > 4")
    assert verify()[0] == 0
    assert verify("--head", told["head"])[:1] == (1,)

    store.connection.execute("UPDATE audit SET entity = 'message:9' WHERE number = 3")
    code, told = verify()

    assert (code, told["holds"], told["broken_at"], told["head"]) == (1, False, 3, None)
    assert run("audit", "verify", "--site", SITE, PLUGIN_HOST_DATA=str(store.folder)).stderr.startswith("line 3 ")
    assert run("audit", "verify", "--site", SITE, "--head", "x").exit_code == 2


def test_what_a_receiver_outside_has_got_is_remembered(store):
    assert audit.told(store.connection, "syslog") == 0
    for number in (2, 4):
        store.writer.now(lambda tx, number=number: audit.note_told(tx, "syslog", number))
    assert audit.told(store.connection, "syslog") == 4


def test_every_word_has_a_type_of_a_standard_and_an_action():
    for event in EVENTS.values():
        assert event.action in set("CRUDE")
        assert (event.system == DCM) == event.code.isdigit()
