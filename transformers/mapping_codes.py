"""What each code of a problem in a mapping file, in site.yaml or at run time means; for `plugin-host explain`.

E0xx the file · E1xx where values come from · E2xx code tables (code_table.py) · E3xx at run time · E40x to E41x HL7's
side · E43x route · E44x destinations · E45x tests · E46x to E47x FHIR's side, where HL7 is read.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Explanation:
    """One code, for the person who met it."""

    cause: str
    #: A line that makes it.
    example: str
    cure: str


def _codes(*rows: tuple[str, str, str, str]) -> Mapping[str, Explanation]:
    return {code: Explanation(cause, example, cure) for code, cause, example, cure in rows}


CODES: Mapping[str, Explanation] = _codes(
    # -- the file --------------------------------------------------------------------------------------------------
    ("E001", "The file cannot be read, or is not UTF-8.", "a file saved in Windows-1252", "Save it as UTF-8."),
    (
        "E002",
        "The file is not YAML 1.2.",
        'accept: "%appt.exists()    (the quote is never closed)',
        "Mend the line. A value that begins with %, @, `, * or & stands in quotes; indent with spaces, not tabs.",
    ),
    (
        "E003",
        "A word or target stands twice in the same part, and only one of them could count.",
        "PID-8: … in line 40, PID-8: … in line 52",
        "Delete one of them.",
    ),
    ("E004", "YAML's anchors, aliases and tags are not used in mappings.", "base: &base { … }", "Write it out."),
    ("E005", "The file is larger or nested deeper than any mapping.", "2,000,000 bytes", "Split it into channels."),
    (
        "E006",
        "A file is named that lies outside the site's folder.",
        "given: ../../etc/passwd",
        "Name files inside the folder, with / between the parts.",
    ),
    (
        "E020",
        "A word that this part of the file does not know.",
        "{ form: … }",
        "Correct it; the hint has what is near.",
    ),
    ("E021", "A word that must be there is missing.", "a file without title:", "Add it."),
    ("E022", "A value of the wrong kind.", "connections: many", "Write what the text asks for."),
    (
        "E023",
        "A name that is not written as such names are.",
        "channel: My Channel",
        "Use the letters that are allowed.",
    ),
    (
        "E024",
        "Words of a rule that do not go together: a rule has exactly one source.",
        "{ from: …, value: … }",
        "Keep one of from, value, site, same, number. default, required, table and as go with from.",
    ),
    ("E025", "A name is taken already.", "name: appt in a block, and appt in let:", "Choose another name."),
    ("E026", "same: names a target without a rule of its own.", "{ same: SCH-99 }", "Name a target of this map."),
    # -- where values come from ------------------------------------------------------------------------------------
    ("E101", "An expression is not FHIRPath.", "%appt.start)", "Mend it at the column that is shown."),
    ("E102", "A %name that is not in let: and not known otherwise.", "%apt.start", "Correct it, or add it to let:."),
    (
        "E103",
        "FHIR R4 has no such element, type or function there, or the expression cannot mean what it says.",
        "%patient.birthdate",
        "Correct the name; FHIR's names are exact, birthDate for example.",
    ),
    ("E104", "A condition is needed, and the expression gives something else.", "when: %appt.status", "Compare it."),
    (
        "E105",
        "The source may give several values, and the target takes one. Nothing is ever cut silently.",
        "PID-5: { from: %patient.name, as: XPN }",
        "Take one (.first(), or .where(…) and .first()), or write the target with [] for all.",
    ),
    ("E106", "Names of let: need each other in a circle.", "a: %b and b: %a", "Break the circle."),
    ("E107", "Nothing uses a name of let:. (Warning)", "let: { old: … }", "Delete it."),
    (
        "E108",
        "What decides at the door must not change from one sending to the next: the time and %known do.",
        "accept: %appt.start > now()",
        "Leave it to the route.",
    ),
    ("E110", "There is no such table.", "table: procedures.code", "Create tables/procedures.csv or correct the name."),
    ("E111", "The table has no such column.", "table: procedures.txt", "Correct the column's name."),
    (
        "E112",
        "A FHIR code that the source can have has no row in the table.",
        "{ male: M, female: F } for Patient.gender",
        "Add rows for all codes, or say on_unmapped: error, skip or keep.",
    ),
    ("E113", "A row for a code that the source can never have.", "{ man: M }", "Correct the code, or delete the row."),
    ("E120", "There is no such format.", "as: timestmp", "Correct the name; docs/mapping-language.md lists them."),
    (
        "E121",
        "A value of this type cannot go where it is wanted as it is.",
        "PID-5: { from: %patient.name }",
        "Use the format that is suggested, or name a part of the value.",
    ),
    ("E122", "A format's option is unknown or not of its kind.", "{ format: minutes, at_leat: 15 }", "Correct it."),
    ("E123", "The format makes another HL7 data type than the target has.", "PID-3[]: … as: XPN", "Use its format."),
    (
        "E124",
        "A format's table is missing or lacks columns.",
        "as: CX without table:",
        "Name the table of authorities.",
    ),
    ("E130", "site.yaml has no such value.", "{ site: endpoint.sender }", "Correct the name, or add the value."),
    (
        "E131",
        "A variable of site.yaml is not set, or not written as one.",
        "host: ${POWERSERVER}",
        "Set the environment variable, or give a default: ${POWERSERVER:127.0.0.1}.",
    ),
    ("E132", "A secret cannot be put into a message.", "{ site: oauth.secret }", "Use another value."),
    ("E133", "site.yaml has no such station.", "station: powerservr", "Correct the name, or add the station."),
    ("E134", "No time zone of the tz database.", "zone: Brasilia", "Write a name such as America/Sao_Paulo."),
    (
        "E139",
        "A channel that follows another one has its order, index and about from that one.",
        "from: { connector: outcomes, of: appointments }, and order: …",
        "Take the word away.",
    ),
    (
        "E109",
        "A line of the route that is asked at the door uses a name that is known only later.",
        '{ when: "%known and …", error: …, at: door }',
        "Take at: door away; the error then parks the message, and a follow-up channel can tell the sender.",
    ),
    (
        "E164",
        "A destination's profile does not say which messages are sent.",
        "profile: fragments/pid.yaml",
        "Name a fragment with message: and map:.",
    ),
    ("E160", "There is no such fragment.", "use: fragments/pdi.yaml", "Correct the name, or write the file."),
    (
        "E161",
        "A fragment needs a name that the mapping's let: does not have.",
        "needs: [patient] in the fragment, and no patient: in let:",
        "Add the name to let:.",
    ),
    ("E162", "A fragment uses another fragment.", "use: in fragments/pid.yaml", "Name both in the mapping itself."),
    (
        "E163",
        "A fragment and the mapping, or two fragments, have a line for the same target.",
        "PID-8 in the mapping, and in fragments/pid.yaml",
        "Keep one of them: nothing is replaced silently.",
    ),
    # -- at run time -----------------------------------------------------------------------------------------------
    (
        "E301",
        "A rule that is required gave nothing, because the message does not have what it asks for.",
        "PID-3.1 is required: %mrn gave nothing",
        "Ask the sender for the data, or change the rule; then reprocess the message.",
    ),
    (
        "E302",
        "An expression met values that it cannot work on.",
        "several values where one is needed",
        "Look at the message; make the expression take one of them.",
    ),
    (
        "E303",
        "A code of the message has no row in the table.",
        "AIS-3.1: the value of %code is not in the table ordersets.code",
        "Add the row, or say on_unmapped; then reprocess the message.",
    ),
    (
        "E304",
        "A format cannot convert the value.",
        "as: date of %patient.birthDate: the calendar has no such date",
        "Have the data corrected; then send it again.",
    ),
    ("E305", "A rule gave several values for a target that takes one.", "SCH-1", "Make the expression take one."),
    (
        "E307",
        "The message cannot be ordered or indexed, so it is not accepted.",
        "order: %mrn.value gave nothing",
        "Ask the sender for the data.",
    ),
    ("E308", "The route says that this is an error, or no line of it is true.", "{ error: … }", "See the line's text."),
    ("E309", "The time zone of the message's times is not known.", "zone: gave nothing", "Complete its table."),
    # -- HL7's side ------------------------------------------------------------------------------------------------
    ("E401", "A target is not written as HL7 paths are.", "PID.3", "Write SEG-field.component, such as PID-3.1."),
    ("E402", "The HL7 version has no such segment.", "PDI-3", "Correct the name. Own segments begin with Z."),
    ("E403", "The segment has no such field.", "SCH-99", "Correct the number."),
    ("E404", "The data type has no such component.", "PID-8.2", "Correct the number."),
    ("E405", "[] where HL7 does not repeat, or for: without [].", "PID-8[]", "Take the [] away, or add it."),
    ("E406", "The message structure has no such segment or group there.", "IN1-2 in SIU_S12", "Remove it, or move it."),
    ("E407", "HL7 requires a field of a segment that is sent, and nothing maps it.", "AIG without AIG-4", "Map it."),
    (
        "E408",
        "HL7 requires it, and the mapping may leave it empty.",
        "SCH-6: { from: %appt.description }",
        "Say required: true, so that such a message is parked, or give a default.",
    ),
    ("E409", "HL7 requires a segment or group, and nothing maps it.", "SIU_S12 without RGS", "Add rules for it."),
    ("E410", "Text that is not of the field's data type.", "SCH-9: { value: one hour }", "Write it as HL7 does."),
    ("E411", "Text with more components than the data type has.", "PID-8: { value: M^Male }", "Shorten it."),
    ("E412", "Text that is longer than the field.", "MSH-10 with 21 characters", "Shorten it."),
    ("E413", "A code that is not in HL7's table.", "RGS-2: { value: X }", "Use a code of the table."),
    ("E414", "Two rules write the same place of the same message.", "PID-3 and PID-3.1", "Keep one of them."),
    ("E415", "The host writes this field from the destination.", "MSH-9: { value: … }", "Remove the line."),
    ("E416", "HL7 has withdrawn or reserved the field.", "PID-2 in 2.7", "Use the field that replaced it."),
    ("E417", "A line outside the block in which its group is.", "RGS-1 beside RESOURCES[]", "Move it into the block."),
    ("E418", "Inside a repeating field stand only its components.", "PID-3[]: { map: { PID-5: … } }", "Move it out."),
    # -- route, destinations, tests --------------------------------------------------------------------------------
    ("E430", "An action that no line of the route does.", "when: reqest", "Correct it, or add a line to the route."),
    (
        "E431",
        "The route does not cover all messages.",
        "no otherwise:",
        "Add a last line { otherwise: true, error: … }.",
    ),
    ("E432", "A line of the route must say when, and exactly one of do, filter, error.", "{ when: … }", "Complete it."),
    ("E433", "A line of the route that is never reached.", "otherwise: true in the middle", "Put it last."),
    ("E441", "An HL7 version that is not known here.", 'hl7: "2.9"', "Use one that is."),
    ("E442", "A character set that cannot be written.", "charset: UTF8", "Write it as HL7 table 0211 does."),
    ("E443", "Not a wait.", "wait: 5", "Write the shortest and the longest: 1s..5m."),
    ("E444", "No such destination, or destinations that wait for each other.", "after: powersever", "Correct it."),
    ("E445", "An action of the route without a message.", "message: without cancel", "Add the message."),
    ("E446", "The HL7 version has no such message, or it has another structure.", "SIU^S99", "Correct it."),
    (
        "E450",
        "A test that cannot be told from another, or does not say enough.",
        "two tests of one name",
        "Complete it.",
    ),
    ("E451", "A file of a test is not there, or is not JSON.", "given: samples/reqest.json", "Correct the name."),
    ("E452", "A change of a test leads nowhere in its document.", "/entry/99/resource/status", "Correct the pointer."),
    ("E453", "A test's time without its offset.", "now: 2025-11-20", "Write it as 2025-11-20T15:30:00-03:00."),
    # -- FHIR's side, where HL7 is read ----------------------------------------------------------------------------
    (
        "E460",
        "A target is no place in the resource that the destination writes.",
        "Patient.gender where Appointment is written",
        "Write the whole path from the resource's name, such as Appointment.participant.status.",
    ),
    ("E461", "FHIR R4 has no such element there.", "Appointment.staus", "Correct it; FHIR's names are exact."),
    (
        "E462",
        "An element of several types: its name in JSON has the type in it.",
        "Patient.deceased",
        "Write the name with the type, such as Patient.deceasedBoolean.",
    ),
    ("E463", "A single value has no map of its own.", "Appointment.status: { map: … }", "Write a rule."),
    (
        "E464",
        "What the rule gives is not of the element's type.",
        "Appointment.start: { from: SCH-11[1].4 }",
        "Use the format that is suggested, or name a part of the element.",
    ),
    (
        "E465",
        "A text that is no code of an element whose codes FHIR fixes.",
        "Appointment.status: { value: no-show }",
        "Use one of FHIR's codes; HL7's codes need a table.",
    ),
    (
        "E470",
        "FHIR requires an element of a resource or part that is written, and nothing maps it.",
        "a participant without its status",
        "Map it.",
    ),
    (
        "E471",
        "FHIR requires the element, and its rule may give nothing.",
        "Appointment.status: { from: … }",
        "Say required: true, so that such a message is parked, or give a default.",
    ),
    (
        "E472",
        "find: takes names of let: that give an Identifier or a text.",
        "find: { identifier: SCH-2.1 }",
        "Give it a name in let:, as: Identifier, and write the name with %.",
    ),
    ("E473", "join: names an element that is no list.", "join: { status: [code] }", "Name a list, such as identifier."),
    (
        "E475",
        "The accepted messages have different structures.",
        "accept: [SIU^S12, ORM^O01]",
        "Write a file for each structure.",
    ),
    ("E476", "A condition on an event that from.accept does not have.", "MSH-9.2: S99", "Correct it, or accept it."),
    (
        "E477",
        "A table is read backwards, and one name stands for two systems.",
        "two rows of authorities.csv with the namespace BLUME",
        "Give each system a name of its own.",
    ),
    # -- to DICOM --------------------------------------------------------------------------------------------------
    (
        "E700",
        "A keyword or tag that DICOM does not have (PS3.6).",
        "PatientsName: { from: … }",
        "Write the attribute's keyword, such as PatientName, or its tag, such as (0010,0010).",
    ),
    (
        "E701",
        "A text that is no value of the attribute's representation (PS3.5, 6.2).",
        "Modality: { value: ct }",
        "Write it as the representation asks: a CS in capitals, a DA as 20251201, a UI of digits and dots.",
    ),
    (
        "E702",
        "An attribute that the host writes: the class, the character set, file meta information.",
        "SOPClassUID: { value: … }",
        "Take the line away; object: or sop_class: of the destination says the class.",
    ),
    (
        "E703",
        "An attribute that DICOM has retired.",
        "OtherPatientIDs: { from: … }",
        "Use what has taken its place, if the receiver knows it.",
    ),
    (
        "E704",
        "An attribute that the object must have with a value (type 1), and no line writes it.",
        "object: encapsulated-pdf without SeriesInstanceUID",
        "Map it. What may be empty (type 2) the host writes by itself.",
    ),
    (
        "E705",
        "An attribute that must have a value, and its line may give nothing.",
        "StudyInstanceUID: { from: … }",
        "Say required: true, so that such a message is parked, or give a default.",
    ),
    (
        "E706",
        "A destination whose object is none, or has a SOP class of its own.",
        "object: pdf",
        "Write worklist-item, encapsulated-pdf, or attributes with sop_class.",
    ),
    (
        "E707",
        "A destination for DICOM that does not say what becomes of an instance whose answer was lost.",
        "pacs: { connector: dicom-sender, station: pacs, object: encapsulated-pdf }",
        "Add when_unanswered: resend where the peer keeps one of each instance, or hold where a person must decide.",
    ),
    # -- a channel's kind ------------------------------------------------------------------------------------------
    (
        "E480",
        "kind: names no kind of channel that is installed, or one that has no rules for this direction.",
        "kind: appointments",
        "Correct it; plugin-host plugins lists the kinds.",
    ),
    ("E481", "facts: without kind: nobody would look at them.", "facts: { placer: … }", "Add kind:, or leave it out."),
    (
        "E482",
        "A fact that the kind does not know, or one that it needs and the mapping does not name.",
        "facts: { plaser: … }",
        "Correct or add it; docs/kinds.md lists the facts of each kind.",
    ),
    (
        "E483",
        "A name, or a text of it, that the rules of the kind never give.",
        "values: { change: confirmed }",
        "Correct it; docs/kinds.md lists what each kind gives.",
    ),
)
