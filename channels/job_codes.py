"""Why a job waits, was refused or has failed: code → cause, example, cure; for `plugin-host explain` and the docs."""

from __future__ import annotations

from channels.share_gate import BEFORE_SHARE, BEFORE_TRANSFER, BY_OURSELVES

#: Of transfer, verification and access. Source of the statuses: DICOM PS3.4 Table C.4-2, Annex J.
_WORK = {
    "OUT_OF_RESOURCES": (
        "The archive could not count or send the instances for lack of resources (A701H, A702H).",
        "status A702H",
        "Nothing: it is tried again. If it stays so, look at the archive's disk and its load.",
    ),
    "MOVE_DESTINATION_UNKNOWN": (
        "PowerServer does not know the AE title that it was asked to send to (A801H).",
        "status A801H",
        "Add the migration station to PowerServer's stations with this AE title, host and port; then share retry.",
    ),
    "TRANSFER_REFUSED": (
        "A station refused for good what it was asked.",
        "status A900H",
        "Look at the reason's status in docs/dicom.md and at the station's log; then share retry.",
    ),
    "TRANSFER_CANCELLED": ("A station ended the transfer.", "status FE00H", "Nothing: it is tried again."),
    "NO_ANSWER": (
        "An association ended before a status was read: what has arrived is not known, and is asked.",
        "no status was read",
        "Nothing: what is missing is sent again. If it stays so, look at the line between the stations.",
    ),
    "NOT_NOW": ("A station cannot do it now.", "status 0110H", "Nothing: it is tried again."),
    "OUTSIDE_WINDOW": ("It waits for the hours in which is sent.", 'window: "20:00-06:00"',
                       "Wait, or change window: of the station."),
    "INSTANCES_MISSING": (
        "The target's list lacks instances of the study.",
        "3 of 300 instances are not at the target",
        "share show names them with the reason (a class or syntax that the target does not take …); then share retry.",
    ),
    "RESULTS_NOT_DELIVERED": (
        "The channel that takes laboratory results to PowerServer has not delivered all of them.",
        "2 of 3 laboratory results are delivered",
        "prior show names them; look at the channel's parked messages (messages find), retry those, then prior retry.",
    ),
    "REFUSED_BY_PEER": ("A peer refuses what was asked of it; it is asked again.", "OmegaAI answers 403",
                        "Look at our rights there (client, scope), or at its address."),
    "NOTHING_TO_PROVE": ("The study has no instance that could be moved.", "0 instances",
                         "Look for the study in PowerServer; all may be of ignored SOP classes."),
    "TARGET_GIVES_NO_LIST": (
        "The target answers neither C-FIND nor QIDO-RS for its instances.",
        "dicomweb: is missing",
        "Let it answer one of them, or write proof: counts.",
    ),
    "PROOF_TOO_WEAK": (
        "The instances were seen, but not by the proof that the site asks for.",
        "proven by instances only; the site asks for commitment",
        "Look why the report of storage commitment did not come (docs/dicom.md), or weaken proof:.",
    ),
    "NOBODY_HAS_ACCESS": ("Every recipient was refused.", "550 by the mail server",
                          "Look at the recipients' reasons; correct them in a new request, or share retry."),
    "SHARED_IN_PART": ("Some recipients were refused.", "2 of 3 recipients have access",
                       "Ask again for the others in a new request."),
    "RECIPIENT_INVALID": ("No recipient is a valid address of its kind.", "bo@",
                          "Correct the e-mail addresses, or write provider:ID or organization:ID."),
    "UNREACHABLE": ("A peer cannot be reached.", "connection refused",
                    "Nothing: it is tried again. plugin-host reach tells which peer."),
    "NO_CHANNEL": ("The job's channel is stopped, or has no such destination any more.", "channel study-share",
                   "Start the channel, or deploy its file again."),
    "BUG": ("A step failed by a bug; other jobs go on.", "see the log", "Report it with the log's lines."),
}  # fmt: skip

#: Of requests for prior studies.
_PRIOR = {
    "PATIENT_ID_WILDCARD": ("The patient's identifier has a character that would match other patients.", "12*",
                            "The sender must give the identifier itself."),
    "REQUEST_INVALID": ("A request in plain JSON lacks a field, or one is not what it must be; the text names it.",
                        "patient must be an object of system and value", "The sender must correct it."),
    "PERIOD_INVALID": ("The first day of the period is after the last.", "from 2026-02-01 to 2026-01-01",
                       "The sender must exchange them."),
    "TYPE_UNKNOWN": ("A type is none of images, imaging-reports, laboratory-results.", "films", "Correct the Task."),
    "TYPE_NOT_SERVED": ("The site has no way for laboratory results to PowerServer (A-60).", "laboratory-results",
                        "Set omegaai: and results: at the station of the pull, or ask for images or imaging-reports."),
    "PATIENT_SYSTEM_MISSING": ("Laboratory results are looked for by an identifier with its system.",
                               "Task.for.identifier without system", "The sender must give the system."),
    "MAXIMUM_INVALID": ("The maximum is below one.", "0", "Correct the Task."),
    "STATION_UNKNOWN": ("A station is none of those that the site asks for priors.", "ARCHIVE2",
                        "Add it to stations: and dicom:, or correct the Task."),
    "INPUT_INVALID": ("An input of the Task is no date, or no number.", "from: yesterday", "Correct the Task."),
}  # fmt: skip


def codes() -> dict[str, tuple[str, str, str]]:
    """Return code → cause, example, cure."""
    gate = {
        check.code: (f"{check.text[0].upper()}{check.text[1:]}.", f"a study share: {check.code}", f"{check.cure}.")
        for check in (*BY_OURSELVES, *BEFORE_TRANSFER, *BEFORE_SHARE)
    }
    return {**gate, **_PRIOR, **_WORK}
