"""Every code by which a job waits or ends can be explained."""

from __future__ import annotations

import re
from pathlib import Path

from channels import job_codes, prior_request
from host.codes import codes

CHANNELS = Path(__file__).parents[2] / "channels"
FILES = ("arrival", "migration", "study_share", "prior", "prior_results", "job_runner")


def test_every_code_of_a_job_is_explained():
    text = "".join((CHANNELS / f"{name}.py").read_text() for name in FILES)
    used = set(re.findall(r'(?:code=|_later\(key, job, |: )"([A-Z]+(?:_[A-Z]+)+|BUG|UNREACHABLE)"', text))

    used |= {code for code, *_ in prior_request.REFUSALS}

    assert {"MOVE_DESTINATION_UNKNOWN", "PROOF_TOO_WEAK", "PERIOD_INVALID", "NO_CHANNEL", "BUG"} <= used
    assert used <= set(job_codes.codes())
    assert set(job_codes.codes()) <= set(codes())
