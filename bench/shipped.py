"""The shipped mapping of a site, to hold the floor's against, and the compiled rules of its messages."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from channels import registry
from channels.kind import Go, ask_anew
from host.site import check_files, mapping_files, read_site
from transformers.base import Given, Transformed

CHANNEL = "appointment-to-powerserver"


def plan_of(site: Path) -> dict[str, Any]:
    """Return the checked plan of the appointment channel.

    Raises:
        AssertionError: the site's file has problems.
    """
    files = check_files(read_site(site), mapping_files(site))
    file = next(one for one in files if one.channel == CHANNEL)
    plan = file.checked.plan
    assert plan, "\n".join(map(str, file.problems))
    return plan


def shipped_mapping(site: Path) -> Callable[[bytes, str], bytes]:
    """Return a function from a Bundle and a control id to the message that the host would send."""
    plan = plan_of(site)
    transformer = registry.load("transformer", plan["transformer"])(plan)
    kind = registry.load("channel", plan["kind"])(plan["transformer"], plan["settings"])
    destination = next(iter(plan["destinations"]))

    def transform(body: bytes, control_id: str) -> bytes:
        document = transformer.check(body)
        admission = transformer.admit(document)[0]
        now = datetime.now(UTC)
        said = ask_anew(kind, admission.facts, now.timestamp())
        assert isinstance(said, Go), said
        given = Given(
            now=now, control_id=control_id, destination=destination, focus=admission.focus, values=said.values
        )  # fmt: skip
        result = transformer.transform(document, given)
        assert isinstance(result, Transformed), result
        return result.encoded

    return transform
