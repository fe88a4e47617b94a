from __future__ import annotations

import pytest

from store import alerts
from store.connection import connect
from store.schema import migrate
from store.store import Store


@pytest.fixture
def store(tmp_path):
    link = connect(tmp_path)
    migrate(link)
    link.close()
    store = Store(tmp_path, "test")
    yield store
    store.close()


def _open(store, text="two resources", severity="warning", key="resources"):
    return store.writer.now(lambda tx: alerts.open(tx, key, severity, text))


def _close(store, key="resources"):
    return store.writer.now(lambda tx: alerts.close(tx, key))


def test_an_alert_is_opened_once_and_counts_how_often_it_was_found(store):
    assert [_open(store, text) for text in ("one", "two", "three")] == [True, False, False]
    (alert,) = alerts.open_alerts(store.connection)

    assert (alert.text, alert.times, alert.closed_at) == ("three", 3, None)


def test_an_alert_is_closed_once_and_opened_anew_as_another(store):
    _open(store)
    assert [_close(store), _close(store)] == [True, False]
    assert alerts.open_alerts(store.connection) == []
    assert _open(store)

    assert [alert.closed_at is None for alert in alerts.history(store.connection)] == [True, False]


def test_blockers_come_first(store):
    _open(store, key="a", severity="warning")
    _open(store, key="b", severity="blocker")
    _open(store, key="c", severity="warning")

    assert [alert.key for alert in alerts.open_alerts(store.connection)] == ["b", "c", "a"]


def test_people_are_told_of_the_opening_and_of_the_closing_once_each(store):
    def tell():
        told = alerts.untold(store.connection)
        for alert in told:
            store.writer.now(lambda tx, alert=alert: alerts.told(tx, alert))
        return [(alert.key, alert.closed_at is None) for alert in told]

    _open(store)
    assert [tell(), tell()] == [[("resources", True)], []]
    _open(store, "found again")
    assert tell() == []
    _close(store)
    assert [tell(), tell()] == [[("resources", False)], []]


def test_what_was_over_before_people_were_told_is_told_in_one(store):
    _open(store)
    _close(store)
    (alert,) = alerts.untold(store.connection)
    store.writer.now(lambda tx: alerts.told(tx, alert))

    assert alert.closed_at is not None
    assert alerts.untold(store.connection) == []
