"""One thing of a site's files is broken at a time: the doctor finds it, names it, and says how it is cured."""

from __future__ import annotations

import shutil

import pytest

from messages.health import Mark

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
