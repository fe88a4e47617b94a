"""`plugin-host run` and the commands that look after it, on one real host and a real PowerServer."""

from __future__ import annotations

import itertools
import json
import os
import shutil
import signal
import socket
import time
from pathlib import Path

import pytest

from simulators.blume import make_bundle
from simulators.powerserver import PowerServer
from tests.cli.console_script import CHANNEL, ROOT, RunningHost, free_ports, plugin_host, wait_until

_numbers = itertools.count(5_000)


@pytest.fixture
def booking():
    """A booking of its own: (body, appointment id)."""
    number = next(_numbers)
    body = make_bundle(number)
    return body, next(
        entry["resource"]["identifier"][0]["value"]
        for entry in json.loads(body)["entry"]
        if entry["resource"]["resourceType"] == "Appointment"
    )


def test_a_booking_arrives_and_is_found_by_its_appointment(host, powerserver, booking):
    body, appointment = booking
    message = host.book(body)
    shown = host.wait_for_status(message, "SENT")
    found = host.command("messages", "find", appointment, "--json")

    assert [line["id"] for line in found.json["messages"]] == [message]
    assert shown["deliveries"][0]["sent"].encode() in [received.payload for received in powerserver.received]
    assert "MSA|AA|" + shown["deliveries"][0]["control_id"] in shown["deliveries"][0]["timeline"][-1]["response"]


def test_a_message_is_found_by_its_control_id_and_shown_in_panes(host, booking):
    body, _ = booking
    message = host.book(body)
    control_id = host.wait_for_status(message, "SENT")["deliveries"][0]["control_id"]

    assert message in host.command("messages", "find", control_id).out
    assert host.command("messages", "show", message, "--pane", "received").out.rstrip("\n").encode() == body
    assert f"|{control_id}|P|2.5.1" in host.command("messages", "show", message.lower(), "--pane", "sent").out
    assert f"MSA|AA|{control_id}" in host.command("messages", "show", message, "--pane", "response").out
    events = [line.split("  ")[2] for line in host.command("messages", "show", message).out.splitlines()]
    assert events[-2:] == ["claimed → PENDING", "accepted → SENT: AA"]


def test_status_counts_and_names_the_processes(host, booking):
    host.wait_for_status(host.book(booking[0]), "SENT")
    found = host.command("status", "--json")

    assert found.code == 0
    channel = next(channel for channel in found.json["channels"] if channel["name"] == CHANNEL)
    assert channel["destinations"][0]["today"]["sent"] >= 1
    assert channel["destinations"][0]["connection"] == "connected"
    alive = {process["role"] for process in found.json["processes"] if process["alive"]}
    assert alive >= {"intake", "lanes", "console"}
    text = host.command("status").out
    assert " ".join(text.splitlines()[0].split()).startswith("channel state destination line received filtered queued")
    assert "processes: console, " in text


def test_a_paused_channel_answers_503_and_takes_again_when_resumed(host, booking):
    body, _ = booking
    assert host.command("pause", CHANNEL, "--reason", "upgrade of PowerServer").out == f"{CHANNEL}: paused\n"
    try:
        status, headers, answer = wait_until(
            lambda: (got := host.post(body))[0] == 503 and got, "the door answers 503", within=5
        )
        told = host.command("status")
    finally:
        assert host.command("resume", CHANNEL).code == 0

    assert answer["resourceType"] == "OperationOutcome"
    assert int(headers["retry-after"]) > 0
    assert status == 503
    assert told.code == 1
    assert "paused by" in told.out
    assert "upgrade of PowerServer" in told.out
    wait_until(lambda: host.post(body)[0] == 202, "the door takes again", within=5)


def test_a_stopped_channel_keeps_what_it_has_and_sends_it_when_started(own_host):
    own_host.peer.add("hang up")  # so that the first is still under way when the channel stops
    message = own_host.book(make_bundle(1))
    own_host.peer.wait_for(1)
    stopped = own_host.command("stop", CHANNEL, "--json")
    wait_until(lambda: own_host.post(make_bundle(2))[0] == 503, "the door is closed")
    waiting = own_host.status_of(message)
    started = own_host.command("start", CHANNEL, "--json")
    own_host.wait_for_status(message, "SENT")

    assert stopped.json == {"schema": 1, "channel": CHANNEL, "state": "stopped"}
    assert waiting in {"QUEUED", "SENT"}  # sent: the second attempt was quicker than the stop
    assert started.json == {"schema": 1, "channel": CHANNEL, "state": "started"}
    assert own_host.command("messages", "find", "--status", "SENT").code == 0


