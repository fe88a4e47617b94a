"""The example mappings of study share and pull prior: without a problem, tested whole, and read by the jobs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from channels.job_starter import task_of
from channels.share_gate import BY_OURSELVES, Facts, refusals
from channels.share_request import read
from channels.share_settings import StudyShare
from host.site import kinds
from transformers.mapping_check import check_mapping
from transformers.mapping_file import show
from transformers.mapping_site import load_site
from transformers.mapping_tests import run_tests, untouched

SITE = Path(__file__).parents[2] / "mappings"
GOLDEN = SITE / "samples" / "golden"


@pytest.mark.parametrize(
    "name",
    ["study-share", "study-share-from-report", "pull-prior", "laboratory-to-powerserver", "pull-prior-for-appointment"],
)
def test_a_mapping_has_no_problem_and_its_tests_touch_all_of_it(name):
    checked = check_mapping(SITE / "examples" / f"{name}.yaml", load_site(SITE, {}, kinds()))
    assert [show(problem, checked.source) for problem in checked.problems] == []
    results = run_tests(checked, SITE)

    assert {result.name: result.differences for result in results if not result.passed} == {}
    assert untouched(checked.plan, results) == []


def test_the_job_reads_what_the_mapping_writes():
    request = read(task_of((GOLDEN / "share-request.json").read_bytes()))

    assert request.patient == "12345"
    assert request.issuer == "BLUME TEST"
    assert request.recipients == (("email", "bo@example.org"), ("provider", "P-7"))
    assert (request.method, request.accession, request.reason) == ("email-link", "A0000001", "second opinion")
    assert request.requested_by == "dr.souza"


def test_the_station_of_the_shipped_site_is_refused_for_nothing_but_that_it_is_switched_off():
    """The demonstration has no DICOM peers: the share is off by one line of site.yaml, and says so."""
    site = load_site(SITE, {}, kinds())
    settings = StudyShare(**(site.stations["study-share"] | {"enabled": False}))
    request = read(json.loads((GOLDEN / "share-request.json").read_bytes())["body"])
    facts = Facts(settings=settings, request=request, now=1_769_000_000.0)

    assert [problem.code for problem in refusals(BY_OURSELVES, facts)] == ["SHARE_DISABLED"]
