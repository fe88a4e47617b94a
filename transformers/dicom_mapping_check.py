"""Checks a mapping file that reads FHIR and writes DICOM, and makes its plan; `fhir_to_dicom.compile_plan` runs it."""

from __future__ import annotations

from typing import Any

from transformers import fhir_mapping_check, mapping_examples
from transformers.dicom_dictionary import attribute, fits, nearest
from transformers.dicom_mapping_model import DicomMapping
from transformers.dicom_mapping_sources import DicomSources
from transformers.dicom_mapping_targets import SEQUENCE, DicomTargets, complete
from transformers.dicom_objects import OBJECTS
from transformers.hl7_mapping_complete import Held
from transformers.mapping_desk import Desk, Where
from transformers.mapping_file import Steps, did_you_mean
from transformers.mapping_model import Test
from transformers.mapping_paths import Paths
from transformers.mapping_route import delivering


def plan(desk: Desk, mapping: DicomMapping, left_out: set[Steps]) -> dict[str, Any]:
    """Return the plan of a mapping; what is wrong is noted at the desk."""
    paths = fhir_mapping_check.names(desk, left_out)
    made = fhir_mapping_check.reading(desk, paths, mapping)
    return made | writing(desk, paths, mapping, left_out)


def writing(desk: Desk, paths: Paths, mapping: DicomMapping, left_out: set[Steps]) -> dict[str, Any]:
    """Return what a plan says about the data set that is written, and what stands at its end."""
    desk.actions = tuple(dict.fromkeys(line.do for line in mapping.route if line.do))
    made: dict[str, Any] = {}
    before = len(desk.problems)
    held = Held(SEQUENCE, ("map",), "")
    block = DicomTargets(desk, DicomSources(paths), ()).block(("map",), mapping.map, "", held, "")
    made["maps"] = {"map": [block | {"name": "", "to": [], "required": False, "source": "the map"}]}
    whole = len(desk.problems) == before and not any(way[0] == "map" for way in left_out)
    made["destinations"] = {}
    for name, part in mapping.destinations.items():
        where = ("destinations", name)
        made["destinations"][name] = _destination(desk, name, mapping)
        if whole and part.object in OBJECTS:
            complete(desk, held, part.object)
        elif part.object not in OBJECTS:
            hint = did_you_mean(part.object, OBJECTS) or f"objects are {', '.join(OBJECTS)}"
            desk.add("E706", (*where, "object"), f"there is no object '{part.object}'", hint)
    mapping_examples.check_examples(desk, mapping, _expected)
    return made | fhir_mapping_check.finished(desk, paths, mapping.let)


def _destination(desk: Desk, name: str, mapping: DicomMapping) -> dict[str, Any]:
    where = ("destinations", name)
    part: Any = mapping.destinations[name]
    known = OBJECTS[part.object].sop_class_uid if part.object in OBJECTS else None
    if part.object == "attributes" and part.sop_class is None:
        desk.add("E021", where, "'sop_class' is missing: object: attributes has none of its own", key=True)
    elif part.object != "attributes" and part.sop_class is not None:
        desk.add("E706", (*where, "sop_class"), f"object: {part.object} has a SOP class of its own", key=True)
    elif part.sop_class is not None and not fits("UI", part.sop_class):
        desk.add("E701", (*where, "sop_class"), f"'{part.sop_class}' is no UID")
    if "when_unanswered" not in part.model_fields_set:
        # An archive may hand on what it has stored before its answer was lost: only the analyst knows whether it does.
        text = "'when_unanswered' is missing: a C-STORE may have arrived although its answer was lost"
        hint = "resend, where the peer keeps one of each instance; hold, where a person must decide"
        desk.add("E707", where, text, hint, key=True)
    return {
        "at": desk.at(where),
        "name": name,
        **delivering(desk, name, part, mapping),
        "object": part.object,
        "sop_class_uid": known or part.sop_class,
        "empty": list(OBJECTS[part.object].empty) if part.object in OBJECTS else [],
        "map": "map",
        "find": [],
        "resource": "",
    }


def _expected(desk: Desk, where: Where, test: Test) -> None:
    """Note what is wrong with the attributes that a test expects."""
    for word, value in test.expect.items():
        place = (*where, "expect", word)
        if word == "action" and value not in desk.actions:
            hint = did_you_mean(value, desk.actions)
            desk.add("E430", place, f"no line of the route does '{value}'", hint)
        elif word not in mapping_examples.WORDS:
            for step in word.split("."):
                name = step.partition("[")[0]
                if attribute(name) is None:
                    near = nearest(name)
                    hint = f"did you mean '{near}'?" if near else None
                    desk.add("E700", place, f"DICOM has no attribute '{name}'", hint, key=True)
                    break
