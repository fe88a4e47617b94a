"""Mappings at work: what the rules of tests/mapping_site/base.yaml, edited, make of a document."""

import copy
import json
from datetime import datetime
from pathlib import Path

import pytest

from messages.problem import Problems
from transformers.base import Filtered, Given
from transformers.er7 import parse
from transformers.fhir_to_hl7 import compile_plan
from transformers.mapping_check import check_mapping
from transformers.mapping_examples import change
from transformers.mapping_site import load_site

SITE = Path(__file__).parent / "mapping_site"
BASE = (SITE / "base.yaml").read_text()
DOCUMENT = json.loads((SITE / "samples/request.json").read_text())
NOW = datetime.fromisoformat("2025-11-20T15:30:00.120-03:00")
APPOINTMENT, PATIENT, ORDER = (f"/entry/{number}/resource" for number in range(3))


class Mapped:
    """The base mapping with some texts replaced, and what it makes of a document."""

    def __init__(self, folder: Path, *edits: tuple[str, str]) -> None:
        text = BASE
        for old, new in edits:
            assert text.count(old) == 1, old
            text = text.replace(old, new)
        (folder / "m.yaml").write_text(text)
        checked = check_mapping(folder / "m.yaml", load_site(SITE, {}), "m.yaml")
        assert checked.plan is not None, "\n".join(map(str, checked.problems))
        self.transformer = compile_plan(json.loads(json.dumps(checked.plan)))

    def result(self, changes=None, *, known=False, asked=False):
        document = copy.deepcopy(DOCUMENT)
        for pointer, value in (changes or {}).items():
            document = change(document, pointer, value)
        given = Given(now=NOW, control_id="C1", destination="ris", focus=0, known=known, asked=asked)
        return self.transformer.transform(document, given)

    def lines(self, changes=None, *, known=False) -> list[str]:
        return self.result(changes, known=known).encoded.decode().rstrip("\r").split("\r")

    def line(self, name: str, changes=None) -> str | None:
        return next((line for line in self.lines(changes) if line.startswith(name)), None)

    def problems(self, changes=None) -> list[str]:
        with pytest.raises(Problems) as caught:
            self.result(changes)
        return [str(problem) for problem in caught.value.problems]


@pytest.fixture
def mapped(tmp_path):
    return lambda *edits: Mapped(tmp_path, *edits)


def in_map(lines: str) -> tuple[str, str]:
    """Add lines to the base's map:, before PID-8."""
    return "  PID-8:", f"{lines}\n  PID-8:"


def test_the_base_mapping_makes_a_whole_message(mapped):
    assert mapped().lines() == [
        r"MSH|^~\&|BLUME^2.25.1001^ISO||||20251120153000.120-0300||SIU^S12^SIU_S12|C1|P|2.5.1||||||UNICODE UTF-8",
        "SCH|A1^HOSPITAL^2.25.1^ISO|||||NEW|||60||^^^20251201090000-0300|||||^Portal||||^Portal",
        "PID|||1^^^HOSPITAL&2.25.1&ISO^MR||Sousa^Ana^^^^^L|||F",
        "RGS|1|A",
        "AIS|1||CTHEAD",
    ]


def test_rules_differ_by_action(mapped):
    lines = mapped().lines({f"{APPOINTMENT}/status": "cancelled"})

    assert lines[0].split("|")[8] == "SIU^S15^SIU_S12"
    assert lines[1].split("|")[6] == "CANCELLED"
    assert lines[3:] == ["RGS|1|D"]


def test_what_comes_from_a_message_is_one_text_whatever_its_characters(mapped):
    comment = "Pain | left ^ knee\r\nMSH|^~\\&"
    note = 'NTE[]: { for: "%appt.comment", name: note, map: { NTE-1: { number: true }, NTE-3: { from: "%note" } } }'

    encoded = mapped(in_map(f"  {note}")).result({f"{APPOINTMENT}/comment": comment}).encoded

    assert b"NTE|1||Pain \\F\\ left \\S\\ knee\\.br\\MSH\\F\\\\S\\\\R\\\\E\\\\T\\\r" in encoded
    assert encoded.count(b"MSH") == 2
    segment = next(segment for segment in parse(encoded).segments if segment[0] == "NTE")
    assert segment[3] == [[["Pain | left ^ knee\nMSH|^~\\&"]]]


def test_letters_of_portuguese_arrive_composed(mapped):
    decomposed = "Conceic\u0327a\u0303o"

    assert mapped().line("PID", {f"{PATIENT}/name/0/family": decomposed}).split("|")[5] == "Conceição^Ana^^^^^L"


