"""Who does a job: made of the settings that its channel's running revision gives its destination."""

from __future__ import annotations

from channels import registry
from channels.job_peers import Peers
from channels.job_runner import NoWork, Work
from channels.prior import PullPriorWork
from channels.prior_settings import PullPrior
from channels.settings import build
from channels.share_settings import StudyShare
from channels.study_share import StudyShareWork
from store import directory
from store.jobs import Job
from store.store import Store


class Workshop:
    """Makes the workers of jobs, one for each destination of each revision."""

    def __init__(self, store: Store, zone: str) -> None:
        """`zone` is the site's (an IANA name)."""
        self._store, self._zone = store, zone
        self._made: dict[tuple[str, str], tuple[str, Work, Peers]] = {}
        self._left: list[Peers] = []

    def work_of(self, job: Job) -> Work:
        """Return who does a job.

        Raises:
            NoWork: its channel is stopped, or has no such destination any more.
        """
        row = next((row for row in directory.channels(self._store.connection) if row.name == job.channel), None)
        if row is None or row.revision is None or row.state == "stopped":
            raise NoWork(f"channel {job.channel} does not run")
        key = job.channel, job.destination
        made = self._made.get(key)
        if made is None or made[0] != row.revision:
            if made is not None:
                self._left.append(made[2])
            made = self._made[key] = (row.revision, *self._make(row, row.revision, job.destination))
        return made[1]

    def _make(self, row: directory.ChannelRow, revision: str, destination: str) -> tuple[Work, Peers]:
        plan = directory.plan(self._store.connection, row.number, revision)
        parts = plan["destinations"] if plan is not None else {}
        part = parts.get(destination) if isinstance(parts, dict) else None
        if part is None:
            raise NoWork(f"channel {row.name} has no destination {destination} any more")
        settings = build(registry.load("connector", part["connector"]), part["settings"])
        if isinstance(settings, StudyShare):
            peers = Peers(settings, settings.omegaai, mail=settings.mail)
            return StudyShareWork(self._store, settings, peers, self._zone), peers
        if isinstance(settings, PullPrior):
            peers = Peers(settings, settings.omegaai, results=settings.results)
            return PullPriorWork(self._store, settings, peers, self._zone), peers
        raise NoWork(f"destination {destination} of channel {row.name} starts no jobs")

    async def close(self) -> None:
        """Hang up on all peers."""
        for peers in [*self._left, *(made[2] for made in self._made.values())]:
            await peers.close()
