"""Forms and PDFs that mean harm are refused with a reason, or lose what is harmful; memory stays bounded."""

import json
import subprocess
import sys

import pytest

from tests.forms import hostile, pdf_kit


@pytest.fixture(scope="module")
def mapping():
    return hostile.transformer()


@pytest.fixture
def workplace(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("name", hostile.FORMS)
def test_a_hostile_form_is_refused_with_a_reason(name, mapping, workplace):
    make, expected = hostile.FORMS[name]

    found = hostile.codes_of(mapping, make())

    if expected == hostile.HARMLESS:
        pdf = pdf_kit.in_message(found)
        assert not any(word in pdf for word in hostile.ACTIVE)
        assert b"passwd" not in found.split(b"^Base64^")[0]
    else:
        assert expected in found
    assert list(workplace.iterdir()) == []


def test_the_template_s_own_language_is_only_text(mapping):
    found = hostile.codes_of(mapping, hostile.said('#read("/etc/passwd") *bold* $1/0$'))
    pdf = pdf_kit.in_message(found)

    assert '#read("/etc/passwd") *bold* $1/0$' in pdf_kit.text_of(pdf)


@pytest.mark.parametrize("name", hostile.PDFS)
def test_a_hostile_pdf_is_refused_or_loses_what_is_harmful(name, workplace):
    make, expected = hostile.PDFS[name]

    found = hostile.taken(make())

    if expected == hostile.HARMLESS:
        (workplace / "taken.pdf").write_bytes(found)
        command = ["qpdf", "--qdf", "--object-streams=disable", "taken.pdf", "-"]
        plain = subprocess.run(command, capture_output=True, check=True).stdout
        assert [word for word in hostile.ACTIVE if word in plain] == []
        assert [
            word for word in (b"/JavaScript", b"/Launch", b"/SubmitForm", b"/XFA", b"/EmbeddedFiles") if word in make()
        ]
    else:
        assert found == [expected]


def test_forty_are_refused_and_none_takes_sixty_four_megabytes():
    done = subprocess.run(
        [sys.executable, "-m", "tests.forms.hostile"],
        capture_output=True,
        text=True,
        check=False,
        cwd=hostile.form_kit.SITE.parent,
    )
    assert done.returncode == 0, done.stderr
    figures = json.loads(done.stdout)

    assert figures["refused"] >= 40
    assert figures["bytes"] < 64 * hostile.MEBIBYTE, figures["worst"]
