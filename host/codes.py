"""All codes of problems in files and jobs, gathered from where they are raised, for `plugin-host explain`."""

from __future__ import annotations

from channels import job_codes
from transformers.code_table import CODES as TABLE_CODES
from transformers.form_codes import CODES as FORM_CODES
from transformers.mapping_codes import CODES as MAPPING_CODES
from transformers.mapping_codes import Explanation
from transformers.resource_codes import CODES as RESOURCE_CODES

#: Of `host.site`: what concerns plug-ins and the site as a whole.
SITE_CODES = {
    "E150": Explanation(
        "Two mapping files define the same channel.",
        "channel: appointments   (in two files)",
        "Give each file's channel a name of its own.",
    ),
    "E151": Explanation(
        "The file names a connector or transformer that is not installed, or that is broken.",
        "connector: mllp",
        "See plugin-host plugins for the names, and for the reason of a broken one.",
    ),
    "E152": Explanation(
        "A connector stands on the wrong side: a listener cannot send, a sender cannot receive.",
        "from: { connector: mllp-sender, … }",
        "Use a listener or reader under from:, a sender or writer under destinations:.",
    ),
    "E153": Explanation(
        "A setting of a connector is unknown, missing, or not of its type.",
        "answer_within: half a minute",
        "Correct it where it stands: in the mapping file, or with the station in site.yaml.",
    ),
    "E154": Explanation(
        "Other machines could reach the status page without TLS, or what site.yaml says of signing in cannot be used.",
        "console: { host: 0.0.0.0 }",
        "Write 127.0.0.1, or console.address: the https:// address of a proxy that speaks TLS; name one authority.",
    ),
    "E155": Explanation(
        "What site.yaml says for a kind of channel is not complete, or not what its rules can use.",
        "appointment: { statuses: { default: { PENDING: { fhir: pendent } } } }",
        "Correct it in site.yaml under values:.",
    ),
    "E156": Explanation(
        "A channel follows another one that the site does not have: it will receive nothing.",
        "from: { connector: outcomes, of: apointments, … }",
        "Write the name of the channel that is followed.",
    ),
    "E157": Explanation(
        "Channels follow each other in a circle: one outcome would make messages without end.",
        "appointments follows feedback, and feedback follows appointments",
        "Follow a channel that follows nobody.",
    ),
}

#: Of the rules before sending (`route:` of the appointments), and of the MLLP door.
RULE_CODES = {
    code: Explanation(cause, f"an appointment is answered 422 with {code}", cure)
    for code, cause, cure in (
        ("FACILITY_UNKNOWN", "The organization has no facility.", "Add its row to tables/organizations.csv."),
        (
            "ISSUER_UNKNOWN",
            "No number of the patient is of a known issuer.",
            "Add the issuer to tables/authorities.csv.",
        ),
        (
            "RESOURCE_UNKNOWN",
            "No resource has exactly this name.",
            "Correct the name, or add it to tables/resources.csv.",
        ),
        ("RESOURCE_INACTIVE", "The resource is closed.", "Open it in tables/resources.csv, or book another."),
        ("ORDERSET_UNKNOWN", "A study is not agreed with PowerServer.", "Add its row to tables/ordersets.csv."),
        ("MODALITY_MISMATCH", "The study cannot be done on this resource.", "Book another resource, or group them."),
        ("TIME_INVALID", "The appointment has no time, or started too long ago.", "Book a time that is to come."),
        ("DURATION_MIN", "It is shorter than 15 minutes, and the next one is booked.", "Book a longer slot."),
        ("OUT_OF_HOURS", "The resource is not open then.", "Book another time, or correct the resource's hours."),
        ("SLOT_BUSY", "The slot is taken.", "Book another slot, or allow overbooking."),
        ("NOT_LICENSED", "The organization has no licence for self-scheduling.", "Correct tables/organizations.csv."),
        ("NOT_ALLOWED", "The organization does not let patients do that.", "Correct tables/organizations.csv."),
    )
}

#: Of what is known only on the way: the rules of appointments, and the FHIR server's answers.
WAY_CODES = {
    code: Explanation(cause, f"a message says {code}", cure)
    for code, cause, cure in (
        (
            "DURATION_RAISED",
            "The appointment is shorter than PowerServer's shortest, so it was made longer. (Warning)",
            "Nothing: it was accepted, Blume was told with the answer, and the message's timeline says it.",
        ),
        (
            "CHANGED_MEANWHILE",
            "The server's resource is not any more what the change was made for: somebody else has changed it.",
            "Nothing was written over. What was changed there comes by itself; retry if the change is still wanted.",
        ),
        (
            "WRITE_CONFLICT",
            "Twice in a row somebody else changed the resource between the reading and the writing (409 or 412).",
            "Look who is at work on it; then retry: it is decided anew by what the server holds.",
        ),
        (
            "ILLEGAL_TRANSITION",
            "The table of an appointment's states has no way from where it is to what this message says.",
            "See docs/appointment-states.md. Put it right on the side that is wrong; then cancel or retry.",
        ),
        (
            "FILLER_MISSING",
            "PowerServer's message does not say which of its appointments it is about (SCH-2, or ORC-3).",
            "Have PowerServer send its number; without it nothing is changed in Blume.",
        ),
        (
            "TIME_NONEXISTENT",
            "A time without an offset that the clocks of the site's zone skip.",
            "Correct the time in PowerServer, or have it send the offset.",
        ),
    )
}


def codes() -> dict[str, Explanation]:
    """Return code → explanation."""
    tables = {code: Explanation(*words) for code, words in {**TABLE_CODES, **job_codes.codes()}.items()}
    return {**MAPPING_CODES, **tables, **RESOURCE_CODES, **FORM_CODES, **SITE_CODES, **RULE_CODES, **WAY_CODES}
