"""Signing in by a local account: passwords, one-time codes, locks, sessions, and what is refused."""

from __future__ import annotations

import base64
import hashlib
import re
import time

import pytest

from channels.control import Control
from console import passwords, sessions
from console.access import Visitor
from console.app import OpenOffLoopback, create_app, make_server
from console.sessions import Sessions
from store import accounts, alerts, audit

from .conftest import describe

PASSWORD = "correct horse battery"


@pytest.fixture(scope="session")
def kept():
    """The hash of PASSWORD: made once, for each costs 64 MiB and a tenth of a second."""
    return passwords.hashed(PASSWORD)


@pytest.fixture
def anna(site, kept):
    """An operator with an account of her own."""
    site.store.writer.now(lambda tx: accounts.add(tx, "anna", kept, "operator", by="test", bodies=True))
    site.store.writer.now(lambda tx: tx.execute("UPDATE account SET must_change = 0").rowcount)
    return site


def token(client) -> str:
    client.get("/sign-in")
    with client.session_transaction() as session:
        return session["csrf"]


def enter(client, **form):
    given = {"name": "anna", "password": PASSWORD, "csrf": token(client), **form}
    return client.post("/sign-in", data=given)


def words(site) -> list[str]:
    return [entry.what for entry in reversed(audit.entries(site.store.connection))]


# -- in and out -----------------------------------------------------------------------------------------------


def test_as_soon_as_somebody_has_an_account_the_page_asks_who_it_is(client, anna):
    answer = client.get("/messages?status=parked")

    assert (answer.status_code, answer.location) == (303, "/sign-in?back=/messages?status%3Dparked")
    assert client.get("/channels.json").status_code == 401
    assert "Open on this machine only." not in client.get("/sign-in").text


def test_with_the_right_password_a_person_is_where_she_wanted_to_be_and_can_leave(client, anna):
    answer = enter(client, back="/refused")

    assert (answer.status_code, answer.location) == (303, "/refused")
    assert ">anna</a>" in client.get("/").text
    assert client.get("/account.json").json == {"schema": 1, "name": "anna", "role": "operator", "bodies": True}

    with client.session_transaction() as session:
        before, csrf = session["token"], session["csrf"]
    assert client.post("/sign-out", data={"csrf": csrf}).status_code == 303
    assert client.get("/").location == "/sign-in"
    with client.session_transaction() as session:
        session["token"] = before
    assert client.get("/").location == "/sign-in"
    assert words(anna)[-2:] == ["signed-in", "signed-out"]


def test_a_session_has_a_new_id_after_signing_in_and_keeps_only_the_language(client, anna):
    csrf = token(client)
    client.post("/language", data={"language": "pt_BR", "csrf": csrf})
    with client.session_transaction() as session:
        session["notes"] = [{"channel": "x", "state": "started"}]
    enter(client)
    with client.session_transaction() as session:
        assert set(session) == {"token", "language"}
        assert session["language"] == "pt_BR"


@pytest.mark.parametrize(
    "form",
    [
        {"password": "wrong"}, {"password": ""}, {"password": PASSWORD + " "},
        {"name": "bert"}, {"name": ""}, {"name": "ANNA"},
    ],
)  # fmt: skip
def test_the_answer_to_a_wrong_name_and_to_a_wrong_password_is_the_same(client, anna, form):
    answer = enter(client, **form)

    assert answer.status_code == 403
    assert "Name, password or code is wrong." in answer.text
    assert client.get("/").status_code == 303


def test_a_name_that_nobody_has_is_not_kept_for_it_may_be_a_password(client, anna, all_that_is_logged):
    enter(client, name="hunter2-is-my-password")
    rows = "".join(
        str(row)
        for table in ("audit", "failed_sign_in")
        for row in anna.store.connection.execute(f"SELECT * FROM {table}")
    )

    assert words(anna)[-1] == "sign-in-refused"
    assert "hunter2" not in rows + all_that_is_logged.text


def test_after_five_wrong_tries_even_the_right_password_waits(client, anna):
    for _ in range(accounts.TRIES):
        enter(client, password="wrong")
    answer = enter(client)

    assert answer.status_code == 429
    assert words(anna)[-2:] == ["sign-in-refused", "sign-in-locked"]


