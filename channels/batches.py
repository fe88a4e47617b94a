"""Parts the instances that are to be sent into requests: a whole study where nothing of it is there, else series, else
instances by their names. Pure. Source: DICOM PS3.4 C.6.2.1 (unique keys of each level).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from operator import attrgetter

from store.job_parts import JobInstance

#: SOP Instance UIDs that one request names at most: 64 characters each, they must fit into a command's data set.
_NAMED = 100


@dataclass(frozen=True, slots=True)
class Batch:
    """What one request asks for."""

    #: Keyword → UIDs, at the highest level that names nothing else.
    keys: Mapping[str, str]
    rows: list[JobInstance]


def batches(every: Sequence[JobInstance], todo: Sequence[JobInstance], most: int) -> Iterator[Batch]:
    """Yield the requests for `todo`, ordered by study and series.

    Args:
        every: All instances of the job: a study or series is asked for whole only where none of it is left out.
        todo: Those that are to be sent.
        most: Instances that one request asks for at most; 0: as many as there are.
    """
    studies, series = Counter(row.study for row in every), Counter(row.series for row in every)

    def batch(rows: list[JobInstance]) -> Batch:
        keys = {"StudyInstanceUID": rows[0].study}
        if len(rows) < studies[rows[0].study]:
            keys["SeriesInstanceUID"] = rows[0].series
            if len(rows) < series[rows[0].series]:
                keys["SOPInstanceUID"] = "\\".join(row.sop_instance for row in rows)
        return Batch(keys, rows)

    for study, of_study in groupby(todo, attrgetter("study")):
        lacking = list(of_study)
        if len(lacking) == studies[study] and (not most or len(lacking) <= most):
            yield batch(lacking)
            continue
        for uid, of_series in groupby(lacking, attrgetter("series")):
            rows = list(of_series)
            size = most or (len(rows) if len(rows) == series[uid] else _NAMED)
            for start in range(0, len(rows), size):
                yield batch(rows[start : start + size])
