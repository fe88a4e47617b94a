"""Elements of FHIR R4 that have one of several types (`value[x]`), as FHIRPath and JSON name them.

A test holds the table equal to the R4 model that fhirpathpy ships.

Source: FHIR R4, 2.6.0.2 "Choice of Data Types" and the StructureDefinitions of all types.
"""

from __future__ import annotations

#: Types of an open choice, `value[x]: *` (FHIR R4, 2.24.0.1.1), as they end the name in JSON.
_ANY = """
Address Age Annotation Attachment Base64Binary Boolean Canonical Code CodeableConcept Coding ContactDetail
ContactPoint Contributor Count DataRequirement Date DateTime Decimal Distance Dosage Duration Expression
HumanName Id Identifier Instant Integer Markdown Meta Money Oid ParameterDefinition Period PositiveInt
Quantity Range Ratio Reference RelatedArtifact SampledData Signature String Time Timing TriggerDefinition
UnsignedInt Uri Url UsageContext Uuid
"""

_TYPES = {
    "abatement": "Age DateTime Period Range String",
    "additive": "CodeableConcept Reference",
    "age": "Age CodeableConcept Range String",
    "allowed": "Boolean CodeableConcept Money String UnsignedInt",
    "amount": "Quantity Range Ratio String",
    "answer": "Boolean Coding Date DateTime Decimal Integer Quantity Reference String Time",
    "asNeeded": "Boolean CodeableConcept",
    "author": "Reference String",
    "born": "Date Period String",
    "bounds": "Duration Period Range",
    "characteristic": "CodeableConcept Quantity",
    "chargeItem": "CodeableConcept Reference",
    "code": "CodeableConcept Reference",
    "collected": "DateTime Period",
    "content": "Attachment Reference String",
    "created": "DateTime Period",
    "date": "DateTime Period",
    "deceased": "Age Boolean Date DateTime Range String",
    "defaultValue": _ANY,
    "definingSubstance": "CodeableConcept Reference",
    "definition": "Canonical CodeableConcept DataRequirement Expression Reference TriggerDefinition Uri",
    "detail": "Boolean CodeableConcept Integer Quantity Range Ratio String",
    "diagnosis": "CodeableConcept Reference",
    "dose": "Quantity Range",
    "doseNumber": "PositiveInt String",
    "due": "Date Duration",
    "effective": "DateTime Instant Period Timing",
    "entity": "CodeableConcept Reference",
    "event": "Coding Uri",
    "example": "Boolean Canonical",
    "fastingStatus": "CodeableConcept Duration",
    "fixed": _ANY,
    "identified": "DateTime Period",
    "indication": "CodeableConcept Reference",
    "item": "CodeableConcept Reference",
    "legallyBinding": "Attachment Reference",
    "location": "Address CodeableConcept Reference",
    "manufacturer": "Reference String",
    "maxValue": "Date DateTime Decimal Instant Integer PositiveInt Quantity Time UnsignedInt",
    "medication": "CodeableConcept Reference",
    "minValue": "Date DateTime Decimal Instant Integer PositiveInt Quantity Time UnsignedInt",
    "minimumVolume": "Quantity String",
    "module": "Canonical CodeableConcept Uri",
    "multipleBirth": "Boolean Integer",
    "name": "Reference Url",
    "occurred": "DateTime Period",
    "occurrence": "DateTime Period String Timing",
    "offset": "Duration Range",
    "onset": "Age DateTime Period Range String",
    "participantEffective": "DateTime Duration Period Timing",
    "pattern": _ANY,
    "performed": "Age DateTime Period Range String",
    "probability": "Decimal Range",
    "procedure": "CodeableConcept Reference",
    "product": "CodeableConcept Reference",
    "quantity": "Quantity Range Ratio",
    "rate": "Quantity Range Ratio",
    "reported": "Boolean Reference",
    "scheduled": "Period String Timing",
    "seriesDoses": "PositiveInt String",
    "serviced": "Date Period",
    "source": "Attachment Canonical Reference Uri",
    "start": "CodeableConcept Date",
    "statusReason": "CodeableConcept Reference",
    "studyEffective": "DateTime Duration Period Timing",
    "subject": "CodeableConcept Reference",
    "substance": "CodeableConcept Reference",
    "target": "Canonical Identifier Reference Uri",
    "time": "DateTime Period",
    "timing": "Age Date DateTime Duration Period Range Reference Timing",
    "topic": "CodeableConcept Reference",
    "used": "Money String UnsignedInt",
    "value": _ANY,
    "when": "Period Range",
}

#: Name in FHIRPath -> names in JSON: deceased -> deceasedBoolean, deceasedDateTime, …
CHOICES: dict[str, tuple[str, ...]] = {
    name: tuple(name + ending for ending in types.split()) for name, types in _TYPES.items()
}

#: FHIR's data types that are no resources, by the names that a path uses (dateTime, Quantity, …), beside string.
DATA_TYPES = frozenset(_ANY.split()) | {
    "base64Binary",
    "boolean",
    "canonical",
    "code",
    "date",
    "dateTime",
    "decimal",
    "id",
    "instant",
    "integer",
    "markdown",
    "oid",
    "positiveInt",
    "string",
    "time",
    "unsignedInt",
    "uri",
    "url",
    "uuid",
    "xhtml",
}

#: Types that are special cases of another: what is a code is also a string (FHIR R4, 2.24.0).
SPECIAL_CASES: dict[str, tuple[str, ...]] = {
    "string": ("code", "id", "markdown"),
    "uri": ("canonical", "oid", "url", "uuid"),
    "integer": ("positiveInt", "unsignedInt"),
    "Quantity": ("Age", "Count", "Distance", "Duration"),
}


def choice_name(name: str, type_name: str) -> str:
    """Return the name in JSON: ("value", "dateTime") is valueDateTime."""
    return name + type_name[:1].upper() + type_name[1:]
