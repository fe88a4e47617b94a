"""Formats as tests call them: with the tables of a small site, and written as they stand in a field."""

from transformers import er7
from transformers.formats import FORMATS, FormatContext


def rows(*lines, columns):
    return {line[0]: dict(zip(columns, line, strict=True)) for line in lines}


AUTHORITIES = rows(
    ("urn:oid:2.25.2001", "BLUME TEST", "2.25.2001", "ISO", "MR"),
    ("urn:oid:2.16.840.1.113883.13.237", "CPF", "2.16.840.1.113883.13.237", "ISO", "NI"),
    ("urn:oid:2.25.1001", "BLUME", "2.25.1001", "ISO", ""),
    ("http://hl7.org/fhir/sid/us-npi", "NPI", "2.16.840.1.113883.4.6", "ISO", "NPI"),
    ("urn:powerserver", "POWERSERVER", "", "", ""),
    columns=("system", "namespace", "universal_id", "universal_id_type", "identifier_type"),
)
SYSTEMS = rows(
    ("http://dicom.nema.org/resources/ontology/DCM", "DCM"),
    ("urn:blume:orderset", "99ORDERSET"),
    ("urn:ps", "99PS"),
    columns=("system", "name"),
)
BY_AUTHORITY = FormatContext(zone="America/Sao_Paulo", table=AUTHORITIES, table_name="authorities")
BY_SYSTEM = FormatContext(zone="America/Sao_Paulo", table=SYSTEMS, table_name="systems")
SAO_PAULO = FormatContext(zone="America/Sao_Paulo")


def convert(name, values, context=SAO_PAULO, **options):
    found = FORMATS[name]
    assert found.complaints(options) == []
    return found.function(values, options, context)


def written(name, values, context=SAO_PAULO, **options):
    """What stands in the field, or in the component for a text."""
    result = convert(name, values, context, **options)
    if FORMATS[name].gives == "text":
        result = [[[text]] for text in result]
    msh = ["MSH", "|", "^~\\&", *[[]] * 15, [[["UNICODE UTF-8"]]]]
    return er7.encode([msh, ["ZZZ", [[["x"]]], result]]).decode().split("ZZZ|x")[1].strip("\r|")
