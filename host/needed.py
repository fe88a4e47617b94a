"""Which processes a host needs beside the ones that it always has: it follows from the channels that are deployed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from channels import channel as channels
from store import directory
from store.connection import Connection

#: Runs the lanes of channels whose transformer is heavy.
WORK = "work"
#: The door for DICOM: started where site.yaml has it, for no channel alone.
DICOM = "dicom"
#: Runs study shares and pulls of priors.
JOBS = "jobs"
#: Connectors whose deliveries are jobs.
_STARTS_JOBS = frozenset({"study-share", "pull-prior"})
#: Roles that are started when a deployed channel, or the site, first needs them.
SPARE = (WORK, DICOM, JOBS)


def roles_of(plan: Mapping[str, Any]) -> frozenset[str]:
    """Return the roles that a channel needs beside intake, lanes and console."""
    starts_jobs = any(part["connector"] in _STARTS_JOBS for part in plan["destinations"].values())
    return frozenset({*((WORK,) if channels.is_heavy(plan) else ()), *((JOBS,) if starts_jobs else ())})


def roles(connection: Connection) -> frozenset[str]:
    """Return the roles that the deployed channels need beside intake, lanes and console."""
    needed: frozenset[str] = frozenset()
    for row in directory.channels(connection):
        plan = directory.plan(connection, row.number, row.revision) if row.revision else None
        needed |= roles_of(plan) if plan is not None else frozenset()
    return needed
