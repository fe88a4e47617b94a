"""Forms whose pages were looked at, and their pictures.

`python -m tests.forms.pictures` makes the pictures anew, for a person to look at before they are kept.
"""

import io
import math
import subprocess
import sys
from pathlib import Path

from PIL import Image, ImageChops, ImageDraw, ImageStat

from tests.forms import form_kit
from transformers import form_answers, form_to_pdf
from transformers.form_to_pdf import Heading, Press
from transformers.form_words import Words

FOLDER = Path(__file__).parent / "pictures"
#: Points an inch: enough to see a wrong letter, few enough for small files.
RESOLUTION = 50
CONTROL = "http://hl7.org/fhir/StructureDefinition/questionnaire-itemControl"
SIGNED = "http://hl7.org/fhir/StructureDefinition/questionnaire-signatureRequired"


def form(title, items, answers, language="en", **more):
    """Return (response, questionnaire)."""
    questionnaire = {"resourceType": "Questionnaire", "title": title, "version": "1", "item": items, **more}
    response = {
        "resourceType": "QuestionnaireResponse", "status": "completed", "item": answers, "language": language,
        "authored": "2025-11-20T15:29:00-03:00",
    }  # fmt: skip
    return response, questionnaire


def line(name, text, answer):
    return {"linkId": name, "type": "string", "text": text}, {"linkId": name, "answer": [{"valueString": answer}]}


def choice(name, text, options, *chosen, **more):
    offered = [{"valueCoding": {"code": one, "display": one}} for one in options]
    item = {"linkId": name, "type": "choice", "text": text, "answerOption": offered, **more}
    return item, {"linkId": name, "answer": [{"valueCoding": {"code": one, "display": one}} for one in chosen]}


