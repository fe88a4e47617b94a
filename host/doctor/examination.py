"""Opens what the doctor looks at: the site, its files checked, and the store where there is one."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator

from host.doctor.check import Examined
from host.site import data_folder
from messages.problem import Problems
from store.connection import STORE_FILE, Connection, UnsafeStore, connect
from transformers.mapping_site import Site
from transformers.resource_file import SyncPlan, read_plan


@contextlib.contextmanager
def examination(site: Site, *, offline: bool = False) -> Iterator[Examined]:
    """Yield what is examined; the store is opened for reading only, and closed again."""
    data = data_folder(site)
    store: Connection | None = None
    problem = ""
    if (data / STORE_FILE).exists():
        try:
            store = connect(data, read_only=True)
        except UnsafeStore as error:
            problem = str(error)
    try:
        yield Examined(
            site=site, sync=_plan(site), data=data, store=store, store_problem=problem, now=time.time(),
            offline=offline,
        )  # fmt: skip
    finally:
        if store is not None:
            store.close()


def _plan(site: Site) -> SyncPlan | None:
    try:
        return read_plan(site)
    except Problems:
        return None  # the check of the file says why
