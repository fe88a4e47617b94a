from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import pytest

from channels.settings import build, mistakes


@dataclass(kw_only=True)
class Peer:
    host: str = field(metadata={"help": "Name or address of the peer."})
    port: int = field(metadata={"help": "TCP port of the peer."})
    wait: float = 30.0
    keep: bool = True
    names: tuple[str, ...] = ()
    way: Literal["put", "patch"] = "put"
    key: str | None = field(default=None, metadata={"secret": True})

    def __post_init__(self) -> None:
        if self.port > 65535:
            raise ValueError("port is at most 65535")


GOOD: dict[str, object] = {"host": "ps01", "port": 6661}


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"hots": "x"}, ("hots", "Peer has no setting 'hots'", "did you mean 'host'?")),
        ({"port": "many"}, ("port", "port must be a whole number, not 'many'", "TCP port of the peer.")),
        ({"port": 1.5}, ("port", "port must be a whole number, not 1.5", "TCP port of the peer.")),
        ({"wait": "half a minute"}, ("wait", "wait must be a number, not 'half a minute'", None)),
        ({"wait": True}, ("wait", "wait must be a number, not True", None)),
        ({"keep": "yes"}, ("keep", "keep must be true or false, not 'yes'", None)),
        ({"names": "a"}, ("names", "names must be a list of texts, not 'a'", None)),
        ({"way": "post"}, ("way", "way must be one of put, patch, not 'post'", None)),
        ({"key": "hunter2"}, ("key", "key must be a reference such as ${secret:NAME}, not the secret", None)),
        ({"port": 70000}, (None, "port is at most 65535", None)),
    ],
)
def test_a_wrong_setting_is_told_with_what_it_must_be(change, problem):
    assert mistakes(Peer, GOOD | change) == [problem]


def test_a_missing_setting_is_told_with_its_help():
    assert mistakes(Peer, {"host": "ps01"}) == [(None, "port is missing: TCP port of the peer.", None)]


def test_all_mistakes_are_told_at_once():
    assert len(mistakes(Peer, {"hots": "x", "port": "many"})) == 3


def test_numbers_may_come_as_text_because_the_environment_knows_only_text():
    peer = build(Peer, {"host": "ps01", "port": "6661", "wait": "2.5", "keep": "false", "names": ["a"]})

    assert (peer.port, peer.wait, peer.keep, peer.names) == (6661, 2.5, False, ("a",))


def test_a_literal_secret_stands_in_no_text():
    assert "hunter2" not in str(mistakes(Peer, GOOD | {"key": "hunter2"}))
