"""Alerts: what opens and closes them, and how people are told: real servers for e-mail and webhook, on port 0."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import datetime as dt
import json
import re
import shutil
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from aiosmtpd.smtp import SMTP

from host import alert_rules, alert_telling, alerting
from host.occasional import jobs_of
from host.site import read_site
from messages.problem import Problems
from store import alerts, directory
from store.connection import connect
from store.schema import migrate
from store.store import Store
from tests.cli.console_script import run
from transformers.site_model import Alerts, Quiet

ZONE = ZoneInfo("America/Sao_Paulo")
MAPPINGS = Path(__file__).resolve().parents[1] / "mappings"
CANARY = "Kanarienvogel"


def at(clock: str, day: int = 19) -> float:
    """Return a moment of November 2025; the 19th is a Wednesday."""
    return dt.datetime.fromisoformat(f"2025-11-{day:02d}T{clock}").replace(tzinfo=ZONE).timestamp()


@pytest.fixture
def store(tmp_path):
    link = connect(tmp_path / "data")
    migrate(link)
    link.close()
    store = Store(tmp_path / "data", "test")
    new = directory.NewRevision(
        channel="bookings", title="Bookings", revision="a1", source="", plan={}, destinations={"powerserver": True}
    )
    directory.deploy(store.writer, new)
    yield store
    store.close()


def fill(store, status, n, received_at):
    """Put deliveries into the store as if they had come so."""
    link, now = store.connection, time.time()
    first = link.execute("SELECT coalesce(max(number), 0) + 1 FROM message").fetchone()[0]
    link.execute("BEGIN")
    for number in range(first, first + n):
        link.execute(
            "INSERT INTO message VALUES (?, ?, 1, 1, 'a1', ?, NULL, NULL, ?)",
            (number, f"{number:026d}", received_at, json.dumps({"surname": CANARY})),
        )
        link.execute(
            "INSERT INTO delivery (id, destination, lane, status, changed_at, reason) VALUES (?, 1, ?, ?, ?, ?)",
            (number * 16, number, status, now, CANARY),
        )
        if status == "QUEUED":
            link.execute("INSERT INTO lane VALUES (?, 1, ?, 1, ?)", (number, bytes([number % 256]) * 2, number * 16))
    link.execute("INSERT INTO level VALUES (1, ?, ?) ON CONFLICT DO UPDATE SET n = n + excluded.n", (status, n))
    link.execute(
        "INSERT INTO flow VALUES (?, 1, ?, ?) ON CONFLICT DO UPDATE SET n = n + excluded.n",
        (int(now // 3600), status, n),
    )
    link.execute("COMMIT")


def found(store, now=None, **rules):
    return [one.key for one in alerting.look(store.connection, Alerts(**rules), ZONE, now or time.time())]


def test_of_a_host_where_all_is_well_nothing_is_found(store):
    fill(store, "SENT", 20, time.time())

    assert found(store) == []


@pytest.mark.parametrize(
    ("rules", "keys"),
    [
        ({}, ["queue-age"]),
        ({"queue_age": "1h"}, []),
        ({"queue_age": "off", "queue_depth": 3}, ["queue-depth"]),
        ({"queue_age": "off", "queue_depth": 4}, []),
        ({"queue_age": "off", "queue_depth": 0}, []),
    ],
)
def test_a_queue_that_is_old_or_long_is_found(store, rules, keys):
    fill(store, "QUEUED", 3, time.time() - 1800)

    assert found(store, **rules) == [f"watch.{key}.bookings.powerserver" for key in keys]


@pytest.mark.parametrize(("parked", "percent", "keys"), [(4, 10, 0), (5, 10, 1), (5, 30, 0), (5, 0, 0)])
def test_errors_are_found_by_their_share_and_not_by_a_few(store, parked, percent, keys):
    fill(store, "SENT", 20, time.time())
    fill(store, "ERROR", parked, time.time())

    assert len(found(store, error_percent=percent)) == keys


@pytest.mark.parametrize(
    ("now", "last", "silent"),
    [
        (at("12:00"), at("11:00"), False),
        (at("12:00"), at("09:59"), True),
        (at("08:30"), at("17:00", 18), False),
        (at("09:01"), at("17:00", 18), True),
        (at("20:00"), at("09:00"), False),
        (at("12:00", 22), at("09:00"), False),
    ],
    ids=["came", "silent", "just opened", "silent since it opened", "after work", "Saturday"],
)
def test_silence_counts_in_working_hours_only(store, now, last, silent):
    fill(store, "SENT", 1, last)

    assert found(store, now, silence={"bookings": "2h"}) == ["watch.silence.bookings"] * silent


def test_what_a_person_stopped_is_no_alert(store):
    fill(store, "QUEUED", 3, time.time() - 1800)
    directory.set_state(store.writer, "bookings", "stopped", "ana", None)

    assert found(store) == []


@pytest.fixture
def site(tmp_path):
    """The shipped site; `site(TEXT)` reads it with this `alerts:`."""
    folder = Path(shutil.copytree(MAPPINGS, tmp_path / "mappings"))

    def made(text: str = "alerts: {}"):
        plain = (MAPPINGS / "site.yaml").read_text("utf-8")
        (folder / "site.yaml").write_text(f"{plain}\n{text}\n", "utf-8")
        return read_site(folder)

    return made


class Inbox:
    """A mail server's handler."""

    def __init__(self):
        self.mails = []

    async def handle_DATA(self, server, session, envelope):  # noqa: N802  # aiosmtpd's name
        self.mails.append((envelope.rcpt_tos, envelope.content.decode()))
        return "250 OK"


