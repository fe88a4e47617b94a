"""PDF forms for the tests, and what poppler reads of a PDF."""

import base64
import io
import subprocess
import zlib
from pathlib import Path

from reportlab.pdfgen import canvas

LIBREOFFICE = Path(__file__).parent / "libreoffice.pdf"


def of_reportlab() -> bytes:
    """A form made by reportlab: a text, a check box, radio buttons, a combo box and a list."""
    out = io.BytesIO()
    page = canvas.Canvas(out, invariant=True)
    page.drawString(50, 800, "Nome")
    form = page.acroForm
    form.textfield(name="name", x=150, y=790, width=300, height=20)
    form.checkbox(name="consent", x=150, y=765)
    for number, value in enumerate(("yes", "no")):
        form.radio(name="allergy", value=value, selected=False, x=150 + 40 * number, y=730)
    form.choice(name="language", value="pt", options=[("Português", "pt"), ("English", "en")], x=150, y=690)
    form.listbox(name="side", value="left", options=["left", "right"], x=150, y=620, width=120, height=50)
    page.save()
    return out.getvalue()


def by_hand(*, extra: str = "", catalog: str = "", names: tuple[str, ...] = ("yes", "no")) -> bytes:
    """A form written object by object: a text, radio buttons and a choice list, without any appearance of its text.

    `extra` are further objects, `catalog` further entries of the catalog.
    """
    states = [f"<< /N << /{name} 10 0 R /Off 11 0 R >> >>" for name in names]
    mark = "0 0 14 14 re S q 4 4 6 6 re f Q"
    objects = {
        1: f"<< /Type /Catalog /Pages 2 0 R /AcroForm << /Fields [5 0 R 6 0 R 9 0 R] /DA (/Helv 10 Tf 0 g) "
        f"/DR << /Font << /Helv 4 0 R >> >> >> {catalog} >>",
        2: "<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        3: "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Resources << /Font << /Helv 4 0 R >> >> "
        "/Annots [5 0 R 7 0 R 8 0 R 9 0 R] >>",
        4: "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>",
        5: "<< /Type /Annot /Subtype /Widget /FT /Tx /T (name) /Rect [150 790 450 810] /F 4 /P 3 0 R "
        "/DA (/Helv 10 Tf 0 g) >>",
        6: "<< /FT /Btn /Ff 49152 /T (allergy) /Kids [7 0 R 8 0 R] /V /Off >>",
        7: f"<< /Type /Annot /Subtype /Widget /Parent 6 0 R /Rect [150 730 164 744] /F 4 /AS /Off /AP {states[0]} >>",
        8: f"<< /Type /Annot /Subtype /Widget /Parent 6 0 R /Rect [190 730 204 744] /F 4 /AS /Off /AP {states[1]} >>",
        9: "<< /Type /Annot /Subtype /Widget /FT /Ch /Ff 131072 /T (language) /Rect [150 690 270 710] /F 4 /P 3 0 R "
        "/Opt [[(pt) (Portugues)] [(en) (English)]] /DA (/Helv 10 Tf 0 g) >>",
        10: f"<< /Type /XObject /Subtype /Form /BBox [0 0 14 14] /Length {len(mark)} >>\nstream\n{mark}\nendstream",
        11: "<< /Type /XObject /Subtype /Form /BBox [0 0 14 14] /Length 14 >>\nstream\n0 0 14 14 re S\nendstream",
    }
    return assembled(objects, extra)


def assembled(objects: dict[int, str], extra: str = "") -> bytes:
    """Return a PDF of numbered objects."""
    out = bytearray(b"%PDF-1.7\n")
    offsets = {}
    for number, text in objects.items():
        offsets[number] = len(out)
        out += f"{number} 0 obj\n{text}\nendobj\n".encode("latin-1")
    out += extra.encode("latin-1")
    start = len(out)
    out += f"xref\n0 {len(objects) + 1}\n0000000000 65535 f \n".encode()
    for number in sorted(objects):
        out += f"{offsets[number]:010d} 00000 n \n".encode()
    out += f"trailer << /Size {len(objects) + 1} /Root 1 0 R >>\nstartxref\n{start}\n%%EOF\n".encode()
    return bytes(out)


def in_message(encoded: bytes) -> bytes:
    """Return the PDF that an HL7 message carries (OBX-5, an ED in base64)."""
    return base64.b64decode(encoded.split(b"^Base64^")[1].split(b"|")[0])


def packed(data: bytes, times: int = 1) -> bytes:
    """Return data packed by zlib, perhaps several times over."""
    for _ in range(times):
        data = zlib.compress(data, 1)
    return data


def poppler(tool: str, pdf: bytes, *options: str) -> str:
    """Return what a tool of poppler or qpdf says of a PDF."""
    done = subprocess.run(
        [tool, *options, "-", *(["-"] if tool == "pdftotext" else [])], check=False, input=pdf, capture_output=True
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.decode()


def text_of(pdf: bytes) -> str:
    """Return the text of a PDF as poppler reads it."""
    return poppler("pdftotext", pdf, "-layout")


def is_sound(pdf: bytes, folder: Path) -> bool:
    """Say whether qpdf finds nothing wrong with a PDF."""
    path = folder / "checked.pdf"
    path.write_bytes(pdf)
    return subprocess.run(["qpdf", "--check", path], check=False, capture_output=True).returncode == 0
