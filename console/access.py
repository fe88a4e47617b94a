"""Who may open which page: every route says what it needs, and what says nothing is closed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

from flask import Flask, g

Role = Literal["viewer", "operator", "analyst", "admin"]

#: In this order: each may do what those before it may.
#: viewer: counts and states · operator: finds messages, acts on messages and channels · analyst: mappings and their
#: tests · admin: accounts, settings, audit.
ROLES: tuple[Role, ...] = ("viewer", "operator", "analyst", "admin")

View = TypeVar("View", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True, kw_only=True)
class Need:
    """What a route asks of a visitor."""

    #: None: anyone, signed in or not.
    role: Role | None
    #: Also the right to read the bodies of messages.
    bodies: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Visitor:
    """Who is at the page."""

    #: As the timeline, the channels and the audit say it.
    name: str
    role: Role
    #: May read the bodies of messages: a right of its own, that no role brings.
    bodies: bool = False

    def may(self, need: Need) -> bool:
        """Tell whether a route that needs this is open to the visitor."""
        if need.role is None:
            return True
        return ROLES.index(self.role) >= ROLES.index(need.role) and (self.bodies or not need.bodies)


#: Where nobody has an account, whoever uses this computer may do all.
SOMEBODY = Visitor(name="somebody at the status page", role="admin", bodies=True)

_NEEDS: dict[Callable[..., Any], Need] = {}


def needs(role: Role, *, bodies: bool = False) -> Callable[[View], View]:
    """Say which role a route needs: `@needs("operator")` directly above the function, below `@pages.get(…)`."""
    return _noting(Need(role=role, bodies=bodies))


def for_anyone(view: View) -> View:
    """Say that a route is open to anyone, signed in or not. It must name nothing."""
    return _noting(Need(role=None))(view)


def _noting(need: Need) -> Callable[[View], View]:
    def note(view: View) -> View:
        _NEEDS[view] = need
        return view

    return note


def need_of(app: Flask, endpoint: str) -> Need | None:
    """Return what a route needs; None when nobody has said it, so that it stays closed."""
    return _NEEDS.get(app.view_functions[endpoint])


def visitor() -> Visitor | None:
    """Return who asks for this page; None when nobody is signed in."""
    found: Visitor | None = g.get("visitor")
    return found


def who() -> str:
    """Return the name under which what is done now is kept."""
    found = visitor()
    return found.name if found else "nobody"


def may(role: Role, *, bodies: bool = False) -> bool:
    """Tell whether the visitor has a role: what a page need not offer, it does not show."""
    found = visitor()
    return found is not None and found.may(Need(role=role, bodies=bodies))
