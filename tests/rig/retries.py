"""T8, in part: a peer that fails is asked again once for each wait, not as fast as it fails."""

from __future__ import annotations

from pathlib import Path

from simulators.powerserver import PowerServer
from tests.rig.figures import Figures
from tests.rig.host import Processes, deploy, pause
from tests.rig.sender import Sender
from tests.rig.site import Wishes, make_site

SECONDS = 2.0


def retries(folder: Path, script: str) -> Figures:
    """Run the trial in an empty folder; `script`: what PowerServer says to every message."""
    figures = Figures("T8")
    with PowerServer([f"{script}*2000"]) as powerserver:
        site = make_site(folder / "site", folder / "data", powerserver.port, Wishes(retry_wait="100ms..400ms"))
        deploy(site)
        with Processes(site) as host:
            host.start("intake")
            with Sender(host.fhir, folder / "sender", keys=8, clients=4) as sender:
                sender.grant(24)
                sender.finish(20)
            host.start("lanes")
            pause(SECONDS)
            sends = powerserver.count
    # Waits of 0.1, 0.2 and then 0.4 s, a fifth shorter by jitter; four lines may begin at once.
    figures.at_most(f"sends in {SECONDS:g} s to a peer that says '{script}'", sends, 14)
    figures.at_least(f"sends at all ({script})", sends, 3)
    return figures