@pytest.fixture
def mail_server():
    inbox, loop = Inbox(), asyncio.new_event_loop()
    server = loop.run_until_complete(loop.create_server(lambda: SMTP(inbox, loop=loop), "127.0.0.1", 0))
    inbox.port = server.sockets[0].getsockname()[1]
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    yield inbox
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    server.close()
    loop.run_until_complete(server.wait_closed())
    loop.close()


@contextlib.contextmanager
def web_server(status: int):
    bodies = []

    class Hook(BaseHTTPRequestHandler):
        def do_POST(self):
            bodies.append((self.headers["Authorization"], self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(status)
            self.end_headers()

        def log_message(self, *_):
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Hook)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield server.server_port, bodies
    finally:
        server.shutdown()
        server.server_close()


def mail_to(port: int) -> str:
    return f"email: {{ host: 127.0.0.1, port: {port}, tls: 'off', sender: host@example.org, to: [it@example.org] }}"


def test_ten_thousand_failures_are_one_alert_that_opens_once_and_closes_once(store, site, mail_server):
    rules = site(f"alerts:\n  {mail_to(mail_server.port)}")
    for _ in range(5):
        fill(store, "ERROR", 2000, time.time())
        alerting.watch(store, rules, rules.alerts)
    later = time.time() + 2 * 3600
    for _ in range(3):
        alerting.watch(store, rules, rules.alerts, later)
    (alert,) = alerts.history(store.connection)
    told = [content for _, content in mail_server.mails]

    assert (alert.key, alert.times) == ("watch.errors.bookings.powerserver", 5)
    assert alert.closed_at is not None
    assert ["1 opened, 0 closed" in told[0], "0 opened, 1 closed" in told[1], len(told)] == [True, True, 2]
    assert CANARY not in "".join(told) + alert.text


def test_an_alert_does_not_come_and_go_by_the_minute(store, site):
    rules = site()
    fill(store, "ERROR", 10, time.time())
    alerting.watch(store, rules, rules.alerts)
    alerting.keep(store, [], time.time() + 60)
    still = len(alerts.open_alerts(store.connection))
    alerting.keep(store, [], time.time() + alerting.SETTLED + 1)

    assert (still, alerts.open_alerts(store.connection)) == (1, [])


def test_others_alerts_are_told_and_never_closed_by_the_watch(store, site, mail_server):
    rules = site(f"alerts:\n  {mail_to(mail_server.port)}")
    store.writer.now(lambda tx: alerts.open(tx, "doctor.peer.certificate ps", "warning", "it ends in 3 days"))
    alerting.watch(store, rules, rules.alerts, time.time() + 7200)

    assert [alert.closed_at for alert in alerts.history(store.connection)] == [None]
    assert "it ends in 3 days" in mail_server.mails[0][1]


@pytest.mark.parametrize(
    ("clock", "quiet"), [("21:59", False), ("22:00", True), ("03:00", True), ("06:00", False), ("12:00", False)]
)
def test_quiet_hours_go_over_midnight(clock, quiet):
    assert alerting.is_quiet(Quiet(), ZONE, at(clock)) is quiet


def test_in_quiet_hours_blockers_alone_are_told_and_the_rest_afterwards(store, mail_server, site):
    rules = site(f"alerts:\n  {mail_to(mail_server.port)}").alerts
    to = alert_telling.receivers(rules)
    store.writer.now(lambda tx: alerts.open(tx, "a", "warning", "some errors"))
    store.writer.now(lambda tx: alerts.open(tx, "b", "blocker", "it stands still"))
    alert_telling.tell(store, "Clinic", to, quiet=True)
    alert_telling.tell(store, "Clinic", to, quiet=False)
    night, morning = (content for _, content in mail_server.mails)

    assert ("it stands still" in night, "some errors" in night) == (True, False)
    assert ("it stands still" in morning, "some errors" in morning) == (False, True)


def test_a_webhook_gets_json_with_its_token(store, site, monkeypatch):
    monkeypatch.setenv("HOOK_TOKEN", "t0ken")
    store.writer.now(lambda tx: alerts.open(tx, "a", "blocker", "it stands still"))
    with web_server(204) as (port, bodies):
        hook = f"webhook: {{ url: 'http://127.0.0.1:{port}/alerts', token: '${{secret:HOOK_TOKEN}}' }}"
        alert_telling.tell(store, "Clinic", alert_telling.receivers(site(f"alerts:\n  {hook}").alerts), quiet=False)
    ((token, body),) = bodies

    assert token == "Bearer t0ken"
    assert [(one["key"], one["closed_at"]) for one in json.loads(body)["alerts"]] == [("a", None)]


def test_a_receiver_that_is_down_is_an_alert_and_does_not_make_the_other_tell_it_again(store, site, mail_server):
    with web_server(500) as (port, _):
        hook = f"webhook: {{ url: 'http://127.0.0.1:{port}/' }}"
        to = alert_telling.receivers(site(f"alerts:\n  {mail_to(mail_server.port)}\n  {hook}").alerts)
        store.writer.now(lambda tx: alerts.open(tx, "a", "blocker", "it stands still"))
        for _ in range(3):
            alert_telling.tell(store, "Clinic", to, quiet=False)
    told = [content for _, content in mail_server.mails]

    assert [("it stands still" in one, "the webhook answered 500" in one) for one in told] == [
        (True, False), (False, True),
    ]  # fmt: skip


def test_without_tls_e_mail_leaves_this_machine_never(store, site):
    rules = site(f"alerts:\n  {mail_to(25)}").alerts
    far = rules.model_copy(update={"email": rules.email.model_copy(update={"host": "mail.example.org"})})

    assert alert_telling.try_out("Clinic", alert_telling.receivers(far)) == {
        "email": "without TLS e-mail goes to this machine only"
    }


def test_the_status_page_is_told_the_rules_without_their_secrets(site):
    hook = "webhook: { url: 'https://hooks.example/T0/secret-path', token: '${secret:HOOK_TOKEN}' }"
    told = alert_rules.shown(site(f"alerts:\n  {mail_to(25)}\n  {hook}\n  quiet: {{}}").alerts)

    assert [one["kind"] for one in told["receivers"]] == ["email", "webhook"]
    assert told["receivers"][1]["where"] == "hooks.example"
    assert told["quiet"]["end"] == "06:00"
    assert not re.search("secret|HOOK_TOKEN|password", json.dumps(told))


@pytest.mark.parametrize(
    "wrong",
    [
        "{ queue_age: soon }",
        "{ webhook: { url: 'http://far.example/' } }",
        "{ mail: x }",
        "{ quiet: { begin: 7 } }",
        "{ email: { password: hunter2 } }",
    ],
)
def test_what_is_wrong_in_site_yaml_is_refused_with_its_place(site, wrong):
    with pytest.raises(Problems, match=r"site.yaml:\d+:\d+"):
        site(f"alerts: {wrong}")


def test_the_clock_watches_where_the_site_says_so(site):
    assert [job.name for job in jobs_of(site())][-1] == "alerts"
    assert "alerts" not in [job.name for job in jobs_of(dataclasses.replace(site(), alerts=None))]


def test_the_command_tests_lists_and_watches(store, site, mail_server, tmp_path):
    folder = site(f"alerts:\n  {mail_to(mail_server.port)}").folder
    data = {"PLUGIN_HOST_DATA": str(tmp_path / "data")}
    tested = run("alerts", "test", "--site", folder, "--json", **data)
    fill(store, "ERROR", 10, time.time())
    watched = run("alerts", "watch", "--site", folder, **data)
    listed = run("alerts", "list", "--site", folder, "--json", **data)

    assert (tested.exit_code, json.loads(tested.output)["receivers"]) == (0, [{"receiver": "email", "problem": None}])
    assert watched.exit_code == 0, watched.output
    assert [one["key"] for one in json.loads(listed.output)["alerts"]] == ["watch.errors.bookings.powerserver"]
    assert len(mail_server.mails) == 2
