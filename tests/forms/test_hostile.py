"""Forms and PDFs that mean harm are refused with a reason, or lose what is harmful; memory stays bounded."""

import base64
import json
import os
import subprocess
import sys

import pytest

from tests.cli.console_script import ROOT
from tests.forms import hostile, pdf_kit

CASES = {**hostile.FORMS, **hostile.PDFS}
TAKEN = [name for name, (_, expected) in CASES.items() if expected == hostile.HARMLESS]


@pytest.fixture(scope="module")
def workplace(tmp_path_factory):
    """An empty folder, in which all cases have been run by one process."""
    return tmp_path_factory.mktemp("hostile")


@pytest.fixture(scope="module")
def outcomes(workplace):
    done = subprocess.run(
        [sys.executable, "-m", "tests.forms.hostile"], capture_output=True, text=True, check=False, cwd=workplace,
        env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize("name", [name for name in CASES if name not in TAKEN])
def test_what_is_hostile_is_refused_with_a_reason(name, outcomes):
    _, expected = CASES[name]

    assert expected in outcomes[name]["codes"]
    assert name in hostile.FORMS or outcomes[name]["codes"] == [expected]


@pytest.mark.parametrize("name", [name for name in TAKEN if name in hostile.FORMS])
def test_a_form_that_is_taken_has_nothing_active_and_no_path_name_in_its_message(name, outcomes):
    found = outcomes[name]

    assert found["codes"] == []
    assert not any(word in base64.b64decode(found["pdf"]) for word in hostile.ACTIVE)
    assert "passwd" not in found["message"].split("^Base64^")[0]
    assert ".." not in found["message"].split("^Base64^")[0]


@pytest.mark.parametrize("name", [name for name in TAKEN if name in hostile.PDFS])
def test_a_pdf_that_is_taken_has_lost_what_was_harmful(name, outcomes, tmp_path):
    make, _ = hostile.PDFS[name]
    (tmp_path / "taken.pdf").write_bytes(base64.b64decode(outcomes[name]["pdf"]))
    command = ["qpdf", "--qdf", "--object-streams=disable", tmp_path / "taken.pdf", "-"]
    plain = subprocess.run(command, capture_output=True, check=True).stdout

    assert [word for word in hostile.ACTIVE if word in plain] == []
    assert [word for word in (b"/JavaScript", b"/Launch", b"/SubmitForm", b"/XFA", b"/EmbeddedFiles") if word in make()]


def test_the_template_s_own_language_is_only_text():
    found = hostile.sent(hostile.transformer(), hostile.said('#read("/etc/passwd") *bold* $1/0$'))

    assert '#read("/etc/passwd") *bold* $1/0$' in pdf_kit.text_of(pdf_kit.in_message(found))


def test_forty_are_refused_none_takes_sixty_four_megabytes_and_nothing_is_written(outcomes, workplace):
    worst = max(outcomes, key=lambda name: outcomes[name]["bytes"])

    assert sum(bool(found["codes"]) for found in outcomes.values()) >= 40
    assert outcomes[worst]["bytes"] < 64 * hostile.MEBIBYTE, worst
    assert list(workplace.iterdir()) == []
