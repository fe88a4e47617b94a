"""One thing is broken at a time: the doctor finds it, names it, and says how it is cured."""

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

#: What is broken → (how, the check that finds it, its mark, words of what was found, words of the cure).
BROKEN = {
    "a mistake in a mapping": (
        lambda demo: demo.edit("appointment-to-powerserver.yaml", "%patient.gender", "%patient.gendre"),
        "files.mappings", "fail", "gendre", "plugin-host check",
    ),
    "a mistake in resource-sync.yaml": (
        lambda demo: demo.edit("resource-sync.yaml", "as: minutes", "as: minute"),
        "files.resources", "fail", "1 mistake(s)", "plugin-host check",
    ),
    "a secret that is not there": (
        lambda demo: demo.edit(SITE, "  omegaai:                            # FHIR goes there\n",
                               "  omegaai:\n    client_secret: ${secret:NOT_THERE}\n"),
        "files.secrets", "fail", "no environment variable NOT_THERE", "set the environment variable NOT_THERE",
    ),
    "retention not said": (
        lambda demo: demo.edit(SITE, "retention:\n  days: 30", "#"),
        "files.retention", "warn", "does not say how long", "write retention: { days: N }",
    ),
    "retention of ten years": (
        lambda demo: demo.edit(SITE, "  days: 30", "  days: 3650"),
        "files.retention", "warn", "3650 days", "shorten retention",
    ),
    "a fact declared tomorrow": (
        lambda demo: demo.edit(SITE, "PSCR127GB, by: the demonstration, on: 2025-11-20",
                               "PSCR127GB, by: the demonstration, on: 2099-11-20"),
        "files.declared", "warn", "still to come", "correct the day",
    ),
    "the priority in small letters": (
        lambda demo: demo.edit(SITE, "    text: SCHEDULED STATUS ", "    text: Scheduled Status "),
        "powerserver.priority", "fail", 'writes "Scheduled Status"; it must be "SCHEDULED STATUS"', "SCHEDULED STATUS",
    ),
    "the priority with two spaces inside": (
        lambda demo: demo.edit(SITE, "    text: SCHEDULED STATUS ", '    text: "SCHEDULED  STATUS" '),
        "powerserver.priority", "fail", 'writes "SCHEDULED<space><space>STATUS"', "SCHEDULED STATUS",
    ),
    "PowerServer's priority with NBSP": (
        lambda demo: demo.declare("powerserver.priorities", '["SCHEDULED\\u00a0STATUS", LOW]'),
        "powerserver.priority", "fail", "SCHEDULED<U+00A0>STATUS", "Settings > Server Settings > Priority: rename",
    ),
    "PowerServer without the priority": (
        lambda demo: demo.declare("powerserver.priorities", "[STAT, LOW]"),
        "powerserver.priority", "fail", 'has no priority "SCHEDULED STATUS"', "Server Settings > Priority: add",
    ),
    "the issuer missing under the master organization": (
        lambda demo: demo.declare("omegaai.master_issuers", "[OTHER]"),
        "powerserver.issuer", "fail", "OmegaAI has no issuer 'BLUME TEST'", "master organization",
    ),
    "PowerServer's issuer in other letters": (
        lambda demo: demo.declare("powerserver.issuers", "[Blume Test]"),
        "powerserver.issuer", "fail", "but 'Blume Test'", "Imaging Facilities > Issuer of Patient ID",
    ),
    "a patch that is too old": (
        lambda demo: demo.declare("powerserver.patch", '"2025-12-31"'),
        "powerserver.patch", "fail", "2026-01-07 or later is needed", "install a patch",
    ),
    "a patch that is no day": (
        lambda demo: demo.declare("powerserver.patch", "January"),
        "powerserver.patch", "fail", "'January' is no day", "as 2026-01-07",
    ),
    "a Mirth that is too old": (
        lambda demo: demo.declare("mirth.version", '"4.4.1"'),
        "powerserver.mirth", "fail", "Mirth is 4.4.1; 4.4.2 or later", "install Mirth",
    ),
    "a Mirth whose version is no version": (
        lambda demo: demo.declare("mirth.version", "newest"),
        "powerserver.mirth", "fail", "'newest' is no version", "write it as 4.4.2",
    ),
    "another licence": (
        lambda demo: demo.declare("powerserver.sku", "PSCR64GB"),
        "powerserver.licence", "fail", "'PSCR64GB', not PSCR127GB", "order PSCR127GB",
    ),
    "no single sign-on": (
        lambda demo: demo.declare("omegaai.sso", "false"),
        "omegaai.sign-in", "fail", "single sign-on with Azure AD B2C: no", "turn it on",
    ),
    "no second factor": (
        lambda demo: demo.declare("omegaai.mfa", "false"), "omegaai.second-factor", "fail", ": no", "turn it on",
    ),
    "the share turned off": (
        lambda demo: demo.declare("share.enabled", "false"), "share.enabled", "fail", ": no", "turn it on",
    ),
    "a share URL without TLS": (
        lambda demo: demo.declare("share.url", "http://oai.example/share-study/org-1"),
        "share.url", "fail", "does not begin with https://", "https://HOST/share-study/ORGANIZATION",
    ),
    "a share URL with a study in it": (
        lambda demo: demo.declare("share.url", '"https://oai.example/share-study/org-1?study=1.2.3"'),
        "share.url", "fail", "something behind the organization", "nothing behind it",
    ),
    "a share URL of another kind": (
        lambda demo: demo.declare("share.url", "https://oai.example/share/org-1"),
        "share.url", "fail", "is not https://HOST/share-study/ORGANIZATION", "ORGANIZATION",
    ),
    "a migration station that is none": (
        lambda demo: demo.declare("share.station", "OAI-MIGRATION"),
        "share.station", "fail", "no DICOM station 'OAI-MIGRATION'", "name a DICOM station",
    ),
    "a volume id with a space": (
        lambda demo: demo.declare("share.volume", '"vol 1"'), "share.volume", "fail", "spaces", "Maintenance",
    ),
    "a table with a cell too many": (
        lambda demo: demo.append("tables/cancellations.csv", "late,LATE,Too late,really\n"),
        "tables.readable", "fail", "cells", "correct the file",
    ),
    "a status of PowerServer without its row": (
        lambda demo: demo.edit("tables/powerserver_states.csv", "NO SHOW,NOSHOW\n", ""),
        "tables.statuses", "fail", "no row for NO SHOW", "powerserver_states.csv",
    ),
    "a facility that PowerServer does not have": (
        lambda demo: demo.edit("tables/organizations.csv", "BLUME TEST ORG,BLUME TEST,", "BLUME TEST ORG,BLUME TSET,"),
        "tables.organizations", "fail", "facility 'BLUME TSET'; it has BLUME TEST", "exactly as PowerServer has it",
    ),
    "a time zone that there is not": (
        lambda demo: demo.edit("tables/organizations.csv", "America/Toronto", "America/Torono"),
        "tables.organizations", "fail", "'America/Torono' is no time zone", "America/Sao_Paulo",
    ),
    "a resource's name in other letters": (
        lambda demo: demo.edit("tables/resources.csv", "BLUME MR,MR,yes", "Blume MR,MR,yes"),
        "tables.resources", "fail", "no resource 'Blume MR', but 'BLUME MR'", "exactly as both sides have it",
    ),
    "an order set that nobody can examine": (
        lambda demo: demo.edit("tables/ordersets.csv", "CT HEAD W/O CONTRAST,CT", "CT HEAD W/O CONTRAST,PT"),
        "tables.ordersets", "fail", "no active resource has the modality 'PT'", "ordersets.csv",
    ),
    "a peer without an address": (
        lambda demo: demo.edit(SITE, "${POWERSERVER_HOST:127.0.0.1}", "powerserver.invalid"),
        "peer.name", "fail", "'powerserver.invalid' has no address", "DNS",
    ),
    "a peer that is not there": (
        lambda demo: demo.edit(SITE, "port: ${POWERSERVER_MLLP_PORT:6661}", "port: 1"),
        "peer.port", "fail", "127.0.0.1:1 cannot be connected", "is it running",
    ),
    "a FHIR base that is not there": (
        lambda demo: demo.edit(SITE, "base: ${OMEGAAI_FHIR_URL:http://127.0.0.1:8095/fhir}",
                               "base: http://127.0.0.1:1/fhir"),
        "peer.metadata", "fail", "/metadata cannot be asked for", "base",
    ),
    "an authority that gives no token": (
        lambda demo: demo.edit(SITE, "  omegaai:                            # FHIR goes there\n",
                               "  omegaai:\n    oidc_authority: https://127.0.0.1:1/issuer\n    client_id: us\n"
                               "    client_secret: ${secret:PATH}\n    scope: fhir\n"),
        "peer.token", "fail", "no token", "authority",
    ),
    "a DICOM station that does not answer": (
        lambda demo: (demo.keep(demo.folder / "study-share.yaml"),
                      shutil.copy(demo.folder / "examples/study-share.yaml", demo.folder)),
        "peer.echo", "fail", "no association with OMEGAAI", "AE title",
    ),
    "a disk that is too small": (
        lambda demo: demo.edit(SITE, "free_gigabytes: 2", "free_gigabytes: 1000000"),
        "host.disk", "fail", "1000000 GB must be", "make room",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", BROKEN)
def test_what_is_broken_is_found_named_and_cured(demo, case):
    break_it, check, mark, words, cure = BROKEN[case]
    break_it(demo)
    found = demo.found(check)

    assert found, f"{check} found nothing"
    assert {finding.mark for finding in found} == {Mark(mark)}
    assert any(words in finding.found for finding in found), found
    assert any(cure in finding.cure for finding in found), found
    assert all(finding.why for finding in found)


def test_on_the_demo_site_all_passes_or_is_honestly_not_checkable(demo):
    """The control of all the others: what they find is not there before."""
    findings = demo.doctor()
    unknown = {finding.check for finding in findings if finding.mark is Mark.UNKNOWN}

    assert [finding for finding in findings if finding.mark in {Mark.WARN, Mark.FAIL}] == []
    assert unknown == {
        "share.enabled", "share.url", "share.station", "share.volume", "share.storage", "tables.coverage",
        "peer.certificate", "peer.acknowledgement", "peer.token", "peer.acknowledgement-clock", "peer.echo",
        "host.processes",
    }  # fmt: skip
    assert all(finding.found for finding in findings)


def test_thirty_things_and_more_are_broken():
    assert len(BROKEN) >= 30


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
