"""`plugin-host mapping spec`: the interface specification, written from the mapping file."""

from __future__ import annotations

import csv
import io
import json
import re
from html.parser import HTMLParser

from tests.replay.kit import CHANNEL


def fields(site) -> list[dict[str, str]]:
    result = site.command("mapping", "spec", CHANNEL, "--csv")
    assert result.code == 0, result.err
    return list(csv.DictReader(io.StringIO(result.out)))


def one(found: list[dict[str, str]], field: str) -> dict[str, str]:
    return next(row for row in found if row["field"] == field)


def test_each_field_has_its_name_type_source_and_an_example_of_a_test(site):
    found = fields(site)

    assert one(found, "PID-3") == {
        "destination": "powerserver", "field": "PID-3", "name": "Patient Identifier List", "datatype": "CX",
        "standard": "required", "sent": "always", "events": "all", "source": "%mrn | %patient.identifier",
        "conversion": "as CX, table authorities", "condition": "", "note": "",
        "example": "12345^^^BLUME TEST&2.25.2001&ISO^MR~12345678909^^^CPF&2.16.840.1.113883.13.237&ISO^NI",
    }  # fmt: skip
    assert one(found, "PID-8")["conversion"] == "male → M, female → F, other → O, unknown → U"
    assert one(found, "SCH-2")["sent"] == "when there is one"
    assert one(found, "SCH-11.6")["note"] == "A-22: receivers older than TQ1 read the priority here"
    assert one(found, "MSH-5")["source"] == "“POWERSERVER” (site.yaml: endpoint.receiving_app)"
    assert one(found, "TQ1-7")["source"] == "%appt.start (as SCH-11.4)"
    assert one(found, "NTE-3")["condition"] == "once for each of %appt.comment"


def test_what_differs_by_event_is_a_line_of_each(site):
    reasons = [(row["events"], row["source"]) for row in fields(site) if row["field"] == "SCH-6.1"]

    assert ("request", "“NEW”") in reasons
    assert ("cancel", "%cancel_code") in reasons


def test_what_the_host_writes_is_said_in_its_place(site):
    header = [row["field"] for row in fields(site) if row["field"].startswith("MSH-")]

    assert header == [f"MSH-{number}" for number in (1, 2, 3, 4, 5, 6, 7, 9, 10, 11, 12, 18)]
    assert one(fields(site), "MSH-7")["source"].startswith("the host: ")


def test_every_rule_of_the_file_is_in_it(site):
    text = site.mapping.read_text("utf-8")
    targets = set(re.findall(r"^ {2,6}([A-Z][A-Z0-9]{2}-[\d.]+)(?:\[\])?:", text, re.MULTILINE))
    found = {row["field"] for row in fields(site)}

    assert targets <= found
    assert all(row["source"] for row in fields(site))
    assert [
        row["field"] for row in fields(site) if not row["example"] and not row["source"].startswith("the host")
    ] == []


def test_no_cell_is_a_formula_for_a_spreadsheet(site):
    text = site.mapping.read_text("utf-8").replace("NTE-2: { value: P }", "NTE-2: { value: P, note: =cmd() }")
    site.mapping.write_text(text, "utf-8")

    assert one(fields(site), "NTE-2")["note"] == "'=cmd()"


