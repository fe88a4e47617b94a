"""What several commands do with the store of a site: open it, act on it in a person's name."""

from __future__ import annotations

import contextlib
import getpass
import os
from collections.abc import Iterator
from pathlib import Path

from channels.control import Control
from connectors.doorbell import Ringer
from host.command_line import EXIT_CONFIGURATION, ROOMS, SHIPPED_SITE, Failure
from host.command_site import read_site_or_leave
from host.site import data_folder
from store import directory
from store.connection import STORE_FILE, UnsafeStore
from store.store import Store


@contextlib.contextmanager
def opened_store(site: Path) -> Iterator[Store]:
    """Open the store of a site for as long as a command needs it."""
    store = open_store(site)
    try:
        yield store
    finally:
        store.close()


def open_store(site: Path) -> Store:
    """Open the store of a site; say what is wrong and leave when that cannot be done."""
    folder = data_folder(read_site_or_leave(own_site(site)))
    if not (folder / STORE_FILE).exists():
        raise Failure(EXIT_CONFIGURATION, f"there is no store in {folder}; plugin-host run makes one")
    try:
        return Store(folder, "command")
    except UnsafeStore as error:
        raise Failure(EXIT_CONFIGURATION, str(error)) from None


def own_site(site: Path) -> Path:
    """Return the site, unless its messages would lie in an installed package's folder, as the shipped one's would."""
    elsewhere = Path(os.environ.get("PLUGIN_HOST_DATA", "")).is_absolute()
    if site == SHIPPED_SITE and not elsewhere and not (ROOMS / "pyproject.toml").exists():
        raise Failure(
            EXIT_CONFIGURATION,
            "there is no folder 'mappings' here; make one: plugin-host init mappings (or name one: --site DIR)",
        )
    return site


@contextlib.contextmanager
def bells(store: Store) -> Iterator[Ringer]:
    """Have the bells of the running processes at hand, for as long as a command needs them."""
    ringer = Ringer(lambda: [row.bell for row in directory.processes(store.connection) if row.bell])
    ringer.refresh()
    try:
        yield ringer
    finally:
        ringer.close()


@contextlib.contextmanager
def control_of(store: Store) -> Iterator[Control]:
    """Have at hand what people may do; the running processes hear of it."""
    with bells(store) as ringer:
        yield Control(store, ringer.change)


def who() -> str:
    """Return the name of the person at the command line, as the system knows it."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container may run as a number without a name
        return "command line"
