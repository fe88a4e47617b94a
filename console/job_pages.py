"""The pages of jobs, made once for all of them and once for study shares: the list, one job, what a person may do.

Identifiers and addresses of the request are shown on no page: a job is known by its number, a recipient by its kind.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from http import HTTPStatus
from typing import Any, get_args

from flask import Blueprint, Response, abort, jsonify, redirect, render_template, request, url_for
from flask_babel import LazyString
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l

from channels.control import JobAct, NoSuchJob, allowed_acts
from console import notes
from console.access import needs, who
from console.desk import desk
from messages.audit import Outcome
from messages.job_states import FAILED, OPEN, State
from store import audit, job_parts, job_results, jobs

LIMIT = 50

#: State → (icon, tone, word).
STATES: dict[State, tuple[str, str, LazyString]] = {
    State.RECEIVED: ("received", "off", _l("Received")),
    State.VALIDATED: ("received", "off", _l("Checked")),
    State.QUERYING: ("queued", "warn", _l("Asking")),
    State.TRANSFERRING: ("pending", "warn", _l("On its way")),
    State.VERIFYING: ("queued", "warn", _l("Being verified")),
    State.ELIGIBLE: ("verified", "off", _l("Arrived, to be shared")),
    State.SHARING: ("pending", "warn", _l("Being shared")),
    State.SHARED: ("verified", "run", _l("Shared")),
    State.ARRIVED: ("verified", "run", _l("Arrived")),
    State.REJECTED: ("error", "err", _l("Rejected")),
    State.TRANSFER_FAILED: ("error", "err", _l("Transfer failed")),
    State.VERIFY_FAILED: ("error", "err", _l("Arrival not proven")),
    State.SHARE_FAILED: ("error", "err", _l("Share failed")),
    State.EXPIRED: ("cancelled", "off", _l("Expired")),
    State.REVOKED: ("cancelled", "off", _l("Revoked")),
    State.CANCELLED: ("cancelled", "off", _l("Cancelled")),
}

#: Kind of job → its title.
KINDS: dict[str | None, LazyString] = {
    "study-share": _l("Study shares"),
    "pull-prior": _l("Pulls of priors"),
    None: _l("Jobs"),
}

#: Proof of arrival, as a person reads it; the strongest first.
PROOFS: dict[str, LazyString] = {
    "commitment": _l("storage commitment"),
    "instances": _l("every instance seen in the target's list"),
    "counts": _l("the target's number of instances"),
    "accepted": _l("every laboratory result accepted by its destination"),
}

RECIPIENTS: dict[str, LazyString] = {
    "waiting": _l("waiting"),
    "asked": _l("asked, no answer yet"),
    "shared": _l("has access"),
    "refused": _l("refused"),
    "revoked": _l("access ended"),
}

ACTS: dict[JobAct, LazyString] = {
    "retry": _l("Try again"),
    "revoke": _l("End it"),
    "resume": _l("Look at once"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """A list of jobs."""

    jobs: list[jobs.Job]
    counts: dict[State, int]
    state: State | None
    older: int | None
    #: Blueprint of the pages that show it.
    of: str
    title: LazyString


@dataclass(frozen=True, slots=True, kw_only=True)
class One:
    """One job, with its parts."""

    job: jobs.Job
    history: list[jobs.JobEvent]
    tally: dict[str, int]
    #: Laboratory results, by how far they are.
    results: dict[str, int]
    recipients: list[job_parts.Recipient]
    commitments: list[job_parts.Commitment]
    acts: list[JobAct]
    of: str


#: What the templates need besides.
WORDS: dict[str, Any] = {
    "JOB_STATES": STATES,
    "PROOFS": PROOFS,
    "RECIPIENTS": RECIPIENTS,
    "JOB_ACTS": ACTS,
    "KINDS": KINDS,
}


def blueprint(name: str, kind: str | None) -> Blueprint:
    """Return the pages of one kind of job, or of all (None), at `/NAME`."""
    pages = Blueprint(name, __name__)

    @pages.get(f"/{name}")
    @needs("viewer")
    def page() -> str:
        """List jobs, newest first."""
        return render_template("jobs.html", **WORDS, view=_listed(name, kind), notes=notes.take())

    @pages.get(f"/{name}.json")
    @needs("viewer")
    def page_json() -> Response:
        """Return jobs, without whom they are about."""
        view = _listed(name, kind)
        return jsonify(schema=1, jobs=[_json(job) for job in view.jobs], counts=view.counts, older=view.older)

    @pages.get(f"/{name}/<int:number>")
    @needs("operator")
    def one(number: int) -> str:
        """Show one job: its steps, counts, proof, recipients and links."""
        return render_template("job.html", **WORDS, view=_one(name, number, kind), notes=notes.take())

    @pages.get(f"/{name}/<int:number>.json")
    @needs("operator")
    def one_json(number: int) -> Response:
        """Return one job, without whom it is about."""
        return jsonify(schema=1, **_one_json(_one(name, number, kind)))

    @pages.post(f"/{name}/<int:number>/act")
    @needs("operator")
    def act(number: int) -> Any:
        """Retry, end or resume a job."""
        return _act(name, number, kind)

    return pages


def _listed(name: str, kind: str | None) -> Listed:
    """Read a list by the filters of the address."""
    word = request.args.get("state") or None
    if word is not None and word not in set(State):
        abort(HTTPStatus.BAD_REQUEST, _("There is no such state."))
    state = None if word is None else State(word)
    wanted = jobs.Wanted(
        kind=kind, states=frozenset() if state is None else frozenset({state}), before=notes.number("before"),
        limit=LIMIT,
    )  # fmt: skip
    with desk().reader.snapshot() as connection:
        found, counts = jobs.find(connection, wanted), jobs.counts(connection, kind)
    return Listed(jobs=found, counts=counts, state=state, older=found[-1].number if len(found) == LIMIT else None,
                  of=name, title=KINDS[kind])  # fmt: skip


def _one(name: str, number: int, kind: str | None) -> One:
    """Read one job; that somebody looked at it is in the audit trail."""
    with desk().reader.snapshot() as connection:
        job = jobs.get(connection, number)
        if job is None or (kind is not None and job.kind != kind):
            abort(HTTPStatus.NOT_FOUND, _("There is none of this number."))
        view = One(
            job=job, history=jobs.history(connection, number), tally=job_parts.tally(connection, number),
            results=job_results.tally(connection, number),
            recipients=job_parts.recipients(connection, number), acts=allowed_acts(job),
            commitments=job_parts.commitments(connection, number), of=name,
        )  # fmt: skip
    _note_view(number)
    return view


def _note_view(number: int) -> None:
    by, address = who(), request.remote_addr or ""
    with desk().turn:
        desk().control.write(
            lambda tx: audit.record(tx, by, "share-viewed", f"job:{number}", Outcome.SUCCESS, address=address)
        )


def _one_json(view: One) -> dict[str, Any]:
    recipients = [
        {"number": r.number, "kind": r.kind, "state": r.state, "link": r.link, "changed_at": r.changed_at}
        for r in view.recipients
    ]
    return {
        **_json(view.job), "history": [asdict(line) for line in view.history], "instances": view.tally,
        "results": view.results, "recipients": recipients, "allowed": view.acts,
    }  # fmt: skip


def _act(name: str, number: int, kind: str | None) -> Any:
    """Do to a job what the form says, and go back to its page."""
    wish = next((wish for wish in get_args(JobAct) if wish == request.form.get("act")), None)
    if wish is None:
        abort(HTTPStatus.BAD_REQUEST, _("A job can be tried again, ended, or looked at at once."))
    with desk().reader.snapshot() as connection:
        job = jobs.get(connection, number)
    if job is None or (kind is not None and job.kind != kind):
        abort(HTTPStatus.NOT_FOUND, _("There is none of this number."))
    try:
        with desk().turn:
            outcome = desk().control.act_on_job(
                number, wish, by=who(), reason=notes.reason(), address=request.remote_addr or ""
            )
    except NoSuchJob:
        abort(HTTPStatus.NOT_FOUND, _("There is none of this number."))
    notes.leave(asdict(outcome))
    return redirect(url_for(f"{name}.one", number=number), HTTPStatus.SEE_OTHER)


def _json(job: jobs.Job) -> dict[str, Any]:
    return {
        "number": job.number, "kind": job.kind, "reference": job.reference, "channel": job.channel, "state": job.state,
        "needs_attention": job.state in FAILED, "is_open": job.state in OPEN, "created_at": job.created_at,
        "changed_at": job.changed_at, "next_at": job.next_at, "expires_at": job.expires_at, "attempts": job.attempts,
        "code": job.reason_code, "reason": job.reason, "progress": job.progress, "proof": job.proof,
    }  # fmt: skip