class Page(HTMLParser):
    """Elements that are opened and closed, addresses, and the text."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.addresses: list[str] = []
        self.text = ""

    def handle_starttag(self, tag, attributes):
        if tag != "meta":
            self.open.append(tag)
        self.addresses += [value for name, value in attributes if name in {"src", "href"}]
        assert not [name for name, _ in attributes if name.startswith("on")]

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data


def test_the_page_needs_nothing_else_and_can_be_signed(site, tmp_path):
    result = site.command("mapping", "spec", CHANNEL, "--html", tmp_path / "made" / "spec.html")
    page = Page()
    page.feed((tmp_path / "made" / "spec.html").read_text("utf-8"))

    assert result.code == 0
    assert page.open == []
    assert page.addresses == []
    said = ("Blume appointments → PowerServer", "Patient Identifier List", "MODALITY_MISMATCH", "signature", "%mrn")
    assert [text for text in (*said, "MR70551", "an MR resource takes no CT") if text not in page.text] == []


def test_what_stands_in_a_file_is_never_markup(site, tmp_path):
    text = site.mapping.read_text("utf-8").replace("title: Blume appointments", "title: <script>alert(1)</script>")
    site.mapping.write_text(text, "utf-8")
    site.command("mapping", "spec", CHANNEL, "--html", tmp_path / "spec.html")

    assert "<script>" not in (tmp_path / "spec.html").read_text("utf-8")


def test_a_channel_that_is_not_there_or_not_fit_is_told(site):
    assert site.command("mapping", "spec", "appointment-to-powerservr").code == 2
    site.mapping.write_text(site.mapping.read_text("utf-8").replace("PID-8: {", "PID-88: {"), "utf-8")
    assert site.command("mapping", "spec", CHANNEL).code == 3


def test_a_mapping_from_hl7_is_told_in_the_words_of_both_sides(site):
    example = next(site.folder.rglob("appointment-to-blume.yaml"))
    found = list(csv.DictReader(io.StringIO(site.command("mapping", "spec", example, "--csv").out)))
    status = [(row["events"], row["source"]) for row in found if row["field"] == "Appointment.status"]
    (service,) = [row for row in found if row["field"] == "Appointment.serviceType"]
    display = [row["condition"] for row in found if row["field"] == "Appointment.participant.actor.display"]

    ((events, told),) = status
    assert events.startswith("book, book_confirmed, requested,")
    assert told == "%status"
    assert (service["source"], service["conversion"]) == ("AIS-3", "as CodeableConcept, table code_systems")
    assert (service["datatype"], service["standard"], service["events"]) == (
        "CodeableConcept", "optional", "book, book_confirmed"
    )  # fmt: skip
    assert json.loads(service["example"])["coding"][0]["code"] == "CT01"
    assert {"%moved_to = exists", "once for each AIG", "once for each AIL"} <= set(display)

    result = site.command("mapping", "spec", example, "--html", site.folder / "spec.html")
    page = Page()
    page.feed((site.folder / "spec.html").read_text("utf-8"))
    assert result.code == 0
    assert page.open == []
    for words in (
        "SIU^S12, SIU^S13",
        "found by",
        "%change = booked and %ps_state = CONFIRMED",
        "the message is refused",
    ):
        assert words in page.text


def test_the_page_says_what_the_tests_touch_and_marks_the_lines_that_none_does(site):
    site.command("mapping", "spec", CHANNEL, "--html", site.folder / "before.html")
    before = (site.folder / "before.html").read_text("utf-8").count("<mark>")  # rows that other channels touch
    text = site.mapping.read_text("utf-8")
    new = '  PID-19: { from: "%patient.language" }\n'
    site.mapping.write_text(text.replace("  PID-8:", f"{new}  PID-8:"), "utf-8")
    with (site.folder / "tables" / "ordersets.csv").open("a") as table:
        table.write("XR1,CHEST,CT\n")
    site.command("mapping", "spec", CHANNEL, "--html", site.folder / "spec.html")
    written = (site.folder / "spec.html").read_text("utf-8")
    page = Page()
    page.feed(written)

    line = site.mapping.read_text("utf-8").splitlines().index(new.strip("\n")) + 1
    assert re.search(rf"<mark> *{line}  +PID-19: .*</mark>.*no test: the rule of PID-19", written)
    row = len((site.folder / "tables" / "ordersets.csv").read_text().splitlines())
    assert f"mappings/tables/ordersets.csv, line {row}: no test: the row XR1" in page.text
    assert written.count("<mark>") == before + 2
    assert "mappings/fragments/pid.yaml" in page.text
    assert re.search(r"rules</th><td>\d+</td><td>\d+</td><td>9\d %</td>", written)
