"""Checks of the site's own files: mappings, plug-ins, secrets, the words that PowerServer must find exactly so."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from channels import registry
from connectors.secret import read_secret
from host.doctor.check import Examined, Told, bad, doubtful, good, unknown
from messages.problem import Problems
from store.connection import KEY_FILE
from transformers.mapping_site import RESOURCES_FILE, is_secret
from transformers.resource_file import read_plan

#: The priority that PowerServer must have, letter by letter. Source: vendor's page "Power Server - Blume Integration".
PRIORITY = "SCHEDULED STATUS"


def mappings(examined: Examined) -> Iterable[Told]:
    """Every mapping file is fit to run."""
    if not examined.files:
        yield bad("the site has no mapping file", "plugin-host init DIR makes a site with the shipped ones")
    for file in examined.files:
        errors = [problem for problem in file.problems if problem.severity == "error"]
        if errors:
            yield bad(f"{len(errors)} mistake(s), the first: {errors[0]}".splitlines()[0], about=file.path.name)
        else:
            yield good("fit to run", file.path.name)


def resource_file(examined: Examined) -> Iterable[Told]:
    """resource-sync.yaml is fit."""
    if not (examined.site.folder / RESOURCES_FILE).exists():
        yield unknown(
            f"the site has no {RESOURCES_FILE}: its bookable resources are not compared",
            f"plugin-host init has {RESOURCES_FILE}",
        )
        return
    try:
        read_plan(examined.site)
    except Problems as problems:
        first = str(problems.problems[0]).splitlines()[0]
        yield bad(f"{len(problems.problems)} mistake(s), the first: {first}")
        return
    yield good("fit")


def plugins(examined: Examined) -> Iterable[Told]:
    """No plug-in is broken, and what channels name is installed."""
    broken = [plugin for plugin in registry.plugins() if plugin.broken]
    named = {part["connector"] for plan in examined.plans() for part in (plan["from"], *plan["destinations"].values())}
    for plugin in broken:
        told = bad if plugin.kind == "connector" and plugin.name in named else doubtful
        yield told(f"{plugin.kind} {plugin.name} of {plugin.origin}: {plugin.broken}", about=plugin.name)
    if not broken:
        yield good("every plug-in that is installed can be used")


def secrets(examined: Examined) -> Iterable[Told]:
    """Every secret that a setting names can be read, by nobody but us."""
    found = sorted(set(_secrets("", examined.site.stations)) | set(_secrets("", examined.site.console)))
    for at, reference, folder in found:
        name = reference.removeprefix("${secret:").removesuffix("}")
        try:
            read_secret(reference, folder or None)
        except (OSError, ValueError) as error:
            yield bad(str(error), f"set the environment variable {name}, or write the file (mode 0600)", about=at)
        else:
            yield good(f"secret {name} can be read", at)
    if not found:
        yield good("no setting names a secret")


def _secrets(at: str, value: Any, folder: str = "") -> Iterator[tuple[str, str, str]]:
    """Yield (place, reference, folder) of each secret in settings."""
    if isinstance(value, Mapping):
        folder = str(value.get("secrets_folder") or folder)
        for name, item in value.items():
            yield from _secrets(f"{at}.{name}".lstrip("."), item, folder)
    elif is_secret(value):
        yield at, str(value), folder


def store_key(examined: Examined) -> Iterable[Told]:
    """The store's key is nobody else's to read."""
    path = examined.data / KEY_FILE
    if not path.exists():
        yield unknown("no key lies beside the store: it comes from the environment, or there is no store yet", "")
    elif os.name != "posix":
        yield unknown(
            "the rights of files are kept by this system's access lists", f"let only the host's user read {path}"
        )
    elif stat.S_IMODE(path.stat().st_mode) & 0o077:
        yield bad(f"others may read {path.name}", f"chmod 600 {path}")
    else:
        yield good(f"only its owner can read {path.name}")


def priority(examined: Examined) -> Iterable[Told]:
    """The priority is written exactly so, here and in PowerServer."""
    ours = examined.site.value("priority.text")
    if ours is None:
        yield unknown(
            "values.priority.text is not in site.yaml", "write values: { priority: { text: SCHEDULED STATUS } }"
        )
    elif ours != PRIORITY:
        yield bad(f"site.yaml writes {_quoted(str(ours))}; it must be {_quoted(PRIORITY)}",
                  f"write values: {{ priority: {{ text: {PRIORITY} }} }} in site.yaml", "site.yaml")  # fmt: skip
    else:
        yield good(f"site.yaml writes {_quoted(PRIORITY)}", "site.yaml")
    yield _listed(examined)


def _listed(examined: Examined) -> Told:
    name, menu = "powerserver.priorities", "PowerServer: Settings > Server Settings > Priority"
    known = examined.declared(name)
    if not isinstance(known, list):
        text = "PowerServer's priorities cannot be read from here, and nobody has declared them"
        return unknown(text, f"look at {menu}; declare {name} in site.yaml", "PowerServer")
    if PRIORITY in known:
        return good(f"PowerServer has {_quoted(PRIORITY)}", "PowerServer", examined.by(name))
    near = [str(one) for one in known if _folded(str(one)) == _folded(PRIORITY)]
    has = f"it has {_quoted(near[0])}, which is not the same" if near else f"it has {', '.join(map(str, known))}"
    cure = f"{menu}: {'rename it to' if near else 'add'} {_quoted(PRIORITY)}, exactly so"
    return bad(f"PowerServer has no priority {_quoted(PRIORITY)}: {has}", cure, "PowerServer", examined.by(name))


def _folded(text: str) -> str:
    return re.sub(r"[\s\u00a0_-]+", "", text).casefold()


def _quoted(text: str) -> str:
    shown = re.sub(r"^ +| +$| {2,}", lambda spaces: "<space>" * len(spaces[0]), text)
    return f'"{shown.replace(chr(0xA0), "<U+00A0>")}"'


def retention(examined: Examined) -> Iterable[Told]:
    """Messages are kept long enough to recognise a resend, and not for ever."""
    days = examined.site.retention_days
    if ("retention", "days") not in examined.site.document:
        yield doubtful(f"site.yaml does not say how long messages are kept; {days} days by default",
                       "write retention: { days: N }, as the law asks of this site")  # fmt: skip
    elif days > 400:
        yield doubtful(f"messages with patient data are kept for {days} days", "shorten retention: { days: N }")
    else:
        yield good(f"messages at rest are kept for {days} days")
