"""PDF forms of three producers are filled in, made flat, and every value is read back."""

import subprocess

import pytest

from messages.problem import Problems
from tests.forms import pdf_kit
from transformers.pdf_form import Answer, filled, finished
from transformers.pdf_safety import Limits

LIMITS = Limits(size=5_000_000, pages=20)
NAME = "José Conceição Müller"

PRODUCERS = {
    "reportlab": (pdf_kit.of_reportlab, "consent", "side"),
    "by hand": (pdf_kit.by_hand, None, None),
    "LibreOffice": (pdf_kit.LIBREOFFICE.read_bytes, "consent", None),
}


def answers(box, side):
    found = {"name": [Answer(NAME)], "allergy": [Answer("Não", "no")], "language": [Answer("English", "en")]}
    found |= {box: [Answer("true")]} if box else {}
    return found | ({side: [Answer("right")]} if side else {})


def points(pdf, folder, area):
    """Return how dark an area of the first page is: (x, y, width, height) in points, from the top left."""
    x, y, width, height = (str(part) for part in area)
    source = folder / "page.pdf"
    source.write_bytes(pdf)
    command = ["pdftoppm", "-r", "72", "-gray", "-x", x, "-y", y, "-W", width, "-H", height, source]
    picture = subprocess.run(command, capture_output=True, check=True).stdout
    return sum(255 - point for point in picture.split(b"\n", 3)[3])


@pytest.mark.parametrize("producer", PRODUCERS)
def test_every_value_is_read_back_by_poppler(producer, tmp_path):
    make, box, side = PRODUCERS[producer]

    pdf = filled(make(), answers(box, side), LIMITS)

    text = pdf_kit.text_of(pdf)
    assert NAME in text
    assert "English" in text
    assert "Português" not in text
    assert ("right" in text, "left" in text) == (side is not None, False)
    assert pdf_kit.is_sound(pdf, tmp_path)
    assert b"/AcroForm" not in pdf
    assert b"/Annots" not in pdf


def test_the_chosen_radio_button_is_marked_and_the_other_is_not(tmp_path):
    chosen, other = (150, 842 - 744, 14, 14), (190, 842 - 744, 14, 14)
    yes = filled(pdf_kit.by_hand(), {"allergy": [Answer("Sim", "yes")]}, LIMITS)
    no = filled(pdf_kit.by_hand(), {"allergy": [Answer("Não", "no")]}, LIMITS)

    assert points(yes, tmp_path, chosen) > 2 * points(yes, tmp_path, other)
    assert points(no, tmp_path, other) > 2 * points(no, tmp_path, chosen)


def test_the_same_answers_give_the_same_bytes():
    make, box, side = PRODUCERS["reportlab"]

    assert filled(make(), answers(box, side), LIMITS) == filled(make(), answers(box, side), LIMITS)


def test_a_pdf_that_is_finished_keeps_its_values_and_loses_its_form():
    import io

    from pypdf import PdfReader, PdfWriter

    writer = PdfWriter(clone_from=PdfReader(io.BytesIO(pdf_kit.of_reportlab())))
    writer.update_page_form_field_values(writer.pages[0], {"name": "Maria"}, auto_regenerate=False)
    out = io.BytesIO()
    writer.write(out)

    pdf = finished(out.getvalue(), LIMITS)

    assert "Maria" in pdf_kit.text_of(pdf)
    assert b"/AcroForm" not in pdf


@pytest.mark.parametrize(
    ("given", "code"),
    [
        ({"unknown": [Answer("x")]}, "PDF_FIELD_UNKNOWN"),
        ({"allergy": [Answer("perhaps", "perhaps")]}, "PDF_FIELD_VALUE"),
        ({"language": [Answer("Klingon", "tlh")]}, "PDF_FIELD_VALUE"),
        ({"name": [Answer("漢字")]}, "PDF_FIELD_LOST"),
        ({"name": [Answer("far too much for one line " * 40)]}, "PDF_FIELD_VALUE"),
    ],
)
def test_an_answer_is_never_lost_silently(given, code):
    with pytest.raises(Problems) as caught:
        filled(pdf_kit.of_reportlab(), given, LIMITS)

    assert [problem.code for problem in caught.value.problems] == [code]
    assert not any(
        answer.text in str(caught.value) for values in given.values() for answer in values if answer.text != "x"
    )


def test_a_long_answer_fits_into_a_field_of_several_lines():
    story = " ".join(f"word{number}" for number in range(12))
    pdf = filled(pdf_kit.LIBREOFFICE.read_bytes(), {"history": [Answer(story)]}, LIMITS)

    assert "".join(story.split()) in "".join(pdf_kit.text_of(pdf).split())
