"""What the FHIR model says of R4's elements, held against the standard's examples and a foreign model of R4."""

import importlib
import subprocess
import sys

import pytest

from transformers import fhir_model

APPOINTMENT_STATUS = frozenset(
    {
        "proposed",
        "pending",
        "booked",
        "arrived",
        "fulfilled",
        "cancelled",
        "noshow",
        "entered-in-error",
        "checked-in",
        "waitlist",
    }
)


def test_a_required_element_has_its_type_its_number_and_its_codes():
    status = fhir_model.element("Appointment", "status")

    assert status == fhir_model.Element("status", ("code",), 1, 1, APPOINTMENT_STATUS)


def test_a_backbone_element_is_typed_by_its_own_path():
    participant = fhir_model.element("Appointment", "participant")

    assert (participant.types, participant.minimum, participant.maximum) == (("Appointment.participant",), 1, None)
    assert "actor" in fhir_model.names("Appointment.participant")


def test_an_element_inside_a_data_type_is_typed_by_its_own_path():
    assert fhir_model.element("Timing", "repeat").types == ("Timing.repeat",)
    assert fhir_model.element("Timing.repeat", "periodUnit").codes == frozenset(["s", "min", "h", "d", "wk", "mo", "a"])


def test_an_element_that_repeats_its_parent_has_the_parents_type():
    assert fhir_model.element("Questionnaire.item", "item").types == ("Questionnaire.item",)


def test_a_choice_is_known_by_its_fhirpath_name_and_by_its_json_names():
    assert fhir_model.element("Patient", "deceased").types == ("boolean", "dateTime")
    assert fhir_model.element("Patient", "deceasedBoolean").types == ("boolean",)
    assert fhir_model.element("Patient", "deceasedString") is None


def test_a_required_choice_asks_for_no_single_one_of_its_json_names():
    assert fhir_model.element("MessageHeader", "event").minimum == 1
    assert fhir_model.element("MessageHeader", "eventCoding").minimum == 0


def test_a_reference_names_the_types_it_may_point_to():
    assert fhir_model.element("Appointment", "slot").targets == ("Slot",)
    assert fhir_model.element("Appointment", "supportingInformation").targets == ("Resource",)
    assert fhir_model.element("Appointment", "start").targets == ()
    assert fhir_model.element("ServiceRequest", "asNeededBoolean").targets == ()


def test_a_binding_whose_codes_cannot_be_listed_leaves_them_open():
    assert fhir_model.element("Attachment", "contentType").codes is None


def test_the_id_of_a_resource_is_an_id_and_of_an_element_a_string():
    assert fhir_model.element("Patient", "id").types == ("id",)
    assert fhir_model.element("HumanName", "id").types == ("string",)
    assert fhir_model.element("Extension", "url").types == ("uri",)


def test_what_the_package_adds_to_r4_is_left_out():
    assert fhir_model.element("Binary", "url") is None


def test_what_does_not_exist_has_no_elements():
    assert fhir_model.element("Appointment", "starts") is None
    assert fhir_model.element("Appointmint", "start") is None
    assert fhir_model.names("Appointmint") == ()


def test_every_type_that_an_element_names_exists():
    known = fhir_model.type_names()

    unknown = {
        (type_name, name, used)
        for type_name in known
        for name in fhir_model.names(type_name)
        for used in fhir_model.element(type_name, name).types
        if used not in known
    }

    assert unknown == set()


@pytest.mark.parametrize("resource_type", sorted(fhir_model.resource_types()))
def test_a_resource_has_the_elements_that_a_foreign_model_of_r4_has(resource_type):
    module = importlib.import_module(f"fhir.resources.R4B.{resource_type.lower()}")
    foreign = set(getattr(module, resource_type).elements_sequence())

    ours = {name for name in fhir_model.names(resource_type) if len(fhir_model.element(resource_type, name).types) == 1}

    assert ours == foreign


def test_loading_the_model_imports_no_library_of_others():
    code = "import sys; from transformers import fhir_model; fhir_model.names('Patient'); print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()

    assert not {"pydantic", "fhir", "jsonschema_rs", "orjson"} & set(loaded)
