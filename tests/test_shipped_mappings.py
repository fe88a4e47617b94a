"""The mappings that ship: without a problem, tested by themselves, byte for byte what was agreed, and hard to break."""

import json
from datetime import datetime
from functools import cache
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from host.site import kinds, mapping_files
from messages.problem import Problems
from transformers.base import Given
from transformers.fhir_to_hl7 import compile_plan
from transformers.mapping_check import check_mapping
from transformers.mapping_file import show
from transformers.mapping_site import Site, load_site
from transformers.mapping_tests import run_tests, untouched

SITE = Path(__file__).parents[1] / "mappings"
MAPPINGS = mapping_files(SITE)
APPOINTMENTS = SITE / "appointment-to-powerserver.yaml"
NOW = datetime.fromisoformat("2025-11-20T15:30:00-03:00")


@pytest.fixture(scope="module")
def checked():
    site = load_site(SITE, {}, kinds())
    return {path.name: check_mapping(path, site) for path in MAPPINGS}


@pytest.mark.parametrize("name", [path.name for path in MAPPINGS])
def test_a_shipped_mapping_has_no_problem(checked, name):
    assert [show(problem, checked[name].source) for problem in checked[name].problems] == []


@pytest.mark.parametrize("name", [path.name for path in MAPPINGS])
def test_a_shipped_mapping_passes_its_tests_and_they_touch_every_rule(checked, name):
    results = run_tests(checked[name], SITE)

    assert {result.name: result.differences for result in results if not result.passed} == {}
    assert untouched(checked[name].plan, results) == []


@pytest.mark.parametrize(
    ("name", "control_id", "action"),
    [
        ("request", "A0000000000000000001", "request"),
        ("reschedule", "A0000000000000000002", "reschedule"),
        ("confirm", "A0000000000000000003", "confirm"),
        ("cancel", "A0000000000000000004", "cancel"),
        ("no-show", "A0000000000000000005", "no_show"),
    ],
)
def test_the_appointment_messages_are_byte_for_byte_those_agreed(checked, name, control_id, action):
    transformer = compile_plan(json.loads(json.dumps(checked[APPOINTMENTS.name].plan)))
    document = transformer.check((SITE / f"samples/appointment-{name}.json").read_bytes())
    (admission,) = transformer.admit(document)
    about = Given(
        now=NOW, control_id=control_id, destination="powerserver", focus=admission.focus, values={"change": action}
    )

    result = transformer.transform(document, about)

    assert result.encoded == (SITE / f"samples/golden/appointment-{name}.hl7").read_bytes()
    assert (result.action, result.control_id) == (action, control_id)


def test_appointments_are_ordered_by_the_patient_and_named_by_the_booking(checked):
    transformer = compile_plan(checked[APPOINTMENTS.name].plan)
    (admission,) = transformer.admit(json.loads((SITE / "samples/appointment-request.json").read_bytes()))

    assert (admission.key, admission.about) == ("urn:oid:2.25.2001|12345", "appt-77")
    assert admission.index == {"patient": "12345", "appointment": "appt-77"}


def test_the_worker_needs_none_of_the_check_s_libraries():
    import subprocess
    import sys

    heavy = "ruamel pydantic antlr4 hl7apy fhirpathpy"
    code = (
        "import sys, transformers.fhir_to_hl7\n"
        f"print(sorted(set('{heavy}'.split()) & {{name.partition('.')[0] for name in sys.modules}}))"
    )

    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=SITE.parent)

    assert found.stdout.strip() == "[]"


BASE = (Path(__file__).parent / "mapping_site/base.yaml").read_text()
SHIPPED = APPOINTMENTS.read_text().partition("\ntests:")[0]
CHARACTERS = st.one_of(st.characters(codec="utf-8"), st.sampled_from("\t\n\"'{}[]()%:.,#&*|^~\\-0 aZ"))
EDITS = st.tuples(st.floats(0, 0.9999), st.sampled_from(["replace", "insert", "remove"]), CHARACTERS)
QUICK = {"deadline": None, "derandomize": True, "suppress_health_check": list(HealthCheck)}


def edited(text: str, edit: tuple[float, str, str]) -> str:
    where, how, character = edit
    at = int(where * len(text))
    middle = {"replace": character, "insert": character + text[at], "remove": ""}[how]
    return text[:at] + middle + text[at + 1 :]


@cache
def site_of(folder: Path) -> Site:
    return load_site(folder, {}, kinds())


def is_fit_or_says_why(folder: Path, site: Path, text: str) -> None:
    """A file is fit to run, or has problems with places inside it; never anything else."""
    path = folder / "mutant.yaml"
    path.write_text(text, newline="")

    checked = check_mapping(path, site_of(site), "mutant.yaml")

    lines = checked.source.count("\n") + 1
    for problem in checked.problems:
        assert problem.place is not None
        assert 1 <= problem.place.line <= lines
        assert show(problem, checked.source).startswith(f"{problem.place}: ")
    if checked.plan is None:
        assert any(problem.severity == "error" for problem in checked.problems)
    else:
        compile_plan(json.loads(json.dumps(checked.plan)))


@settings(max_examples=40, **QUICK)
@given(EDITS)
def test_one_wrong_character_in_the_shipped_mapping_is_harmless_or_told(tmp_path_factory, edit):
    is_fit_or_says_why(tmp_path_factory.getbasetemp(), SITE, edited(SHIPPED, edit))


@settings(max_examples=200, **QUICK)
@given(EDITS)
def test_one_wrong_character_in_a_small_mapping_is_harmless_or_told(tmp_path_factory, edit):
    is_fit_or_says_why(tmp_path_factory.getbasetemp(), Path(__file__).parent / "mapping_site", edited(BASE, edit))


def problems_of_site(folder: Path):
    """Return the places of what is wrong; anything but Problems is a failure."""
    try:
        load_site(folder, {})
    except Problems as found:
        return [(problem.place.line, problem.text) for problem in found.problems]
    return []


def test_site_yaml_with_one_wrong_character_is_harmless_or_told(tmp_path):
    text = (SITE / "site.yaml").read_text()
    for at in range(0, len(text), 251):  # more of them: python -m bench.mutations
        for middle in ("", '"', "\t", "}"):
            (tmp_path / "site.yaml").write_text(text[:at] + middle + text[at + 1 :])
            assert problems_of_site(tmp_path) is not None
