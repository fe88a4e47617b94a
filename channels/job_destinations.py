"""The destinations that start jobs, as plug-ins: their settings are those of the whole job."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from channels.job_starter import JobStarter
from channels.prior_settings import PullPrior
from channels.share_settings import StudyShare


@dataclass(kw_only=True)
class StudyShareJobs(StudyShare, JobStarter):
    """Destination of a channel that shares studies."""

    kind: ClassVar[str] = "study-share"


@dataclass(kw_only=True)
class PullPriorJobs(PullPrior, JobStarter):
    """Destination of a channel that pulls prior studies."""

    kind: ClassVar[str] = "pull-prior"