def test_a_lock_ends_by_itself_and_another_address_is_not_locked_out(anna):
    for _ in range(accounts.TRIES):
        anna.store.writer.now(lambda tx: accounts.note_failure(tx, "anna", "10.0.0.9", known=True))
    connection, now = anna.store.connection, time.time()

    assert accounts.is_locked(connection, "anna", "10.0.0.9", now)
    assert not accounts.is_locked(connection, "anna", "10.0.0.8", now)
    assert not accounts.is_locked(connection, "anna", "10.0.0.9", now + accounts.WITHIN)


def test_an_address_that_tries_many_names_is_locked_for_all_of_them(anna):
    for n in range(accounts.TRIES_OF_ADDRESS):
        anna.store.writer.now(lambda tx, n=n: accounts.note_failure(tx, f"name{n}", "10.0.0.9", known=False))

    assert accounts.is_locked(anna.store.connection, "anna", "10.0.0.9", time.time())


@pytest.mark.parametrize(
    "change",
    [
        lambda tx: accounts.set_disabled(tx, "anna", disabled=True, by="admin"),
        lambda tx: accounts.set_password(tx, "anna", "-", by="admin", must_change=True),
        lambda tx: accounts.set_totp(tx, "anna", b"k" * 20, by="admin"),
        lambda tx: tx.execute("DELETE FROM account WHERE name = 'anna'").rowcount,
    ],
)
def test_when_an_account_is_changed_its_sessions_end_at_once(client, anna, change):
    enter(client)
    anna.store.writer.now(lambda tx: accounts.add(tx, "other", "-", "admin", by="test"))
    assert client.get("/").status_code == 200

    anna.store.writer.now(change)

    assert client.get("/").status_code == 303


def test_a_first_password_opens_nothing_but_the_page_where_it_is_changed(client, site, kept):
    site.store.writer.now(lambda tx: accounts.add(tx, "anna", kept, "admin", by="test"))
    enter(client)
    assert client.get("/").location == "/account"
    csrf = re.search(r'name="csrf" value="([^"]+)"', client.get("/account").text)[1]
    other = client.application.test_client()
    enter(other)

    new = {"old": PASSWORD, "new": "a wholly new one", "again": "a wholly new one", "csrf": csrf}
    assert client.post("/account/password", data=new).status_code == 303

    assert client.get("/").status_code == 200
    assert other.get("/").location == "/sign-in"
    assert passwords.is_right(accounts.account(site.store.connection, "anna").password, "a wholly new one")


@pytest.mark.parametrize(
    ("new", "again", "old", "says"),
    [
        ("short", "short", PASSWORD, "has at least 12 characters"),
        ("long enough, anna", "long enough, anna", PASSWORD, "does not hold the name"),
        (PASSWORD, PASSWORD, PASSWORD, "is new"),
        ("x" * 257, "x" * 257, PASSWORD, "has at least 12 characters"),
        ("long enough, this", "long enough, that", PASSWORD, "differ"),
        ("long enough, this", "long enough, this", "wrong", "until now is wrong"),
    ],
)
def test_a_password_that_will_not_do_is_refused(client, anna, new, again, old, says):
    enter(client)
    csrf = re.search(r'name="csrf" value="([^"]+)"', client.get("/account").text)[1]
    answer = client.post("/account/password", data={"old": old, "new": new, "again": again, "csrf": csrf})

    assert answer.status_code in {400, 403}
    assert says in answer.text


# -- one-time codes -------------------------------------------------------------------------------------------

#: RFC 6238 appendix B: seconds since 1970 → the last six digits of the code for SHA-1.
RFC_6238 = {59: "287082", 1111111109: "081804", 1111111111: "050471", 1234567890: "005924", 2000000000: "279037"}


