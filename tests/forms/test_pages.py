"""A form's page: as it was looked at, archivable, accessible, the same each time, and with every answer on it."""

import subprocess

import pikepdf
import pytest
from PIL import Image

from messages.problem import Problems
from tests.forms import pdf_kit, pictures
from transformers import form_answers, form_to_pdf
from transformers.form_words import Words

#: Of 255, on average over a page: fonts may be smoothed in another way, a word more or less is far above.
TOLERANCE = 4.0


@pytest.fixture(scope="module")
def pdfs():
    return {name: pictures.pdf_of(name) for name in pictures.FORMS}


@pytest.mark.parametrize("name", pictures.FORMS)
def test_the_pages_look_as_they_were_approved(name, pdfs, tmp_path):
    pages = pictures.pages(pdfs[name], tmp_path)
    approved = [Image.open(path) for path in sorted(pictures.FOLDER.glob(f"{name}-*.png"))]

    assert len(pages) == len(approved)
    for page, other in zip(pages, approved, strict=True):
        assert pictures.difference(page, other) < TOLERANCE


def test_the_tolerance_sees_another_answer(pdfs, tmp_path):
    (one,) = pictures.pages(pdfs["one-line"], tmp_path / "one")
    (other,) = pictures.pages(pdfs["emoji"], tmp_path / "other")

    assert pictures.difference(one, other) > TOLERANCE


@pytest.mark.parametrize("name", pictures.FORMS)
def test_a_page_is_tagged_archivable_and_has_its_fonts_with_it(name, pdfs, tmp_path):
    path = tmp_path / "form.pdf"
    path.write_bytes(pdfs[name])
    fonts = subprocess.run(["pdffonts", path], capture_output=True, text=True, check=True).stdout.splitlines()[2:]
    with pikepdf.Pdf.open(path) as document, document.open_metadata() as metadata:
        claimed = metadata.get("pdfaid:part"), metadata.get("pdfaid:conformance"), metadata.get("pdfuaid:part")
        language, intents = str(document.Root.Lang), len(document.Root.OutputIntents)
        is_tagged = bool(document.Root.MarkInfo.Marked)

    assert pdf_kit.is_sound(pdfs[name], tmp_path)
    assert claimed == ("2", "A", "1")
    assert (is_tagged, intents) == (True, 1)
    assert language[:2] in ("en", "pt")
    assert fonts
    assert all(line.split()[-5:-2] == ["yes", "yes", "yes"] for line in fonts)  # embedded, subset, with Unicode


def test_the_same_form_gives_the_same_bytes(pdfs):
    assert pictures.pdf_of("six-pages") == pdfs["six-pages"]


def test_every_answer_stands_on_the_page(pdfs):
    text = "".join(pdf_kit.text_of(pdfs["six-pages"]).split())
    response, questionnaire = pictures.long()
    form = form_answers.read_form(response, questionnaire, Words("en", "UTC"))
    answers = [answer for question in form.all() for answer in question.answers]

    assert len(answers) > 90
    assert [answer for answer in answers if "".join(answer.split()) not in text] == []
    assert "Notanswered" in text


@pytest.mark.parametrize(
    ("name", "texts"),
    [
        ("portuguese", ["Alergia a contraste?", "Iodo – reação leve", "Respondido em", "Página 1 de 1"]),
        ("emoji", ["😀", "[face with thermometer]", "☑"]),
        ("right-to-left", ["Name of your physician", "BLUME TEST"]),
    ],
)
def test_poppler_reads_what_was_written(name, texts, pdfs):
    found = pdf_kit.text_of(pdfs[name])

    assert [text for text in texts if text not in found] == []


def test_a_word_that_is_longer_than_a_line_is_broken_and_not_cut(pdfs):
    lines = pdf_kit.text_of(pdfs["wide"]).splitlines()

    assert pictures.ADDRESS in "".join(line.strip() for line in lines)
    assert max(map(len, lines)) < 120


def test_every_page_says_whose_it_is(pdfs):
    found = pdf_kit.text_of(pdfs["six-pages"]).split("\f")

    assert len(found) == 6 + 1
    assert all("Jane Doe" in page and "12345" in page and "2 Jan 1980" in page for page in found[:6])


def test_letters_from_right_to_left_are_read_in_their_order(pdfs):
    found = pdf_kit.poppler("pdftotext", pdfs["right-to-left"])
    marks = "\u200e\u200f\u202a\u202b\u202c\u2066\u2067\u2069"
    plain = "".join(letter for letter in found if letter not in marks)

    assert "שרה כהן" in plain
    assert "רחל לוי" in plain


def test_pictures_go_into_the_pdf_without_loss(pdfs, tmp_path):
    (tmp_path / "form.pdf").write_bytes(pdfs["six-pages"])
    said = subprocess.run(["pdfimages", "-list", tmp_path / "form.pdf"], capture_output=True, text=True, check=True)

    assert ["jpeg" in line for line in said.stdout.splitlines() if "640" in line] == [True]


def test_a_site_may_have_its_own_template():
    template = '#let form = json("/form.json")\n#set document(title: form.title)\n#set text(font: form.fonts)\n'
    template += "= Clinic\n#form.digest"
    response, questionnaire = pictures.one_line()
    words = Words("en", "UTC")
    form = form_answers.read_form(response, questionnaire, words)
    pdf = form_to_pdf.render(form, form_to_pdf.Heading(lines=[]), words, form_to_pdf.Press(template=template))

    assert form.digest in pdf_kit.text_of(pdf)


def test_a_template_that_cannot_be_set_says_so_and_not_what_the_patient_wrote():
    response, questionnaire = pictures.one_line()
    words = Words("en", "UTC")
    form = form_answers.read_form(response, questionnaire, words)
    press = form_to_pdf.Press(template='#panic(json("/form.json").questions.first().answers.first())')

    with pytest.raises(Problems, match="FORM_UNPRINTABLE") as caught:
        form_to_pdf.render(form, form_to_pdf.Heading(lines=[]), words, press)
    assert "Penicillin" not in str(caught.value)
