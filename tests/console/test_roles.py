"""Route × role: the table is the specification, and every cell of it is asked for."""

from __future__ import annotations

import dataclasses

import pytest

from console import access
from console.access import ROLES, Visitor
from store import accounts, audit

from .conftest import Site

OPEN, SHUT, DOOR = "open", "shut", "to the sign-in"

#: method and route → the first role that may; None: anyone. `+bodies`: the right to read bodies is needed too.
TABLE = {
    "GET /": "viewer",
    "GET /channels.json": "viewer",
    "POST /channels/<name>/state": "operator",
    "GET /messages": "viewer",
    "GET /messages.json": "viewer",
    "POST /search": "operator",
    "GET /messages/<ulid:message_id>": "operator",
    "GET /messages/<ulid:message_id>.json": "operator",
    "POST /messages/<ulid:message_id>/act": "operator",
    "POST /messages/<ulid:message_id>/read": "operator+bodies",
    "GET /messages/<ulid:message_id>/documents/<int:number>": "operator+bodies",
    "GET /channels/<name>": "viewer",
    "GET /channels/<name>.json": "viewer",
    "POST /channels/<name>/difference": "analyst",
    "POST /channels/<name>/replay": "analyst",
    "POST /channels/<name>/reach": "operator",
    "GET /errors": "viewer",
    "GET /errors.json": "viewer",
    "GET /errors/<identifier>": "operator",
    "GET /errors/<identifier>.json": "operator",
    "POST /errors/<identifier>/try": "operator",
    "POST /errors/<identifier>/retry": "operator",
    "GET /mappings": "analyst",
    "GET /mappings.json": "analyst",
    "GET /mappings/<name>": "analyst",
    "GET /mappings/<name>.json": "analyst",
    "GET /audit": "admin",
    "GET /audit.json": "admin",
    "GET /settings": "admin",
    "GET /settings.json": "admin",
    "GET /resources": "viewer",
    "GET /resources.json": "viewer",
    "GET /doctor": "viewer",
    "GET /doctor.json": "viewer",
    "GET /appointments": "operator",
    "GET /appointments.json": "operator",
    "POST /appointments/search": "operator",
    "GET /appointments/<int:number>": "operator",
    "GET /appointments/<int:number>.json": "operator",
    "GET /shares": "viewer",
    "GET /shares.json": "viewer",
    "GET /shares/<int:number>": "operator",
    "GET /shares/<int:number>.json": "operator",
    "POST /shares/<int:number>/act": "operator",
    "GET /jobs": "viewer",
    "GET /jobs.json": "viewer",
    "GET /jobs/<int:number>": "operator",
    "GET /jobs/<int:number>.json": "operator",
    "POST /jobs/<int:number>/act": "operator",
    "GET /messages/<ulid:message_id>/edit": "operator+bodies",
    "GET /messages/<ulid:message_id>/edit.json": "operator+bodies",
    "POST /messages/<ulid:message_id>/edit": "operator+bodies",
    "GET /help": "viewer",
    "GET /help.json": "viewer",
    "POST /theme": None,
    "GET /alerts": "viewer",
    "GET /alerts.json": "viewer",
    "POST /alerts/test": "operator",
    "GET /refused": "viewer",
    "GET /refused.json": "viewer",
    "GET /account": "viewer",
    "GET /account.json": "viewer",
    "POST /account/password": "viewer",
    "POST /sign-out": "viewer",
    "GET /sign-in": None,
    "POST /sign-in": None,
    "GET /sign-in/provider": None,
    "POST /sign-in/answer": None,
    "POST /language": None,
    "GET /health/live": None,
    "GET /metrics": None,
    "GET /health/ready": None,
    "GET /static/<path:filename>": None,
}

VISITORS = ("nobody", *ROLES, *(f"{role}+bodies" for role in ROLES))


def routes(app) -> dict[str, str]:
    """Return `METHOD route` → endpoint of all routes."""
    return {
        f"{method} {rule.rule}": rule.endpoint
        for rule in app.url_map.iter_rules()
        for method in rule.methods & {"GET", "POST", "PUT", "PATCH", "DELETE"}
    }