@pytest.mark.parametrize(("at", "code"), RFC_6238.items())
def test_the_codes_are_those_of_the_standard(at, code):
    assert passwords.code(b"12345678901234567890", at // passwords.STEP) == code


@pytest.mark.parametrize(("steps", "counts"), [(-2, False), (-1, True), (0, True), (1, True), (2, False)])
def test_a_code_counts_one_step_early_or_late(steps, counts):
    key, now = passwords.new_key(), 1.7e9
    given = passwords.code(key, int(now // 30) + steps)

    assert (passwords.step_of(key, given, now, 0) is not None) == counts


def test_a_code_is_asked_for_and_is_good_once(client, anna):
    key = passwords.new_key()
    anna.store.writer.now(lambda tx: accounts.set_totp(tx, "anna", key, by="test"))
    code = passwords.code(key, int(time.time() // 30))

    assert enter(client).status_code == 403
    assert enter(client, code="000000" if code != "000000" else "111111").status_code == 403
    assert enter(client, code=code).status_code == 303
    assert enter(client.application.test_client(), code=code).status_code == 403


def test_the_key_is_as_authenticator_apps_read_it():
    address = passwords.key_address(b"12345678901234567890", "anna b", "Clínica 1")

    assert address == (
        "otpauth://totp/Cl%C3%ADnica%201:anna%20b?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"
        "&issuer=Cl%C3%ADnica%201&digits=6&period=30"
    )


# -- the sealed account ---------------------------------------------------------------------------------------


def test_the_account_for_emergencies_needs_a_reason_and_tells_everybody(client, anna, kept):
    anna.store.writer.now(lambda tx: accounts.add(tx, "sealed", kept, "admin", by="test", break_glass=True))
    assert "say why you need it" in enter(client, name="sealed").text

    enter(client, name="sealed", reason="the identity provider is down")
    other = client.application.test_client()
    enter(other)

    assert "An emergency account is in use: sealed." in other.get("/").text
    assert [alert.key for alert in alerts.open_alerts(anna.store.connection)] == ["break-glass.sealed"]
    entry = audit.entries(anna.store.connection, entity="account:sealed", what=["signed-in"])[0]
    assert entry.detail["reason"] == "the identity provider is down"


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.mark.parametrize(
    ("glass", "after", "every", "stays"),
    [
        (False, sessions.IDLE + 1, 0, False),
        (False, sessions.LONGEST - 60, 600, True),
        (False, sessions.LONGEST + 60, 600, False),
        (True, sessions.BREAK_GLASS - 60, 600, True),
        (True, sessions.BREAK_GLASS + 60, 600, False),
    ],
)
def test_a_session_ends_when_it_is_idle_and_after_its_longest_time(glass, after, every, stays):
    clock = Clock()
    kept = Sessions(clock)
    token, end = kept.open(Visitor(name="anna", role="viewer"), stamp=None, break_glass=glass), clock.now + after
    while every and clock.now + every < end:
        clock.now += every
        kept.get(token)
    clock.now = end

    assert (kept.get(token) is not None) == stays


def test_the_sixth_session_of_a_person_ends_the_oldest():
    kept = Sessions()
    tokens = [kept.open(Visitor(name="anna", role="viewer"), stamp=None) for _ in range(sessions.OF_ONE + 1)]

    assert [kept.get(token) is not None for token in tokens] == [False] + [True] * sessions.OF_ONE


# -- tokens that nobody gave ----------------------------------------------------------------------------------


def _bad_tokens() -> list[object]:
    """Return what somebody may put where a session's token belongs."""
    good = "A" * 43
    texts = ["", " ", "0", "null", "true", "admin", "root", "undefined", "..", "/", "%00", "\0", "\r\n", "é", "🔑"]
    texts += [good, good[:-1], good + "A", good.lower(), good * 100, f" {good}", f"{good} ", f"{good}\n"]
    texts += [hashlib.sha256(good.encode()).hexdigest(), base64.b64encode(b"anna:password").decode()]
    texts += ["eyJhbGciOiJub25lIn0.eyJzdWIiOiJhbm5hIiwicm9sZSI6ImFkbWluIn0.", "Bearer x", "Basic YW5uYTph"]
    texts += [
        "' OR 1=1 --",
        '" OR ""="',
        "'; DROP TABLE account; --",
        "${7*7}",
        "{{7*7}}",
        "<script>",
        "../../store.key",
    ]
    return texts


@pytest.mark.parametrize("bad", _bad_tokens(), ids=lambda bad: repr(bad)[:24])
def test_a_token_that_nobody_gave_opens_nothing(client, anna, bad):
    with client.session_transaction() as session:
        session["token"] = bad

    assert client.get("/").location == "/sign-in"
    assert client.get("/channels.json").status_code == 401


def _bad_cookies(good: str) -> list[str]:
    """Return what becomes of a good cookie in hands that would rather be somebody else."""
    payload, stamp, signature = good.split(".")[-3:]
    other = base64.urlsafe_b64encode(b'{"token":"x","csrf":"y"}').decode().rstrip("=")
    return [
        "", ".", "..", "...", payload, f"{payload}.{stamp}", f"{payload}.{stamp}.", f"{payload}..{signature}",
        f".{stamp}.{signature}", f"{other}.{stamp}.{signature}", f"{payload}.{stamp}.{signature[::-1]}",
        f"{payload}.{stamp}.{signature[:-2]}", f"{payload}.{stamp}.{signature}A", f"{payload}.AAAA.{signature}",
        f"{payload}.{stamp}.{'A' * len(signature)}", f"{payload.swapcase()}.{stamp}.{signature}",
        f"{payload[1:]}.{stamp}.{signature}", f"{payload}{payload}.{stamp}.{signature}",
        f"{payload}.{stamp}.{signature}.{signature}", f"{signature}.{stamp}.{payload}",
        good.replace(".", ",") , f"{good}; admin=true"[:0] + "admin", "deleted", "1", "true",
    ]  # fmt: skip


def test_a_cookie_that_was_changed_opens_nothing(client, anna):
    enter(client)
    assert client.get("/").status_code == 200
    cookie = client.get_cookie("plugin-host").value
    bad = _bad_cookies(cookie)

    for value in bad:
        other = client.application.test_client()
        other.set_cookie("plugin-host", value)
        assert other.get("/").location == "/sign-in", value
    assert len(bad) + len(_bad_tokens()) >= 60


def test_a_cookie_of_another_console_opens_nothing(client, anna, app):
    enter(client)
    cookie = client.get_cookie("plugin-host").value
    other = create_app(anna.folder, Control(anna.store, anna.ring), name="x", open_to_all=True, describe=describe)
    stranger = other.test_client()
    stranger.set_cookie("plugin-host", cookie)

    assert stranger.get("/").location == "/sign-in"
    other.extensions["desk"].reader.close()


# -- off this machine -----------------------------------------------------------------------------------------


@pytest.fixture
def outside(site):
    app = create_app(
        site.folder, Control(site.store, site.ring), name="Clinic 01", open_to_all=True, describe=describe,
        address="https://console.clinic.example",
    )  # fmt: skip
    yield app
    app.extensions["desk"].reader.close()


def test_off_this_machine_it_does_not_start_before_somebody_has_an_account(outside):
    with pytest.raises(OpenOffLoopback, match="plugin-host user add"):
        make_server(outside, "127.0.0.1", 0)


def test_off_this_machine_the_cookie_is_bound_to_the_host_and_to_tls(outside, anna):
    server = make_server(outside, "127.0.0.1", 0)
    server.close()
    client = outside.test_client()
    base = {"base_url": "https://console.clinic.example"}
    page = client.get("/sign-in", **base)
    csrf = re.search(r'name="csrf" value="([^"]+)"', page.text)[1]
    answer = client.post("/sign-in", data={"name": "anna", "password": PASSWORD, "csrf": csrf}, **base)
    (cookie,) = answer.headers.getlist("Set-Cookie")

    assert cookie.startswith("__Host-plugin-host=")
    assert {part.strip() for part in cookie.split(";")[1:]} == {"Secure", "HttpOnly", "Path=/", "SameSite=Strict"}
    assert page.headers["Strict-Transport-Security"] == "max-age=31536000"
    assert client.get("/", **base).status_code == 200
    for elsewhere in ("https://console.clinic.example:8443", "https://clinic.example", "https://127.0.0.1"):
        assert client.get("/", base_url=elsewhere).status_code == 400
