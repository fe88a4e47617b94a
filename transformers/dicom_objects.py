"""What DICOM asks of data sets: attributes that must have a value, and attributes that may be empty.

Sources: DICOM PS3.4 Table K.6-1 (modality worklist, return key types) and PS3.3 A.45.1 (Encapsulated PDF: its modules
C.7.1.1, C.7.2.1, C.24.1, C.7.5.1, C.8.6.1, C.24.2 and C.12.1).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

_STEP = "ScheduledProcedureStepSequence"


@dataclass(frozen=True, slots=True)
class DicomObject:
    """One kind of data set."""

    #: SOP class, PS3.4 B.5 and K.5; None: whatever the destination is told by the mapping.
    sop_class_uid: str | None
    #: Type 1: there with a value.
    required: tuple[str, ...] = ()
    #: Type 2: there, empty where nothing is known. The host writes those that no line writes.
    empty: tuple[str, ...] = ()


OBJECTS: Mapping[str, DicomObject] = {
    "attributes": DicomObject(None),
    "worklist-item": DicomObject(
        "1.2.840.10008.5.1.4.31",
        (
            "PatientName", "PatientID", "StudyInstanceUID", "RequestedProcedureID", _STEP,
            f"{_STEP}.ScheduledStationAETitle", f"{_STEP}.ScheduledProcedureStepStartDate",
            f"{_STEP}.ScheduledProcedureStepStartTime", f"{_STEP}.Modality", f"{_STEP}.ScheduledProcedureStepID",
        ),
        (
            "PatientBirthDate", "PatientSex", "PatientWeight", "PatientState", "PregnancyStatus", "MedicalAlerts",
            "Allergies", "SpecialNeeds", "ConfidentialityConstraintOnPatientDataDescription", "AccessionNumber",
            "RequestingPhysician", "ReferringPhysicianName", "AdmissionID", "CurrentPatientLocation",
            "ReferencedStudySequence", "ReferencedPatientSequence", "RequestedProcedurePriority",
            "PatientTransportArrangements", f"{_STEP}.ScheduledPerformingPhysicianName",
            f"{_STEP}.ScheduledStationName", f"{_STEP}.ScheduledProcedureStepLocation",
        ),
    ),
    "encapsulated-pdf": DicomObject(
        "1.2.840.10008.5.1.4.1.1.104.1",
        (
            "StudyInstanceUID", "Modality", "SeriesInstanceUID", "SeriesNumber", "ConversionType", "InstanceNumber",
            "BurnedInAnnotation", "MIMETypeOfEncapsulatedDocument", "EncapsulatedDocument",
        ),
        (
            "PatientName", "PatientID", "PatientBirthDate", "PatientSex", "StudyDate", "StudyTime",
            "ReferringPhysicianName", "StudyID", "AccessionNumber", "Manufacturer", "ContentDate", "ContentTime",
            "AcquisitionDateTime", "DocumentTitle", "ConceptNameCodeSequence",
        ),
    ),
}  # fmt: skip

#: Written by the host: the class, the instance (unless a line says which), the character set.
BY_THE_HOST = ("SOPClassUID", "SpecificCharacterSet")