def test_an_unknown_channel_is_answered_with_the_nearest(host):
    told = host.command("pause", "appointment-to-powersrver")

    assert told.code == 2
    assert f"did you mean '{CHANNEL}'?" in told.err
    assert host.command("messages", "find", "--channel", "appointments").code == 2


def test_a_parked_message_is_retried_with_the_same_bytes(host, powerserver, booking):
    powerserver.add("AR:no such facility")
    message = host.book(booking[0])
    parked = host.wait_for_status(message, "ERROR")
    refused_again = host.command("messages", "retry", message, "--reason", "facility was made")
    sent = host.wait_for_status(message, "SENT")

    assert parked["deliveries"][0]["reason"] == "AR: no such facility"
    assert refused_again.code == 0
    assert refused_again.out == f"{message} powerserver: QUEUED\n"
    assert sent["deliveries"][0]["sent"] == parked["deliveries"][0]["sent"]
    retried = next(e for e in sent["deliveries"][0]["timeline"] if e["event"] == "retried")
    assert retried["reason"] == "facility was made"
    assert retried["by"]


def test_what_is_delivered_cannot_be_retried_and_a_part_is_said_as_such(host, powerserver, booking):
    message = host.book(booking[0])
    host.wait_for_status(message, "SENT")
    alone = host.command("messages", "retry", message)
    powerserver.add("AR")
    other = host.book(make_bundle(next(_numbers)))
    host.wait_for_status(other, "ERROR")
    both = host.command("messages", "cancel", message, other, "--json")
    host.wait_for_status(other, "CANCELLED")

    assert (alone.code, alone.out) == (6, "")
    assert "only parked deliveries (ERROR) can be tried again; it is SENT" in alone.err
    assert both.code == 5
    assert [result["done"] for result in both.json["results"]] == [False, True]
    assert "1 of 2 deliveries" in both.err
    assert host.command("messages", "cancel", "01ARZ3NDEKTSV4RRFFQ69G5FAV").code == 6
    assert host.command("messages", "show", "01ARZ3NDEKTSV4RRFFQ69G5FAV").code == 1
    assert host.command("messages", "find", "nobody-has-this").code == 1


def test_every_delivery_is_accounted_for(host, booking):
    host.wait_for_status(host.book(booking[0]), "SENT")
    balance = host.command("reconcile", "--json")

    assert balance.code == 0
    assert balance.json["holds"]
    assert balance.json["accepted"] == sum(balance.json["shares"].values())
    assert host.command("reconcile").out.endswith(": holds\n")


def test_a_second_host_on_the_same_store_is_refused(host):
    second = plugin_host("run", env=host.env)

    assert (second.code, second.out) == (6, "")
    assert "another process is the host of the store" in second.err


def test_a_port_in_use_is_said_with_exit_code_3(host, tmp_path):
    other = dict(host.env, PLUGIN_HOST_DATA=str(tmp_path / "data"))
    console, fhir = map(str, free_ports(2))
    both = plugin_host("run", env=dict(other, PLUGIN_HOST_CONSOLE_PORT=console))
    page = plugin_host("run", env=dict(other, PLUGIN_HOST_FHIR_PORT=fhir))

    assert both.code == page.code == 3
    assert f"cannot listen at 127.0.0.1:{host.fhir_port}: Address already in use" in both.err
    assert "no door could be opened" in both.err
    assert f"the status page cannot listen at 127.0.0.1:{host.console_port}: Address already in use" in page.err


def test_a_problem_that_is_gone_is_not_told_any_more(host, tmp_path):
    env = {"PLUGIN_HOST_FHIR_PORT": str(host.fhir_port)}
    taken = RunningHost(tmp_path / "data", host.powerserver_port, env=env)
    assert plugin_host("run", env=taken.env).code == 3
    with RunningHost(tmp_path / "data", host.powerserver_port) as again:
        assert again.command("status", "--json").json["channels"][0]["problem"] is None


@pytest.mark.parametrize("by", [signal.SIGTERM, signal.SIGINT])
def test_the_host_stops_in_order_and_lets_go_of_its_ports(own_host, by):
    message = own_host.book(make_bundle(1))
    own_host.wait_for_status(message, "SENT")
    pids = own_host.pids()
    # Ctrl-C goes to all processes of the terminal.
    os.killpg(own_host.process.pid, by) if by is signal.SIGINT else own_host.process.send_signal(by)
    code = own_host.process.wait(30)

    assert code == 0
    assert "Traceback" not in own_host.errors
    assert "stopping" in own_host.errors
    assert [role for role, pid in pids.items() if _lives(pid)] == []
    for port in (own_host.fhir_port, own_host.console_port):
        socket.create_server(("127.0.0.1", port)).close()
    status = own_host.command("status")
    assert status.code == 1
    assert "the host is not running" in status.out


