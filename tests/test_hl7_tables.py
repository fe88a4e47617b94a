"""What HL7 says about its versions: structures, segments, fields, data types and tables."""

import subprocess
import sys
from pathlib import Path

import pytest

from transformers import hl7_path, hl7_tables
from transformers.hl7_tables import VERSIONS, ComponentDef, FieldDef

every_version = pytest.mark.parametrize("version", VERSIONS)


def test_a_field_has_its_name_in_words_its_type_limits_and_table():
    fields = hl7_tables.fields("2.5.1", "PID")

    assert fields[2] == FieldDef(3, "Patient Identifier List", "CX", 1, None, None)
    assert fields[7] == FieldDef(8, "Administrative Sex", "IS", 0, 1, "0001")
    assert [fields[n - 1].name for n in (1, 6, 7)] == ["Set ID PID", "Mother's Maiden Name", "Date/Time of Birth"]


@every_version
def test_the_fields_of_every_segment_are_numbered_without_gaps(version):
    for segment in hl7_tables.segment_names(version):
        assert [one.number for one in hl7_tables.fields(version, segment)] == list(
            range(1, len(hl7_tables.fields(version, segment)) + 1)
        )


@every_version
def test_every_type_that_a_field_names_is_known(version):
    known = {"", "varies", *hl7_tables.datatype_names(version)}
    types = {one.datatype for name in hl7_tables.segment_names(version) for one in hl7_tables.fields(version, name)}

    assert types <= known


def test_versions_differ_where_the_standard_does():
    assert hl7_tables.fields("2.3.1", "SCH")[5].datatype == "CE"
    assert "TQ1" not in hl7_tables.segment_names("2.3.1")
    assert "TQ1" in hl7_tables.segment_names("2.5.1")
    assert len(hl7_tables.components("2.3.1", "XTN")) == 9
    assert len(hl7_tables.components("2.5.1", "XTN")) == 12


def test_components_are_numbered_and_primitive_types_have_none():
    assert hl7_tables.components("2.5.1", "CX")[3] == ComponentDef(4, "Assigning Authority", "HD", 0, "0363")
    assert hl7_tables.components("2.5.1", "ST") == ()
    assert hl7_tables.components("2.5.1", "varies") == ()


def test_a_structure_is_a_tree_whose_groups_have_short_names():
    siu = hl7_tables.structure("2.5.1", "SIU_S12")

    assert [(part.name, part.minimum, part.maximum) for part in siu.parts] == [
        ("MSH", 1, 1),
        ("SCH", 1, 1),
        ("TQ1", 0, None),
        ("NTE", 0, None),
        ("PATIENT", 0, None),
        ("RESOURCES", 1, None),
    ]
    assert siu.parts[5].segments() == ("RGS", "AIS", "NTE", "AIG", "AIL", "AIP")
    assert siu.parts[0].is_segment
    assert not siu.parts[4].is_segment


def test_the_order_of_an_orm_is_a_choice():
    detail = hl7_tables.structure("2.5.1", "ORM_O01").parts[-1].parts[1]

    assert detail.parts[0].choice
    assert detail.parts[0].segments() == ("OBR", "RQD", "RQ1", "RXO", "ODS", "ODT")


@every_version
@pytest.mark.parametrize(
    ("message", "structure"),
    [
        *((f"SIU^S{event}", "SIU_S12") for event in (*range(12, 25), 26)),
        ("ADT^A04", "ADT_A01"),
        ("ADT^A08", "ADT_A01"),
        ("MDM^T10", "MDM_T02"),
        ("ORM^O01", "ORM_O01"),
        ("ACK", "ACK"),
        ("ACK^S12", "ACK"),
        ("ZZZ^Z01", None),
        ("SIU", None),
        ("", None),
    ],
)
def test_a_message_has_the_structure_of_table_0354(version, message, structure):
    assert hl7_tables.message_structures(version, message) == structure


def test_structures_that_came_later_are_not_in_earlier_versions():
    assert hl7_tables.message_structures("2.3.1", "OMI^O23") is None
    assert hl7_tables.message_structures("2.5.1", "OMI^O23") == "OMI_O23"


@every_version
def test_every_message_that_is_named_has_a_structure(version):
    names = hl7_tables.message_names(version)

    assert {"SIU^S12", "SIU^S26", "ORM^O01"} <= set(names)
    assert all(hl7_tables.message_structures(version, name) in hl7_tables.structure_names(version) for name in names)


def test_a_table_has_its_codes_and_a_name():
    sexes = hl7_tables.table("2.5.1", "0001")

    assert dict(sexes) == {
        "A": "Ambiguous",
        "F": "Female",
        "M": "Male",
        "N": "Not applicable",
        "O": "Other",
        "U": "Unknown",
    }
    assert hl7_tables.table_name("2.5.1", "0001") == "Administrative Sex"
    assert "Booked" in hl7_tables.table("2.5.1", "0278")
    assert hl7_tables.table("2.5.1", "0264") is None
    assert hl7_tables.table_name("2.5.1", "0264") is None


@pytest.mark.parametrize("number", hl7_tables.MEANINGS)
def test_a_meaning_belongs_to_a_code_of_the_table(number):
    # BI of table 0190 came with version 2.6.
    assert set(hl7_tables.MEANINGS[number]) - {"BI"} <= set(hl7_tables.table("2.5.1", number))


def test_lengths_are_of_fields_that_there_are():
    for text in hl7_tables.LENGTHS:
        path = hl7_path.parse(text)
        assert path.segment == "ZDS" or path.field <= len(hl7_tables.fields("2.5.1", path.segment))


def test_what_is_not_there_is_said():
    with pytest.raises(KeyError):
        hl7_tables.fields("2.5.1", "ZPS")
    with pytest.raises(ValueError, match=r"'2\.9' is not one of 2\.3\.1, 2\.4, 2\.5, 2\.5\.1"):
        hl7_tables.fields("2.9", "PID")


@pytest.mark.parametrize(
    ("word", "nearest"), [("PIDD", "PID"), ("pid", "PID"), ("PV3", "PV1"), ("XXXXXX", None), ("", None)]
)
def test_a_mistyped_word_is_near_one_that_there_is(word, nearest):
    assert hl7_tables.nearest(word, ["MSH", "PID", "PV1"]) == nearest


def test_the_way_of_a_message_does_not_import_hl7apy():
    rooms = "transformers.er7, transformers.formats, transformers.hl7_validation, transformers.hl7_path"
    heavy = "{'hl7apy', 'ruamel', 'pydantic', 'antlr4', 'fhirpathpy', 'transformers.hl7_tables'} & set(sys.modules)"
    command = [sys.executable, "-c", f"import sys, {rooms}; print({heavy} or 'light')"]
    said = subprocess.run(command, check=True, capture_output=True, text=True, cwd=Path(__file__).parents[1]).stdout

    assert said.strip() == "light"
