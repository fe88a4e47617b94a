"""Laboratory results: from OmegaAI's FHIR service by way of a channel to PowerServer, each accounted for."""

from __future__ import annotations

import http.client
import json
import shutil
import urllib.request

import pytest

from channels.job_control import act
from messages.identity import message_id
from messages.job_states import State
from simulators.powerserver import PowerServer
from store import audit, job_results
from tests.cli.console_script import RunningHost, edit, free_ports, wait_until
from tests.node_peers import peer
from tests.share import kit
from tests.share.results_door import door_open

SYSTEM = "urn:oid:2.25.2001"
LAB = [{"coding": [{"system": "http://terminology.hl7.org/CodeSystem/v2-0074", "code": "LAB"}]}]
LABORATORY = [
    {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/observation-category", "code": "laboratory"}]}
]


def patient(number, born="1974-12-25"):
    return {
        "resourceType": "Patient", "name": [{"family": "Fabricated", "given": ["Ana"]}], "birthDate": born,
        "identifier": [{"type": {"coding": [{"code": "MR"}]}, "system": SYSTEM, "value": number}],
    }  # fmt: skip


def observation(of, code="2160-0", value=0.95, category=LABORATORY, **more):
    return {
        "resourceType": "Observation", "status": "final", "category": category,
        "code": {"coding": [{"system": "http://loinc.org", "code": code}]}, "subject": {"reference": f"Patient/{of}"},
        "effectiveDateTime": "2026-01-02", "valueQuantity": {"value": value, "unit": "mg/dL"}, **more,
    }  # fmt: skip


def report(of, *results, status="final", day="2026-01-02", category=LAB, code="24323-8"):
    return {
        "resourceType": "DiagnosticReport", "status": status, "category": category, "effectiveDateTime": day,
        "code": {"coding": [{"system": "http://loinc.org", "code": code}]}, "subject": {"reference": f"Patient/{of}"},
        "result": [{"reference": f"Observation/{one}"} for one in results],
    }  # fmt: skip


def request(number="12345", **inputs):
    return {
        "resourceType": "Task", "status": "requested", "intent": "order",
        "identifier": [{"system": "urn:test", "value": message_id()}],
        "code": {"coding": [{"code": "pull-prior"}]},
        "for": {"identifier": {"system": SYSTEM, "value": number}},
        "input": [
            {"type": {"coding": [{"code": name.replace("_", "-")}]}, "valueString": one}
            for name, value in ({"type": "laboratory-results"} | inputs).items()
            for one in ([value] if isinstance(value, str) else value)
        ],
    }  # fmt: skip


# -- the whole way, with a FHIR server of others ----------------------------------------------------------------------


def write(base, resource):
    """Create a resource at a FHIR server; return its id."""
    asked = urllib.request.Request(
        f"{base}/{resource['resourceType']}", json.dumps(resource).encode(), {"Content-Type": "application/fhir+json"}
    )
    with urllib.request.urlopen(asked, timeout=20) as answer:
        return json.load(answer)["id"]


def read(base, name):
    with urllib.request.urlopen(f"{base}/{name}", timeout=20) as answer:
        return json.load(answer)


def test_a_task_of_a_fhir_server_and_plain_json_bring_its_laboratory_results_to_powerserver_and_the_task_is_told(
    tmp_path,
):
    """The Task is found by the poller, asked for by nobody; the results go by a channel of their own."""
    site = polling_site(tmp_path)
    with peer("fhir_server.mjs") as omegaai, PowerServer() as powerserver:
        base = f"http://127.0.0.1:{omegaai.first['listening']}/fhir"
        ana, other = write(base, patient("12345")), write(base, patient("99999"))
        in_report = write(base, observation(ana, "2160-0", 0.9))
        unsorted = write(base, observation(ana, "718-7", 13.5, category=[]))  # named by the report alone
        write(base, observation(ana, "2345-7", 88))  # in no report
        write(base, report(ana, in_report, unsorted))
        for unwanted in (
            report(ana, status="preliminary"), report(ana, in_report, day="2019-01-01"), report(other),
            report(ana, category=[{"coding": [{"code": "RAD"}]}]),
        ):  # fmt: skip
            write(base, unwanted)
        with RunningHost(tmp_path / "data", powerserver.port, site=site, env={"OMEGAAI_FHIR_URL": base}) as host:
            task = write(base, request(**{"from": "2025-01-01"}))
            told = wait_until(
                lambda: (now := read(base, f"Task/{task}"))["status"] == "completed" and now, "it is told", 120
            )
            shown = host.command("prior", "show", 1, "--json").json
            # Asked for without a time, there is one more: what PowerServer has is not sent again.
            plain = {"id": "p-2", "patient": {"system": SYSTEM, "value": "12345"}, "type": ["laboratory-results"]}
            assert ask(host.fhir_port, "pull-prior", plain)[0] == 202
            wait_until(lambda: kit.job_state(host, 2) == "ARRIVED", "the second pull has ended", 120)

        addresses = [line["url"] for line in omegaai.said if "url" in line]
    results = [item.payload.decode() for item in powerserver.received]

    assert shown["state"] == "ARRIVED"
    assert (shown["proof"], shown["results"]) == ("accepted", {"delivered": 2})
    output = {one["type"]["coding"][0]["code"]: one for one in told["output"]}
    assert (output["results"]["valueInteger"], output["results-delivered"]["valueInteger"]) == (2, 2)
    assert len(results) == 3
    values = sorted(line.split("|")[5] for text in results for line in text.split("\r") if line.startswith("OBX"))
    assert values == ["0.9", "0.9", "13.5", "88"]
    assert not [address for address in addresses if "12345" in address or SYSTEM in address]


def polling_site(folder):
    """The example that pulls priors twice: asked for at the door, and by Tasks that are found at OmegaAI."""
    site = kit.site_with(folder, "pull-prior", "laboratory-to-powerserver")
    polling = site / "pull-prior-by-task.yaml"
    shutil.copy(site / "pull-prior.yaml", polling)
    edit(polling, "channel: pull-prior\n", "channel: pull-prior-by-task\n")
    edit(
        polling, "connector: fhir-listener\n  station: blume-intake", "connector: fhir-poller\n  station: omegaai-tasks"
    )
    station = (
        "  omegaai-tasks:\n    base: ${OMEGAAI_FHIR_URL}\n    resource_type: Task\n    criteria: [status=requested]\n"
        f"    every: 0.5\n    begin: beginning\n    state_folder: {folder}\n"
    )
    edit(site / "site.yaml", "  pull-prior:  ", f"{station}  pull-prior:  ")
    return site


def ask(port, kind, document):
    """Ask for a job in plain JSON, as a program does that knows no FHIR; return status and answer."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    try:
        body = json.dumps(document).encode()
        connection.request("POST", f"/channels/{kind}/requests", body, {"Content-Type": "application/json"})
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read())
    finally:
        connection.close()


# -- step by step, with a door that says what the test wants -------------------------------------------------------


@pytest.fixture
def door():
    with door_open() as server:
        yield server


@pytest.fixture
def omegaai():
    with kit.fhir() as server:
        yield server


@pytest.fixture
def site(store, omegaai, door):
    (nobody,) = free_ports(1)
    made = {
        "dicom": {"powerserver": {"ae_title": "PS", "host": "127.0.0.1", "port": nobody}}, "stations": ["powerserver"],
        "to": "powerserver", "omegaai": {"base": omegaai.base}, "results": {"base": door.base}, "verify_within": 60.0,
    }  # fmt: skip
    return kit.Site(store, made, channel="pull-prior", kind="pull-prior")


def results(site, number):
    return {one.name: one.state for one in job_results.results(site.store.connection, number)}


def fill(omegaai, *days, number="12345"):
    """Give a patient a report of each day."""
    ana = omegaai.records.write(patient(number))["id"]
    one = omegaai.records.write(observation(ana))["id"]
    return ana, [omegaai.records.write(report(ana, one, day=day))["id"] for day in days]


def test_the_most_recent_results_are_handed_over_whole_and_their_delivery_is_waited_for(site, omegaai, door):
    _, (_, second, third) = fill(omegaai, "2024-05-01", "2025-05-01", "2025-06-01")
    door.says = "in-progress"
    number = site.ask(request(maximum="2"))
    site.run(lambda: site.job(number).reason_code == "RESULTS_NOT_DELIVERED")
    assert site.job(number).state is State.VERIFYING
    assert set(results(site, number).values()) == {"handed over"}

    door.says = "completed"
    assert act(site.store, number, "resume", by="ana").done
    job = site.run_to(number, State.ARRIVED)

    assert job.proof == "accepted"
    assert results(site, number) == {f"DiagnosticReport/{one}": "delivered" for one in (second, third)}
    kinds = [[entry["resource"]["resourceType"] for entry in bundle["entry"]] for bundle in door.taken.values()]
    assert kinds == [["DiagnosticReport", "Observation", "Patient"]] * 2
    (told,) = audit.entries(site.store.connection, entity=f"job:{number}", what=("arrival-verified",))
    assert (told.detail["results"], told.detail["proof"]) == (2, "accepted")


def test_a_result_that_a_rule_filters_is_accounted_for_and_no_failure(site, omegaai, door):
    fill(omegaai, "2025-05-01")
    door.says = "rejected"
    number = site.ask(request())

    job = site.run_to(number, State.ARRIVED)

    assert job.proof is None
    assert list(results(site, number).values()) == ["ignored"]


def test_a_result_that_the_door_refuses_is_never_arrived_and_goes_when_it_is_tried_again(site, omegaai, door):
    fill(omegaai, "2025-05-01")
    door.answers = 422
    number = site.ask(request())
    job = site.run_to(number, State.VERIFY_FAILED)
    (refused,) = job_results.results(site.store.connection, number)
    assert (job.reason_code, job.proof, refused.state) == ("RESULTS_NOT_DELIVERED", None, "refused")
    assert refused.reason == "the FHIR door answers 422 (NO_CHANNEL)"

    door.answers = 202
    assert act(site.store, number, "retry", by="ana").done
    site.run_to(number, State.ARRIVED)


def test_a_report_of_which_a_part_cannot_be_read_is_not_handed_over(site, omegaai, door):
    ana, _ = fill(omegaai)
    whole = omegaai.records.write(report(ana))["id"]
    broken = omegaai.records.write(report(ana, "gone"))["id"]
    number = site.ask(request())

    site.run_to(number, State.VERIFY_FAILED)

    assert results(site, number)[f"DiagnosticReport/{broken}"] == "refused"
    assert results(site, number)[f"DiagnosticReport/{whole}"] == "delivered"
    assert not [bundle for bundle in door.taken.values() if bundle["entry"][0]["resource"]["id"] == broken]


@pytest.mark.parametrize(
    ("held", "asked"),
    [
        ([patient("99999")], {}),  # nobody has the identifier
        ([patient("12345"), patient("12345")], {}),  # two have it
        ([patient("12345", born="1999-12-31")], {"birth_date": "1974-12-25"}),
    ],
)
def test_results_of_whoever_is_not_surely_the_patient_are_not_taken(site, omegaai, door, held, asked):
    for one in held:
        written = omegaai.records.write(one)["id"]
        omegaai.records.write(report(written))
    number = site.ask(request(**asked))

    job = site.run_to(number, State.ARRIVED)

    assert job.proof is None
    assert door.taken == {}


@pytest.mark.parametrize(
    ("change", "code"),
    [({"results": None}, "TYPE_NOT_SERVED"), ({"omegaai": None}, "TYPE_NOT_SERVED"), ({}, "PATIENT_SYSTEM_MISSING")],
)
def test_results_are_refused_where_the_site_or_the_request_lacks_what_they_need(site, change, code):
    site.deploy(site.made | change, "r2")
    asked = request()
    del asked["for"]["identifier"]["system"]
    number = site.ask(asked)

    site.run(lambda: site.job(number).state is State.REJECTED)

    assert site.job(number).reason_code == code


def test_an_omegaai_that_refuses_the_search_is_said_and_asked_again(site, omegaai):
    omegaai.add("403")
    number = site.ask(request())

    site.run(lambda: site.job(number).reason_code == "REFUSED_BY_PEER")

    assert site.job(number).reason == "OmegaAI answers 403"
    assert site.job(number).state is State.QUERYING
