"""Codes of problems in resource-sync.yaml and in what is read by it, for `plugin-host explain`."""

from __future__ import annotations

from transformers.mapping_codes import Explanation

CODES = {
    "E501": Explanation(
        "resource-sync.yaml names a field that MFN^M05 does not have.",
        "mfn: LOCATION-2",
        "Write LOC-2, LOC-1.4, LDP-6, or a characteristic by its code: LCH.DUR.",
    ),
    "E502": Explanation(
        "A category of drift is named that no field makes, or one has no severity.",
        "severities: { DURATIONS: warning }",
        "Correct the name, or give each category a severity: blocker, warning or info.",
    ),
    "E503": Explanation(
        "A field of resource-sync.yaml contradicts itself.",
        "hours: { powerserver: Start Time, as: hours }",
        "Do what the text says: hours need two columns, what is compared must be read on both sides.",
    ),
    "E504": Explanation(
        "resource-sync.yaml lacks something that a comparison or a repair needs.",
        "repair: { powerserver: mfn }   (and no station)",
        "Add it.",
    ),
    "E510": Explanation(
        "PowerServer's export of its resources cannot be read.",
        "a row with a cell too many",
        "Have it exported anew: CSV with a header, or JSON with a list of objects. Nothing was compared meanwhile.",
    ),
    "E511": Explanation(
        "A row of PowerServer's export lacks the name or the facility.",
        "a column called 'Resource Name' where resource-sync.yaml says 'Resource'",
        "Write the column's name into resource-sync.yaml, or give facility a default.",
    ),
    "E512": Explanation(
        "A message in the folder of PowerServer's resources is no MFN^M05.",
        "MSH-9 ADT^A08",
        "Remove it, or correct what PowerServer sends there.",
    ),
}
