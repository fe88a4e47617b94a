"""What the fonts cannot draw is told, never shown as a box or left out; a site's own fonts draw more."""

import shutil
import struct
import subprocess

import pytest

from messages.problem import Problems
from tests.cli.console_script import edit
from tests.forms import form_kit, hostile, pdf_kit
from transformers import form_fonts
from transformers.form_fonts import OWN, Drawable
from transformers.mapping_check import check_mapping
from transformers.mapping_site import load_site

MAPPING = "form-to-document-viewer.yaml"
HERE = '  form: "%questionnaire"\n'
#: Letters that our fonts do not have.
HAN = "漢字"


def clinic_sans():
    """Return a font that has Han letters: ours under another name, one group of its letters moved (cmap format 12)."""
    data = bytearray((OWN / "DejaVuSans.ttf").read_bytes())
    for coding in ("utf-16-be", "latin-1"):
        data = data.replace("DejaVu Sans".encode(coding), "Clinic Sans".encode(coding))
        data = data.replace("DejaVuSans".encode(coding), "ClinicSans".encode(coding))
    first = form_fonts._character_map(bytes(data))
    assert struct.unpack_from(">H", data, first) == (12,)
    for at in range(first + 16, first + 16 + 12 * struct.unpack_from(">I", data, first + 12)[0], 12):
        start, end, glyph = struct.unpack_from(">III", data, at)
        if start > ord(max(HAN)):
            low = ord(min(HAN))
            assert end - start >= 2
            struct.pack_into(">III", data, at, low, low, glyph)
            struct.pack_into(">III", data, at + 12, ord(max(HAN)), ord(max(HAN)), glyph + 1)
            return bytes(data)
    raise AssertionError("no group to move")


@pytest.fixture
def site(tmp_path):
    folder = shutil.copytree(form_kit.SITE, tmp_path / "mappings")
    (folder / "fonts").mkdir()
    return folder


def mapping(site, family="Clinic Sans"):
    """Return the shipped mapping with the site's fonts, compiled."""
    edit(site / MAPPING, HERE, f'{HERE}  fonts: {{ folder: fonts, families: ["{family}"] }}\n')
    return check_mapping(site / MAPPING, load_site(site, {}, hostile.kinds()))


@pytest.mark.parametrize("family", ["Clinic Sans", "Clinick Sans"])
def test_letters_that_only_a_font_of_the_site_has_are_drawn_even_if_its_name_is_mistyped(site, family, tmp_path):
    (site / "fonts" / "clinic.ttf").write_bytes(clinic_sans())
    found = hostile.codes_of(hostile.compiled(mapping(site, family)), hostile.said(f"My name is {HAN}."))
    pdf = pdf_kit.in_message(found)

    (tmp_path / "form.pdf").write_bytes(pdf)
    fonts = subprocess.run(["pdffonts", tmp_path / "form.pdf"], capture_output=True, text=True, check=True).stdout
    assert "ClinicSans" in fonts
    assert f"My name is {HAN}." in pdf_kit.text_of(pdf)
    assert pdf_kit.is_sound(pdf, tmp_path)


def test_without_it_the_form_is_parked_with_the_script_and_without_the_letters():
    with pytest.raises(Problems, match="no font draws cjk letters") as caught:
        hostile.sent(hostile.transformer(), hostile.said(f"My name is {HAN}."))

    assert [problem.code for problem in caught.value.problems] == ["FORM_UNPRINTABLE"]
    assert not set(HAN) & set(str(caught.value))


@pytest.mark.parametrize("where", ["patient", "title", "question"])
def test_a_letter_that_no_font_has_is_refused_wherever_it_stands(where):
    document = form_kit.bundle("registration")
    if where == "patient":
        form_kit.resource(document, "Patient")["name"] = [{"family": HAN}]
    elif where == "title":
        form_kit.resource(document, "Questionnaire")["title"] = HAN
    else:
        form_kit.resource(document, "Questionnaire")["item"][0]["text"] = HAN

    assert hostile.codes_of(hostile.transformer(), form_kit.body(document)) == ["FORM_UNPRINTABLE"]


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("🤒", "[face with thermometer]"),
        ("\U0001faf9", "[U+1FAF9]"),  # of a later Unicode
        ("\uf8ff", "[U+F8FF]"),  # of a maker's own
        ("a\u0301", "á"),
        ("a\u200bb\tc\r\n", "ab c\n"),
    ],
)
def test_what_is_no_letter_is_written_in_words_or_by_its_number(text, shown):
    assert Drawable().text(text) == shown


@pytest.mark.parametrize(("file", "body"), [("readme.txt", b"no font"), (None, b"")])
def test_a_folder_without_a_font_is_refused_by_the_check(site, file, body):
    if file:
        (site / "fonts" / file).write_bytes(body)

    assert [problem.code for problem in mapping(site).problems] == ["E491"]


def test_a_file_that_is_no_font_is_refused_by_the_check(site):
    (site / "fonts" / "clinic.ttf").write_bytes(b"no font at all")

    assert [problem.code for problem in mapping(site).problems] == ["E491"]