def test_what_an_analyst_writes_is_hl7_text_in_a_field_and_plain_text_in_a_component(mapped):
    found = mapped(in_map('  SCH-12: { value: "1^Sousa&de^Ana" }\n  SCH-18.3: { value: "A^B&C" }'))

    assert found.line("SCH").split("|")[12] == "1^Sousa&de^Ana"
    assert found.line("SCH").split("|")[18] == r"^^A\S\B\T\C"


def test_subcomponents_and_repetitions_are_written_at_their_places(mapped):
    lines = '  PID-11[2].1.2: { value: Street }\n  PID-11.3: { from: "%patient.gender" }'

    assert mapped(in_map(lines)).line("PID").split("|")[11] == "^^female~&Street"


def test_a_rule_that_gives_nothing_writes_nothing(mapped):
    found = mapped(in_map('  NTE-3: { from: "%appt.comment" }\n  PD1-1: { from: "%patient.gender", when: "%known" }'))

    assert [line[:3] for line in found.lines()] == ["MSH", "SCH", "PID", "RGS", "AIS"]
    assert found.line("PID", {f"{PATIENT}/gender": None}) == "PID|||1^^^HOSPITAL&2.25.1&ISO^MR||Sousa^Ana^^^^^L"


def test_a_field_that_repeats_takes_every_value_in_order(mapped):
    other = {"system": "urn:oid:2.25.1", "value": "2"}

    fields = mapped().line("PID", {f"{PATIENT}/identifier/-": other}).split("|")

    assert fields[3] == "1^^^HOSPITAL&2.25.1&ISO^MR~2^^^HOSPITAL&2.25.1&ISO^MR"


def test_a_field_may_be_repeated_with_rules_for_its_components(mapped):
    block = """\
  PID-13[]:
    for: "%patient.telecom"
    name: phone
    map:
      PID-13.1: { from: "%phone.value" }
      PID-13.2: { from: "%phone.use", table: { home: PRN, work: WPN }, default: ORN, on_unmapped: skip }
      PID-13.9: { number: true, when: request }"""
    phones = [{"value": "11", "use": "work"}, {"value": "22"}, {"value": "33", "use": "old"}]

    line = mapped(in_map(block)).line("PID", {f"{PATIENT}/telecom": phones})

    assert line.split("|")[13] == "11^WPN^^^^^^^1~22^ORN^^^^^^^2~33^ORN^^^^^^^3"


def test_segments_and_groups_repeat_and_are_numbered_where_hl7_repeats_them(mapped):
    orders = [{"reference": DOCUMENT["entry"][2]["fullUrl"]}] * 2
    block = """
          AIS-10.1: { value: Booked }
      AIG[]:
        - map: { AIG-1: { number: true }, AIG-4: { value: ROOM } }
        - for: "%order.code.coding"
          name: coding
          map:
            AIG-1: { number: true }
            AIG-4: { value: DEVICE }
            NTE[]: { for: "%coding.code", name: code, map: { NTE-1: { number: true }, NTE-3: { from: "%code" } } }"""
    found = mapped(("table: codes.ris, required: true }", "table: codes.ris, required: true }" + block))

    lines = found.lines({f"{APPOINTMENT}/basedOn": [*orders, {"reference": "urn:uuid:none"}]})

    assert lines[3:] == [
        "RGS|1|A", "AIS|1||CTHEAD|||||||Booked", "AIG|1|||ROOM", "AIG|2|||DEVICE", "NTE|1||CT01",
        "RGS|2|A", "AIS|1||CTHEAD|||||||Booked", "AIG|1|||ROOM", "AIG|2|||DEVICE", "NTE|1||CT01",
    ]  # fmt: skip


def test_a_block_may_depend_on_a_condition(mapped):
    block = '  NTE[]: { for: "%orders", name: one, when: "%known", map: { NTE-3: { from: "%one.status" } } }'
    found = mapped(in_map(block))

    assert found.lines(known=False)[2][:3] == "PID"
    assert found.lines(known=True)[2] == "NTE|||active"


def test_the_first_path_that_gives_something_is_taken(mapped):
    found = mapped(in_map('  SCH-18.3: { from: ["%appt.comment", "%appt.description", "%appt.status"] }'))

    assert found.line("SCH").split("|")[18] == "^^proposed"
    assert found.line("SCH", {f"{APPOINTMENT}/description": "x"}).split("|")[18] == "^^x"


def test_values_of_the_site_stand_in_expressions(mapped):
    found = mapped(in_map("  SCH-18.3: { from: \"%site.endpoint.app & '!'\" }"))

    assert found.line("SCH").split("|")[18] == r"^^BLUME\S\2.25.1001\S\ISO!"


def test_own_segments_are_written_last(mapped):
    assert mapped(in_map('  ZAP-2: { from: "%appt.status" }')).lines()[-1] == "ZAP||proposed"


