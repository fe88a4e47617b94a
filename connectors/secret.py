"""Secrets by name: a setting holds `${secret:NAME}`, never the secret; the value is read when it is needed.

NAME is an environment variable, or else a file of that name which nobody but its owner can read, in the folder that
the settings name or in that of systemd's credentials. What is read is for the peer alone: not kept, shown or logged.
"""

from __future__ import annotations

import os
import re
import stat
from pathlib import Path

_REFERENCE = re.compile(r"\$\{secret:([A-Za-z_][A-Za-z0-9_]*)\}")
_LONGEST = 65536


def secret_name(reference: str) -> str:
    """Return NAME of `${secret:NAME}`.

    Raises:
        ValueError: anything else; the text does not repeat it, for it may be the secret itself.
    """
    match = _REFERENCE.fullmatch(reference)
    if match is None:
        raise ValueError("a secret is written ${secret:NAME}; the secret itself never stands in a file")
    return match[1]


def read_secret(reference: str, folder: str | None = None) -> str:
    """Return the secret that `${secret:NAME}` names, read anew, so that a changed one counts at once.

    Raises:
        ValueError: not a reference.
        FileNotFoundError: neither a variable nor a file of that name.
        PermissionError: others than its owner may read the file.
    """
    name = secret_name(reference)
    if value := os.environ.get(name):
        return value
    place = folder or os.environ.get("CREDENTIALS_DIRECTORY")
    if not place or not (path := Path(place) / name).is_file():
        where = "secrets_folder" if folder else "a folder that secrets_folder names"
        raise FileNotFoundError(f"secret {name}: no environment variable {name}, and no file {name} in {where}")
    with path.open("rb") as file:
        _check_private(file.fileno(), name)
        return file.read(_LONGEST).decode().rstrip("\r\n")


def _check_private(descriptor: int, name: str) -> None:
    if os.name != "posix":  # elsewhere the folder's access list guards it
        return
    status = os.fstat(descriptor)
    if stat.S_IMODE(status.st_mode) & 0o077:
        raise PermissionError(f"secret {name}: others may read its file; chmod 600 it")
    if status.st_uid not in (os.geteuid(), 0):
        raise PermissionError(f"secret {name}: its file belongs to somebody else")