def photo(width, height):
    """A picture as a telephone would take it: colours that run, and a circle."""
    picture = Image.new("RGB", (width, height))
    for x in range(width):
        ImageDraw.Draw(picture).line([(x, 0), (x, height)], fill=(x * 255 // width, 90, 160))
    ImageDraw.Draw(picture).ellipse([width // 4, height // 4, width * 3 // 4, height * 3 // 4], fill=(240, 240, 200))
    out = io.BytesIO()
    picture.save(out, "JPEG", quality=60)
    return out.getvalue()


def signature():
    """A signature as a portal draws it: a line on nothing."""
    picture = Image.new("LA", (300, 90), (0, 0))
    points = [(x, 45 + 30 * math.sin(x / 14) * math.cos(x / 40)) for x in range(20, 280)]
    ImageDraw.Draw(picture).line(points, fill=(0, 255), width=3)
    out = io.BytesIO()
    picture.save(out, "PNG")
    return out.getvalue()


def attached(data, mime="image/jpeg"):
    import base64

    return {"valueAttachment": {"contentType": mime, "data": base64.b64encode(data).decode()}}


def one_line():
    item, answer = line("1", "Do you have any allergy?", "Penicillin")
    return form("Allergies", [item], [answer])


def long():
    """Six pages: groups, grids, subcategories, pictures, a signature."""
    items, answers = [], []
    for part in range(1, 6):
        inner, given = [], []
        for number in range(1, 19):
            item, answer = line(
                f"{part}.{number}", f"Question {number} of part {part}?", f"Answer {number}. " * (number % 6 + 1)
            )
            inner.append(item)
            given.append(answer)
        items.append(
            {
                "linkId": f"g{part}",
                "type": "group",
                "text": f"Part {part}: history",
                "prefix": f"{part}.",
                "item": inner,
            }
        )
        answers.append({"linkId": f"g{part}", "item": given})
    columns = ["Never", "Sometimes", "Often"]
    rows = [choice(f"r{n}", f"How often did you feel sign {n}?", columns, columns[n % 3]) for n in range(1, 9)]
    table = {"url": CONTROL, "valueCodeableConcept": {"coding": [{"code": "gtable"}]}}
    items.append(
        {
            "linkId": "grid",
            "type": "group",
            "text": "In the last week",
            "extension": [table],
            "item": [r[0] for r in rows],
        }
    )
    answers.append({"linkId": "grid", "item": [r[1] for r in rows]})
    item, answer = choice("m", "Do you smoke?", ["Yes", "No"], "Yes")
    item["item"] = [line("m.1", "Since when?", "")[0]]
    answer["answer"][0]["item"] = [line("m.1", "", "1999")[1]]
    items += [item, choice("c", "Which of these?", ["Asthma", "Diabetes", "Gout"], "Asthma", "Gout", repeats=True)[0]]
    answers += [answer, choice("c", "", [], "Asthma", "Gout")[1]]
    items.append({"linkId": "p", "type": "attachment", "text": "A photograph of the place"})
    answers.append({"linkId": "p", "answer": [attached(photo(640, 480))]})
    items.append(
        {
            "linkId": "s",
            "type": "attachment",
            "text": "Signature",
            "extension": [{"url": SIGNED, "valueCodeableConcept": {"text": "patient"}}],
        }
    )
    answers.append({"linkId": "s", "answer": [attached(signature(), "image/png")]})
    items.append({"linkId": "o", "type": "date", "text": "Next visit, if you know it"})
    return form(
        "Questionnaire before magnetic resonance imaging", items, answers, description="Please answer everything."
    )


def portuguese():
    document = form_kit.bundle("clinical")
    return form_kit.resource(document, "QuestionnaireResponse"), form_kit.resource(document, "Questionnaire")


def three_hundred():
    text = "Desde a infância tenho reação à penicilina, com vermelhidão, coceira e falta de ar. " * 4
    item = {"linkId": "1", "type": "text", "text": "Conte a história da sua alergia"}
    return form(
        "Alergias", [item], [{"linkId": "1", "answer": [{"valueString": f"{text[:180]}\n\n{text[180:300]}"}]}], "pt-BR"
    )


def right_to_left():
    item, answer = line("1", "Name of your physician", "ד״ר רחל לוי")
    other, more = line("2", "Name as in the passport", "محمد عبد الله")
    return form("Names", [item, other], [answer, more])


def emoji():
    item, answer = line("1", "How do you feel today?", "😀 fine, ☑ slept, 🤒 no fever ❤")
    return form("Mood", [item], [answer])


ADDRESS = f"https://example.org/{'apathwithoutanend' * 12}"


def wide():
    """What has no room: a word longer than a line, a grid of eight columns, three levels of subcategories."""
    item, answer = line("1", "Which page has your earlier images?", ADDRESS)
    columns = ["Never in my life", "Sometimes", "Often", "Uncharacteristically", "Constantly", "Unknown", "Other", "No"]
    rows = [choice(f"r{n}", f"How often did you feel that sign {n} was there?", columns, columns[n]) for n in range(3)]
    table = {"url": CONTROL, "valueCodeableConcept": {"coding": [{"code": "gtable"}]}}
    grid = {"linkId": "g", "type": "group", "text": "Signs", "extension": [table], "item": [row[0] for row in rows]}
    levels = [choice(f"l{n}", f"Level {n}?", ["Yes", "A sentence that wraps. " * 6], "Yes") for n in range(3)]
    for (outer, given), (inner, under) in zip(levels[-2::-1], levels[:0:-1], strict=True):
        outer["item"], given["answer"][0]["item"] = [inner], [under]
    items, answers = [item, grid, levels[0][0]], [answer, {"linkId": "g", "item": [r[1] for r in rows]}, levels[0][1]]
    return form("A form with a title that is longer than a line of its page can be", items, answers)


FORMS = {
    "one-line": (one_line, "Jane Doe"),
    "six-pages": (long, "Jane Doe"),
    "portuguese": (portuguese, "José da Silva Conceição"),
    "three-hundred": (three_hundred, "José da Silva Conceição"),
    "right-to-left": (right_to_left, "שרה כהן"),
    "emoji": (emoji, "Jane 😀 Doe"),
    "wide": (wide, "Ana Beatriz Constantinopolitana de Albuquerque e Vasconcelos Cavalcanti da Conceição " * 2),
}


def pdf_of(name):
    """Return the PDF of one of the forms."""
    make, patient = FORMS[name]
    response, questionnaire = make()
    words = Words(response.get("language") or questionnaire.get("language", "en"), "America/Sao_Paulo")
    read = form_answers.read_form(response, questionnaire, words)
    lines = [
        ("patient", patient), ("identifier", "12345"), ("issuer", "BLUME TEST"),
        ("birth_date", words.date("1980-01-02")), ("form_version", read.version),
        ("authored", words.moment(read.authored)),
    ]  # fmt: skip
    return form_to_pdf.render(read, Heading(lines=lines), words, Press(template=form_to_pdf.own_template()))


def pages(pdf, folder, resolution=RESOLUTION):
    """Return the pictures of a PDF's pages, as poppler draws them."""
    folder.mkdir(exist_ok=True, parents=True)
    source = folder / "form.pdf"
    source.write_bytes(pdf)
    subprocess.run(["pdftoppm", "-r", str(resolution), "-gray", "-png", source, folder / "page"], check=True)
    return [Image.open(path) for path in sorted(folder.glob("page-*.png"))]


def difference(one, other):
    """Return by how much two pictures differ on average, of 255; other sizes differ in all."""
    if one.size != other.size:
        return 255.0
    return ImageStat.Stat(ImageChops.difference(one.convert("L"), other.convert("L"))).rms[0]


def main():
    """Make the pictures anew."""
    import tempfile

    for name in FORMS:
        with tempfile.TemporaryDirectory() as folder:
            for number, page in enumerate(pages(pdf_of(name), Path(folder)), 1):
                page.quantize(16).save(FOLDER / f"{name}-{number}.png", optimize=True)
        sys.stdout.write(f"{name}\n")


if __name__ == "__main__":
    main()