def test_a_code_is_found_in_a_table_however_its_accents_are_composed(mapped):
    found = mapped(in_map('  SCH-18.3: { from: "%appt.comment", table: { Não: N, other: "" }, default: D }'))

    assert found.line("SCH", {f"{APPOINTMENT}/comment": "Na\u0303o"}).split("|")[18] == "^^N"
    assert found.line("SCH", {f"{APPOINTMENT}/comment": "other"}).split("|")[18] == "^^D"


@pytest.mark.parametrize(
    ("unmapped", "sent"), [("skip", None), ("keep", "PID|||1^^^HOSPITAL&2.25.1&ISO^MR||Sousa^Ana^^^^^L|||other")]
)
def test_a_code_without_a_row_does_what_the_rule_says(mapped, unmapped, sent):
    found = mapped(("{ male: M, female: F, other: O, unknown: U }", f"{{ male: M }}, on_unmapped: {unmapped}"))

    sent = sent or "PID|||1^^^HOSPITAL&2.25.1&ISO^MR||Sousa^Ana^^^^^L"
    assert found.line("PID", {f"{PATIENT}/gender": "other"}) == sent


def test_an_identifier_of_an_unknown_system_may_be_left_out(mapped):
    found = mapped(("as: CX, table: authorities,", "as: CX, table: authorities, on_unmapped: skip,"))
    other = {"system": "urn:oid:2.25.9", "value": "9"}

    fields = found.line("PID", {f"{PATIENT}/identifier/-": other}).split("|")

    assert fields[3] == "1^^^HOSPITAL&2.25.1&ISO^MR"


def test_a_required_group_is_missing_when_nothing_is_there_to_repeat(mapped, tmp_path):
    assert mapped().problems({f"{APPOINTMENT}/basedOn": None}) == [
        f"{tmp_path.name}/m.yaml:32:3: error E301 RESOURCES is required: %orders gave nothing"
    ]


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({f"{PATIENT}/name": None}, "30:3: error E301 PID-5 is required: %patient.name gave nothing"),
        (
            {f"{ORDER}/code/coding/0/code": "XX"},
            "43:11: error E303 AIS-3.1: the value of %order.code.coding.code.first() is not in the table codes.ris",
        ),
        (
            {f"{PATIENT}/identifier/0/system": "urn:secret"},
            "29:3: error E303 PID-3: the identifier's system is not in the table authorities",
        ),
        (
            {f"{PATIENT}/name/0": {"text": "Ana Sousa"}},
            (
                "30:3: error E304 PID-5: as: XPN of %patient.name: "
                "the HumanName has neither family nor given name: its text cannot be divided"
            ),
        ),
    ],
)
def test_what_a_message_lacks_is_told_by_rule_and_field_and_without_its_values(mapped, tmp_path, changes, told):
    assert mapped().problems(changes) == [f"{tmp_path.name}/m.yaml:{told}"]


def test_all_that_a_message_lacks_is_told_at_once(mapped):
    found = mapped().problems({f"{PATIENT}/name": None, f"{ORDER}/code": None})

    assert [text.split("error ")[1][:14] for text in found] == ["E301 PID-5 is ", "E301 AIS-3.1 i"]


def test_a_rule_s_own_code_stands_before_ours(mapped):
    found = mapped(("table: codes.ris, required: true", "table: codes.ris, required: true, code: ORDERSET_UNKNOWN"))

    assert "error ORDERSET_UNKNOWN AIS-3.1:" in found.problems({f"{ORDER}/code/coding/0/code": "XX"})[0]


def test_several_values_for_one_place_are_an_error_and_never_cut(mapped, tmp_path):
    """No FHIR document gets so far: the door refuses a second value where FHIR has one."""
    assert mapped().problems({f"{PATIENT}/gender": ["male", "female"]}) == [
        f"{tmp_path.name}/m.yaml:31:3: error E305 PID-8 takes one value: %patient.gender gave 2"
    ]


def test_what_hl7_does_not_allow_is_told_by_rule_and_field(mapped, tmp_path):
    found = mapped(("%appt.minutesDuration", "%patient.id"))

    (told,) = found.problems()
    assert told.startswith(f"{tmp_path.name}/m.yaml:25:3: error HL7_FORMAT SCH-9: Appointment Duration is not a number")


def test_a_character_that_the_destination_cannot_read_is_told_by_rule_and_field(mapped, tmp_path):
    found = mapped(("    station: ris", "    station: ris\n    charset: 8859/1"))

    (told,) = found.problems({f"{PATIENT}/name/0/family": "\u0141ukasz"})
    assert told.startswith(f"{tmp_path.name}/m.yaml:31:3: error HL7_CHARSET PID-5: a character cannot be written")