def test_ctrl_c_before_the_host_is_ready_is_an_interruption(tmp_path):
    host = RunningHost(tmp_path / "data", free_ports(1)[0])
    host.begin()
    lock = tmp_path / "data"
    wait_until(lock.exists, "the host has begun")
    os.killpg(host.process.pid, signal.SIGINT)
    code = host.process.wait(30)
    host._errors.close()

    assert code in {130, 0}  # 0: it was ready just before
    assert "Traceback" not in host.errors


@pytest.mark.parametrize("role", ["lanes", "intake"])
def test_a_killed_process_is_started_again_and_messages_flow(own_host, role):
    own_host.wait_for_status(own_host.book(make_bundle(1)), "SENT")
    before = own_host.pids()
    os.kill(before[role], signal.SIGKILL)
    wait_until(lambda: own_host.pids()[role] != before[role], "a new process")
    message = wait_until(lambda: _booked(own_host, make_bundle(2)), "the door takes again")
    own_host.wait_for_status(message, "SENT")

    after = own_host.pids()
    assert {name for name in after if after[name] != before[name]} == {role}
    assert "a process ended; it is started again" in own_host.errors
    assert own_host.command("reconcile").code == 0


def _booked(host, body):
    try:
        status, headers, _ = host.post(body)
    except OSError:
        return None
    return headers["location"].rsplit("/", 1)[1] if status == 202 else None


def test_without_their_supervisor_the_processes_leave_by_themselves(own_host):
    own_host.wait_for_status(own_host.book(make_bundle(1)), "SENT")
    pids = own_host.pids()
    own_host.process.kill()
    own_host.process.wait(5)
    began = time.monotonic()
    wait_until(lambda: not any(_lives(pid) for pid in pids.values()), "all have left", within=15)

    assert time.monotonic() - began < 15
    with RunningHost(own_host.data, own_host.powerserver_port) as again:
        again.wait_for_status(again.book(make_bundle(2)), "SENT")


def _lives(pid: int) -> bool:
    """Whether the process is there, and more than an entry that nobody has read."""
    try:
        return Path(f"/proc/{pid}/stat").read_text("ascii", "replace").rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_while_powerserver_is_away_messages_wait_and_status_says_so(tmp_path):
    port = free_ports(1)[0]
    with RunningHost(tmp_path / "data", port) as host:
        message = host.book(make_bundle(1))
        told = wait_until(
            lambda: (s := host.command("status")).code == 1 and "unreachable" in s.out and s, "status says unreachable"
        )
        assert "powerserver is unreachable" in told.out
        assert host.message(message)["deliveries"][0]["attempts"] == 0
        with PowerServer(port=port) as peer:
            host.wait_for_status(message, "SENT")
            assert peer.count == 1


def test_one_door_of_two_that_is_shut_is_told_and_opened_once_its_port_is_free(tmp_path):
    site = Path(shutil.copytree(ROOT / "mappings", tmp_path / "mappings"))
    ours = (site / f"{CHANNEL}.yaml").read_text("utf-8")
    theirs = ours.replace(f"channel: {CHANNEL}", "channel: second").replace("station: blume-intake", "station: second")
    (site / "second.yaml").write_text(theirs, "utf-8")
    with PowerServer() as peer, socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        settings = (site / "site.yaml").read_text("utf-8")
        station = f"stations:\n  second: {{ host: 127.0.0.1, port: {port} }}\n"
        (site / "site.yaml").write_text(settings.replace("stations:\n", station, 1), "utf-8")
        with RunningHost(tmp_path / "data", peer.port, site=site) as host:
            shut = host.command("status")
            taken.close()
            wait_until(lambda: _answers(port), "the second door is open", within=30)
            opened = wait_until(lambda: (told := host.command("status")).code == 0 and told, "all is well")
            host.wait_for_status(host.book(make_bundle(1)), "SENT")

    assert shut.code == 1
    assert f"second: cannot listen at 127.0.0.1:{port}: Address already in use" in shut.out
    assert "cannot listen" not in opened.out


def _answers(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True
