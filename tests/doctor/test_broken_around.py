"""What is broken around the files of a site: the doctor finds it, names it, and says how it is cured."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import socket
import ssl
import subprocess
import threading
import time

import pytest

from messages.health import Mark
from messages.turned_away import TurnedAway
from store import alerts, dicom, directory
from store.store import NewArrival, NewMessage, Store

SITE = "site.yaml"


def test_a_key_that_others_may_read(demo):
    key = demo.data / "store.key"
    key.chmod(0o644)
    (found,) = demo.found("files.store-key")
    key.chmod(0o600)

    assert (found.mark, found.cure) == (Mark.FAIL, f"chmod 600 {key}")
    assert demo.found("files.store-key") == []


def test_a_port_that_another_program_has(demo):
    port = int(os.environ["PLUGIN_HOST_FHIR_PORT"])
    with socket.create_server(("127.0.0.1", port)):
        found = demo.found("host.doors")

    assert {finding.mark for finding in found} == {Mark.FAIL}
    assert f"127.0.0.1:{port} cannot be listened at" in found[0].found
    assert demo.found("host.doors") == []


def test_callers_that_the_dicom_door_turned_away_are_told_with_the_cure_until_a_day_has_passed(demo):
    away = {why.value: (7, "10.1.0.9") for why in TurnedAway}
    with contextlib.closing(Store(demo.data, "doctor")) as store:
        store.writer.now(lambda tx: dicom.turn_away(tx, away))
        told = demo.found("host.dicom-callers")
        store.writer.now(lambda tx: tx.execute("UPDATE dicom_turned_away SET last_at = last_at - 90000"))
        later = demo.found("host.dicom-callers")
        store.writer.now(lambda tx: tx.execute("DELETE FROM dicom_turned_away"))

    assert {(finding.mark, finding.about) for finding in told} == {(Mark.WARN, why) for why in away}
    assert all("7 callers so far, the last from 10.1.0.9" in finding.found and finding.cure for finding in told)
    assert later == []


@pytest.mark.parametrize(
    ("status", "words"), [(500, "/metadata answers 500"), (401, "/metadata answers 401"), (404, "answers 404")]
)
def test_a_fhir_server_that_does_not_let_us_in(demo, status, words):
    demo.omegaai.metadata_status = status
    (found,) = demo.found("peer.metadata")
    demo.omegaai.metadata_status = 200

    assert words in found.found
    assert found.cure


def test_a_fhir_server_of_another_release(demo):
    demo.omegaai.statement["fhirVersion"] = "5.0.0"
    (found,) = demo.found("peer.metadata")
    demo.omegaai.statement["fhirVersion"] = "4.0.1"

    assert "it speaks FHIR 5.0.0, not R4" in found.found


def test_clocks_that_are_an_hour_apart(demo):
    demo.omegaai.clock_ahead = 3600.0
    (found,) = demo.found("peer.clock")
    demo.omegaai.clock_ahead = 0.0

    assert "clock and ours are 3" in found.found
    assert "NTP" in found.cure


def test_a_drift_of_resources_is_told_with_its_menu_path(demo):
    demo.edit("samples/powerserver-resources/resources.csv", "CT,BLUME CT,8", "CT,Blume CT,8")
    demo.edit("samples/powerserver-resources/resources.csv", "11:00 PM,60,No,No,1\nBLUME TEST,BLUME TEST,BLUME XR",
              "11:00 PM,30,No,No,1\nBLUME TEST,BLUME TEST,BLUME XR")  # fmt: skip
    export = demo.folder / "samples/powerserver-resources/resources.csv"
    os.utime(export, (time.time() - 60, time.time() - 60))
    demo.compare()
    name, duration = sorted(demo.found("resources.drift"), key=lambda finding: finding.mark)
    demo.restore()
    os.utime(export, (time.time() - 60, time.time() - 60))
    demo.compare()

    assert (name.mark, name.about) == (Mark.FAIL, "BLUME TEST / BLUME CT")
    assert "NAME_CASE" in name.found
    assert "Settings > Users & Facilities > Imaging Facilities" in name.cure
    assert (duration.mark, duration.about) == (Mark.WARN, "BLUME TEST / BLUME MR")
    assert demo.found("resources") == []


def test_an_export_that_is_gone(demo):
    export = demo.folder / "samples/powerserver-resources/resources.csv"
    demo.keep(export)
    export.unlink()
    demo.compare()
    (found,) = demo.found("resources.read")
    demo.restore()
    os.utime(export, (time.time() - 60, time.time() - 60))
    demo.compare()

    assert (found.about, found.found) == (
        "PowerServer", "its resources could not be read: no export lies in the folder",
    )  # fmt: skip
    assert demo.found("resources.read") == []


def test_a_store_that_has_lost_commits(demo):
    mark = demo.data / "high-water-host"
    body = mark.read_bytes()
    store = Store(demo.data, "host")
    store.writer._high_water.raise_to(10_000, sync=False)
    store.close()
    (found,) = demo.found("host.store")
    mark.write_bytes(body)

    assert "lost commits" in found.found
    assert "restore a backup" in found.cure


def test_a_test_message_is_sent_only_where_the_site_allows_it(demo):
    before = demo.powerserver.count
    (forbidden,) = demo.doctor("peer.acknowledgement")[:1]
    unasked = demo.powerserver.count
    demo.edit(SITE, "test_message: []", "test_message: [powerserver]")
    (allowed,) = [finding for finding in demo.doctor("peer.acknowledgement") if finding.check == "peer.acknowledgement"]
    demo.powerserver.add("AR")
    (refused,) = demo.found("peer.acknowledgement")
    demo.powerserver.add("hang up")
    (broken,) = demo.found("peer.acknowledgement")

    assert (forbidden.mark, unasked) == (Mark.UNKNOWN, before)
    assert (allowed.mark, allowed.found) == (Mark.PASS, "a test message was acknowledged (AA)")
    assert (refused.mark, broken.mark) == (Mark.WARN, Mark.FAIL)
    assert b"|NMQ^N01" in demo.powerserver.received[-1].payload


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    """A certificate that is its own authority and lasts two days."""
    folder = tmp_path_factory.mktemp("certificate")
    made, key = str(folder / "peer.pem"), str(folder / "peer-key.pem")
    new = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    subprocess.run(
        [*new, "-days", "2", "-subj", "/CN=peer", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", key,
         "-out", made],
        check=True, capture_output=True,
    )  # fmt: skip
    return made, key


@pytest.mark.parametrize(
    ("trusted", "mark", "words", "cure"),
    [
        (False, Mark.FAIL, "its certificate is not trusted", "ca_file"),
        (True, Mark.WARN, "lasts 1 more days", "have it renewed before"),
    ],
)
def test_a_certificate_that_nobody_knows_or_that_ends_soon(demo, certificate, trusted, mark, words, cure):
    made, key = certificate
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(made, key)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]

        def serve():
            while True:
                try:
                    line, _ = listening.accept()
                    context.wrap_socket(line, server_side=True).close()
                except ssl.SSLError:
                    continue
                except OSError:
                    return

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        tls = "    tls: true\n" + (f"    ca_file: {made}\n" if trusted else "")
        demo.edit(SITE, "    port: ${POWERSERVER_MLLP_PORT:6661}\n", f"    port: {port}\n{tls}")
        (found,) = demo.found("peer.certificate")
        listening.shutdown(socket.SHUT_RDWR)
        thread.join(5)

    assert found.mark is mark
    assert words in found.found
    assert cure in found.cure


def test_what_fails_is_an_alert_until_it_does_not(demo):
    demo.declare("powerserver.sku", "OTHER")
    demo.doctor()
    store = Store(demo.data, "reader")
    opened = {alert.key for alert in alerts.open_alerts(store.connection)}
    demo.restore()
    demo.doctor()
    closed = {alert.key for alert in alerts.open_alerts(store.connection)}
    store.close()

    assert "doctor.powerserver.licence" in opened
    assert "doctor.powerserver.licence" not in closed


@pytest.mark.parametrize(
    ("version", "mark"), [("4.10.0", Mark.PASS), ("4.4.2", Mark.PASS), ("4.4", Mark.FAIL), ("v5.0.0", Mark.PASS)]
)
def test_versions_are_compared_as_numbers(demo, version, mark):
    demo.declare("mirth.version", f'"{version}"')
    (found,) = demo.doctor("powerserver.mirth")

    assert found.mark is mark


def test_a_dicom_station_that_no_channel_calls_yet_need_not_answer(demo):
    demo.edit(SITE, "stations:\n", "stations:\n  archive: { ae_title: PACS, host: 127.0.0.1, port: 1 }\n")
    found = next(finding for finding in demo.doctor("peer.echo") if finding.about == "archive")

    assert found.mark is Mark.UNKNOWN
    assert "no association with PACS" in found.found
    assert demo.found("peer.port", "peer.name") == []


def test_powerserver_6_7_needs_no_patch(demo):
    demo.declare("powerserver.version", '"6.7"')
    demo.declare("powerserver.patch", '"2020-01-01"')
    (found,) = demo.doctor("powerserver.patch")

    assert (found.mark, found.found) == (Mark.PASS, "PowerServer 6.7 needs no patch")
    assert found.declared == "declared by a test on 2025-11-20"


def test_what_nobody_declared_is_honestly_not_checkable(demo):
    demo.edit(SITE, "  powerserver.sku:", "  powerserver.article:")
    (found,) = demo.doctor("powerserver.licence")

    assert found.mark is Mark.UNKNOWN
    assert "declare powerserver.sku in site.yaml" in found.cure


def test_a_code_that_no_table_has_is_found_in_what_came_before(demo, tmp_path, monkeypatch):
    shutil.copytree(demo.data, tmp_path / "data")
    monkeypatch.setenv("PLUGIN_HOST_DATA", str(tmp_path / "data"))
    body = (demo.folder / "samples/appointment-request.json").read_bytes()
    with contextlib.closing(Store(tmp_path / "data", "intake")) as store:
        channel = next(row for row in directory.channels(store.connection) if row.name.startswith("appointment"))
        for number, code in enumerate((b"CT01", b"ZZ99")):
            message = NewMessage(
                channel=channel.number, channel_name=channel.name, revision=channel.revision, focus=9, about=None,
                index={}, key="k", destinations=[(line.number, line.ordinal) for line in channel.destinations],
            )  # fmt: skip
            arrival = NewArrival(
                door="fhir", peer="test", identity=str(number), content_type="application/fhir+json",
                body=body.replace(b'"CT01"', b'"' + code + b'"'), messages=[message],
                compose=lambda made: (202, {}, b""),
            )  # fmt: skip
            asyncio.run(store.receive(arrival))
    (found,) = demo.found("tables.coverage")

    assert (found.mark, found.about) == (Mark.FAIL, "tables/ordersets.csv")
    assert found.found == "1 message(s) of the last 7 days have a code without a row"
    assert "plugin-host unmapped" in found.cure
    assert "ZZ99" not in str(found)