def test_the_route_may_filter_and_refuse(mapped, tmp_path):
    filtered = mapped(("do: cancel }", "filter: not wanted }"), (", cancel: SIU^S15^SIU_S12 }", " }"), *NO_CANCEL)
    result = filtered.result({f"{APPOINTMENT}/status": "cancelled"})
    assert result == Filtered(reason=f"not wanted ({tmp_path.name}/m.yaml:19:5)")

    refused = mapped(("do: cancel }", "error: no, code: NO }"), (", cancel: SIU^S15^SIU_S12 }", " }"), *NO_CANCEL)
    assert refused.problems({f"{APPOINTMENT}/status": "cancelled"}) == [f"{tmp_path.name}/m.yaml:19:5: error NO no"]


def test_a_rule_of_the_door_is_asked_on_the_way_only_where_the_door_has_not_asked_it(mapped):
    ruled = mapped(("do: cancel }", "error: no, at: door }"), (", cancel: SIU^S15^SIU_S12 }", " }"), *NO_CANCEL)
    cancelled = {f"{APPOINTMENT}/status": "cancelled"}

    assert "error E308 no" in ruled.problems(cancelled)[0]
    assert ruled.result(cancelled, asked=True).action == "request"


NO_CANCEL = (
    ("{ request: NEW, cancel: {", "{ request: NEW, }  # {"),
    ("{ request: A, cancel: D }", "{ request: A }"),
)


def test_a_document_is_ordered_indexed_and_named_by_what_it_is_about(mapped):
    found = mapped(
        ('order: "%patient.id"', 'order: ["%patient.identifier.system.first()", "%patient.id"]\nabout: "%appt.id"'),
        ("route:\n", "index: { status: '%appt.status', none: '%appt.comment' }\nroute:\n"),
    )
    document = change(change(DOCUMENT, f"{APPOINTMENT}/id", "a1"), "/identifier", {"system": "urn:s", "value": "b1"})

    (admission,) = found.transformer.admit(document)

    assert (admission.key, admission.about, admission.focus) == ("urn:oid:2.25.1|p1", "a1", 0)
    assert (admission.index, admission.identity) == ({"status": "proposed"}, "urn:s|b1")


def test_one_document_may_hold_several_things_or_none(mapped):
    found = mapped(("  each:", "  accept: \"%appt.status != 'pending'\"\n  each:"))
    second = copy.deepcopy(DOCUMENT["entry"][0])
    third = change(second, "/resource/status", "pending")
    document = DOCUMENT | {"entry": [*DOCUMENT["entry"], second, third]}

    assert [admission.focus for admission in found.transformer.admit(document)] == [0, 3]
    assert found.transformer.admit({"resourceType": "Bundle", "type": "collection"}) == []


def test_a_document_without_its_ordering_key_is_refused_at_the_door(mapped):
    with pytest.raises(Problems) as caught:
        mapped().transformer.admit(change(DOCUMENT, f"{PATIENT}/id", None))

    (problem,) = caught.value.problems
    assert (problem.code, problem.expression, problem.issue_type) == ("E307", "Bundle.entry[0].resource", "required")
    assert problem.text == "the ordering key is empty: order: %patient.id gave nothing"


def test_what_is_not_fhir_is_refused_at_the_door(mapped):
    transformer = mapped().transformer
    with pytest.raises(Problems):
        transformer.check(b"{")
    with pytest.raises(Problems):
        transformer.check(json.dumps(change(DOCUMENT, f"{APPOINTMENT}/status", "bogus")).encode())
    assert transformer.check(json.dumps(DOCUMENT).encode()) == transformer.load(json.dumps(DOCUMENT).encode())


def test_the_zone_of_a_message_may_come_from_a_table(mapped, tmp_path):
    zone = 'title: x\nzone: { from: "%appt.comment", table: { tokyo: Asia/Tokyo }, on_unmapped: skip }'
    found = mapped(("title: The smallest whole mapping", zone))

    line = found.line("SCH", {f"{APPOINTMENT}/comment": "tokyo"})
    assert line.split("|")[11] == "^^^20251201210000+0900"

    assert found.problems() == [
        f"{tmp_path.name}/m.yaml:4:1: error E309 the time zone is not known: %appt.comment gave nothing"
    ]


def test_a_mistake_in_a_named_value_is_told_at_the_name(mapped, tmp_path):
    found = mapped(
        ('appt: "%it"', 'appt: "%it"\n  kind: { from: "%appt.comment", table: { a: b } }'),
        in_map('  SCH-18.3: { from: "%kind" }'),
    )

    assert found.problems({f"{APPOINTMENT}/comment": "secret"}) == [
        f"{tmp_path.name}/m.yaml:16:3: error E303 kind: the value of %appt.comment is not in the table of this name"
    ]


def test_a_plan_of_another_language_is_refused(mapped):
    with pytest.raises(ValueError, match="check it anew"):
        compile_plan({"language": 0})
