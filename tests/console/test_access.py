"""Who may open which page: every route says what it needs, and what says nothing is closed."""

from __future__ import annotations

import pytest

from console import access
from console.access import ROLES, Need, Visitor

from .conftest import ROOT

#: Open to anyone, signed in or not. A route that is added here must name nothing.
FOR_ANYONE = {"static", "health.live", "health.ready", "metrics.page", "language.choose", "language.choose_theme"} | {
    f"sign_in.{name}" for name in ("page", "enter", "go", "answer")
}


def test_every_route_says_what_it_needs(app):
    silent = [rule.endpoint for rule in app.url_map.iter_rules() if access.need_of(app, rule.endpoint) is None]

    assert silent == []


def test_what_is_open_to_anyone_is_known(app):
    needs = {rule.endpoint: access.need_of(app, rule.endpoint) for rule in app.url_map.iter_rules()}

    assert {endpoint for endpoint, need in needs.items() if need.role is None} == FOR_ANYONE


def test_a_route_that_says_nothing_is_closed_even_where_all_is_open(app):
    app.add_url_rule("/forgotten", view_func=lambda: "all the secrets", endpoint="forgotten")
    answer = app.test_client().get("/forgotten")

    assert answer.status_code == 403
    assert "Nobody has said who may open this page." in answer.text


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("needed", ROLES)
@pytest.mark.parametrize("bodies", [False, True])
def test_a_role_may_do_what_those_before_it_may_and_bodies_are_a_right_of_their_own(role, needed, bodies):
    visitor = Visitor(name="anna", role=role, bodies=False)

    assert visitor.may(Need(role=needed)) == (ROLES.index(role) >= ROLES.index(needed))
    assert not visitor.may(Need(role=needed, bodies=True))
    assert Visitor(name="anna", role=role, bodies=True).may(Need(role=needed, bodies=bodies)) == visitor.may(
        Need(role=needed)
    )


#: What a page shows in a frame is no page.
IN_A_FRAME = {"documents.pdf"}


def test_every_page_that_is_read_has_its_json_beside_it(app):
    read = {
        rule.endpoint
        for rule in app.url_map.iter_rules()
        if "GET" in rule.methods and not rule.rule.endswith(".json") and rule.endpoint not in FOR_ANYONE | IN_A_FRAME
    }

    assert {endpoint for endpoint in read if f"{endpoint}_json" not in app.view_functions} == set()


def test_every_module_of_pages_is_registered(app):
    modules = {path.stem.removeprefix("pages_") for path in (ROOT / "console").glob("pages_*.py")}

    assert modules - {endpoint.partition(".")[0] for endpoint in app.view_functions} == set()
