"""What one request for instances names: all that is to be sent, each once, and nothing else."""

from __future__ import annotations

import random

import pytest

from channels.batches import batches
from store.job_parts import JobInstance

EVERY = [
    JobInstance(sop_instance=f"{study}.{series}.{number}", sop_class="c", series=f"{study}.{series}", study=str(study),
                station="a")
    for study in (1, 2) for series in (1, 2, 3) for number in range(40)
]  # fmt: skip
_LEVELS = {"StudyInstanceUID": "study", "SeriesInstanceUID": "series", "SOPInstanceUID": "sop_instance"}


def selected(keys):
    """Return what a station would send for these keys."""
    return {
        row.sop_instance
        for row in EVERY
        if all(getattr(row, _LEVELS[name]) in value.split("\\") for name, value in keys.items())
    }


@pytest.mark.parametrize("most", [0, 1, 7, 40, 500])
@pytest.mark.parametrize("lacking", ["all", "one study", "one series", "some", "one"])
def test_every_instance_is_asked_for_once_and_no_other(lacking, most):
    rng = random.Random(f"{lacking}{most}")
    todo = {
        "all": EVERY,
        "one study": [row for row in EVERY if row.study == "2"],
        "one series": [row for row in EVERY if row.series == "1.2"],
        "some": sorted(rng.sample(EVERY, 130), key=EVERY.index),
        "one": [EVERY[5]],
    }[lacking]

    made = list(batches(EVERY, todo, most))

    asked = [uid for batch in made for uid in sorted(selected(batch.keys))]
    assert sorted(asked) == sorted(row.sop_instance for row in todo)
    assert [row for batch in made for row in batch.rows] == list(todo)
    assert not most or max(len(batch.rows) for batch in made) <= most


@pytest.mark.parametrize(
    ("lacking", "level"), [(EVERY[:120], {"StudyInstanceUID"}), (EVERY[:40], {"StudyInstanceUID", "SeriesInstanceUID"})]
)
def test_what_lacks_whole_is_asked_for_whole(lacking, level):
    (batch,) = batches(EVERY, lacking, 0)

    assert set(batch.keys) == level
