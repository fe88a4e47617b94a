"""What holds for every page: headers, hosts, forms, and no patient where none belongs."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor

import pytest

from channels.control import Control
from console.app import OpenOffLoopback, create_app, make_server
from console.guard import CONTENT_SECURITY_POLICY

from .conftest import MRN, SURNAME, asked_for

FORMS = {
    "/channels/blume-appointment/state": {"state": "stopped"},
    "/alerts/test": {},
    "/search": {"q": MRN},
    "/appointments/search": {"q": MRN},
    "/language": {"language": "pt_BR"},
    "/theme": {"theme": "dark"},
    "/messages/{refused}/edit": {"body": "MSH|", "reason": "typed wrong"},
    "/messages/{refused}/act": {"act": "retry"},
    "/messages/{refused}/read": {"reason": "asked by the clinic"},
    "/channels/blume-appointment/difference": {},
    "/channels/blume-appointment/replay": {},
    "/channels/blume-appointment/reach": {},
    "/jobs/{number}/act": {"act": "retry"},
    "/shares/{number}/act": {"act": "retry"},
    "/errors/{cause}/try": {},
    "/errors/{cause}/retry": {},
    "/account/password": {"old": "a", "new": "b", "again": "b"},
    "/sign-in": {"name": "anna", "password": "secret"},
    "/sign-out": {},
}


@pytest.fixture
def addresses(app, site, client, csrf):
    """Every address that a GET may ask for, with a search and every kind of message."""
    found = client.post("/search", data={"q": MRN, "csrf": csrf}).location
    given = {
        "message_id": site.ids["sent"],
        "filename": "console.css",
        "name": "blume-appointment",
        "number": 1,
        "position": 0,
    }
    given["identifier"] = client.get("/errors.json").json["groups"][0]["id"]
    pages = [rule.build(given)[1] for rule in app.url_map.iter_rules() if "GET" in rule.methods]
    for message in site.ids.values():
        asked_for(client, message)
    return [found, *pages, *(f"/messages/{message}" for message in site.ids.values()), "/nothing-here", "/nothing.json"]


def commits(site) -> int:
    return site.store.connection.execute("SELECT commits FROM writer WHERE name = 'console'").fetchone()[0]


def test_flask_is_set_as_decided(app):
    expected = {
        "DEBUG": False,
        "TESTING": False,
        "MAX_CONTENT_LENGTH": 16384,
        "SESSION_COOKIE_HTTPONLY": True,
        "SESSION_COOKIE_SAMESITE": "Strict",
        "SESSION_COOKIE_SECURE": False,
        "TRUSTED_HOSTS": ["localhost", "127.0.0.1"],
    }

    assert {name: app.config[name] for name in expected} == expected
    assert len(app.config["SECRET_KEY"]) == 32


def test_every_answer_has_the_headers(client, addresses):
    for address in addresses:
        with client.get(address) as answer:
            headers = answer.headers

        assert headers["Content-Security-Policy"] == CONTENT_SECURITY_POLICY, address
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Referrer-Policy"] == "no-referrer"
        assert headers["Cache-Control"] == ("no-cache" if address.startswith("/static") else "no-store")


def test_no_page_needs_what_its_policy_forbids(client, addresses):
    for address in addresses:
        with client.get(address) as answer:
            page = "" if address.startswith("/static") else answer.text

        assert not re.search(r"<style|\sstyle=|\son\w+=|javascript:|<script(?! src=\"/static/)", page), address


def test_nothing_is_changed_by_get(client, site, addresses):
    before = commits(site)
    for address in addresses:
        with client.get(address) as answer:
            assert answer.status_code < 500

    assert commits(site) == before
    assert site.rung == 0


def test_all_that_changes_something_is_known_to_these_tests(app):
    rules = {rule.rule for rule in app.url_map.iter_rules() if rule.methods - {"GET", "HEAD", "OPTIONS"}}

    assert rules - {"/sign-in/answer"} == {
        address.format(refused="<ulid:message_id>", cause="<identifier>", number="<int:number>").replace(
            "blume-appointment", "<name>"
        )
        for address in FORMS
    }


@pytest.mark.parametrize(
    ("token", "headers"),
    [
        (None, {}),
        ("", {}),
        ("x" * 43, {}),
        ("é", {}),
        ("its own", {"Origin": "http://evil.example"}),
        ("its own", {"Origin": "null"}),
        ("its own", {"Origin": "null", "Sec-Fetch-Site": "cross-site"}),
        ("its own", {"Sec-Fetch-Site": "cross-site"}),
        ("its own", {"Sec-Fetch-Site": "same-site"}),
    ],
)
def test_a_form_that_is_not_ours_changes_nothing(client, site, csrf, token, headers):
    before = commits(site)
    for address, fields in FORMS.items():
        form = {**fields, **({} if token is None else {"csrf": csrf if token == "its own" else token})}
        answer = client.post(address.format(**site.ids, cause="0123456789abcdef", number=1), data=form, headers=headers)

        assert answer.status_code == 403, address
        assert commits(site) == before, address


@pytest.mark.parametrize("origin", ["http://localhost", "null"])
def test_a_form_of_ours_is_taken(client, site, csrf, origin):
    # `null` is what a browser says under our own `Referrer-Policy: no-referrer`.
    headers = {"Origin": origin, "Sec-Fetch-Site": "same-origin"}
    for address, form in FORMS.items():
        answer = client.post(
            address.format(**site.ids, cause="0123456789abcdef", number=1), data={**form, "csrf": csrf}, headers=headers
        )
        assert "was not sent from this page" not in answer.text, address


def test_a_session_that_never_saw_a_page_has_no_token_to_guess(client, site):
    assert client.post("/search", data={"q": MRN, "csrf": ""}).status_code == 403


@pytest.mark.parametrize("host", ["evil.example", "localhost.evil.example", "127.0.0.1.evil.example", "[::2]", "a b"])
def test_a_strange_host_name_is_not_answered(client, host):
    for address in ("/", "/static/console.css", "/health/live"):
        answer = client.get(address, headers={"Host": host})

        assert (answer.status_code, answer.text) == (400, "This is not the address of the status page.\n")
        assert answer.headers["X-Content-Type-Options"] == "nosniff"


def test_once_it_listens_only_its_own_port_is_answered(app, client):
    server = make_server(app, "localhost", 0)
    server.close()
    port = int(server.effective_port)

    assert client.get("/", headers={"Host": f"localhost:{port}"}).status_code == 200
    assert client.get("/", headers={"Host": f"127.0.0.1:{port}"}).status_code == 200
    assert client.get("/", headers={"Host": f"localhost:{port ^ 1}"}).status_code == 400
    assert client.get("/", headers={"Host": "localhost"}).status_code == 400


@pytest.mark.parametrize("host", ["0.0.0.0", "192.168.1.5", "::", "::1", "status.clinic.example", ""])
def test_off_loopback_it_refuses_to_start_and_names_the_setting(app, host):
    with pytest.raises(OpenOffLoopback, match=r"console\.host is .*console\.address"):
        make_server(app, host, 0)


def test_where_it_is_not_open_only_health_is_answered(site):
    app = create_app(site.folder, Control(site.store, site.ring), name="Clinic 01", open_to_all=False)
    client = app.test_client()

    assert [client.get(page).status_code for page in ("/", "/messages", "/channels.json", "/refused")] == [403] * 4
    assert client.get("/health/ready").json == {"status": "ready"}
    assert client.get("/health/live").json == {"status": "live"}
    app.extensions["desk"].reader.close()


def test_a_body_that_no_form_has_is_refused(client, csrf):
    assert client.post("/search", data={"q": "x" * 20_000, "csrf": csrf}).status_code == 413


def test_a_patient_is_in_no_address_no_title_and_no_log(client, site, addresses, all_that_is_logged):
    shown = 0
    for address in addresses:
        with client.get(address) as answer:
            page = answer.text
        shown += SURNAME in page
        titles = re.findall(r"<title>(.*?)</title>", page)
        links = re.findall(r'(?:href|action|src)="([^"]*)"', page)

        for value in (SURNAME, MRN, "appt-77"):
            assert value not in address
            assert not any(value in text for text in [*titles, *links, *answer.headers.values()]), address
    assert shown > 0
    assert SURNAME not in all_that_is_logged.text
    assert MRN not in all_that_is_logged.text


def test_a_page_that_fails_says_where_and_nothing_of_the_message(site, all_that_is_logged):
    def failing(segment: str, number: int) -> str:
        raise ValueError(f"cannot name {SURNAME}")

    app = create_app(
        site.folder, Control(site.store, site.ring), name="Clinic 01", open_to_all=True, describe=failing
    )  # fmt: skip
    page = asked_for(app.test_client(), site.ids["sent"])

    assert "Something went wrong in the status page" in page
    (record,) = [record for record in all_that_is_logged.records if record.levelname == "ERROR"]
    assert (record.error, record.route, record.at[:7]) == ("ValueError", "/messages/<ulid:message_id>", "failing")
    assert SURNAME not in page + all_that_is_logged.text + str(vars(record))
    app.extensions["desk"].reader.close()


@pytest.mark.parametrize(
    ("method", "address", "status"), [("post", "/", 405), ("get", "/search", 405), ("get", "/x.json", 404)]
)
def test_errors_have_the_same_look_or_are_json(client, csrf, method, address, status):
    answer = getattr(client, method)(address, data={"csrf": csrf})

    assert answer.status_code == status
    if address.endswith(".json"):
        assert answer.json["error"]["status"] == status
    else:
        assert '<a class="brand"' in answer.text
        assert answer.headers["Allow"]


def test_threads_take_turns_with_the_one_connection(app, site, csrf, client):
    def stop_or_start(number: int) -> int:
        state = ("paused", "stopped", "started")[number % 3]
        return client.post("/channels/study-share/state", data={"state": state, "csrf": csrf}).status_code

    with ThreadPoolExecutor(8) as threads:
        answers = list(threads.map(stop_or_start, range(24)))

    assert answers == [303] * 24
    assert site.rung == 24