def test_the_table_has_every_route_and_no_other(app):
    assert sorted(TABLE) == sorted(routes(app))


@pytest.fixture
def closed(site, app):
    """The pages of a host where somebody has an account; `enter(who)` gives a client that is signed in."""
    site.store.writer.now(lambda tx: accounts.add(tx, "root", "-", "admin", by="test"))

    def enter(who: str):
        client = app.test_client()
        if who == "nobody":
            client.get("/sign-in")
            return client
        role, _, bodies = who.partition("+")
        visitor = Visitor(name=who, role=role, bodies=bool(bodies))
        client.get("/sign-in")
        with client.session_transaction() as session:
            session["token"] = app.extensions["desk"].sessions.open(visitor, stamp=None)
        return client

    return enter


def address(site: Site, rule: str) -> str:
    values = {
        "<name>": "study-share", "<ulid:message_id>": site.ids["refused"], "<path:filename>": "console.css",
        "<identifier>": "0123456789abcdef", "<int:number>": "1",
    }  # fmt: skip
    for mark, value in values.items():
        rule = rule.replace(mark, value)
    assert "<" not in rule, f"the table does not know what to put into {rule}"
    return rule


def found(client, site, route: str) -> str:
    method, rule = route.split(" ", 1)
    with client.session_transaction() as session:
        csrf = session.get("csrf", "")
    with client.open(address(site, rule), method=method, data={"csrf": csrf} if method != "GET" else None) as answer:
        if answer.status_code == 401 or (answer.status_code == 303 and answer.location.startswith("/sign-in?back=")):
            return DOOR
        if answer.status_code == 303 and answer.location == "/sign-in" and rule != "/sign-in/provider":
            return DOOR if rule not in {"/sign-out", "/sign-in/answer"} else OPEN
        return SHUT if answer.status_code == 403 and "Your role does not open this page" in answer.text else OPEN


@pytest.mark.parametrize("who", VISITORS)
def test_every_cell_of_the_table(closed, site, app, who):
    for route, needed in TABLE.items():
        client = closed(who)
        role, _, needs_bodies = (needed or "").partition("+")
        visitor, _, bodies = who.partition("+")
        if needed is None:
            expected = OPEN
        elif who == "nobody":
            expected = DOOR
        else:
            fits = ROLES.index(visitor) >= ROLES.index(role) and (bool(bodies) or not needs_bodies)
            expected = OPEN if fits else SHUT

        if not (who == "nobody" and route == "POST /sign-out"):
            assert found(client, site, route) == expected, (who, route)


def test_the_table_is_what_the_routes_say_of_themselves(app):
    said = {route: access.need_of(app, endpoint) for route, endpoint in routes(app).items()}

    assert {
        route: None if need.role is None else need.role + "+bodies" * need.bodies for route, need in said.items()
    } == TABLE


def test_a_page_that_is_refused_is_audited(closed, site):
    closed("viewer").get(f"/messages/{site.ids['refused']}")
    (entry,) = audit.entries(site.store.connection, what=["access-refused"])

    assert (entry.who, entry.entity) == ("viewer", "page:messages.message")


def test_what_a_role_may_not_do_is_not_offered(closed):
    page = closed("viewer").get("/").text

    assert 'action="/search"' not in page
    assert 'action="/channels/' not in page
    assert 'action="/channels/' in closed("operator").get("/").text


def test_nobody_learns_the_name_of_the_site_without_signing_in(closed):
    client = closed("nobody")
    for where in ("/", "/sign-in", "/nothing", "/health/live", "/health/ready"):
        assert "Clinic 01" not in client.get(where, follow_redirects=True).text


def test_a_visitor_has_no_more_fields_than_these():
    # No token, no claim, no address: what is kept of a person in memory.
    assert [field.name for field in dataclasses.fields(Visitor)] == ["name", "role", "bodies"]
