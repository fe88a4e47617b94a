"""Logs hold events and numbers: a canary sent through refusals, a peer that quotes it and one that hangs up."""

from __future__ import annotations

import html
import http.client
import io
import json
import logging
import re
import sys

import pytest

from host.logs import FIELDS, JsonLines
from simulators.powerserver import PowerServer

from .console_script import SAMPLE, RunningHost, wait_until

CANARY, NUMBER, PHONE = "Kanarienvogel", "99887766554", "+5511988887777"


@pytest.fixture
def written():
    """A logger of a room of ours and one of a library; `lines()` is what we write, `raw()` what a usual logger does."""
    stream, plain = io.StringIO(), io.StringIO()
    ours, theirs = logging.getLogger("channels.canary"), logging.getLogger("library.canary")
    handlers = [logging.StreamHandler(stream), logging.StreamHandler(plain)]
    handlers[0].setFormatter(JsonLines("test"))
    for logger in (ours, theirs):
        logger.propagate = False
        logger.setLevel(logging.INFO)
        logger.handlers[:] = handlers

    class Written:
        logger, library = ours, theirs
        lines = staticmethod(lambda: [json.loads(line) for line in stream.getvalue().splitlines()])
        raw = staticmethod(plain.getvalue)

    yield Written
    ours.handlers.clear()
    theirs.handlers.clear()


def log_exception(log):
    try:
        raise ValueError(CANARY)
    except ValueError:
        log.exception("it broke")


@pytest.mark.parametrize(
    ("write", "event"),
    [
        (lambda w: w.logger.info("stored %s", CANARY), "stored %s"),
        (lambda w: w.logger.error(ValueError(CANARY)), "channels.canary"),
        (lambda w: w.library.warning("cannot read %s", CANARY), "library.canary"),
        (lambda w: w.library.warning(f"cannot read {CANARY}"), "library.canary"),  # as libraries do
        (lambda w: w.logger.info("stored", extra={"patient": CANARY, "name_of": CANARY}), "stored"),
        (lambda w: log_exception(w.logger), "it broke"),
    ],
)
def test_only_words_of_ours_and_fields_of_the_list_are_written(written, write, event):
    write(written)
    (line,) = written.lines()

    assert line["event"] == event
    assert CANARY not in json.dumps(line)
    assert set(line) <= {"time", "level", "role", "event", "exception", "frames", *FIELDS}


def test_a_usual_logger_would_have_written_it(written):
    written.logger.info("stored %s", CANARY)
    log_exception(written.logger)

    assert written.raw().count(CANARY) == 2


def crawled(host) -> dict[str, tuple[str, dict[str, str], str]]:
    """Return every page that links of the status page lead to: address → title and links, headers, metrics' text."""
    found, todo = {}, ["/", "/metrics", "/channels.json", "/messages.json"]
    while todo:
        address = todo.pop()
        if address in found:
            continue
        connection = http.client.HTTPConnection("127.0.0.1", host.console_port, timeout=30)
        try:
            connection.request("GET", address)
            answer = connection.getresponse()
            page, headers = answer.read().decode("utf-8", "replace"), dict(answer.getheaders())
        finally:
            connection.close()
        links = [html.unescape(link) for link in re.findall(r'(?:href|src|action)="([^"]*)"', page)]
        titles = re.findall(r"<title>(.*?)</title>", page)
        found[address] = (" ".join([*titles, *links]), headers, page if address == "/metrics" else "")
        # A mapping file's own page runs its tests, with their samples: seconds each, and no message of the store.
        todo += [link.partition("#")[0] for link in links if link[:1] == "/" and not link.startswith("/mappings/")]
    return found


@pytest.mark.skipif(sys.platform == "win32", reason="the host is stopped by a signal")
def test_a_person_in_refusals_and_in_errors_of_peers_is_in_no_log_address_figure_or_file(tmp_path):
    """Every way in, errors of each, and then every page that a link leads to."""
    body = SAMPLE.read_text("utf-8").replace("Conceição", CANARY).replace("12345678909", NUMBER)
    body = body.replace("+5511999990000", PHONE)
    refused = (
        body[:700],
        body.replace("1980-01-02", f"{CANARY}-{NUMBER}"),
        body.replace('"gender": "male"', f'"gender": "{CANARY}"'),
        body.replace('"family"', f'"{CANARY}"'),
        body.replace("Bundle", CANARY),
        body.replace('"CT01"', f'"{CANARY}"'),  # a code that no table has: a mapping error
    )
    with (
        PowerServer([f"AR:no such patient {CANARY}", "hang up", "accept"]) as peer,
        RunningHost(tmp_path / "data", peer.port) as host,
    ):
        answers = [host.post(one.encode())[0] for one in refused]
        first = host.book(body.encode())
        host.wait_for_status(first, "ERROR")
        second = host.book(body.replace("appt-", "appt-9").replace('12345"', '54321"').encode())
        wait_until(lambda: len(peer.received) >= 2, "the peer was called again")
        pages = crawled(host)
        log = host.errors
        host.stop()
        log += host.errors
    files = [path for path in tmp_path.rglob("*") if path.is_file()]

    assert all(400 <= answer < 500 for answer in answers)
    assert second != first
    events = [json.loads(line) for line in log.splitlines() if line.startswith("{")]
    assert [line for line in events if line["event"] == "refused"]
    assert {f"/messages/{first}", "/errors", "/audit", "/metrics"} <= pages.keys()
    assert all(headers["Cache-Control"] in {"no-store", "no-cache"} for _, headers, _ in pages.values())
    for value in (CANARY, NUMBER, PHONE):
        assert value not in log
        assert value not in repr(pages)
        # The name of no file, and no byte of one: the store is encrypted.
        assert not [path for path in files if value in str(path) or value.encode() in path.read_bytes()]
